//! The consent page shows what the specifications ask for, and a hostile client cannot change what it means.

use askama::Template;
use portcullis_web::layout::Chrome;

use super::*;

const HOSTILE: &str = r#""><script>alert(1)</script>"#;
const INERT: &str = "&#34;&#62;&#60;script&#62;alert(1)";

fn consent(origin: ClientOrigin, place: Place, text: &str) -> String {
    let mut scope = ScopeChoice::new(
        text,
        vec![ToolGroup { connection: text.into(), tools: vec![text.into(), text.into()] }],
    );
    scope.explanation = text.into();
    let uri = (!matches!(place, Place::Device(_))).then(|| text.to_owned());
    let page = ConsentPage {
        chrome: Chrome::signed_in(text, text, text),
        csrf: text.into(),
        request: text.into(),
        return_to: text.into(),
        client: RequestingClient { name: text.into(), id: text.into(), origin, site: Some(text.into()) },
        sends_to: ReturnAddress { uri, place },
        targets: vec![TargetScopes {
            resource: TargetResource { name: text.into(), host: Some(text.into()), uri: text.into() },
            field: text.into(),
            scopes: vec![scope],
            missing: None,
        }],
        identity: vec![ScopeChoice::new("openid", vec![])],
        stay: Some(ScopeChoice::new("offline_access", vec![])),
        account: text.into(),
        connections: Some(vec![ConnectionChoice {
            id: text.into(),
            alias: text.into(),
            server: text.into(),
            account: Some(text.into()),
            ticked: true,
        }]),
        all_connections: false,
        connect: None,
        lifetime: Lifetime::Renewed { idle: 30 * 86_400, absolute: 90 * 86_400 },
        error: Some(text.into()),
    };
    page.render().unwrap_or_default()
}

fn published_by(host: &str, only_local: bool) -> PublishingHost {
    PublishingHost { name: host.into(), approved: false, only_local }
}

/// OA21-7.12-1: `state`, names and addresses are a stranger's text, whatever the place of the answer.
#[test]
fn hostile_text_is_inert() {
    let hostile = || HOSTILE.to_owned();
    let asked = Moment { exact: hostile(), words: hostile() };
    let device = AskingDevice { code: hostile(), address: hostile(), is_near: false, asked };
    let places = [Place::Host(hostile()), Place::Loopback(hostile()), Place::Scheme(hostile())];
    for place in places.into_iter().chain([Place::Device(device)]) {
        let html = consent(ClientOrigin::Document(published_by(HOSTILE, false)), place, HOSTILE);
        assert!(!html.contains("<script>"));
        assert!(html.matches(INERT).count() >= 25, "{html}");
    }
}

