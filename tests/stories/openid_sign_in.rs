//! OpenID Connect: how lately somebody must have signed in, and that no way leads around it.

use portcullis_authorization_server::{ClientOrigin, NewClient};
use portcullis_database::both_engines;
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientMetadata, GrantType, OpenIdRegistration, RedirectUri, ScopeSet,
};
use portcullis_tests::{Answer, Browser, Client, PASSWORD, Pkce, World};
use serde_json::{Value, json};

/// A public client that an admin registered.
async fn trusted(world: &World) -> Client {
    let metadata = ClientMetadata {
        redirect_uris: vec![RedirectUri::parse("https://app.example/callback").unwrap()],
        client_name: "Portal".to_owned(),
        client_uri: None,
        application_type: ApplicationType::Web,
        token_endpoint_auth_method: ClientAuthMethod::None,
        grant_types: vec![GrantType::AuthorizationCode],
        response_types: vec!["code".to_owned()],
        require_pushed_authorization_requests: false,
        dpop_bound_access_tokens: false,
        keys: None,
        token_endpoint_auth_signing_alg: None,
        scope: ScopeSet::default(),
        openid: OpenIdRegistration::default(),
    };
    let new = NewClient { metadata, origin: ClientOrigin::Admin, resources: Vec::new() };
    let (client, _) = world.app.authorization.clients().register(new).await.unwrap();
    Client {
        id: client.id.to_string(),
        secret: None,
        redirect_uri: "https://app.example/callback".to_owned(),
    }
}

fn error(answer: &Answer) -> Option<String> {
    answer.redirect_parameter("error")
}

async fn claims(world: &World, answer: &Answer) -> Value {
    world.read_jwt(answer.json()["id_token"].as_str().unwrap(), ("jwt", "RS256")).await
}

