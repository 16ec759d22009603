//! Several resources in one grant (RFC 8707): each with its own tick boxes and scopes, and one audience to a token.

use portcullis_database::both_engines;
use portcullis_oauth::{Alias, GrantType};
use portcullis_tests::{Answer, Browser, Client, Pkce, ResourceServer, Tokens, World};
use serde_json::json;

const NOTES: &str = "https://notes.example/mcp";
const FILES: &str = "https://files.example/mcp";
const OURS: &str = "http://localhost:8420/mcp";

async fn servers(world: &World) -> (ResourceServer, ResourceServer) {
    (ResourceServer::at(world, NOTES).await, ResourceServer::at(world, FILES).await)
}

/// The consent page for these resources.
async fn ask(
    browser: &mut Browser<'_>,
    client: &Client,
    pkce: &Pkce,
    resources: &[&str],
    scope: &str,
) -> Answer {
    let mut changes: Vec<(&str, &str)> = resources.iter().map(|uri| ("resource", *uri)).collect();
    changes.push(("scope", scope));
    browser.reach_consent(&client.authorize(pkce, &changes)).await
}

/// What one token is for: `aud scope`, or `inactive` for whoever asks.
async fn told(world: &World, server: &ResourceServer, token: &str) -> String {
    let told = server.introspect(world, token).await.json();
    if told["active"] == false {
        return "inactive".to_owned();
    }
    format!("{} {}", told["aud"].as_str().unwrap(), told["scope"].as_str().unwrap())
}

