//! What an admin keeps in the catalogue.

use std::collections::BTreeMap;

use portcullis_database::both_engines;
use portcullis_resource_server::catalogue::{
    AuthKind, Place, Relays, RemoveServerError, Server, ServerError, ServerKind, Slug, Template, ValueError,
    Visibility,
};
use portcullis_resource_server::oauth::{PrincipalId, PrincipalKind};
use zeroize::Zeroizing;

use crate::stage::{Stage, alias, http, parameter, stdio, values};

both_engines! {
    async fn a_server_is_kept_as_it_was_added(database: TestDatabase) {
        let stage = Stage::set(database);
        let bob = PrincipalId::generate(PrincipalKind::User);
        let forge = Server { visible_to: Visibility::Listed(vec![bob.clone()]), ..http("forge", "https://forge.example/mcp?x=1") };
        stage.servers.create(&forge, false).await.unwrap();
        stage.servers.create(&stdio("files"), false).await.unwrap();
        let kept = stage.servers.list().await.unwrap();
        let names: Vec<&str> = kept.iter().map(|server| server.slug.as_str()).collect();
        assert_eq!(names, ["files", "forge", "sandbox"]);
        assert_eq!(kept[1], Server { created_at: kept[1].created_at, ..forge.clone() });
        assert_eq!(stage.servers.find("files").await.unwrap().as_ref(), Some(&kept[0]));
        assert_eq!(kept[0], Server { created_at: kept[0].created_at, ..stdio("files") });
        let offered = stage.servers.offered_to(&stage.alice).await.unwrap();
        assert_eq!(offered.len(), 2, "one that is for others does not exist");
        assert_eq!(stage.servers.offered_to(&bob).await.unwrap().len(), 3);
        assert!(matches!(stage.servers.create(&forge, false).await, Err(ServerError::Taken)));
        assert_eq!(stage.events().await, ["server.change server_added", "server.change server_added"]);
        assert_eq!(stage.changes().await, ["server"]);
    }

    /// T33: a server asks clients for nothing until an admin says so, and each change is told
    async fn what_a_server_may_ask_for_is_kept(database: TestDatabase) {
        let stage = Stage::set(database);
        let (forge, roots) = (Slug::parse("forge").unwrap(), Relays { sampling: false, roots: true });
        let asking = Server { relays: roots, ..http("forge", "https://forge.example/mcp") };
        stage.servers.create(&asking, false).await.unwrap();
        stage.servers.create(&http("wiki", "https://wiki.example/mcp"), false).await.unwrap();
        let relays = async |slug: &str| stage.servers.find(slug).await.unwrap().unwrap().relays;
        assert_eq!((relays("forge").await, relays("wiki").await), (roots, Relays::default()));
        assert!(!stage.servers.set_relays(&forge, roots).await.unwrap(), "it was so before");
        let both = Relays { sampling: true, roots: true };
        assert!(stage.servers.set_relays(&forge, both).await.unwrap());
        assert_eq!(relays("forge").await, both);
        assert!(!stage.servers.set_relays(&Slug::parse("nobody").unwrap(), both).await.unwrap());
        let sandbox = Slug::parse("sandbox").unwrap();
        assert!(matches!(stage.servers.set_relays(&sandbox, both).await, Err(ServerError::AsksNothing)));
        assert_eq!(stage.events().await.last().unwrap(), "server.change server_relays");
    }

    async fn a_server_that_is_off_takes_its_connections_along(database: TestDatabase) {
        let stage = Stage::set(database);
        let sandbox = Slug::parse("sandbox").unwrap();
        let made = stage.connections.create(&stage.alice, &alias("box"), "sandbox", "").await.unwrap();
        assert!(stage.servers.set_disabled(&sandbox, true).await.unwrap());
        assert!(!stage.servers.set_disabled(&sandbox, true).await.unwrap(), "it was so before");
        let off = stage.connections.get(&made.id).await.unwrap().unwrap();
        assert_eq!((off.status.as_str(), off.status_code.as_deref()), ("disabled", Some("server_disabled")));
        assert!(stage.connections.create(&stage.alice, &alias("two"), "sandbox", "").await.is_err());
        assert!(stage.servers.set_disabled(&sandbox, false).await.unwrap());
        let on = stage.connections.get(&made.id).await.unwrap().unwrap();
        assert_eq!(on, made, "nothing of it was changed");
    }

    async fn a_server_in_use_and_the_built_in_one_stay(database: TestDatabase) {
        let stage = Stage::set(database);
        stage.servers.create(&http("forge", "https://forge.example/mcp"), false).await.unwrap();
        let forge = Slug::parse("forge").unwrap();
        let made = stage.connections.create(&stage.alice, &alias("work"), "forge", "").await.unwrap();
        assert!(matches!(stage.servers.remove(&forge).await, Err(RemoveServerError::InUse)));
        stage.connections.remove(&made).await.unwrap();
        assert!(stage.servers.remove(&forge).await.unwrap());
        assert!(!stage.servers.remove(&forge).await.unwrap());
        let sandbox = Slug::parse("sandbox").unwrap();
        assert!(matches!(stage.servers.remove(&sandbox).await, Err(RemoveServerError::BuiltIn)));
    }

    /// T37
    async fn what_cannot_be_is_not_kept(database: TestDatabase) {
        let stage = Stage::set(database);
        let refused = async |server: Server| stage.servers.create(&server, false).await.unwrap_err().to_string();
        let text = refused(http("a", "http://forge.example/mcp")).await;
        assert!(text.contains("must begin with https://"), "{text}");
        let shell = Template { command: String::new(), ..Template::default() };
        let text = refused(Server { kind: ServerKind::Stdio(shell), parameters: vec![], ..stdio("a") }).await;
        assert!(text.contains("the command is one program"), "{text}");
        let loader = parameter("hook", false, Place::Environment("LD_PRELOAD".to_owned()));
        let mut with_hook = stdio("a");
        with_hook.parameters.push(loader);
        let text = refused(with_hook).await;
        assert!(text.contains("LD_PRELOAD"), "{text}");
        let text = refused(Server { auth: vec![AuthKind::Header], ..stdio("a") }).await;
        assert!(text.contains("stdio"), "{text}");
        let text = refused(Server { title: " ".to_owned(), ..http("a", "https://a.example") }).await;
        assert!(text.contains("title"), "{text}");
        assert_eq!(stage.servers.list().await.unwrap().len(), 1, "only what is built in");
    }
}

