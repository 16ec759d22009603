//! One operation of the API: its route, what a token needs for it, and what the document says of it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::Api;

/// An operation.
pub(super) struct Operation {
    pub(super) method: Method,
    /// Below `/api/v1`, with `{names}` for what varies.
    pub(super) path: &'static str,
    /// Its name in programs that are generated.
    pub(super) id: &'static str,
    /// What it does, in a sentence.
    pub(super) summary: &'static str,
    /// What a token needs.
    pub(super) scope: &'static str,
    /// What the query may say.
    pub(super) query: &'static [&'static str],
    /// The schema of the body, if it takes one.
    pub(super) takes: Option<&'static str>,
    /// The status and the schema of a good answer.
    pub(super) gives: (u16, &'static str),
    pub(super) handler: MethodRouter<Api>,
}

/// What the query of every list in pages may say.
pub(super) const PAGED: &[&str] = &["limit", "cursor"];

impl Operation {
    fn new<H: Handler<T, Api>, T: 'static>(
        (method, filter): (Method, MethodFilter),
        (id, path): (&'static str, &'static str),
        scope: &'static str,
        handler: H,
    ) -> Self {
        let handler = on(filter, handler);
        Self { method, path, id, summary: "", scope, query: &[], takes: None, gives: (200, ""), handler }
    }

    /// One that only reads.
    pub(super) fn get<H: Handler<T, Api>, T: 'static>(
        named: (&'static str, &'static str),
        scope: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::GET, MethodFilter::GET), named, scope, handler)
    }

    /// One that does something.
    pub(super) fn post<H: Handler<T, Api>, T: 'static>(
        named: (&'static str, &'static str),
        scope: &'static str,
        handler: H,
    ) -> Self {
        Self::new((Method::POST, MethodFilter::POST), named, scope, handler)
    }

    /// One that takes something away; it answers with nothing.
    pub(super) fn delete<H: Handler<T, Api>, T: 'static>(
        named: (&'static str, &'static str),
        scope: &'static str,
        handler: H,
    ) -> Self {
        let operation = Self::new((Method::DELETE, MethodFilter::DELETE), named, scope, handler);
        Self { gives: (204, ""), ..operation }
    }

    /// The same, in a sentence.
    pub(super) fn says(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    /// The same, with what its query may say.
    pub(super) fn asks(self, query: &'static [&'static str]) -> Self {
        Self { query, ..self }
    }

    /// The same, with a body of this schema.
    pub(super) fn takes(self, schema: &'static str) -> Self {
        Self { takes: Some(schema), ..self }
    }

    /// The same, with an answer of this schema.
    pub(super) fn gives(self, status: u16, schema: &'static str) -> Self {
        Self { gives: (status, schema), ..self }
    }

    /// The names in its path.
    pub(super) fn named(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
    }
}
