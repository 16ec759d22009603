//! "Why did it fail?": each step that an authorization attempt can fail at, as an admin reads it afterwards.

use portcullis_authorization_server::{AttemptFilter, AttemptOutcome, AttemptStage, Step};
use portcullis_database::both_engines;
use portcullis_oauth::GrantType;
use portcullis_tests::{Answer, Browser, Client, PASSWORD, Pkce, Tokens, World, refusal};
use serde_json::json;

/// The name that an error page asks people to quote.
fn quoted(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("quote this number: <code>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

/// Each leg of an attempt and how it ended.
fn legs(attempt: &portcullis_authorization_server::Attempt) -> Vec<String> {
    attempt.legs.iter().map(|leg| format!("{} {}", leg.stage.as_str(), leg.outcome.as_str())).collect()
}

both_engines! {
    /// A flow that works is one attempt: its client, its person, and what was judged from the first request to the tokens.
    async fn a_flow_is_one_attempt_from_the_first_request_to_the_tokens(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let mut browser = Browser::new(&world);
        let pkce = Pkce::new();
        let begun = browser.get(&client.authorize(&pkce, &[("scope", "mcp.tools.read openid")])).await;
        let waiting = world.attempt_of(&begun).await;
        assert_eq!((waiting.summary.outcome, waiting.summary.user.as_deref()), (AttemptOutcome::Waiting, None));
        let code = browser.approve(&client.authorize(&pkce, &[("scope", "mcp.tools.read openid")])).await;
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        let tokens = Tokens::of(&answer);
        let attempt = world.attempt_of(&answer).await;
        assert_eq!(legs(&attempt), ["authorize waiting", "consent waiting", "token done"]);
        assert_eq!(attempt.advice(), None);
        let summary = &attempt.summary;
        assert_eq!((summary.client_id.as_ref().unwrap().as_str(), summary.client_name.as_deref()), (client.id.as_str(), Some("Inspector")));
        assert_eq!((summary.outcome, summary.user.as_deref(), summary.legs), (AttemptOutcome::Done, Some("alice@example.com"), 3));
        let told: Vec<String> = attempt.legs.iter().flat_map(|leg| &leg.steps)
            .map(|step| format!("{}: {} | {}", step.step.as_str(), step.expected, step.got)).collect();
        for line in [
            "client: a client that this server knows | Inspector, registered by itself",
            "redirect_uri: a redirect URI that the client registered | http://127.0.0.1:51004/callback",
            "pkce: a code_challenge with the method S256 | that",
            "resource: a resource that this server issues tokens for | http://localhost:8420/mcp",
            "scope: scopes of http://localhost:8420/mcp: mcp.connections.manage mcp.resources.read mcp.tools.execute mcp.tools.read \
             | mcp.tools.read openid; taken as mcp.tools.read",
            "session: a browser that is signed in, or signs in next | nobody yet, who signs in next",
            "consent: yes or no to mcp.tools.read | alice@example.com allowed mcp.tools.read at http://localhost:8420/mcp",
            "pkce: the code_verifier behind the code_challenge | that one",
            "code: a code of this client, within a minute, for the first time | that, for the first time",
        ] {
            assert!(told.contains(&line.to_owned()), "{line} in {told:#?}");
        }
        // Refreshes that work are the paper trail's; the one that fails joins the attempt of its grant.
        assert_eq!(client.refresh(&world, &tokens.refresh, &[]).await.verdict(), "200");
        assert_eq!(world.attempt(summary.id.as_str()).await.summary.legs, 3);
        let wide = client.refresh(&world, &tokens.refresh, &[("scope", "mcp.tools.execute")]).await;
        assert_eq!((wide.verdict().as_str(), world.why(&wide).await.as_str()), ("400 invalid_scope", "scope scope_beyond"));
        assert_eq!(world.attempt_of(&wide).await.summary.id, summary.id);
    }

    /// OA21-4.1.2.1-1: where nothing may be redirected, the page names the attempt, and the attempt says what would have been right
    async fn an_error_page_names_the_attempt_that_says_what_would_have_been_right(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        for (changes, why, expected, got) in [
            (("client_id", "client_nobody"), "client client_unknown", "a client that this server knows", "client_nobody"),
            (("client_id", ""), "client client_missing", "client_id", "nothing"),
            (("redirect_uri", "http://127.0.0.1:51004/cb"), "redirect_uri redirect_mismatch",
             "with any port: http://127.0.0.1/callback", "differs in path: http://127.0.0.1:51004/cb"),
            (("redirect_uri", "http://localhost/callback\u{200b}?token=abc"), "redirect_uri redirect_mismatch",
             "with any port: http://127.0.0.1/callback",
             "differs in host, path, query: http://localhost/callback\\u{200b}?token=…"),
            (("request_uri", "urn:ietf:params:oauth:request_uri:pcl_pr_x"), "request pushed_over", "a request that this client pushed", "none of that handle"),
        ] {
            let page = Browser::new(&world).get(&client.authorize(&pkce, &[changes])).await;
            assert_eq!(page.status.as_u16(), 400, "{changes:?}");
            let attempt = world.attempt(&quoted(&page)).await;
            let (step, reason) = refusal(&attempt);
            assert_eq!(format!("{} {}", step.step.as_str(), reason.as_str()), why);
            assert!(step.expected.contains(expected) && step.got.starts_with(got), "{step:?}");
            assert_eq!((attempt.summary.outcome, attempt.advice()), (AttemptOutcome::Refused, Some(reason.advice())));
            assert_eq!(world.attempt(page.header("x-request-id")).await.summary.id, attempt.summary.id, "found by the request too");
        }
    }

    /// OA21-4.1.2.1-3, OA21-4.1.1-1, OA21-4.1.2.1-2, R8707-2-3: what is told to the client by a redirect
    async fn an_error_that_the_client_is_told_of_is_explained(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let mut browser = Browser::signed_in(&world).await;
        for (changes, why, got) in [
            (("scope", "files.read"), "scope scope_unknown", "files.read"),
            (("scope", "a\"b"), "scope scope_malformed", "a\"b"),
            (("resource", "https://elsewhere.example/mcp"), "resource resource_unknown", "https://elsewhere.example/mcp"),
            (("resource", "nowhere"), "resource resource_malformed", "nowhere"),
            (("code_challenge", ""), "pkce pkce_missing", "code_challenge is required"),
            (("code_challenge_method", "plain"), "pkce pkce_malformed", "code_challenge_method must be S256"),
            (("response_type", "token"), "request request_malformed", "response_type must be code"),
            (("prompt", "none"), "session sign_in_required", "this server always asks the user"),
        ] {
            let answer = browser.get(&client.authorize(&pkce, &[changes])).await;
            assert!(answer.redirect_parameter("error").is_some(), "{changes:?}");
            let attempt = world.attempt_of(&answer).await;
            let (step, reason) = refusal(&attempt);
            assert_eq!(format!("{} {}", step.step.as_str(), reason.as_str()), why);
            assert!(step.got.starts_with(got), "{step:?}");
            assert_eq!(attempt.summary.user.as_deref(), Some("alice@example.com"));
        }
        // A client that nobody vouches for is told once somebody is signed in; the admin sees it at once.
        let before = Browser::new(&world).get(&client.authorize(&pkce, &[("scope", "files.read")])).await;
        assert!(before.see_other().starts_with("/login"));
        assert_eq!(world.why(&before).await, "scope scope_unknown");
    }

    /// OA21-3.2.4-2, OA21-3.2.4-3, OA21-4.1.3-3, OA21-10.2-1, R8707-2.1-2: the client hears what the specification says, the admin hears why
    async fn what_fails_at_the_token_endpoint_joins_the_attempt_that_gave_the_code(database: TestDatabase) {
        let world = World::on(database).await;
        let (client, other) = (Client::public(&world).await, Client::public(&world).await);
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let given = world.attempts(&AttemptFilter::default()).await[0].id.clone();
        let wrong = "w".repeat(43);
        for (changes, verdict, why, joins) in [
            (("code_verifier", wrong.as_str()), "400 invalid_grant", "pkce verifier_wrong", true),
            (("code_verifier", ""), "400 invalid_grant", "pkce verifier_missing", false),
            (("code_verifier", "short"), "400 invalid_grant", "pkce pkce_malformed", false),
            (("redirect_uri", "http://127.0.0.1:51005/callback"), "400 invalid_grant", "redirect_uri redirect_differs", true),
            (("client_id", other.id.as_str()), "400 invalid_grant", "code code_of_another", true),
            (("client_id", "client_nobody"), "401 invalid_client", "client client_unknown", false),
            (("client_secret", "guessed"), "401 invalid_client", "client_authentication authentication_failed", false),
            (("resource", "http://localhost:8420/mcp/sandbox"), "400 invalid_target", "resource resource_not_granted", true),
            (("code", "pcl_ac_nothing"), "400 invalid_grant", "code code_unknown", false),
            (("grant_type", "password"), "400 unsupported_grant_type", "request grant_not_allowed", false),
        ] {
            let answer = client.redeem(&world, &code, &pkce.verifier, &[changes]).await;
            assert_eq!((answer.verdict().as_str(), world.why(&answer).await.as_str()), (verdict, why), "{changes:?}");
            assert_eq!(world.attempt_of(&answer).await.summary.id == given, joins, "{changes:?}");
            assert!(!answer.body.contains(given.as_str()), "the answer is the specification's");
        }
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!((answer.verdict().as_str(), world.attempt_of(&answer).await.summary.outcome), ("200", AttemptOutcome::Done));
        let again = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!((again.verdict().as_str(), world.why(&again).await.as_str()), ("400 invalid_grant", "code code_used"));
        assert_eq!(world.attempt_of(&again).await.summary.outcome, AttemptOutcome::Refused);
    }

    /// OA21-4.1.2-1, A27: a code that came too late, and one whose person was shut out
    async fn a_dead_code_says_what_it_died_of(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        world.advance(60);
        let late = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(world.why(&late).await, "code code_expired");
        assert!(world.attempt_of(&late).await.advice().unwrap().contains("A code lives for a minute"));

        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        for _ in 0..5 {
            client.redeem(&world, &code, &"w".repeat(43), &[]).await;
        }
        assert_eq!(world.why(&client.redeem(&world, &code, &pkce.verifier, &[]).await).await, "code code_tried");

        let (code, pkce) = Browser::new(&world).code_for(&client).await;
        let mut waiting = Browser::signed_in(&world).await;
        let page = waiting.reach_consent(&client.authorize(&pkce, &[])).await;
        world.app.authorization.users().disable(&world.alice.id).await.unwrap();
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!((answer.verdict().as_str(), world.why(&answer).await.as_str()), ("400 invalid_grant", "code user_disabled"));
        let answer = waiting.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert!(answer.status.as_u16() >= 300, "{}", answer.body);
        let answer = Browser::new(&world).sign_in_for(&client, &pkce, PASSWORD).await;
        assert_eq!((answer.status.as_u16(), world.why(&answer).await.as_str()), (401, "session user_disabled"));
    }

    /// OA21-2.4.1-1, A21: which proof was due, and which came; never the proof itself
    async fn a_client_that_proves_nothing_is_told_apart_from_one_that_proves_it_otherwise(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::by_admin(&world, &[GrantType::ClientCredentials], ("mcp.tools.read", &[])).await;
        for (changes, got) in [
            (("client_secret", "another secret that somebody guessed"), "another secret"),
            (("client_secret", ""), "no secret"),
        ] {
            let answer = client.token(&world, &[("grant_type", "client_credentials")], &[changes]).await;
            assert_eq!(answer.verdict(), "401 invalid_client");
            let (step, reason) = refusal(&world.attempt_of(&answer).await);
            assert_eq!((step.step, reason.as_str()), (Step::ClientAuthentication, "authentication_failed"));
            assert_eq!((step.expected.as_str(), step.got.as_str()), ("the client's secret, by the method client_secret_post", got));
        }
        let legs = world.count("SELECT COUNT(*) FROM attempt_leg").await;
        assert_eq!(client.token(&world, &[("grant_type", "client_credentials")], &[]).await.verdict(), "200");
        world.attempts(&AttemptFilter::default()).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM attempt_leg").await, legs, "a machine that succeeds leaves no trace here");
        assert!(world.app.authorization.clients().disable(&client.id.clone().into()).await.unwrap());
        let disabled = client.token(&world, &[("grant_type", "client_credentials")], &[]).await;
        assert_eq!(world.why(&disabled).await, "client client_disabled");
    }

    /// A16, A39, A41: what a person did, or another browser
    async fn what_happens_at_the_consent_page_belongs_to_the_attempt(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let mut browser = Browser::signed_in(&world).await;
        let page = browser.reach_consent(&client.authorize(&pkce, &[])).await;
        let begun = world.attempts(&AttemptFilter::default()).await[0].id.clone();
        let handle = page.field("request").unwrap();
        let elsewhere = Browser::signed_in(&world).await.get(&format!("/oauth/consent?request={handle}")).await;
        assert_eq!((elsewhere.status.as_u16(), world.why(&elsewhere).await.as_str()), (400, "session other_browser"));
        assert_eq!(quoted(&elsewhere), begun.as_str());
        let none = browser.answer_consent(&page, "approve", &[]).await;
        assert_eq!((none.status.as_u16(), world.why(&none).await.as_str()), (422, "consent nothing_ticked"));
        let denied = browser.answer_consent(&page, "deny", &[]).await;
        assert_eq!(denied.redirect_parameter("error").as_deref(), Some("access_denied"));
        assert_eq!(world.why(&denied).await, "consent denied");
        let over = browser.answer_consent(&page, "approve", &page.boxes("scope")).await;
        assert_eq!((over.status.as_u16(), world.why(&over).await.as_str()), (400, "session request_over"));
        let forged = browser.post_from("cross-site", "/oauth/consent", &[("request", &handle)]).await;
        assert_eq!((forged.status.as_u16(), world.why(&forged).await.as_str()), (403, "session form_refused"));
        assert_eq!(world.attempt(begun.as_str()).await.summary.legs, 5);
    }

    /// NIST-2: who cannot sign in on the way; what they typed is nobody's business
    async fn who_cannot_sign_in_on_the_way_is_seen(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let answer = Browser::new(&world).sign_in_for(&client, &Pkce::new(), "not the right password").await;
        assert_eq!((answer.status.as_u16(), world.why(&answer).await.as_str()), (401, "session sign_in_failed"));
        let attempt = world.attempt_of(&answer).await;
        assert_eq!(legs(&attempt), ["authorize waiting", "sign_in refused"]);
        assert!(!format!("{attempt:?}").contains("not the right"), "{attempt:?}");
        let aside = Browser::new(&world).sign_in("/login", "alice@example.com", "not the right password").await;
        assert_eq!(aside.status.as_u16(), 401);
        assert_eq!(world.attempts(&AttemptFilter::default()).await.len(), 1, "who signs in for nothing in particular is on no attempt");
    }

    /// R9126-2.2-2, R9126-2.1-1: what was pushed, what the browser brought and what was redeemed are one attempt
    async fn a_pushed_request_begins_the_attempt(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let pkce = Pkce::new();
        let fields = |redirect: &str| {
            let url = client.authorize(&pkce, &[("redirect_uri", redirect)]);
            let query = url.split_once('?').unwrap().1.to_owned();
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect::<Vec<(String, String)>>()
        };
        let push = async |redirect: &str| {
            let fields = fields(redirect);
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            world.post_form("/oauth/par", &fields).await
        };
        let refused = push("http://127.0.0.1/other").await;
        assert_eq!((refused.verdict().as_str(), world.why(&refused).await.as_str()), ("400 invalid_request", "redirect_uri redirect_mismatch"));
        let pushed = push(&client.redirect_uri).await;
        let uri = pushed.json()["request_uri"].as_str().unwrap().replace(':', "%3A");
        let code = Browser::new(&world).approve(&format!("/oauth/authorize?client_id={}&request_uri={uri}", client.id)).await;
        let answer = client.redeem(&world, &code, &pkce.verifier, &[]).await;
        assert_eq!(legs(&world.attempt_of(&answer).await), ["push waiting", "authorize waiting", "consent waiting", "token done"]);
        assert_eq!(world.attempt_of(&pushed).await.summary.id, world.attempt_of(&answer).await.summary.id);
    }

    /// R8628-3.5-1: a device that waits leaves no trace; one that was denied, was too late, or asks twice does
    async fn a_device_begins_an_attempt_too(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::by_admin(&world, &[GrantType::RefreshToken, GrantType::DeviceCode], ("", &[])).await;
        let poll = async |code: &str| {
            client.token(&world, &[("grant_type", GrantType::DeviceCode.as_str()), ("device_code", code)], &[]).await
        };
        for (decision, verdict, why) in [("approve", "200", ""), ("deny", "400 access_denied", "consent denied"), ("", "400 expired_token", "device_code device_expired")] {
            let begun = world.post_form("/oauth/device_authorization", &[("client_id", &client.id)]).await;
            let told = begun.json();
            let code = told["device_code"].as_str().unwrap();
            assert_eq!(poll(code).await.verdict(), "400 authorization_pending");
            let mut browser = Browser::signed_in(&world).await;
            let csrf = browser.get("/device").await.field("csrf").unwrap();
            let typed = browser.post("/device", &[("csrf", &csrf), ("user_code", told["user_code"].as_str().unwrap())]).await;
            let page = browser.get(typed.see_other()).await;
            if decision.is_empty() {
                world.advance(900);
            } else {
                browser.answer_consent(&page, decision, &page.boxes("scope")).await;
                world.advance(5);
            }
            let answer = poll(code).await;
            assert_eq!(answer.verdict(), verdict);
            let attempt = world.attempt_of(&answer).await;
            assert_eq!(attempt.summary.id, world.attempt_of(&begun).await.summary.id);
            assert_eq!(attempt.legs[0].stage, AttemptStage::Device);
            if verdict == "200" {
                assert_eq!(legs(&attempt), ["device waiting", "consent waiting", "token done"]);
                assert_eq!(world.why(&poll(code).await).await, "device_code code_used");
            } else {
                assert_eq!(world.why(&answer).await, why);
            }
        }
        let refused = world.post_form("/oauth/device_authorization", &[("client_id", &client.id), ("scope", "files.read")]).await;
        assert_eq!((refused.verdict().as_str(), world.why(&refused).await.as_str()), ("400 invalid_scope", "scope scope_unknown"));
    }

    /// OA21-4.3.1-2, A27: a refresh that fails is found beside what was granted
    async fn a_refresh_that_fails_joins_the_attempt_of_its_grant(database: TestDatabase) {
        let world = World::on(database).await;
        let client = Client::public(&world).await;
        let tokens = client.connect(&world).await;
        let second = Tokens::of(&client.refresh(&world, &tokens.refresh, &[]).await);
        assert_eq!(client.refresh(&world, &second.refresh, &[]).await.verdict(), "200");
        world.advance(121);
        let replayed = client.refresh(&world, &tokens.refresh, &[]).await;
        assert_eq!((replayed.verdict().as_str(), world.why(&replayed).await.as_str()), ("400 invalid_grant", "refresh_token token_replayed"));
        let ended = client.refresh(&world, &second.refresh, &[]).await;
        assert_eq!(world.why(&ended).await, "refresh_token grant_ended");
        let attempt = world.attempt_of(&ended).await;
        assert_eq!(legs(&attempt), ["authorize waiting", "consent waiting", "token done", "token refused", "token refused"]);
        let unknown = client.refresh(&world, "pcl_rt_nothing", &[]).await;
        assert_eq!(world.why(&unknown).await, "refresh_token token_unknown");
        let body = json!({"error": "invalid_grant"});
        assert_eq!((unknown.json()["error"].clone(), unknown.json().as_object().unwrap().len()), (body["error"].clone(), 2));
    }
}