/// MCP-AUTH-24, R7591-5-1: "Google" from an unknown host shows the host.
#[test]
fn a_self_registered_client_is_shown_by_its_host_and_as_unverified() {
    let html = consent(ClientOrigin::SelfRegistered, Place::Host("evil.example".into()), "Google");
    assert!(html.contains(r#"<bdi dir="ltr">evil.example</bdi>"#));
    assert!(html.contains("This client is unverified."));
    assert!(!html.contains("<img src=\"http") && !html.contains("href=\"http"));
}

/// MCP-AUTH-25: the extra warning belongs to loopback, and is absent for https.
#[test]
fn only_an_answer_to_this_computer_carries_the_loopback_warning() {
    let metadata = || ClientOrigin::Document(published_by("client.example", false));
    let loopback = consent(metadata(), Place::Loopback("127.0.0.1:53682".into()), "Inspector");
    assert!(loopback.contains("an app on this computer") && loopback.contains("(127.0.0.1:53682)"));
    assert!(loopback.contains("Any program that runs here could pass itself off"));
    let https = consent(metadata(), Place::Host("client.example".into()), "Inspector");
    assert!(!https.contains("Any program that runs here") && !https.contains("notice warn"));
}

/// CIMD-6.4-1, A31: the host stands in large type, cut from its left, whatever the client calls itself; and nobody vouches.
#[test]
fn a_client_with_a_document_is_shown_by_the_host_of_its_document() {
    let long =
        "accounts.google.com.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.evil.example";
    for host in [long, "xn--bcher-kva.example"] {
        let origin = ClientOrigin::Document(published_by(host, false));
        let html = consent(origin, Place::Host("client.example".into()), "Claude");
        assert!(html.contains(&format!(r#"<p class="host" title="{host}"><bdi dir="ltr">{host}</bdi></p>"#)));
        assert!(html.contains("This client is not registered here.") && !html.contains("<img src=\"http"));
    }
    let approved = PublishingHost { approved: true, ..published_by("client.example", false) };
    let html = consent(ClientOrigin::Document(approved), Place::Host("client.example".into()), "Claude");
    assert!(html.contains("Allowed by your administrator") && !html.contains("not registered here"));
}

/// MCP-AUTH-25: a document that knows this computer alone can be used by any program on it.
#[test]
fn a_document_for_this_computer_alone_carries_a_warning_of_its_own() {
    let page = |only_local| {
        let origin = ClientOrigin::Document(published_by("client.example", only_local));
        consent(origin, Place::Loopback("127.0.0.1:53682".into()), "Claude Code")
    };
    assert!(page(true).contains("Its address proves little here."));
    assert!(!page(false).contains("Its address proves little here."));
}

/// The form's first button decides what the Enter key does: it is one that does nothing.
#[test]
fn both_answers_are_buttons_and_neither_is_the_default() {
    let html = consent(ClientOrigin::Admin, Place::Host("client.example".into()), "Inspector");
    let form = html.split(r#"action="/oauth/consent">"#).nth(1).unwrap_or_default();
    let buttons: Vec<_> = form
        .match_indices("<button")
        .map(|(at, _)| form[at..].split_inclusive('>').next().unwrap_or_default())
        .collect();
    assert!(buttons[0].contains(r#"formmethod="dialog""#), "{buttons:?}");
    assert!(
        form.contains(r#"name="decision" value="deny""#)
            && form.contains(r#"name="decision" value="approve""#)
    );
}

/// R8628-5.4-1, R8628-3.3-1, A48: the code to compare, the place, the time, and what a stranger's link looks like.
#[test]
fn a_device_is_shown_by_its_code_its_place_and_its_time() {
    let device = |is_near| {
        Place::Device(AskingDevice {
            code: "WDJB-MJHT".into(),
            address: "203.0.113.9".into(),
            is_near,
            asked: Moment::new(0, 300),
        })
    };
    let far = consent(ClientOrigin::Admin, device(false), "Television");
    for text in ["WDJB-MJHT", "203.0.113.9", "5 minutes ago", "Is it in front of you?", "a different network"]
    {
        assert!(far.contains(text), "{text} in {far}");
    }
    assert!(!far.contains("Full address"));
    assert!(!consent(ClientOrigin::Admin, device(true), "Television").contains("a different network"));
}

/// DC-6 and the tick boxes: what was asked for is ticked, "later ones too" is not.
#[test]
fn scopes_are_ticked_and_connections_added_later_are_not() {
    let html = consent(ClientOrigin::Admin, Place::Host("client.example".into()), "mcp.tools.execute");
    assert!(html.contains("Use the tools") && html.contains("Stay connected") && html.contains("2 tools"));
    assert!(html.contains(r#"value="offline_access" aria-describedby="stay-about" checked"#));
    assert!(html.contains(r#"value="yes" aria-describedby="all-connections-about">"#));
}

#[test]
fn lifetimes_are_words() {
    let renewed = Lifetime::Renewed { idle: 30 * 86_400, absolute: 90 * 86_400 }.sentence();
    assert!(renewed.contains("not been used for 30 days, and for 90 days at most"), "{renewed}");
    assert_eq!(Lifetime::Once { access: 3_600 }.sentence(), "The access ends after 1 hour.");
    assert_eq!(in_words(5_400), "90 minutes");
    assert_eq!(in_words(0), "0 seconds");
}