both_engines! {
    /// R8707-2-1, R8707-2.2-1, R8707-2.2-2, R8707-2.1-3, R9700-2.3-1, OA21-1.4.1-2, OA21-3.2.3-3, OA21-4.3.1-3: one consent,
    /// a token for each in its turn, each with what was ticked there
    async fn one_grant_reaches_several_and_each_token_one(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, files) = servers(&world).await;
        let client = Client::public(&world).await;
        let (mut browser, pkce) = (Browser::new(&world), Pkce::new());
        let page = ask(&mut browser, &client, &pkce, &[NOTES, FILES, OURS], "read write mcp.tools.read offline_access").await;
        for text in ["at <bdi dir=\"ltr\">notes.example</bdi>", "at <bdi dir=\"ltr\">files.example</bdi>", NOTES, FILES, OURS, "your connections"] {
            assert!(page.body.contains(text), "{text} in {}", page.body);
        }
        assert_eq!(page.boxes("scope"), ["read", "write", "offline_access"]);
        assert_eq!((page.boxes("scope.1"), page.boxes("scope.2")), (vec!["read".to_owned(), "write".to_owned()], vec!["mcp.tools.read".to_owned()]));
        assert_eq!(page.boxes("connection").len(), 1);
        let answer = browser.tick(&page, &[("scope", "read"), ("scope", "offline_access"), ("scope.1", "read"), ("scope.1", "write"), ("scope.2", "mcp.tools.read"), ("scope.2", "read")]).await;
        let code = answer.redirect_parameter("code").unwrap();

        let first = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[("resource", FILES)]).await);
        assert_eq!(first.scope, "offline_access read write");
        assert_eq!((told(&world, &files, &first.access).await, told(&world, &notes, &first.access).await),
            (format!("{FILES} offline_access read write"), "inactive".to_owned()));
        let mut refresh = first.refresh;
        for (resource, scope) in [(NOTES, "offline_access read"), (OURS, "mcp.tools.read offline_access"), (FILES, "offline_access read write"), ("", "offline_access read write")] {
            let tokens = Tokens::of(&client.refresh(&world, &refresh, &[("resource", resource)]).await);
            assert_eq!(tokens.scope, scope, "{resource}");
            let for_files = told(&world, &files, &tokens.access).await != "inactive";
            assert_eq!((for_files, told(&world, &notes, &tokens.access).await != "inactive"), (resource.is_empty() || resource == FILES, resource == NOTES));
            assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16() == 200, resource == OURS);
            refresh = tokens.refresh;
        }
        for (changes, verdict) in [
            (vec![("resource", "https://elsewhere.example/mcp")], "400 invalid_target"),
            (vec![("resource", NOTES), ("resource", FILES)], "400 invalid_target"),
            (vec![("resource", NOTES), ("scope", "write")], "400 invalid_scope"),
            (vec![("resource", NOTES), ("scope", "mcp.tools.read")], "400 invalid_scope"),
        ] {
            assert_eq!(client.refresh(&world, &refresh, &changes).await.verdict(), verdict, "{changes:?}");
        }
        let narrow = Tokens::of(&client.refresh(&world, &refresh, &[("resource", FILES), ("scope", "write")]).await);
        assert_eq!(told(&world, &files, &narrow.access).await, format!("{FILES} write"));
        let home = browser.get("/").await.body;
        assert!(home.contains("notes.example") && home.contains("files.example"), "{home}");
    }

    /// R8707-2.1-2, OA21-1.4.1-2: a resource at which nothing was ticked is not in the grant, whatever its scopes are called
    async fn only_what_was_ticked_is_granted(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, files) = servers(&world).await;
        let client = Client::public(&world).await;
        let (mut browser, pkce) = (Browser::new(&world), Pkce::new());
        let page = ask(&mut browser, &client, &pkce, &[NOTES, FILES], "read").await;
        let none = browser.tick(&page, &[("scope", "write"), ("scope.2", "read"), ("scope.01", "read")]).await;
        assert_eq!((none.status.as_u16(), none.body.contains("Tick at least one permission")), (422, true));
        assert!(none.body.contains("name=\"scope.1\" value=\"read\"") && !none.body.contains("\" checked>"), "{}", none.body);
        let answer = browser.tick(&page, &[("scope.1", "read"), ("scope.1", "write")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        assert_eq!(client.redeem(&world, &code, &pkce.verifier, &[("resource", NOTES)]).await.verdict(), "400 invalid_target");
        let tokens = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        assert_eq!((told(&world, &files, &tokens.access).await, told(&world, &notes, &tokens.access).await), (format!("{FILES} read"), "inactive".to_owned()));
        assert_eq!(client.refresh(&world, &tokens.refresh, &[("resource", NOTES)]).await.verdict(), "400 invalid_target");
    }

    /// R8707-2-3, R9068-3-1, OA21-3.1-4: how many, which together, and what must mean something at each
    async fn what_cannot_be_meant_is_refused(database: TestDatabase) {
        let world = World::on(database).await;
        servers(&world).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        let alias = |name: &str| format!("{OURS}/{name}");
        let six: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(alias).to_vec();
        for (resources, scope, error) in [
            (six.iter().map(String::as_str).collect(), "", "invalid_target"),
            (vec![OURS, &alias("sandbox")], "", "invalid_target"),
            (vec![NOTES, "https://elsewhere.example/mcp"], "", "invalid_target"),
            (vec![NOTES, "https://files.example/mcp#x"], "", "invalid_target"),
            (vec![NOTES, OURS], "read", "invalid_scope"),
            (vec![NOTES, OURS], "mcp.tools.read", "invalid_scope"),
        ] {
            let mut changes: Vec<(&str, &str)> = resources.iter().map(|uri| ("resource", *uri)).collect();
            changes.push(("scope", scope));
            let answer = browser.get(&client.authorize(&Pkce::new(), &changes)).await;
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some(error), "{resources:?} {scope}");
        }
        // However often and however it is spelled, one is one.
        let page = ask(&mut browser, &client, &Pkce::new(), &[NOTES, "HTTPS://notes.example:443/mcp"], "read").await;
        assert_eq!((page.status.as_u16(), page.boxes("scope").len(), page.boxes("scope.1").len()), (200, 1, 0));
        let page = ask(&mut browser, &client, &Pkce::new(), &six.iter().take(5).map(String::as_str).collect::<Vec<_>>(), "").await;
        assert!(page.body.contains("You have no connection named e"), "{}", page.body);
        let machine = Client::by_admin(&world, &[GrantType::ClientCredentials], ("read", &[])).await;
        let two = [("resource", NOTES), ("resource", FILES)];
        assert_eq!(machine.token(&world, &[("grant_type", "client_credentials")], &two).await.verdict(), "400 invalid_target");
    }

    /// A26, MCP-AUTH-6: two connections by their names, and a token for each that opens it alone
    async fn two_connections_in_one_grant_stay_apart(database: TestDatabase) {
        let world = World::on(database).await;
        let alias = Alias::parse("second").unwrap();
        world.app.gateway.connections().create(&world.alice.id, &alias, "sandbox", "").await.unwrap();
        let client = Client::public(&world).await;
        let (mut browser, pkce) = (Browser::new(&world), Pkce::new());
        let (one, two, none) = (format!("{OURS}/sandbox"), format!("{OURS}/second"), format!("{OURS}/absent"));
        let page = ask(&mut browser, &client, &pkce, &[&one, &two, &none], "mcp.tools.read").await;
        assert!(page.boxes("scope.2").is_empty() && page.body.contains("You have no connection named absent"), "{}", page.body);
        let answer = browser.tick(&page, &[("scope", "mcp.tools.read"), ("scope.1", "mcp.tools.read")]).await;
        let code = answer.redirect_parameter("code").unwrap();
        let first = Tokens::of(&client.redeem(&world, &code, &pkce.verifier, &[]).await);
        let second = Tokens::of(&client.refresh(&world, &first.refresh, &[("resource", &two)]).await);
        for (token, opens) in [(&first.access, "/mcp/sandbox"), (&second.access, "/mcp/second")] {
            for path in ["/mcp/sandbox", "/mcp/second", "/mcp"] {
                let status = world.mcp_at(path, token, "tools/list", json!({})).await.status.as_u16();
                assert_eq!(status, if path == opens { 200 } else { 401 }, "{path}");
            }
        }
        // Ticked by hand though it was not offered: nothing is given at all.
        let pkce = Pkce::new();
        let page = ask(&mut browser, &client, &pkce, &[&one, &none], "mcp.tools.read").await;
        let answer = browser.tick(&page, &[("scope", "mcp.tools.read"), ("scope.1", "mcp.tools.read")]).await;
        assert_eq!(answer.redirect_parameter("error").as_deref(), Some("access_denied"));
    }

    /// R9126-4-1, R8693-2.2.2-1, R8628-3.4-1: pushed, from a device, and exchanged
    async fn it_is_the_same_when_pushed_and_from_a_device_and_an_exchange_stays_with_its_audience(database: TestDatabase) {
        let world = World::on(database).await;
        let (notes, files) = servers(&world).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let url = client.authorize(&pkce, &[("resource", NOTES), ("resource", FILES), ("scope", "read")]);
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let uri = world.post_form("/oauth/par", &fields).await.json()["request_uri"].as_str().unwrap().replace(':', "%3A");
        let mut browser = Browser::new(&world);
        let page = browser.reach_consent(&format!("/oauth/authorize?client_id={}&request_uri={uri}", client.id)).await;
        let answer = browser.tick(&page, &[("scope", "read"), ("scope.1", "read")]).await;
        let tokens = Tokens::of(&client.redeem(&world, &answer.redirect_parameter("code").unwrap(), &pkce.verifier, &[("resource", FILES)]).await);
        assert_eq!(told(&world, &files, &tokens.access).await, format!("{FILES} read"));

        let grants = [GrantType::RefreshToken, GrantType::DeviceCode];
        let device = Client::by_admin(&world, &grants, ("", &[])).await;
        let begun = world.post_form("/oauth/device_authorization", &[("client_id", &device.id), ("resource", NOTES), ("resource", FILES), ("scope", "read write")]).await.json();
        let csrf = browser.get("/device").await.field("csrf").unwrap();
        let typed = browser.post("/device", &[("csrf", &csrf), ("user_code", begun["user_code"].as_str().unwrap())]).await;
        let page = browser.get(typed.see_other()).await;
        browser.tick(&page, &[("scope.1", "write")]).await;
        let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", begun["device_code"].as_str().unwrap())];
        assert_eq!(device.token(&world, &fields, &[("resource", NOTES)]).await.verdict(), "400 invalid_target");
        let tokens = Tokens::of(&device.token(&world, &fields, &[]).await);
        assert_eq!((told(&world, &files, &tokens.access).await, told(&world, &notes, &tokens.access).await), (format!("{FILES} write"), "inactive".to_owned()));

        let trader = Client::registered(&world, &json!({"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "client_secret_post"})).await;
        let answer = world.post_form("/oauth/token", &[
            ("grant_type", GrantType::TokenExchange.as_str()), ("client_id", &trader.id), ("client_secret", trader.secret.as_deref().unwrap()),
            ("subject_token", &tokens.access), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"), ("resource", NOTES),
        ]).await;
        assert!(answer.verdict().starts_with("400 "), "{}", answer.body);
    }
}
