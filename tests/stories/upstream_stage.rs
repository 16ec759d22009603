//! What the stories of upstream authorization begin with: a server in the catalogue, a connection to it, a person in a
//! browser who sends themself there and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis::app::App;
use portcullis_authorization_server::User;
use portcullis_oauth::{Alias, Timestamp};
use portcullis_resource_server::catalogue::{
    AuthKind, HeaderFormat, NewTools, Relays, Server, ServerKind, Servers, Slug, Visibility,
};
use portcullis_resource_server::{Connection, NewConnection};
use portcullis_tests::{Answer, Browser, UpstreamLogin, World};

/// Puts `upstream` into the catalogue under this name.
pub(crate) async fn offer(world: &World, slug: &str, upstream: &UpstreamLogin) {
    let app = &world.app;
    let servers = Servers::new(app.database.clone(), app.changes.clone(), Arc::clone(&app.clock));
    let server = Server {
        slug: Slug::parse(slug).unwrap(),
        title: "Notes".to_owned(),
        kind: ServerKind::Http { url: upstream.url(), legacy_sse: false },
        private_network: false,
        auth: vec![AuthKind::OAuth],
        header: HeaderFormat::default(),
        parameters: Vec::new(),
        new_tools: NewTools::AllowRead,
        relays: Relays::default(),
        visible_to: Visibility::Everyone,
        created_at: Timestamp::from_micros(0),
        disabled_at: None,
    };
    servers.create(&server, true).await.unwrap();
}

/// A connection of `user` to the server of this name, not authorised yet.
pub(crate) async fn connect(world: &World, user: &User, alias: &str, slug: &str) -> Connection {
    let new = NewConnection {
        principal: user.id.clone(),
        alias: Alias::parse(alias).unwrap(),
        server: slug.to_owned(),
        label: String::new(),
        auth: AuthKind::OAuth,
        settings: BTreeMap::new(),
    };
    world.app.gateway.connections().add(&new).await.unwrap()
}

/// The connection as it now stands.
pub(crate) async fn again(app: &App, connection: &Connection) -> Connection {
    app.gateway.connections().get(&connection.id).await.unwrap().unwrap()
}

/// `status` and its code, as the connection now stands.
pub(crate) async fn standing(app: &App, connection: &Connection) -> String {
    let connection = again(app, connection).await;
    format!("{} {}", connection.status.as_str(), connection.status_code.unwrap_or_default())
        .trim_end()
        .to_owned()
}

/// Presses the button on the connection's page.
pub(crate) async fn press(browser: &mut Browser<'_>, alias: &str) -> Answer {
    let csrf = browser.get("/").await.field("csrf").unwrap_or_default();
    browser.post(&format!("/connections/{alias}/authorize"), &[("csrf", &csrf)]).await
}

/// Authorises a connection of the person in the browser, whose account over there is called this.
pub(crate) async fn authorise(
    browser: &mut Browser<'_>,
    alias: &str,
    upstream: &UpstreamLogin,
    account: &str,
) {
    let away = press(browser, alias).await;
    let back = upstream.allow(away.see_other(), account);
    assert_eq!(browser.get(&back).await.see_other(), format!("/connections/{alias}"));
}

/// Alice's browser, and her connection `notes` to an upstream, authorised.
pub(crate) async fn authorised<'w>(world: &'w World, upstream: &UpstreamLogin) -> (Browser<'w>, Connection) {
    offer(world, "notes", upstream).await;
    let connection = connect(world, &world.alice, "notes", "notes").await;
    let mut browser = Browser::signed_in(world).await;
    authorise(&mut browser, "notes", upstream, "alice over there").await;
    (browser, again(&world.app, &connection).await)
}
