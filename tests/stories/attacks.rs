//! What happened to other servers and stands nowhere else among the stories, by the number that it has in our list.

use portcullis_authorization_server::{ClientOrigin, NewClient};
use portcullis_database::both_engines;
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientMetadata, GrantType, OpenIdRegistration, RedirectUri, ScopeSet,
};
use portcullis_tests::{Browser, Client, Pkce, World};
use serde_json::json;

/// A confidential client that an admin registered to authenticate by `method`.
async fn confidential(world: &World, method: ClientAuthMethod) -> Client {
    let metadata = ClientMetadata {
        redirect_uris: vec![RedirectUri::parse("https://app.example/callback").unwrap()],
        client_name: "Portal".to_owned(),
        client_uri: None,
        application_type: ApplicationType::Web,
        token_endpoint_auth_method: method,
        grant_types: vec![GrantType::AuthorizationCode],
        response_types: vec!["code".to_owned()],
        require_pushed_authorization_requests: false,
        openid: OpenIdRegistration::default(),
        dpop_bound_access_tokens: false,
        keys: None,
        token_endpoint_auth_signing_alg: None,
        scope: ScopeSet::default(),
    };
    let new = NewClient { metadata, origin: ClientOrigin::Admin, resources: Vec::new() };
    let (client, secret) = world.app.authorization.clients().register(new).await.unwrap();
    Client {
        id: client.id.to_string(),
        secret: secret.map(|secret| secret.expose().to_owned()),
        redirect_uri: "https://app.example/callback".to_owned(),
    }
}

both_engines! {
    /// A21, OA21-2.2-1: a client authenticates as it was registered to, and in no other way
    async fn the_registered_authentication_method_is_enforced(database: TestDatabase) {
        let world = World::on(database).await;
        for method in [ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost] {
            let client = confidential(&world, method).await;
            let (id, secret) = (client.id.as_str(), client.secret.as_deref().unwrap());
            let fields = |more: &[(&'static str, &'static str)]| [&[("grant_type", "authorization_code"), ("code", "x"), ("code_verifier", "x")], more].concat();
            let mut in_body = fields(&[]);
            in_body.extend([("client_id", id), ("client_secret", secret)]);
            let basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("{id}:{secret}")));
            let by_body = world.post_form("/oauth/token", &in_body).await.verdict();
            let by_header = world.post_form_with("/oauth/token", &fields(&[]), &[("authorization", &basic)]).await.verdict();
            let mut by_name = fields(&[]);
            by_name.push(("client_id", id));
            let by_name = world.post_form("/oauth/token", &by_name).await.verdict();
            // Who passed is told about the verifier, who did not is nobody.
            let (good, bad) = if method == ClientAuthMethod::ClientSecretBasic { (by_header, by_body) } else { (by_body, by_header) };
            assert_eq!((good.as_str(), bad.as_str(), by_name.as_str()), ("400 invalid_grant", "401 invalid_client", "401 invalid_client"));
        }
    }

    /// A33: a name that somebody was consented to before opens nothing for another who takes it, and markup is text
    async fn a_borrowed_name_is_asked_about_and_inert(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::new(&world);
        let known = Client::public(&world).await;
        let (code, pkce) = browser.code_for(&known).await;
        assert_eq!(known.redeem(&world, &code, &pkce.verifier, &[]).await.verdict(), "200");
        let hostile = r#"Inspector"><script>alert(1)</script>"#;
        for (name, uri) in [("Inspector", "javascript:alert(1)"), (hostile, "http://plain.example/")] {
            let metadata = json!({"client_name": name, "client_uri": uri, "logo_uri": uri, "tos_uri": uri,
                "redirect_uris": ["https://evil.example/callback"], "token_endpoint_auth_method": "none"});
            let registered = Client::registered(&world, &metadata).await;
            let thief = Client { redirect_uri: "https://evil.example/callback".to_owned(), ..registered };
            let page = browser.reach_consent(&thief.authorize(&Pkce::new(), &[])).await;
            assert_eq!(page.boxes("scope").len(), 3, "asked, with a live session and an earlier consent to that name");
            for told in ["evil.example", "Unverified"] {
                assert!(page.body.to_lowercase().contains(&told.to_lowercase()), "{told} in {}", page.body);
            }
            for link in ["<script>alert", "javascript:", "plain.example", "<img src=\"http"] {
                assert!(!page.body.contains(link), "{link} in {}", page.body);
            }
        }
    }

    /// A51: no header changes what this server says of itself
    async fn headers_change_neither_issuer_nor_links_nor_redirects(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let forged = [
            ("host", "evil.example"), ("forwarded", "host=evil.example;proto=https"), ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "https"), ("x-original-url", "https://evil.example/"),
        ];
        let authorize = client.authorize(&Pkce::new(), &[("response_type", "token")]);
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/mcp", &authorize, "/login"] {
            let plain = world.get(path).await;
            let mut request = axum::http::Request::get(path);
            for (name, value) in forged {
                request = request.header(name, value);
            }
            let answer = world.send(request.body(axum::body::Body::empty()).unwrap()).await;
            assert_eq!(answer.header("location"), plain.header("location"), "{path}");
            assert!(!answer.body.contains("evil.example") && !answer.header("www-authenticate").contains("evil"), "{path}");
        }
    }

    /// A07, R9700-4.1.3-1: every redirect to a client has a fragment of its own, so that a browser carries no older one along
    async fn no_older_fragment_is_carried_along(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        let refused = browser.get(&client.authorize(&Pkce::new(), &[("response_type", "token")])).await;
        assert_eq!(refused.redirect_parameter("error").as_deref(), Some("unsupported_response_type"));
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        let denied = browser.answer_consent(&page, "deny", &[]).await;
        assert_eq!(denied.redirect_parameter("error").as_deref(), Some("access_denied"));
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[])).await;
        let given = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(given.redirect_parameter("code").is_some());
        for answer in [refused, denied, given] {
            assert!(answer.header("location").ends_with("#_"), "{}", answer.header("location"));
        }
    }

    /// R7009-2.3-1: any page may revoke what it holds, and no script is ever made of the answer
    async fn revocation_is_open_to_pages_and_never_a_script(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let fields = [("client_id", client.id.as_str()), ("token", "x"), ("callback", "alert")];
        let answer = world.post_form_with("/oauth/revoke", &fields, &[("origin", "https://app.example")]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
    }
}
