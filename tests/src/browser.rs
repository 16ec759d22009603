//! A person's browser: cookies, the forms of our pages, and what it sends along with them.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};
use portcullis::app::App;

use crate::answer::parameter;
use crate::world::{form, request, send};
use crate::{Answer, Client, PASSWORD, Pkce, World};

/// A browser with a cookie jar of its own.
pub struct Browser<'a> {
    app: &'a App,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// A fresh browser.
    #[must_use]
    pub fn new(world: &'a World) -> Self {
        Self { app: &world.app, cookies: BTreeMap::new() }
    }

    /// A fresh browser that visits one node.
    #[must_use]
    pub fn at(app: &'a App) -> Self {
        Self { app, cookies: BTreeMap::new() }
    }

    /// A fresh browser that signed in as Alice.
    pub async fn signed_in(world: &'a World) -> Self {
        let mut browser = Self::new(world);
        let answer = browser.sign_in("/login", "alice@example.com", PASSWORD).await;
        assert_eq!(answer.see_other(), "/");
        browser
    }

    /// The value of the session cookie.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.cookies.get("portcullis").map(String::as_str)
    }

    /// Puts a session cookie into the jar.
    pub fn set_session(&mut self, value: &str) {
        self.cookies.insert("portcullis".to_owned(), value.to_owned());
    }

    /// The value of a cookie.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie into the jar.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Ends the session as closing the browser does: what outlives it stays.
    pub fn close_session(&mut self) {
        self.cookies.remove("portcullis");
    }

    /// `GET path`
    pub async fn get(&mut self, path: &str) -> Answer {
        let request = self.with_cookies(request(Method::GET, path)).body(Body::empty()).expect("a request");
        self.send(request).await
    }

    /// Posts a form as a page of ours would.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_from("same-origin", path, fields).await
    }

    /// Posts a form that a page of `site` holds (`Sec-Fetch-Site`).
    pub async fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let cookies = self.cookie_header();
        let headers = [("sec-fetch-site", site), ("origin", "null"), ("cookie", cookies.as_str())];
        self.send(form(path, fields, &headers)).await
    }

    /// Opens the sign-in page at `path` and sends it.
    pub async fn sign_in(&mut self, path: &str, email: &str, password: &str) -> Answer {
        let page = self.get(path).await;
        let csrf = page.field("csrf").unwrap_or_default();
        let return_to = page.field("return_to").unwrap_or_default();
        let fields =
            [("csrf", csrf.as_str()), ("return_to", &return_to), ("email", email), ("password", password)];
        self.post("/login", &fields).await
    }

    /// Opens an authorization URL, signs Alice in if asked to, and stops at the consent page.
    pub async fn reach_consent(&mut self, authorize: &str) -> Answer {
        let mut answer = self.get(authorize).await;
        if answer.see_other().starts_with("/login") {
            answer = self.sign_in(answer.see_other(), "alice@example.com", PASSWORD).await;
        }
        self.get(answer.see_other()).await
    }

    /// Opens an authorization URL of `client` and tries to sign in as Alice.
    pub async fn sign_in_for(&mut self, client: &Client, pkce: &Pkce, password: &str) -> Answer {
        let answer = self.get(&client.authorize(pkce, &[])).await;
        self.sign_in(answer.see_other(), "alice@example.com", password).await
    }

    /// Answers a consent page: `approve` or `deny`, with these scopes and every connection ticked.
    pub async fn answer_consent(&mut self, page: &Answer, decision: &str, scopes: &[String]) -> Answer {
        let csrf = page.field("csrf").unwrap_or_default();
        let handle = page.field("request").unwrap_or_default();
        let connections = page.boxes("connection");
        let mut fields = vec![("csrf", csrf.as_str()), ("request", &handle), ("decision", decision)];
        fields.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        fields.extend(connections.iter().map(|connection| ("connection", connection.as_str())));
        self.post("/oauth/consent", &fields).await
    }

    /// Allows with exactly these boxes ticked, by the names of their fields, and every connection.
    pub async fn tick(&mut self, page: &Answer, boxes: &[(&str, &str)]) -> Answer {
        let csrf = page.field("csrf").unwrap_or_default();
        let handle = page.field("request").unwrap_or_default();
        let connections = page.boxes("connection");
        let mut fields = vec![("csrf", csrf.as_str()), ("request", &handle), ("decision", "approve")];
        fields.extend(boxes);
        fields.extend(connections.iter().map(|connection| ("connection", connection.as_str())));
        self.post("/oauth/consent", &fields).await
    }

    /// Approves all that is offered and returns the code.
    pub async fn approve(&mut self, authorize: &str) -> String {
        let page = self.reach_consent(authorize).await;
        let answer = self.answer_consent(&page, "approve", &page.boxes("scope")).await;
        answer.redirect_parameter("code").unwrap_or_else(|| panic!("no code in {}", answer.see_other()))
    }

    /// The whole flow of a client: a code and what redeems it.
    pub async fn code_for(&mut self, client: &Client) -> (String, Pkce) {
        let pkce = Pkce::new();
        (self.approve(&client.authorize(&pkce, &[])).await, pkce)
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let answer = send(self.app, request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let text = cookie.to_str().unwrap_or_default();
            if let Some((name, value)) = text.split(';').next().and_then(|pair| pair.split_once('=')) {
                if text.contains("Max-Age=0") || value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        answer
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn with_cookies(&self, request: axum::http::request::Builder) -> axum::http::request::Builder {
        if self.cookies.is_empty() { request } else { request.header("cookie", self.cookie_header()) }
    }
}

impl Answer {
    /// The handle of the authorization request to which a sign-in or consent location leads.
    #[must_use]
    pub fn request_handle(&self) -> String {
        let location = self.see_other();
        let inner = parameter(location, "return_to").unwrap_or_else(|| location.to_owned());
        parameter(&inner, "request").unwrap_or_default()
    }
}
