//! A person's browser with its cookies, and the client that sends it: our own pages' forms, read from the pages.

use std::collections::BTreeMap;
use std::rc::Rc;

use portcullis_oauth::{GrantType, random_handle};
use serde::Deserialize;

use crate::Outcome;
use crate::children::Demo;
use crate::http::{Answer, Connection, encode, request};

pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// The server as its client knows it.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) host: String,
    pub(crate) mcp_url: String,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
}

impl Site {
    /// Registers a public client, as clients do it.
    pub(crate) async fn join(connection: &mut Connection, demo: &Demo) -> Outcome<Rc<Self>> {
        let host = demo.mcp_url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
        let metadata = serde_json::json!({
            "client_name": "Bench", "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
            "grant_types": [GrantType::AuthorizationCode, GrantType::RefreshToken],
        });
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let sent = request("POST /oauth/register", &headers, &metadata.to_string());
        let answer = connection.exchange(&sent).await?;
        answer.expect_status(201)?;
        let Registered { client_id } = serde_json::from_slice(answer.body)?;
        let redirect_uri = "http://127.0.0.1:51004/callback".to_owned();
        Ok(Rc::new(Self { host, mcp_url: demo.mcp_url.clone(), client_id, redirect_uri }))
    }

    /// Asks the token endpoint.
    pub(crate) async fn token<'c>(
        &self,
        connection: &'c mut Connection,
        fields: &[(&str, &str)],
    ) -> Outcome<Answer<'c>> {
        let mut fields = fields.to_vec();
        fields.push(("client_id", &self.client_id));
        let sent = request("POST /oauth/token", &[("host", &self.host), FORM], &encode(&fields));
        let answer = connection.exchange(&sent).await?;
        answer.expect_status(200)?;
        Ok(answer)
    }
}

/// A browser in which the demo user is signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    site: Rc<Site>,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A fresh browser that signs in with the page's form.
    pub(crate) async fn signed_in(
        connection: &mut Connection,
        site: &Rc<Site>,
        demo: &Demo,
    ) -> Outcome<Self> {
        let mut browser = Self { site: Rc::clone(site), cookies: BTreeMap::new() };
        let page = browser.get(connection, "/login").await?;
        page.expect_status(200)?;
        let csrf = field(page.text(), "csrf").ok_or("the sign-in page has no token")?;
        let fields = [
            ("csrf", csrf.as_str()),
            ("return_to", "/"),
            ("email", &demo.email),
            ("password", &demo.password),
        ];
        browser.post(connection, "/login", &fields).await?.expect_status(303)?;
        Ok(browser)
    }

    /// Goes from an authorization request through the consent page to a code: all that is offered is ticked.
    pub(crate) async fn code(&mut self, connection: &mut Connection, challenge: &str) -> Outcome<String> {
        let site = Rc::clone(&self.site);
        let query = encode(&[
            ("response_type", "code"),
            ("client_id", &site.client_id),
            ("redirect_uri", &site.redirect_uri),
            ("state", "bench"),
            ("resource", &site.mcp_url),
        ]);
        let query = format!("{query}&code_challenge={challenge}&code_challenge_method=S256");
        let answer = self.get(connection, &format!("/oauth/authorize?{query}")).await?;
        answer.expect_status(303)?;
        let consent = answer.header("location").unwrap_or_default().to_owned();
        let page = self.get(connection, &consent).await?;
        page.expect_status(200)?;
        let page = page.text();
        let (csrf, handle) = (field(page, "csrf"), field(page, "request"));
        let (scopes, connections) = (boxes(page, "scope"), boxes(page, "connection"));
        let mut fields = vec![("decision", "approve")];
        fields.extend(csrf.as_deref().map(|csrf| ("csrf", csrf)));
        fields.extend(handle.as_deref().map(|handle| ("request", handle)));
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        fields.extend(connections.iter().map(|connection| ("connection", *connection)));
        let sent = self.form("/oauth/consent", &fields);
        let answer = connection.exchange(&sent).await?;
        answer.expect_status(303)?;
        let location = url::Url::parse(answer.header("location").unwrap_or_default())?;
        let code =
            location.query_pairs().find_map(|(name, value)| (name == "code").then(|| value.into_owned()));
        code.ok_or_else(|| format!("no code in {location}").into())
    }

    async fn get<'c>(&mut self, connection: &'c mut Connection, path: &str) -> Outcome<Answer<'c>> {
        let cookies = self.cookie_header();
        let mut headers = vec![("host", self.site.host.as_str())];
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let sent = request(&format!("GET {path}"), &headers, "");
        self.send(connection, &sent).await
    }

    async fn post<'c>(
        &mut self,
        connection: &'c mut Connection,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Outcome<Answer<'c>> {
        let sent = self.form(path, fields);
        self.send(connection, &sent).await
    }

    /// A form as a browser posts it from a page of the same origin.
    fn form(&self, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
        let cookies = self.cookie_header();
        let site = ("sec-fetch-site", "same-origin");
        let headers =
            [("host", self.site.host.as_str()), ("cookie", &cookies), site, ("origin", "null"), FORM];
        request(&format!("POST {path}"), &headers, &encode(fields))
    }

    async fn send<'c>(&mut self, connection: &'c mut Connection, sent: &[u8]) -> Outcome<Answer<'c>> {
        let answer = connection.exchange(sent).await?;
        for cookie in answer.headers("set-cookie") {
            if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

/// A verifier of the length that RFC 7636 §4.1 asks for.
pub(crate) fn verifier() -> String {
    random_handle("") + &random_handle("")
}

/// The value of a field of a page's form.
fn field(page: &str, name: &str) -> Option<String> {
    let at = page.find(&format!("name=\"{name}\""))?;
    let tag = page[at..].split('>').next()?;
    Some(tag.split_once("value=\"")?.1.split('"').next()?.to_owned())
}

/// The values of every tick box of this name.
fn boxes<'p>(page: &'p str, name: &str) -> Vec<&'p str> {
    let marker = format!("name=\"{name}\" value=\"");
    page.split(&marker).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}
