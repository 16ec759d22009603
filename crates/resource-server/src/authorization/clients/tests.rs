//! In which order the gateway becomes somebody at an issuer, where nobody needs to be asked.

use portcullis_database::both_engines;
use portcullis_database::testing::TestDatabase;
use portcullis_oauth::{Secret, TestClock, Timestamp};
use portcullis_outbound::Policy;
use portcullis_vault::MasterKeySource;

use super::*;

fn issuer(url: &str, takes_documents: bool) -> RemoteServer {
    let at = |path: &str| RemoteUrl::parse(&format!("{url}{path}"), false).unwrap();
    RemoteServer {
        issuer: at(""),
        authorization_endpoint: at("/authorize"),
        token_endpoint: at("/token"),
        registration_endpoint: None,
        revocation_endpoint: None,
        scopes_supported: portcullis_oauth::ScopeSet::default(),
        auth_methods: vec![ClientAuthMethod::ClientSecretBasic],
        promises_iss: true,
        takes_documents,
    }
}

async fn clients(database: &TestDatabase, public_url: &str) -> Clients {
    let database = database.database.clone();
    let clock = TestClock::at(Timestamp::from_micros(1_800_000_000_000_000));
    let key = MasterKeySource::Environment(Secret::presented("A".repeat(43)));
    let vault = Vault::unlock(&key, &database, clock.now()).await.unwrap();
    Clients::new((database, Arc::new(clock)), &vault, PublicUrl::parse(public_url).unwrap())
}

fn outbound() -> Outbound {
    Outbound::new(Policy::default()).unwrap()
}

both_engines! {
    /// MCP-AUTH-31, MCP-AUTH-21: what an admin gave comes first, and counts at its own issuer alone; then our document
    async fn what_was_given_comes_first_then_a_document(database: TestDatabase) {
        let clients = clients(&database, "https://gate.example").await;
        let (one, other) = (issuer("https://as.example", true), issuer("https://other.example", true));
        let named = clients.obtain("sandbox", &one, (&ScopeSet::default(), None), &outbound()).await.unwrap();
        let digest = one.issuer.digest();
        assert_eq!(named.proof.client_id.as_str(), format!("https://gate.example/oauth/client/{digest}"));
        assert_eq!(named.redirect_uri, format!("https://gate.example/oauth/callback/{digest}"));
        assert!(named.proof.secret.is_none());
        let document = clients.document(&digest).await.unwrap().unwrap();
        assert_eq!(document.client_id, named.proof.client_id.as_str());
        assert!(clients.document(&other.issuer.digest()).await.unwrap().is_none(), "nobody was sent there");

        let secret = Some(Secret::presented("s3cret"));
        let given = GivenClients::of(clients.store.clone());
        let gate = || ClientId::from("gate".to_owned());
        assert!(given.give("nothing", "https://as.example", (gate(), None)).await.is_err());
        assert!(given.give("sandbox", "javascript:x", (gate(), None)).await.is_err());
        let kept = given.give("sandbox", "https://as.example", (gate(), secret)).await.unwrap();
        assert_eq!(given.list().await.unwrap(), [kept]);
        let used = clients.obtain("sandbox", &one, (&ScopeSet::default(), None), &outbound()).await.unwrap();
        assert_eq!((used.kind, used.proof.client_id.as_str()), (ClientKind::Given, "gate"));
        assert_eq!(used.proof.secret.unwrap().expose(), "s3cret");
        let refused = clients.obtain("sandbox", &other, (&ScopeSet::default(), None), &outbound()).await.unwrap_err();
        assert_eq!(refused.code(), "issuer_changed");
        clients.forget("sandbox", one.issuer.as_str(), &gate()).await.unwrap();
        assert!(clients.find("sandbox", one.issuer.as_str(), "gate").await.unwrap().is_some(), "the admin's to change");
        assert!(given.remove("sandbox").await.unwrap() && !given.remove("sandbox").await.unwrap());
        assert_eq!(clients.obtain("sandbox", &one, (&ScopeSet::default(), None), &outbound()).await.unwrap().kind, ClientKind::Document);
    }

    /// On this computer no issuer can read a document of ours; without registration an admin has to help
    async fn without_any_way_an_admin_is_told_what_to_do(database: TestDatabase) {
        let clients = clients(&database, "http://localhost:8420").await;
        let error = clients.obtain("sandbox", &issuer("https://as.example", true), (&ScopeSet::default(), None), &outbound()).await.unwrap_err();
        assert_eq!(error.code(), "registration_missing");
        let told = error.to_string();
        assert!(told.contains("http://localhost:8420/oauth/callback/") && told.contains("upstream-client set"), "{told}");
    }
}
