//! An enterprise decides which clients act for its people: its identity provider vouches (ID-JAG), nobody is asked, and the
//! person still sees the client and can keep it away.

use portcullis_authorization_server::IssuerId;
use portcullis_database::both_engines;
use portcullis_oauth::GrantType;
use portcullis_oauth::jose::{ClientKeys, IdJag};
use portcullis_tests::{
    Answer, Browser, Client, IdentityProvider, Keyed, PASSWORD, Prover, Publisher, Tokens, World,
};
use serde_json::{Value, json};

use crate::policy_on_pages::activate;

const IDP: &str = "https://idp.example.com";
const ISSUER: &str = "http://localhost:8420";
const REFUSED: &str = "400 invalid_grant";
const SIGNED_IN_HERE: &str = r#"
    @id("owners") @reason("Everybody may use their own.")
    permit (principal, action, resource) when { principal.id == resource.owner };
    @id("here") @reason("Sign in here first.")
    forbid (principal, action == Action::"callTool", resource) when { context.authentication < 1 };"#;

/// A client that an admin registered to bring assertions.
async fn agent(world: &World) -> Client {
    Client::by_admin(world, &[GrantType::JwtBearer], ("", &[])).await
}

/// A trusted provider at which Alice is `ada`, and such a client.
async fn stage(world: &World) -> (IdentityProvider, Client) {
    let provider = IdentityProvider::trusted(world, IDP).await;
    provider.link(world, "ada", &world.alice).await;
    (provider, agent(world).await)
}

/// What the client gets for a good assertion about `subject` with some claims replaced.
async fn give(world: &World, provider: &IdentityProvider, client: &Client, changes: &Value) -> Answer {
    client.present(world, &provider.vouch(world, ("ada", client), changes), &[]).await
}

async fn status(world: &World, token: &str) -> u16 {
    world.mcp(token, "tools/list", json!({})).await.status.as_u16()
}

/// Whom a token acts for.
async fn owner(world: &World, token: &str) -> String {
    let sql = "SELECT g.principal_id FROM access_token t JOIN oauth_grant g ON g.id = t.grant_id ORDER BY t.issued_at DESC, t.expires_at DESC LIMIT 1";
    assert_eq!(status(world, token).await, 200);
    world.text(sql).await
}

/// The value of the form field `grant` of the form that is sent to `action`.
fn grant_in(page: &Answer, action: &str) -> Option<String> {
    let form = page.body.split(&format!("action=\"{action}\"")).nth(1)?;
    let value = form.split("name=\"grant\" value=\"").nth(1)?;
    value.split('"').next().map(str::to_owned)
}

/// Sends that form.
async fn press(browser: &mut Browser<'_>, action: &str) -> Answer {
    let page = browser.get("/").await;
    let grant = grant_in(&page, action).unwrap_or_else(|| panic!("no {action} in {}", page.body));
    let csrf = page.field("csrf").unwrap();
    browser.post(action, &[("csrf", &csrf), ("grant", &grant)]).await
}

