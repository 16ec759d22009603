//! How a client finds its way: the 401, the two metadata documents, the error shapes of the edges.

use portcullis_database::both_engines;
use portcullis_oauth::{Clock, SystemClock};
use portcullis_tests::{Browser, Client, Pkce, Tokens, World};
use serde_json::json;

both_engines! {
    /// MCP-AUTH-2, R6750-3-1, R6750-3-2, R9728-3-1, R9728-3.3-1, MCP-AUTH-1, R9207-2-2
    async fn a_client_without_token_is_led_to_the_authorization_server(database: TestDatabase) {
        let world = World::on(database).await;
        let refused = world.mcp("", "tools/list", json!({})).await;
        assert_eq!(refused.status.as_u16(), 401);
        let challenge = refused.header("www-authenticate");
        assert!(challenge.starts_with("Bearer "), "{challenge}");
        assert!(!challenge.contains("error="), "{challenge}");
        assert!(challenge.contains(r#"resource_metadata="http://localhost:8420/.well-known/oauth-protected-resource/mcp""#));

        let resource = world.get("/.well-known/oauth-protected-resource/mcp").await.json();
        assert_eq!(resource["resource"], "http://localhost:8420/mcp");
        assert_eq!(resource["authorization_servers"], json!(["http://localhost:8420"]));
        let alias = world.get("/.well-known/oauth-protected-resource/mcp/anything").await.json();
        assert_eq!(alias["resource"], "http://localhost:8420/mcp/anything");
        assert_eq!(world.get("/.well-known/oauth-protected-resource/mcp/Not_An_Alias").await.status.as_u16(), 404);
        assert_eq!(world.get("/.well-known/oauth-protected-resource/other").await.status.as_u16(), 404);

        let server = world.get("/.well-known/oauth-authorization-server").await;
        assert_eq!(server.json()["issuer"], "http://localhost:8420");
        assert_eq!(server.header("access-control-allow-origin"), "*");
    }

    /// R8414-5-1, MCP-AUTH-4, MCP-AUTH-5, R8414-2-3, R8414-2-4, R8414-2-5, R9207-3-1, R8414-3-1, DC-14
    async fn both_discovery_documents_say_the_same(database: TestDatabase) {
        let world = World::on(database).await;
        let document = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(world.get("/.well-known/openid-configuration").await.json(), document);
        assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
        let grants = ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"];
        assert_eq!(document["grant_types_supported"], json!(grants));
        assert_eq!(document["device_authorization_endpoint"], "http://localhost:8420/oauth/device_authorization");
        assert_eq!(document["response_types_supported"], json!(["code"]));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        let methods = json!(["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]);
        for endpoint in ["token", "revocation"] {
            assert_eq!(document[format!("{endpoint}_endpoint_auth_methods_supported")], methods);
            let algorithms = &document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert_eq!(*algorithms, json!(["ES256", "EdDSA", "RS256"]));
        }
        // The issuer has no path, so nothing lies behind an inserted one.
        assert_eq!(world.get("/.well-known/oauth-authorization-server/tenant").await.status.as_u16(), 404);
    }

    /// MCP-AUTH-26
    async fn with_registration_off_it_is_neither_told_nor_offered(database: TestDatabase) {
        let world = World::configured(database, &[("registration", "off")]).await;
        let document = world.get("/.well-known/oauth-authorization-server").await.json();
        assert_eq!(document.get("registration_endpoint"), None);
        for path in ["/oauth/register", "/register"] {
            let answer = world.post_json(path, &json!({"redirect_uris": ["https://a.example/"]})).await;
            assert_eq!(answer.status.as_u16(), 404, "{path}");
            assert!(answer.json().is_object(), "{}", answer.body);
        }
    }

    /// MCP-AUTH-27, DC-2, DC-14: a client of 2025-03-26 reads no metadata, uses the default paths and names no resource
    async fn the_default_paths_of_2025_03_26_are_the_same_endpoints(database: TestDatabase) {
        let world = World::on(database).await;
        let registered = world.post_json("/register", &json!({
            "redirect_uris": ["http://127.0.0.1:51004/callback"], "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code", "refresh_token"],
        })).await;
        assert_eq!(registered.status.as_u16(), 201, "{}", registered.body);
        assert_eq!(registered.header("access-control-allow-origin"), "*");
        let id = registered.json()["client_id"].as_str().unwrap().to_owned();
        let client = Client { id, secret: None, redirect_uri: "http://127.0.0.1:51004/callback".to_owned() };
        let (mut browser, pkce) = (Browser::new(&world), Pkce::new());
        let code = browser.approve(&client.authorize(&pkce, &[("resource", "")]).replace("/oauth/authorize", "/authorize")).await;
        let redeem = [
            ("grant_type", "authorization_code"), ("client_id", &client.id), ("code", &code),
            ("code_verifier", &pkce.verifier), ("redirect_uri", &client.redirect_uri),
        ];
        let tokens = Tokens::of(&world.post_form("/token", &redeem).await);
        assert_eq!(world.mcp(&tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        assert_eq!(world.get("/authorize").await.header("access-control-allow-origin"), "", "a page, never readable from elsewhere");
        assert!(!world.get("/.well-known/oauth-authorization-server").await.body.contains(":8420/token"));
    }

    /// OA21-3.2-1, OA21-3.2-3, OA21-3.1-6, DC-17
    async fn programs_may_call_from_any_origin_and_pages_from_none(database: TestDatabase) {
        let world = World::on(database).await;
        let origin = [("origin", "https://app.example")];
        let token = world.post_form_with("/oauth/token", &[], &origin).await;
        assert_eq!(token.header("access-control-allow-origin"), "*");
        assert_eq!(token.header("access-control-allow-credentials"), "");
        let get = world.get("/oauth/token").await;
        assert_eq!((get.status.as_u16(), get.header("allow")), (405, "POST"));
        for page in ["/oauth/authorize", "/login", "/oauth/consent"] {
            assert_eq!(world.get(page).await.header("access-control-allow-origin"), "", "{page}");
        }
    }

    /// A43, DC-16, ASVS-3.4.3, ASVS-3.4.4, ASVS-3.4.6, ASVS-3.4.3b, R9700-4.2.4-1, OA21-3.2.3-2
    async fn every_page_carries_its_headers_and_no_form_action(database: TestDatabase) {
        let world = World::on(database).await;
        let mut browser = Browser::signed_in(&world).await;
        let consent = Client::public(&world).await.authorize(&Pkce::new(), &[]);
        let consent = browser.get(&consent).await.see_other().to_owned();
        for path in ["/login?again=1", "/oauth/authorize", &consent, "/device", "/setup", "/account/password", "/", "/account"] {
            let page = browser.get(path).await;
            let policy = page.header("content-security-policy");
            assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert!(policy.contains("base-uri 'none'") && !policy.contains("form-action"), "{path}: {policy}");
            let header = |name| page.header(name);
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
        }
    }

    /// A node whose clock is not the database's would end codes and tokens at the wrong time: it is not ready
    async fn readiness_asks_for_one_time(database: TestDatabase) {
        let world = World::on(database).await;
        let has_a_clock = world.app.database.engine() == "PostgreSQL";
        let ready = world.get("/readyz").await;
        assert_eq!(ready.status.as_u16() == 503, has_a_clock, "{}", ready.body);
        let behind = SystemClock.now().micros() - world.clock.now().micros();
        world.advance(behind / 1_000_000 + 5);
        assert_eq!(world.get("/readyz").await.body, "ready");
        world.advance(10);
        assert_eq!(world.get("/readyz").await.status.as_u16() == 503, has_a_clock);
    }

    /// R8414-2-2, R8414-3.2-1, MCP-AUTH-13, R9700-2.4-1: every member says something, and nothing says what is not offered
    async fn the_metadata_is_complete_and_has_no_empty_members(database: TestDatabase) {
        let world = World::on(database).await;
        let answer = world.get("/.well-known/oauth-authorization-server").await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
        let document = answer.json();
        for (member, path) in [("authorization_endpoint", "authorize"), ("token_endpoint", "token"), ("registration_endpoint", "register")] {
            assert_eq!(document[member], format!("http://localhost:8420/oauth/{path}"));
        }
        for (member, value) in document.as_object().unwrap() {
            assert!(!value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()), "{member} is empty");
        }
        assert!(document["scopes_supported"].as_array().unwrap().contains(&json!("mcp.tools.read")));
        assert_eq!(document["authorization_response_iss_parameter_supported"], true);
        let grants = document["grant_types_supported"].to_string();
        assert!(!grants.contains("password") && !grants.contains("implicit"), "{grants}");
    }

    /// OA21-3.1-6, OA21-3.2-3, MCP-AUTH-28, DC-17: a page of another origin may ask before it calls us as a program, and never as a person
    async fn a_preflight_is_answered_where_programs_call_and_nowhere_else(database: TestDatabase) {
        let world = World::on(database).await;
        let asked = ["authorization", "content-type", "dpop", "mcp-protocol-version"];
        for (path, may) in [
            ("/oauth/token", true), ("/oauth/register", true), ("/oauth/revoke", true),
            ("/.well-known/oauth-authorization-server", true), ("/.well-known/oauth-protected-resource/mcp", true),
            ("/oauth/authorize", false), ("/oauth/consent", false), ("/login", false), ("/logout", false), ("/setup", false),
            ("/", false), ("/account", false),
        ] {
            let preflight = world.preflight(path, "https://evil.example", &asked.join(",")).await;
            let allowed = preflight.header("access-control-allow-headers").to_owned();
            assert_eq!(preflight.header("access-control-allow-origin"), if may { "*" } else { "" }, "{path}");
            assert_eq!(asked.iter().all(|name| allowed.contains(name)), may, "{path}: {allowed}");
            assert_eq!(preflight.header("access-control-allow-credentials"), "", "{path}");
        }
    }
}
