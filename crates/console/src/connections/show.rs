//! The page of one connection: how it stands and why, what it offers, who may use it.

use axum::http::StatusCode;
use axum::response::Response;
use portcullis_authorization_server::{ConnectionClient, User};
use portcullis_oauth::{ScopeSet, Timestamp};
use portcullis_resource_server::catalogue::{AuthKind, Relays};
use portcullis_resource_server::{Authorized, Connection, ConnectionStatus as Status, made_visible};
use portcullis_web::Browser;
use portcullis_web::layout::{Chrome, Moment, page};
use serde_json::Value;

use crate::home::{Console, Fault, status};
use crate::pages::connections::{
    AuthorizationFacts, ClientReach, ConnectionPage, DeleteConnectionPage, Switch, ToolRow,
};

impl Console {
    pub(super) async fn connection_page(
        &self,
        browser: &Browser,
        user: &User,
        connection: &Connection,
        notice: Option<String>,
    ) -> Result<Response, Fault> {
        let csrf = browser.csrf_token().await?;
        let now = self.clock().now();
        let moment = |at: Timestamp| Moment::new(at.seconds(), now.seconds());
        let aggregate = &self.registry().aggregate().uri;
        let clients = self.grants().clients(&user.id, aggregate, &connection.id).await?;
        let server = self.server_of(connection).await?;
        let asks = server.as_ref().is_some_and(|server| !server.parameters.is_empty());
        // First, since a list that is read anew may bring something to review.
        let tools = self.tools(connection).await;
        let signs_in = matches!(connection.auth, AuthKind::Header | AuthKind::Basic);
        let shown = ConnectionPage {
            chrome: Chrome::signed_in(connection.alias.to_string(), &user.email, &csrf),
            csrf,
            alias: connection.alias.to_string(),
            server: connection.server_title.clone(),
            account: connection.label.clone(),
            url: self.registry().connection(connection.alias.clone()).uri.to_string(),
            status: status(connection.status),
            in_words: connection.status.in_words(),
            reason: connection.status_reason.clone(),
            since: moment(connection.since),
            last_error: connection.last_error.clone().zip(connection.last_error_at.map(moment)),
            tested: connection.tested_at.map(moment),
            used: connection.last_used_at.map(moment),
            settings: connection.settings.clone().into_iter().collect(),
            relays: server.map(|server| in_words(server.relays)).unwrap_or_default(),
            authorization: self.upstream().of(connection).await?.map(|facts| facts_of(&facts, moment)),
            authorises: connection.auth == AuthKind::OAuth && connection.status != Status::Disabled,
            renews: asks || signs_in,
            switch: match (connection.status, connection.status_code.as_deref()) {
                (Status::Disabled, Some("by_owner")) => Switch::OffByOwner,
                (Status::Disabled, _) => Switch::OffByOthers,
                _ => Switch::On,
            },
            waiting: self.waiting(connection).await?,
            tools,
            clients: clients.into_iter().map(client).collect(),
            notice,
        };
        Ok(page(StatusCode::OK, &shown))
    }

    pub(super) async fn delete_page(
        &self,
        browser: &Browser,
        user: &User,
        connection: &Connection,
    ) -> Result<Response, Fault> {
        let csrf = browser.csrf_token().await?;
        let asked = DeleteConnectionPage {
            chrome: Chrome::signed_in("Delete a connection?", &user.email, &csrf),
            csrf,
            alias: connection.alias.to_string(),
            server: connection.server_title.clone(),
        };
        Ok(page(StatusCode::OK, &asked))
    }

    /// The tools of one that works; of any other the status tells enough.
    async fn tools(&self, connection: &Connection) -> Result<Vec<ToolRow>, &'static str> {
        if connection.status != Status::Active {
            return Ok(Vec::new());
        }
        let text = |tool: &Value, key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        let row = |tool: &Value| ToolRow {
            name: made_visible(&text(tool, "name")),
            about: made_visible(&text(tool, "description")),
        };
        Ok(self.gateway().tools(connection).await?.iter().map(row).collect())
    }
}

fn facts_of(facts: &Authorized, moment: impl Fn(Timestamp) -> Moment) -> AuthorizationFacts {
    let listed = |scope: &ScopeSet| scope.iter().map(str::to_owned).collect();
    AuthorizationFacts {
        issuer: facts.issuer.clone(),
        requested: listed(&facts.requested),
        granted: listed(&facts.granted),
        wanted: listed(&facts.wanted),
        obtained: moment(facts.obtained_at),
    }
}

fn in_words(relays: Relays) -> Vec<&'static str> {
    let all = [
        (relays.sampling, "what their model says to a prompt of its own"),
        (relays.roots, "which folders they work in"),
    ];
    all.into_iter().filter_map(|(may, words)| may.then_some(words)).collect()
}

fn client(client: ConnectionClient) -> ClientReach {
    ClientReach {
        grant_id: client.grant.to_string(),
        name: client.client_name,
        unverified: client.unverified,
        redirect_host: client.redirect_host,
        reaches: client.reaches,
        reaches_all: client.reaches_all,
    }
}