both_engines! {
    /// OIDC-C-3-1: `prompt=login` and `max_age` ask who it is again, and the ID token says when they proved it
    async fn a_sign_in_that_is_too_old_is_asked_for_again(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        world.advance(100);
        for (more, again) in [
            (("max_age", "101"), false), (("max_age", "100"), false), (("prompt", "consent"), false), (("prompt", "select_account"), false),
            (("prompt", "nonsense"), false), (("max_age", "99"), true), (("max_age", "0"), true), (("prompt", "login"), true), (("prompt", "consent login"), true),
        ] {
            let mut browser = Browser::signed_in(&world).await;
            world.advance(100);
            let pkce = Pkce::new();
            let to = browser.get(&client.sign_in_url(&pkce, "openid", &[more])).await.see_other().to_owned();
            assert_eq!(to.starts_with("/login?"), again, "{more:?}: {to}");
            let code = if again {
                world.advance(1);
                let to = browser.sign_in(&to, "alice@example.com", PASSWORD).await.see_other().to_owned();
                let page = browser.get(&to).await;
                browser.answer_consent(&page, "approve", &page.boxes("scope")).await.redirect_parameter("code").unwrap()
            } else {
                let page = browser.get(&to).await;
                browser.answer_consent(&page, "approve", &page.boxes("scope")).await.redirect_parameter("code").unwrap()
            };
            let told = claims(&world, &client.redeem(&world, &code, &pkce.verifier, &[]).await).await;
            assert_eq!(told["iat"].as_i64().unwrap() - told["auth_time"].as_i64().unwrap(), if again { 0 } else { 100 }, "{more:?}");
        }
        // Also in a request that was pushed (RFC 9126).
        let url = client.sign_in_url(&Pkce::new(), "openid", &[("prompt", "login")]);
        let query = url.split_once('?').unwrap().1.to_owned();
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let pushed = world.post_form("/oauth/par", &fields).await.json()["request_uri"].as_str().unwrap().to_owned();
        let to = browser.get(&format!("/oauth/authorize?client_id={}&request_uri={pushed}", client.id)).await;
        assert!(to.see_other().starts_with("/login?"), "{}", to.see_other());
    }

    /// A47, OIDC-C-3-1: neither another address, nor an older form, nor an empty one, nor another tab leads around the sign-in
    async fn no_way_leads_around_the_sign_in_that_a_request_asks_for(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        let plain = browser.reach_consent(&client.sign_in_url(&Pkce::new(), "openid", &[])).await;
        world.advance(60);
        let begun = browser.get(&client.sign_in_url(&Pkce::new(), "openid", &[("prompt", "login")])).await;
        let (login, handle) = (begun.see_other().to_owned(), begun.request_handle());
        let consent = format!("/oauth/consent?request={handle}");
        for path in [consent.clone(), format!("{consent}&prompt=none"), format!("{consent}&max_age=999999")] {
            assert!(browser.get(&path).await.see_other().starts_with("/login?"), "{path}");
        }
        let csrf = plain.field("csrf").unwrap();
        let approve = [("csrf", csrf.as_str()), ("request", &handle), ("decision", "approve"), ("scope", "openid")];
        assert!(browser.post("/oauth/consent", &approve).await.see_other().starts_with("/login?"), "the page of another request");
        for page in [login.clone(), login.replace("/login?", "/login?again=&"), login.clone()] {
            let form = browser.get(&page).await;
            assert_eq!(form.field("email").as_deref(), Some("alice@example.com"), "asked, and not led on: {}", form.body);
        }
        let fields = |password| [("csrf", csrf.as_str()), ("return_to", consent.as_str()), ("email", "alice@example.com"), ("password", password)];
        assert_eq!(browser.post("/login", &[("csrf", &csrf), ("return_to", &consent)]).await.status.as_u16(), 401, "an empty form");
        assert_eq!(browser.post("/login", &fields("wrong wrong wrong")).await.status.as_u16(), 401);
        assert!(browser.post("/oauth/consent", &approve).await.see_other().starts_with("/login?"));
        // An old form of the session before leads to the consent page, which leads back.
        let old = [("csrf", "of another session"), ("return_to", consent.as_str())];
        let to = browser.post("/login", &old).await.see_other().to_owned();
        assert!(browser.get(&to).await.see_other().starts_with("/login?"));
        let mut other = Browser::signed_in(&world).await;
        assert_eq!(other.get(&consent).await.status.as_u16(), 400, "another browser, freshly signed in");

        world.advance(1);
        assert_eq!(browser.sign_in(&login, "alice@example.com", PASSWORD).await.see_other(), consent);
        let page = browser.get(&consent).await;
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.redirect_parameter("code").is_some());
    }

    /// OIDC-C-3-1: who was fresh enough when the request came may have become too old at the answer
    async fn a_sign_in_can_grow_too_old_in_front_of_the_page(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        let page = browser.reach_consent(&client.sign_in_url(&Pkce::new(), "openid", &[("max_age", "60")])).await;
        world.advance(61);
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.see_other().starts_with("/login?"), "{}", answer.see_other());
        let to = browser.sign_in(answer.see_other(), "alice@example.com", PASSWORD).await.see_other().to_owned();
        world.advance(300);
        let page = browser.get(&to).await;
        let answer = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.redirect_parameter("code").is_some(), "a sign-in for this very request does: {}", answer.body);
    }

    /// OIDC-C-3-1, OA21-7.13.2-1: silence is never enough, and says why; to a client that nobody vouches for only when somebody signed in
    async fn nobody_is_asked_silently(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let (own, admins) = (Client::relying_party(&world, json!({})).await, trusted(&world).await);
        for client in [&own, &admins] {
            let url = |more: &[(&str, &str)]| client.sign_in_url(&Pkce::new(), "openid", &[&[("prompt", "none")], more].concat());
            let mut browser = Browser::new(&world);
            let alone = browser.get(&url(&[])).await;
            if client.id == admins.id {
                assert_eq!(error(&alone).as_deref(), Some("login_required"));
            } else {
                assert!(alone.see_other().starts_with("/login?"), "a page, and no redirect: {}", alone.see_other());
            }
            let mut browser = Browser::signed_in(&world).await;
            assert_eq!(error(&browser.get(&url(&[])).await).as_deref(), Some("consent_required"));
            assert_eq!(error(&browser.get(&url(&[("max_age", "60")])).await).as_deref(), Some("consent_required"));
            world.advance(61);
            for (name, value) in [("max_age", "60"), ("max_age", "0")] {
                assert_eq!(error(&browser.get(&url(&[(name, value)])).await).as_deref(), Some("login_required"), "{value}");
            }
            for prompt in ["none login", "consent none"] {
                let answer = browser.get(&client.sign_in_url(&Pkce::new(), "openid", &[("prompt", prompt)])).await;
                assert_eq!(error(&answer).as_deref(), Some("invalid_request"), "{prompt}");
            }
        }
    }

    /// OA21-3.1-4, OA21-3.1-3: what cannot be meant is refused, and what is not offered changes nothing
    async fn the_other_parameters_are_refused_or_passed_over(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        let long = "n".repeat(2_049);
        for bad in [("max_age", "-1"), ("max_age", "soon"), ("nonce", long.as_str()), ("request", "eyJ"), ("request_uri", "https://evil.example/")] {
            let answer = browser.get(&client.sign_in_url(&Pkce::new(), "openid", &[bad])).await;
            assert_eq!(error(&answer).as_deref(), Some("invalid_request"), "{}", bad.0);
        }
        for twice in ["nonce", "max_age", "login_hint", "prompt"] {
            let url = format!("{}&{twice}=1&{twice}=2", client.sign_in_url(&Pkce::new(), "openid", &[]));
            assert_eq!(error(&browser.get(&url).await).as_deref(), Some("invalid_request"), "{twice}");
        }
        let ignored = [("claims", r#"{"id_token":{"email":{"essential":true}}}"#), ("acr_values", "urn:mace:incommon:iap:gold"), ("display", "popup"), ("ui_locales", "de")];
        let told = claims(&world, &client.sign_in(&world, &mut browser, ("openid", &ignored)).await).await;
        assert_eq!((told.get("email"), told["acr"].as_str().unwrap().contains("Password")), (None, true));
    }

    /// OA21-7.12-1: a hint fills in the form, is text, and counts for nothing
    async fn a_hint_fills_in_the_form_and_counts_for_nothing(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        world.add_user("bob@example.com").await;
        let mut browser = Browser::new(&world);
        let hinted = client.sign_in_url(&Pkce::new(), "openid", &[("login_hint", "bob@example.com"), ("prompt", "login")]);
        let login = browser.get(&hinted).await.see_other().to_owned();
        assert_eq!(browser.get(&login).await.field("email").as_deref(), Some("bob@example.com"));
        let to = browser.sign_in(&login, "alice@example.com", PASSWORD).await.see_other().to_owned();
        assert!(browser.get(&to).await.body.contains("alice@example.com"), "who signed in is who is asked");
        let login = browser.get(&hinted).await.see_other().to_owned();
        assert_eq!(browser.get(&login).await.field("email").as_deref(), Some("bob@example.com"));
        let hostile = client.sign_in_url(&Pkce::new(), "openid", &[("login_hint", r#""><script>alert(1)</script>"#), ("prompt", "login")]);
        let login = browser.get(&hostile).await.see_other().to_owned();
        assert!(!browser.get(&login).await.body.contains("<script>alert"));
    }
}