/// T37: what a user fills in is one argument or one variable, never a command, and never more than was asked for.
#[test]
fn a_user_fills_in_what_is_asked_for_and_nothing_else() {
    let server = stdio("files");
    let secret = |value: &str| BTreeMap::from([("token".to_owned(), Zeroizing::new(value.to_owned()))]);
    let filled = server.fill(&values(&[("root", "/srv/a b")]), &secret("s3cret")).unwrap();
    let arguments: Vec<&str> = filled.arguments.iter().map(|text| text.as_str()).collect();
    assert_eq!(arguments, ["--root", "/srv/a b"]);
    let environment: Vec<(&str, &str)> =
        filled.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let (inherited, environment): (Vec<_>, Vec<_>) =
        environment.into_iter().partition(|(name, _)| *name == "PATH");
    assert!(inherited.len() <= 1, "what is named, if the gateway has it itself");
    assert_eq!(environment, [("LANG", "C"), ("FILES_TOKEN", "s3cret")]);
    assert_eq!(format!("{filled:?}"), "Filled");
    let refused =
        |settings: &[(&str, &str)], token: &str| server.fill(&values(settings), &secret(token)).unwrap_err();
    assert_eq!(refused(&[("root", "/a"), ("PATH", "/evil")], "t"), ValueError::Unknown("PATH".to_owned()));
    assert_eq!(refused(&[("root", "--config=/evil")], "t"), ValueError::Option("root".to_owned()));
    assert_eq!(refused(&[("root", "/a\nLD_PRELOAD=/evil")], "t"), ValueError::Characters("root".to_owned()));
    assert_eq!(refused(&[("root", "/a"), ("token", "t")], "t"), ValueError::Secret("token".to_owned()));
    assert!(matches!(refused(&[], "t"), ValueError::Missing(..)));
}