both_engines! {
    /// What another issuer vouched for does not say how somebody signed in, and a policy can ask that they did so here
    async fn a_policy_can_ask_how_somebody_signed_in(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let vouched = Tokens::of(&give(&world, &provider, &client, &json!({})).await);
        let allowed = Client::public(&world).await.connect(&world).await;
        activate(&world, SIGNED_IN_HERE).await;
        let echo = json!({"name": "sandbox__echo", "arguments": {"message": "hello"}});
        let said = world.mcp(&allowed.access, "tools/call", echo.clone()).await.body;
        assert!(said.contains("hello"), "{said}");
        let said = world.mcp(&vouched.access, "tools/call", echo).await.body;
        assert!(said.contains("Sign in here first."), "{said}");
    }

    /// IDJAG-4.4.3-1, IDJAG-4.4.1-3, R7523-3.1-1: a token for what the assertion names and no refresh token, as often as it comes
    async fn an_enterprise_vouches_and_nobody_is_asked(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let assertion = provider.vouch(&world, ("ada", &client), &json!({}));
        let answer = client.present(&world, &assertion, &[]).await;
        assert_eq!((answer.header("cache-control"), &answer.json()["refresh_token"]), ("no-store", &json!(null)));
        let first = Tokens::of(&answer);
        assert_eq!(first.scope, "mcp.tools.execute mcp.tools.read");
        assert_eq!(owner(&world, &first.access).await, world.alice.id.as_str());
        let call = world.mcp(&first.access, "tools/call", json!({"name": "sandbox__echo", "arguments": {"message": "hello"}})).await;
        assert!(call.body.contains("hello"), "{}", call.body);
        world.advance(299);
        let second = Tokens::of(&client.present(&world, &assertion, &[("scope", "mcp.tools.read openid")]).await);
        assert_eq!(second.scope, "mcp.tools.read", "a request may ask for less");
        world.advance(31);
        assert_eq!(client.present(&world, &assertion, &[]).await.verdict(), REFUSED, "expired");
        assert_eq!(world.count("SELECT COUNT(*) FROM oauth_grant").await, 1, "one grant stands");
        assert!(world.trail().await.contains(&"consent done organisation_vouched".to_owned()));
        let home = Browser::signed_in(&world).await.get("/").await;
        assert!(home.body.contains(&format!("your organisation, <bdi dir=\"ltr\">{IDP}</bdi>")), "{}", home.body);
    }

    /// IDJAG-3.1-1, IDJAG-4.4.1-1, IDJAG-4.4.1-2, IDJAG-8.3-1, IDJAG-8.6-1, R7523-3.1-1, A60: each mutation alone is refused
    async fn every_mutation_of_a_good_assertion_gives_nothing(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let other = agent(&world).await;
        for (changes, reason) in [
            (json!({"aud": "http://localhost:8420/oauth/token"}), "id_jag_audience"),
            (json!({"aud": [ISSUER, "https://other.example"]}), "id_jag_audience"),
            (json!({"aud": "https://other.example"}), "id_jag_audience"),
            (json!({"client_id": other.id}), "id_jag_client"),
            (json!({"client_id": null}), "id_jag_client"),
            (json!({"iss": "https://idp.example.com/"}), "id_jag_issuer"),
            (json!({"iss": "https://evil.example"}), "id_jag_issuer"),
            (json!({"iss": ISSUER}), "id_jag_of_our_own"),
            (json!({"tenant": "acme"}), "id_jag_issuer"),
            (json!({"exp": 1}), "id_jag_times"),
            (json!({"exp": null}), "id_jag_claims"),
            (json!({"jti": null}), "id_jag_claims"),
            (json!({"sub": null}), "id_jag_claims"),
            (json!({"cnf": {"jkt": Prover::new().jkt()}}), "id_jag_bound"),
            (json!({"authorization_details": [{"type": "x"}]}), "id_jag_details"),
            (json!({"sub": "eve"}), "identity_unknown"),
        ] {
            world.advance(1);
            assert_eq!(give(&world, &provider, &client, &changes).await.verdict(), REFUSED, "{changes}");
            let noted = format!("identity.assertion refused {reason}");
            assert!(world.trail().await.contains(&noted), "{changes}");
        }
        for typ in ["JWT", "at+jwt", "client-authentication+jwt", "id+jwt"] {
            let token = provider.key.sign(typ, &provider.claims(&world, ("ada", &client))).unwrap();
            assert_eq!(client.present(&world, &token, &[]).await.verdict(), REFUSED, "{typ}");
        }
        let thief = IdentityProvider::new(IDP, "");
        assert_eq!(give(&world, &thief, &client, &json!({})).await.verdict(), REFUSED, "another key");
        let good = provider.vouch(&world, ("ada", &client), &json!({}));
        assert_eq!(other.present(&world, &good, &[]).await.verdict(), REFUSED, "another client presents it");
        assert_eq!(client.present(&world, "x", &[]).await.verdict(), REFUSED);
        assert_eq!(client.present(&world, &good, &[("assertion", "")]).await.verdict(), "400 invalid_request");
        assert_eq!(client.present(&world, &good, &[("assertion", "x"), ("assertion", "y")]).await.verdict(), "400 invalid_request");
        assert_eq!(world.count("SELECT COUNT(*) FROM access_token").await, 0);
        // Nor is it a token, or a proof of who the client is.
        assert_eq!(status(&world, &good).await, 401);
        assert_eq!(client.present(&world, &good, &[]).await.verdict(), "200");
    }

    /// IDJAG-4.4.1-3, DC-25, DC-1: the resource and the scopes of the assertion, less where the request says so, and never more
    async fn what_the_assertion_names_is_the_ceiling(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        for (changes, verdict) in [
            (json!({"resource": "https://elsewhere.example/mcp"}), "400 invalid_target"),
            (json!({"resource": "http://localhost:8420"}), "400 invalid_target"),
            (json!({"resource": "http://localhost:8420/mcp/nobodys"}), "400 invalid_target"),
            (json!({"resource": [format!("{ISSUER}/mcp"), format!("{ISSUER}/mcp/sandbox")]}), REFUSED),
            (json!({"scope": "openid other"}), "400 invalid_scope"),
            (json!({"scope": "offline_access"}), "400 invalid_scope"),
            (json!({"scope": ""}), "400 invalid_scope"),
        ] {
            assert_eq!(give(&world, &provider, &client, &changes).await.verdict(), verdict, "{changes}");
        }
        let tokens = Tokens::of(&give(&world, &provider, &client, &json!({"resource": "HTTP://LOCALHOST:8420/mcp/sandbox", "scope": "mcp.tools.read offline_access"})).await);
        assert_eq!(tokens.scope, "mcp.tools.read");
        assert_eq!(world.mcp_at("/mcp/sandbox", &tokens.access, "tools/list", json!({})).await.status.as_u16(), 200);
        assert_eq!(status(&world, &tokens.access).await, 401, "it is for one connection");
        let silent = Tokens::of(&give(&world, &provider, &client, &json!({"resource": null, "scope": null})).await);
        assert_eq!((status(&world, &silent.access).await, silent.scope.as_str()), (200, "mcp.resources.read mcp.tools.execute mcp.tools.read"), "the default, and what it gives by default");
        for elsewhere in ["http://localhost:8420/mcp/sandbox", "https://notes.example/mcp"] {
            let silent = provider.vouch(&world, ("ada", &client), &json!({"resource": null, "scope": null}));
            assert_eq!(client.present(&world, &silent, &[("resource", elsewhere)]).await.verdict(), "400 invalid_target", "nobody vouched for it");
        }

        let read = provider.vouch(&world, ("ada", &client), &json!({"scope": "mcp.tools.read"}));
        assert_eq!(client.present(&world, &read, &[("scope", "mcp.tools.execute")]).await.verdict(), "400 invalid_scope");
        assert_eq!(client.present(&world, &read, &[("resource", "http://localhost:8420/mcp/sandbox")]).await.verdict(), "400 invalid_target");
        assert_eq!(client.present(&world, &read, &[("resource", "http://localhost:8420/mcp")]).await.verdict(), "200");
        let bound = Client::by_admin(&world, &[GrantType::JwtBearer], ("", &["http://localhost:8420/mcp/sandbox"])).await;
        assert_eq!(give(&world, &provider, &bound, &json!({})).await.verdict(), "400 invalid_target", "A28: nor more than the client may reach");
    }

    /// IDJAG-3-1, ASVS-6.8.1, A60: the same name at another provider, or in another tenant, is somebody else
    async fn two_providers_with_one_subject_mean_two_people(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let bob = world.add_user("bob@example.com").await;
        let other = IdentityProvider::trusted(&world, "https://other.example.com").await;
        let nobody = give(&world, &other, &client, &json!({})).await;
        assert_eq!((nobody.verdict().as_str(), world.why(&nobody).await.as_str()), (REFUSED, "assertion user_not_linked"));
        let stranger = give(&world, &IdentityProvider::new("https://stranger.example.com", ""), &client, &json!({})).await;
        assert_eq!(world.why(&stranger).await, "assertion issuer_untrusted");
        other.link(&world, "ada", &bob).await;
        let tenant = IdentityProvider::new(IDP, "acme").be_trusted(&world, false).await;
        assert_eq!(give(&world, &tenant, &client, &json!({})).await.verdict(), REFUSED);
        let carol = world.add_user("carol@example.com").await;
        tenant.link(&world, "ada", &carol).await;
        for (provider, user) in [(&provider, &world.alice), (&other, &bob), (&tenant, &carol)] {
            world.advance(1);
            let tokens = Tokens::of(&give(&world, provider, &client, &json!({})).await);
            assert_eq!(owner(&world, &tokens.access).await, user.id.as_str());
        }
        assert_eq!(give(&world, &tenant, &client, &json!({"tenant": null})).await.verdict(), REFUSED, "its key is not that of the provider without a tenant");
        let issuers = world.app.authorization.trusted_issuers();
        assert!(issuers.link(&provider.id, "ada", &bob.id).await.is_err(), "nobody becomes somebody else");
        assert!(issuers.link(&IssuerId::parse("https://unknown.example", "").unwrap(), "x", &bob.id).await.is_err());
    }

    /// IDJAG-3-1: an address links somebody where an admin opted in, if the provider verified it, once, and no administrator
    async fn an_address_links_only_where_an_admin_opted_in(database: TestDatabase) {
        let world = World::on(database).await;
        let client = agent(&world).await;
        let strict = IdentityProvider::trusted(&world, IDP).await;
        let lenient = IdentityProvider::new("https://lenient.example.com", "").be_trusted(&world, true).await;
        let root = portcullis_authorization_server::NewUser {
            email: "root@example.com".to_owned(), name: "Root".to_owned(), admin: true,
            password: Some(portcullis_oauth::Secret::presented(PASSWORD)),
        };
        world.app.authorization.users().create(root).await.unwrap();
        world.add_user("mike@example.com").await;
        let says = |email: &str, verified: Value| json!({"email": email, "email_verified": verified});
        let alice = || says("Alice@Example.com", json!(true));
        assert_eq!(give(&world, &strict, &client, &alice()).await.verdict(), REFUSED, "not opted in");
        for changes in [says("alice@example.com", json!(false)), says("alice@example.com", json!("true")), says("alice@example.com", json!(null)), says("nobody@example.com", json!(true)), says("root@example.com", json!(true)), says("mi\u{212a}e@example.com", json!(true))] {
            assert_eq!(give(&world, &lenient, &client, &changes).await.verdict(), REFUSED, "{changes}");
        }
        let tokens = Tokens::of(&give(&world, &lenient, &client, &alice()).await);
        assert_eq!(owner(&world, &tokens.access).await, world.alice.id.as_str());
        assert_eq!(world.trail().await.iter().filter(|line| *line == "issuer.change done identity_linked_by_email").count(), 1);
        assert_eq!(give(&world, &lenient, &client, &json!({})).await.verdict(), "200", "known by name from now on");
        let successor = lenient.vouch(&world, ("somebody new", &client), &alice());
        assert_eq!(client.present(&world, &successor, &[]).await.verdict(), REFUSED, "who was given her address is not her");
        world.add_user("bob@example.com").await;
        let renamed = Tokens::of(&give(&world, &lenient, &client, &says("bob@example.com", json!(true))).await);
        world.advance(1);
        assert_eq!(owner(&world, &renamed.access).await, world.alice.id.as_str(), "nor does another address make her somebody else");
    }

    /// IDJAG-8.1-1, DC-25, A35: confidential clients, and those alone of which somebody knows
    async fn only_clients_that_somebody_knows_bring_assertions(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, _) = stage(&world).await;
        let grants = json!(["authorization_code", GrantType::JwtBearer]);
        let public = json!({"redirect_uris": ["https://a.example/callback"], "token_endpoint_auth_method": "none", "grant_types": grants});
        let secret = json!({"redirect_uris": ["https://a.example/callback"], "token_endpoint_auth_method": "client_secret_post", "grant_types": grants});
        for metadata in [public, secret] {
            let registered = Client::registered(&world, &metadata).await;
            assert_eq!(give(&world, &provider, &registered, &json!({})).await.verdict(), "400 unauthorized_client");
        }
        let key = Keyed::new_key(portcullis_oauth::jose::Algorithm::Es256);
        let keyed = Keyed::registered_with(&world, key, |set| json!({"jwks": set, "grant_types": grants})).await;
        let assertion = provider.vouch(&world, ("ada", &keyed.client), &json!({}));
        let fields = [("grant_type", GrantType::JwtBearer.as_str()), ("assertion", assertion.as_str())];
        assert_eq!(keyed.token(&world, &fields).await.verdict(), "400 unauthorized_client", "it registered itself");
        let unregistered = Client::by_admin(&world, &[GrantType::TokenExchange], ("", &[])).await;
        assert_eq!(give(&world, &provider, &unregistered, &json!({})).await.verdict(), "400 unauthorized_client");

        let publisher = Publisher::open().await;
        let key = Keyed::new_key(portcullis_oauth::jose::Algorithm::Es256);
        let mut document = publisher.document();
        document["token_endpoint_auth_method"] = json!("private_key_jwt");
        document["grant_types"] = grants;
        document["jwks"] = Keyed::set(&key);
        publisher.publish(&document);
        let documented = Keyed { client: publisher.client(), key };
        // A client is known by its document once somebody has been sent here by it.
        assert_eq!(world.get(&documented.client.authorize(&portcullis_tests::Pkce::new(), &[])).await.status.as_u16(), 303);
        let assertion = provider.vouch(&world, ("ada", &documented.client), &json!({}));
        let fields = [("grant_type", GrantType::JwtBearer.as_str()), ("assertion", assertion.as_str())];
        assert_eq!(documented.client.token(&world, &fields, &[]).await.verdict(), "401 invalid_client");
        assert_eq!(documented.token(&world, &fields).await.verdict(), "200");
    }

    /// IDJAG-7.2-1: told where somebody is trusted, and not who; on every node
    async fn the_metadata_tell_that_assertions_are_taken(database: TestDatabase) {
        let world = World::on(database).await;
        let node = world.second_node().await;
        let read = async || world.get("/.well-known/oauth-authorization-server").await;
        let offers = |answer: &Answer| {
            let metadata = answer.json();
            let grants = metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GrantType::JwtBearer));
            assert!(!answer.body.contains("idp.example"), "{}", answer.body);
            (grants, metadata.get("authorization_grant_profiles_supported").cloned())
        };
        assert_eq!(offers(&read().await), (false, None));
        let elsewhere = node.authorization.trusted_issuers();
        let provider = IdentityProvider::new(IDP, "");
        elsewhere.trust(provider.id.clone(), ClientKeys::at("https://idp.example.com/keys").unwrap(), false).await.unwrap();
        world.app.changes.read().await.unwrap();
        assert_eq!(offers(&read().await), (true, Some(json!([IdJag::PROFILE]))));
        assert!(elsewhere.trust(provider.id.clone(), ClientKeys::at("https://idp.example.com/keys").unwrap(), false).await.is_err(), "it is trusted already");
        assert!(elsewhere.remove(&provider.id).await.unwrap());
        world.app.changes.read().await.unwrap();
        assert_eq!(offers(&read().await), (false, None));
    }

    /// IDJAG-3-1, R7523-JWKS-1: the keys of a provider may be published; a new one is found, and a forger has them asked for
    /// once a minute
    async fn a_providers_keys_may_be_published(database: TestDatabase) {
        let world = World::on(database).await;
        let (publisher, client) = (Publisher::open().await, agent(&world).await);
        let mut provider = IdentityProvider::new(IDP, "");
        publisher.publish(&Keyed::set(&provider.key));
        let issuers = world.app.authorization.trusted_issuers();
        issuers.trust(provider.id.clone(), ClientKeys::at(&publisher.url()).unwrap(), false).await.unwrap();
        provider.link(&world, "ada", &world.alice).await;
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), "200");
        for _ in 0..20 {
            assert_eq!(give(&world, &IdentityProvider::new(IDP, ""), &client, &json!({})).await.verdict(), REFUSED);
        }
        assert_eq!(publisher.asked().len(), 1);
        world.advance(60);
        provider.key = Keyed::new_key(portcullis_oauth::jose::Algorithm::EdDsa);
        publisher.publish(&Keyed::set(&provider.key));
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), "200");
        assert_eq!(publisher.asked().len(), 2);
    }

    /// OA21-7.9-1, IDJAG-4.4.3-1: whom a user keeps away stays away, whatever the enterprise says, until that user allows it
    async fn a_user_keeps_a_client_away_and_lets_it_back(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let tokens = Tokens::of(&give(&world, &provider, &client, &json!({})).await);
        let mut alice = Browser::signed_in(&world).await;
        let page = press(&mut alice, "/clients/disconnect").await;
        assert!(page.body.contains("Clients that you keep away"), "{}", page.body);
        assert_eq!(status(&world, &tokens.access).await, 401);
        world.advance(1);
        let refused = give(&world, &provider, &client, &json!({})).await;
        assert_eq!(refused.verdict(), REFUSED);
        assert!(refused.body.contains("has not allowed it again"), "{}", refused.body);
        assert!(world.trail().await.contains(&"identity.assertion refused user_disconnected".to_owned()));
        assert_eq!(world.why(&refused).await, "assertion kept_away");
        let elsewhere = give(&world, &provider, &client, &json!({"resource": "http://localhost:8420/mcp/sandbox"})).await;
        assert_eq!(elsewhere.verdict(), REFUSED, "whom she keeps away does not come in by another door");
        let issuers = world.app.authorization.trusted_issuers();
        assert!(issuers.unlink(&provider.id, "ada").await.unwrap());
        provider.link(&world, "ada", &world.alice).await;
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED, "nor does an admin forget for her");

        world.add_user("bob@example.com").await;
        let grant = grant_in(&page, "/clients/allow").unwrap();
        let mut bob = Browser::new(&world);
        bob.sign_in("/login", "bob@example.com", PASSWORD).await;
        let csrf = bob.get("/").await.field("csrf").unwrap();
        assert!(bob.post("/clients/allow", &[("csrf", &csrf), ("grant", &grant)]).await.body.contains("was not kept away"));
        let foreign = alice.post_from("cross-site", "/clients/allow", &[("grant", &grant)]).await;
        assert_eq!(foreign.status.as_u16(), 403);
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED);

        let page = press(&mut alice, "/clients/allow").await;
        assert!(!page.body.contains("Clients that you keep away"), "{}", page.body);
        assert!(world.trail().await.contains(&"consent done user_allowed_again".to_owned()));
        assert_eq!(status(&world, &tokens.access).await, 401, "what ended stays ended");
        let again = Tokens::of(&give(&world, &provider, &client, &json!({})).await);
        assert_eq!(status(&world, &again.access).await, 200);
    }

    /// A27, IDJAG-3-1: what an admin ends is over, and may begin again when the admin lets it
    async fn what_an_admin_ends_is_over(database: TestDatabase) {
        let world = World::on(database).await;
        let (provider, client) = stage(&world).await;
        let (authorization, id) = (&world.app.authorization, client.id.clone().into());
        let take = async || Tokens::of(&give(&world, &provider, &client, &json!({})).await).access;
        let forget = async || world.app.changes.read().await.unwrap();

        let token = take().await;
        assert_eq!(status(&world, &token).await, 200);
        assert!(authorization.clients().disable(&id).await.unwrap() && authorization.clients().enable(&id).await.unwrap());
        forget().await;
        assert_eq!(status(&world, &token).await, 401);

        let token = take().await;
        assert!(authorization.users().disable(&world.alice.id).await.unwrap());
        forget().await;
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED);
        assert!(authorization.users().enable(&world.alice.id).await.unwrap());
        forget().await;

        let token = take().await;
        assert_eq!(status(&world, &token).await, 200);
        assert!(authorization.trusted_issuers().unlink(&provider.id, "ada").await.unwrap());
        forget().await;
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED);
        assert!(!authorization.trusted_issuers().unlink(&provider.id, "ada").await.unwrap());

        provider.link(&world, "ada", &world.alice).await;
        let token = take().await;
        assert_eq!(status(&world, &token).await, 200);
        assert!(authorization.trusted_issuers().remove(&provider.id).await.unwrap());
        forget().await;
        assert_eq!(status(&world, &token).await, 401);
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED);
        let provider = provider.be_trusted(&world, false).await;
        assert_eq!(give(&world, &provider, &client, &json!({})).await.verdict(), REFUSED, "who its users were is forgotten");
    }

    /// IDJAG-8.6-1, R9449-5-1: an assertion that is bound to a key comes with a proof of it, and gives a token that is bound
    async fn a_bound_assertion_comes_with_a_proof(database: TestDatabase) {
        let world = World::configured(database, &[("dpop", "on")]).await;
        let (provider, client) = stage(&world).await;
        let (prover, other) = (Prover::new(), Prover::new());
        let bound = provider.vouch(&world, ("ada", &client), &json!({"cnf": {"jkt": prover.jkt()}}));
        let fields = [("grant_type", GrantType::JwtBearer.as_str()), ("assertion", bound.as_str())];
        assert_eq!(client.present(&world, &bound, &[]).await.verdict(), REFUSED);
        assert_eq!(client.prove(&world, &other, &fields, &[]).await.verdict(), REFUSED);
        let answer = client.prove(&world, &prover, &fields, &[]).await;
        assert_eq!((answer.verdict().as_str(), &answer.json()["token_type"]), ("200", &json!("DPoP")), "{}", answer.body);
        let token = Tokens::of(&answer).access;
        assert_eq!(status(&world, &token).await, 401, "not as a Bearer token");
        assert_eq!(world.mcp_proving(&prover, &token).await.status.as_u16(), 200);
    }
}
