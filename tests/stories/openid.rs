//! OpenID Connect: what is told of who signed in, to whom, and to nobody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_database::both_engines;
use portcullis_oauth::{GrantType, TokenFormat, TokenType};
use portcullis_tests::{Answer, Browser, Client, Pkce, ResourceServer, Tokens, USERINFO, World};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ID_TOKEN: (&str, &str) = ("jwt", "RS256");
const EVERYTHING: &str = "openid profile email";

/// The ID token of a token answer, which must have one.
fn id_token(answer: &Answer) -> String {
    answer.json()["id_token"].as_str().unwrap_or_else(|| panic!("no ID token in {}", answer.body)).to_owned()
}

fn names(claims: &Value) -> Vec<&str> {
    let mut names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

both_engines! {
    /// OIDC-D-3-1, OIDC-D-4-1, OIDC-D-4.3-1, R8414-5-1, MCP-AUTH-12: both documents say the same, all of what is on, and nothing of it when it is off
    async fn the_documents_tell_what_is_on(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let document = world.get("/.well-known/openid-configuration").await.json();
        assert_eq!(world.get("/.well-known/oauth-authorization-server").await.json(), document);
        assert_eq!(document["issuer"], "http://localhost:8420");
        assert_eq!((&document["userinfo_endpoint"], &document["end_session_endpoint"]), (&json!(USERINFO), &json!("http://localhost:8420/oauth/logout")));
        assert_eq!((&document["subject_types_supported"], &document["jwks_uri"]), (&json!(["public"]), &json!("http://localhost:8420/oauth/jwks.json")));
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256", "ES256", "EdDSA"]));
        for member in ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"] {
            assert_eq!(document[member], false, "{member}");
        }
        for member in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
            assert_eq!(document[member], true, "{member}");
        }
        let scopes = document["scopes_supported"].to_string();
        assert!(["openid", "profile", "email", "offline_access"].iter().all(|scope| scopes.contains(scope)), "{scopes}");
        let resource = world.get("/.well-known/oauth-protected-resource/mcp").await.body;
        let challenge = world.mcp("", "tools/list", json!({})).await.header("www-authenticate").to_owned();
        for scope in ["openid", "offline_access"] {
            assert!(!resource.contains(scope) && !challenge.contains(scope), "{scope}: {resource} {challenge}");
        }
        let algorithms = world.get("/oauth/jwks.json").await.body;
        assert!(["RS256", "ES256", "EdDSA"].iter().all(|algorithm| algorithms.contains(algorithm)), "{algorithms}");
        for (name, value) in document.as_object().unwrap() {
            assert!(!value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()), "{name} is empty");
        }
    }

    /// DC-5, OIDC-D-3-1, R7591-3.2.1-2: off, nothing of it is offered, told or registered
    async fn nothing_of_it_is_there_while_it_is_off(database: TestDatabase) {
        let world = World::on(database).await;
        let document = world.get("/.well-known/openid-configuration").await.json();
        for member in ["userinfo_endpoint", "end_session_endpoint", "subject_types_supported", "id_token_signing_alg_values_supported", "claims_supported"] {
            assert_eq!(document.get(member), None, "{member}");
        }
        for path in ["/oauth/userinfo", "/oauth/logout"] {
            assert_eq!(world.get(path).await.status.as_u16(), 404, "{path}");
        }
        let registered = world.post_json("/oauth/register", &json!({
            "redirect_uris": ["http://127.0.0.1/callback"], "scope": "openid mcp.tools.read", "id_token_signed_response_alg": "ES256",
            "token_endpoint_auth_method": "none", "backchannel_logout_uri": "https://rp.example/out", "post_logout_redirect_uris": ["https://rp.example/"],
        })).await.json();
        assert_eq!(registered["scope"], "mcp.tools.read");
        for member in ["id_token_signed_response_alg", "backchannel_logout_uri", "post_logout_redirect_uris"] {
            assert_eq!(registered.get(member), None, "{member}");
        }
        let client = Client::public(&world).await;
        let answer = client.sign_in(&world, &mut Browser::new(&world), ("openid mcp.tools.read", &[])).await;
        assert_eq!((answer.json().get("id_token"), &answer.json()["scope"]), (None, &json!("mcp.tools.read")));
        assert_eq!(world.userinfo(&Tokens::of(&answer).access).await.status.as_u16(), 404);
        let asked = client.authorize(&Pkce::new(), &[("resource", USERINFO), ("scope", "openid")]);
        let refused = Browser::signed_in(&world).await.get(&asked).await;
        assert_eq!(refused.redirect_parameter("error").as_deref(), Some("invalid_target"));
    }

    /// OIDC-D-4.3-1, OIDC-D-3-1: who signed in, when and how, to this client alone, with its nonce byte for byte
    async fn an_id_token_says_who_signed_in_when_and_how(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        world.advance(100);
        let nonce = "n-0S6_ WzA2M+j%é&=\"";
        let page = browser.reach_consent(&client.sign_in_url(&Pkce::new(), EVERYTHING, &[])).await;
        assert_eq!(page.boxes("scope"), ["openid", "profile", "email"]);
        assert!(page.boxes("connection").is_empty() && page.body.contains("your account"), "{}", page.body);
        for told in ["Know your account", "See your name", "See your e-mail address"] {
            assert!(page.body.contains(told), "{told}");
        }
        let answer = client.sign_in(&world, &mut browser, (EVERYTHING, &[("nonce", nonce)])).await;
        let tokens = Tokens::of(&answer);
        assert_eq!(tokens.scope, "email openid profile");
        let claims = world.read_jwt(&id_token(&answer), ID_TOKEN).await;
        assert_eq!(names(&claims), ["acr", "amr", "at_hash", "aud", "auth_time", "email", "exp", "iat", "iss", "name", "nonce", "sid", "sub"]);
        assert_eq!((&claims["iss"], &claims["aud"], &claims["sub"]), (&json!("http://localhost:8420"), &json!(client.id), &json!(world.alice.id)));
        assert_eq!((&claims["nonce"], &claims["amr"]), (&json!(nonce), &json!(["pwd"])));
        assert_eq!((&claims["name"], &claims["email"]), (&json!("alice"), &json!("alice@example.com")));
        let time = |name: &str| claims[name].as_i64().unwrap();
        assert_eq!((time("iat") - time("auth_time"), time("exp") - time("iat")), (100, 600));
        assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&Sha256::digest(tokens.access.as_bytes())[..16]));

        let told = json!({"sub": world.alice.id, "name": "alice", "email": "alice@example.com"});
        let answer = world.userinfo(&tokens.access).await;
        assert_eq!((answer.json(), answer.header("cache-control")), (told, "no-store"));
        assert!(world.trail().await.contains(&"userinfo done ".to_owned()));

        // OpenID Connect Core §12.2: of the same sign-in, to the same client, and the nonce was for the first time alone.
        world.advance(50);
        let refreshed = client.refresh(&world, &tokens.refresh, &[]).await;
        let again = world.read_jwt(&id_token(&refreshed), ID_TOKEN).await;
        for name in ["iss", "sub", "aud", "auth_time", "sid", "acr"] {
            assert_eq!(again[name], claims[name], "{name}");
        }
        assert_eq!((again.get("nonce"), again["iat"].as_i64()), (None, Some(time("iat") + 50)));
    }

    /// SBP-9, OA21-1.4.1-2: nobody learns what was not ticked, and without `openid` the rest means nothing
    async fn only_what_is_ticked_is_told(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::signed_in(&world).await;
        let all = "openid profile email mcp.tools.read";
        for (ticked, scope, told) in [
            (&["openid", "profile"][..], "openid profile", Some(("alice", ""))),
            (&["openid", "email"], "email openid", Some(("", "alice@example.com"))),
            (&["profile", "email", "mcp.tools.read"], "mcp.tools.read", None),
            (&["openid", "mcp.tools.read"], "mcp.tools.read openid", Some(("", ""))),
        ] {
            let pkce = Pkce::new();
            let is_mixed = ticked.contains(&"mcp.tools.read");
            let page = browser.reach_consent(&client.sign_in_url(&pkce, if is_mixed { all } else { EVERYTHING }, &[])).await;
            let ticked: Vec<String> = ticked.iter().map(|scope| (*scope).to_owned()).collect();
            let code = browser.answer_consent(&page, "approve", &ticked).await.redirect_parameter("code").unwrap();
            let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
            assert_eq!(answer.json()["scope"], scope);
            let Some((name, email)) = told else {
                assert_eq!(answer.json().get("id_token"), None);
                continue;
            };
            let claims = world.read_jwt(&id_token(&answer), ID_TOKEN).await;
            let text = |of: &Value, name: &str| of[name].as_str().unwrap_or_default().to_owned();
            assert_eq!((text(&claims, "name"), text(&claims, "email")), (name.to_owned(), email.to_owned()));
            if !is_mixed {
                let answer = world.userinfo(&Tokens::of(&answer).access).await.json();
                assert_eq!((text(&answer, "name"), text(&answer, "email")), (name.to_owned(), email.to_owned()));
            }
        }
        for scopes in [&["profile", "email"][..], &[]] {
            let page = browser.reach_consent(&client.sign_in_url(&Pkce::new(), EVERYTHING, &[])).await;
            let ticked: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            assert_eq!(browser.answer_consent(&page, "approve", &ticked).await.status.as_u16(), 422);
        }
    }

    /// R8707-2.2-1, MCP-AUTH-6, R9068-2.2.3-1, R8707-2.1-2: a token for tools opens no UserInfo, one for UserInfo no tools, and a grant with both gives either
    async fn a_token_is_for_tools_or_for_userinfo(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let mut browser = Browser::new(&world);
        let tools = async |token: &str| world.mcp(token, "tools/list", json!({})).await.status.as_u16();
        let told = async |token: &str| world.userinfo(token).await.verdict();
        let mixed = [("resource", "http://localhost:8420/mcp")];
        let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[("scope", "openid email mcp.tools.read")])).await;
        assert_eq!((page.boxes("scope").as_slice(), page.boxes("connection").len()), (&["mcp.tools.read", "openid", "email"].map(str::to_owned)[..], 1));
        let answer = client.sign_in(&world, &mut browser, ("openid email mcp.tools.read", &mixed)).await;
        let tokens = Tokens::of(&answer);
        assert_eq!(tokens.scope, "email mcp.tools.read openid", "what was granted, in full");
        assert_eq!(world.read_jwt(&id_token(&answer), ID_TOKEN).await["email"], "alice@example.com");
        assert_eq!((tools(&tokens.access).await, told(&tokens.access).await), (200, "401 invalid_token".to_owned()));

        let own = Tokens::of(&client.refresh(&world, &tokens.refresh, &[("resource", USERINFO)]).await);
        assert_eq!((tools(&own.access).await, told(&own.access).await), (401, "200".to_owned()));
        let narrow = client.refresh(&world, &own.refresh, &[("scope", "mcp.tools.read")]).await;
        assert_eq!((narrow.json().get("id_token"), &narrow.json()["scope"]), (None, &json!("mcp.tools.read")));
        let narrow = Tokens::of(&narrow);
        assert_eq!(tools(&narrow.access).await, 200);
        for (scope, verdict) in [("openid", "400 invalid_scope"), ("openid profile mcp.tools.read", "400 invalid_scope"), ("email openid mcp.tools.read", "200")] {
            let answer = client.refresh(&world, &narrow.refresh, &[("scope", scope)]).await;
            assert_eq!(answer.verdict(), verdict, "{scope}");
        }
        let sign_in = Tokens::of(&client.sign_in(&world, &mut browser, (EVERYTHING, &[])).await);
        assert_eq!((tools(&sign_in.access).await, told(&sign_in.access).await), (401, "200".to_owned()));
    }

    /// DC-5, DC-2: an MCP client that asks for these scopes alone, out of habit, still gets what its tools need
    async fn a_client_of_tools_that_asks_to_sign_in_gets_tools_too(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::signed_in(&world).await;
        for scope in [EVERYTHING, "openid profile email offline_access"] {
            let page = browser.reach_consent(&client.authorize(&Pkce::new(), &[("scope", scope)])).await;
            let boxes = page.boxes("scope");
            assert!(boxes.starts_with(&["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read", "openid", "profile", "email"].map(str::to_owned)), "{boxes:?}");
            assert_eq!(boxes.contains(&"offline_access".to_owned()), scope.contains("offline_access"));
        }
        let without = browser.reach_consent(&client.authorize(&Pkce::new(), &[("scope", "profile email")])).await;
        assert_eq!(without.boxes("scope"), ["mcp.tools.read", "mcp.tools.execute", "mcp.resources.read"], "without openid they mean nothing");
        for (scope, error) in [("openid nonsense", "invalid_scope"), ("profile", "invalid_scope")] {
            let resource = if scope == "profile" { USERINFO } else { "http://localhost:8420/mcp" };
            let answer = browser.get(&client.authorize(&Pkce::new(), &[("scope", scope), ("resource", resource)])).await;
            assert_eq!(answer.redirect_parameter("error").as_deref(), Some(error), "{scope}");
        }
    }

    /// OIDC-D-3-1: signed as the client registered, by a key that is published
    async fn an_id_token_is_signed_as_its_client_registered(database: TestDatabase) {
        let world = World::with_openid(database).await;
        for (registered, used) in [(json!({}), "RS256"), (json!("ES256"), "ES256"), (json!("EdDSA"), "EdDSA"), (json!("none"), "RS256"), (json!("HS256"), "RS256")] {
            let metadata = if registered.is_string() { json!({"id_token_signed_response_alg": registered}) } else { json!({}) };
            let client = Client::relying_party(&world, metadata).await;
            let answer = client.sign_in(&world, &mut Browser::new(&world), ("openid", &[])).await;
            let claims = world.read_jwt(&id_token(&answer), ("jwt", used)).await;
            assert_eq!(claims["at_hash"].as_str().unwrap().len(), if used == "EdDSA" { 43 } else { 22 });
        }
    }

    /// R9068-4-1: an ID token opens nothing, wherever an access token would
    async fn an_id_token_is_no_access_token(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let notes = ResourceServer::with_tokens(&world, "https://notes.example.com/mcp", TokenFormat::Jwt).await;
        let client = Client::relying_party(&world, json!({"id_token_signed_response_alg": "ES256"})).await;
        let answer = client.sign_in(&world, &mut Browser::new(&world), (EVERYTHING, &[])).await;
        let token = id_token(&answer);
        assert_eq!(world.mcp(&token, "tools/list", json!({})).await.status.as_u16(), 401);
        let refused = world.userinfo(&token).await;
        assert_eq!(refused.verdict(), "401 invalid_token");
        assert!(refused.header("www-authenticate").contains(r#"error="invalid_token""#));
        assert_eq!(notes.introspect(&world, &token).await.body, r#"{"active":false}"#);
        let trader = Client::by_admin(&world, &[GrantType::ClientCredentials, GrantType::TokenExchange], ("mcp.tools.read", &[])).await;
        let fields = [("grant_type", GrantType::TokenExchange.as_str()), ("subject_token", &token), ("subject_token_type", TokenType::AccessToken.as_str())];
        assert_eq!(trader.token(&world, &fields, &[]).await.verdict(), "400 invalid_request");
        let asked = [("grant_type", "client_credentials"), ("scope", "openid"), ("resource", USERINFO)];
        assert_eq!(trader.token(&world, &asked, &[]).await.verdict(), "400 invalid_scope", "a machine is nobody who signed in");
    }

    /// R6750-3-1, R6750-3-2, OA21-5.1-1, R9068-4-1: what UserInfo answers to whom it does not serve
    async fn userinfo_answers_to_its_own_tokens_alone(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::relying_party(&world, json!({})).await;
        let tokens = Tokens::of(&client.sign_in(&world, &mut Browser::new(&world), (EVERYTHING, &[])).await);
        let anonymous = world.get("/oauth/userinfo").await;
        assert_eq!((anonymous.verdict().as_str(), anonymous.header("www-authenticate")), ("401 invalid_token", r#"Bearer realm="portcullis""#));
        assert_eq!(world.get(&format!("/oauth/userinfo?access_token={}", tokens.access)).await.status.as_u16(), 401);
        assert_eq!(world.post_form("/oauth/userinfo", &[("access_token", &tokens.access)]).await.status.as_u16(), 401);
        assert_eq!(world.userinfo(&tokens.refresh).await.verdict(), "401 invalid_token");
        let narrow = Tokens::of(&client.refresh(&world, &tokens.refresh, &[("scope", "profile")]).await);
        assert_eq!(world.userinfo(&narrow.access).await.verdict(), "403 insufficient_scope");
        assert_eq!(world.preflight("/oauth/userinfo", "https://app.example", "authorization").await.header("access-control-allow-origin"), "*");
        world.advance(600);
        assert_eq!(world.userinfo(&tokens.access).await.verdict(), "401 invalid_token");
    }

    /// A28: a client that an admin limited to a server learns of nobody, unless UserInfo is among what it may reach
    async fn a_limit_holds_for_the_sign_in_too(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let notes = ResourceServer::at(&world, "https://notes.example/mcp").await;
        let scope = "read openid email";
        for (resources, is_told) in [(vec![notes.uri.as_str()], false), (vec![notes.uri.as_str(), USERINFO], true)] {
            let client = Client::by_admin(&world, &[GrantType::DeviceCode], (scope, &resources)).await;
            let fields = [("client_id", client.id.as_str()), ("scope", scope), ("resource", notes.uri.as_str())];
            let told = world.post_form("/oauth/device_authorization", &fields).await.json();
            let mut browser = Browser::signed_in(&world).await;
            let csrf = browser.get("/device").await.field("csrf").unwrap();
            let typed = [("csrf", csrf.as_str()), ("user_code", told["user_code"].as_str().unwrap())];
            let page = browser.post("/device", &typed).await;
            let page = browser.get(page.see_other()).await;
            assert_eq!(page.boxes("scope").contains(&"email".to_owned()), is_told, "{}", page.body);
            browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
            let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", told["device_code"].as_str().unwrap())];
            let answer = client.token(&world, &fields, &[]).await.json();
            assert_eq!((answer["access_token"].is_string(), answer["id_token"].is_string()), (true, is_told), "{answer}");
        }
    }

    /// R8628-3.4-1: a device learns who allowed it
    async fn a_device_learns_who_allowed_it(database: TestDatabase) {
        let world = World::with_openid(database).await;
        let client = Client::by_admin(&world, &[GrantType::DeviceCode], ("", &[])).await;
        let fields = [("client_id", client.id.as_str()), ("scope", "openid email")];
        let told = world.post_form("/oauth/device_authorization", &fields).await.json();
        let mut browser = Browser::signed_in(&world).await;
        let csrf = browser.get("/device").await.field("csrf").unwrap();
        let typed = [("csrf", csrf.as_str()), ("user_code", told["user_code"].as_str().unwrap())];
        let answer = browser.post("/device", &typed).await;
        let page = browser.get(answer.see_other()).await;
        browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        let fields = [("grant_type", GrantType::DeviceCode.as_str()), ("device_code", told["device_code"].as_str().unwrap())];
        let answer = client.token(&world, &fields, &[]).await;
        let claims = world.read_jwt(&id_token(&answer), ID_TOKEN).await;
        assert_eq!((&claims["sub"], &claims["email"], &claims["aud"]), (&json!(world.alice.id), &json!("alice@example.com"), &json!(client.id)));
        assert_eq!(world.userinfo(&Tokens::of(&answer).access).await.verdict(), "200");
    }

    /// OIDC-R-2-1, DC-10: where an application runs is what its addresses tell, whatever it says
    async fn the_application_type_is_what_the_addresses_tell(database: TestDatabase) {
        let world = World::with_openid(database).await;
        for (uri, said, told) in [
            ("https://app.example/cb", Value::Null, "web"), ("https://app.example/cb", json!("native"), "web"),
            ("http://localhost/cb", json!("web"), "native"), ("com.example.app:/cb", Value::Null, "native"),
        ] {
            let metadata = json!({"redirect_uris": [uri], "application_type": said});
            assert_eq!(world.post_json("/oauth/register", &metadata).await.json()["application_type"], told, "{uri} {said}");
        }
        let refused = world.post_json("/oauth/register", &json!({"redirect_uris": ["http://app.example/cb"], "application_type": "web"})).await;
        assert_eq!(refused.verdict(), "400 invalid_redirect_uri");
        assert!(refused.body.contains("redirect"), "names the field: {}", refused.body);
    }
}
