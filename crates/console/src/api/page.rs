//! Lists in pages: how many at once, and where the last page ended.

use axum::extract::{FromRequestParts, RawQuery};
use axum::http::request::Parts;
use portcullis_oauth::{Form, Timestamp};
use serde_json::{Value, json};

use super::problem::Problem;

/// So many entries stand on a page unless somebody asks otherwise.
const USUAL: u16 = 50;
/// So many at most.
const MOST: u16 = 500;

/// The query of a request, each name once.
#[derive(Debug)]
pub(super) struct Query(Form);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Ok(RawQuery(query)) = RawQuery::from_request_parts(parts, state).await;
        let form = Form::parse(query.unwrap_or_default().as_bytes());
        form.map(Self)
            .map_err(|error| Problem::invalid("query", format!("The query cannot be read: {error}.")))
    }
}

impl Query {
    /// Refuses names that the operation does not know: a filter that is misspelled would show everything.
    pub(super) fn only(self, known: &[&str]) -> Result<Self, Problem> {
        if self.0.encode_without(known).is_empty() {
            return Ok(self);
        }
        let told =
            format!("The query names something that is not known here; known are: {}.", known.join(", "));
        Err(Problem::invalid("query", told))
    }

    /// One value.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        let said = self.0.one(name);
        said.map_err(|_| Problem::invalid("query", format!("The query says {name} more than once.")))
    }

    /// How many entries are asked for.
    pub(super) fn limit(&self) -> Result<u16, Problem> {
        let Some(text) = self.text("limit")? else { return Ok(USUAL) };
        let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        limit.ok_or_else(|| Problem::invalid("query", format!("limit is a number from 1 to {MOST}.")))
    }

    /// Where the last page ended, read by `decode`.
    pub(super) fn cursor<T>(&self, decode: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Problem> {
        let Some(text) = self.text("cursor")? else { return Ok(None) };
        decode(text).map(Some).ok_or_else(unknown_cursor)
    }

    /// A time, given in seconds since 1970.
    pub(super) fn moment(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let micros = text.parse::<i64>().ok().and_then(|seconds| seconds.checked_mul(1_000_000));
        let told = || Problem::invalid("query", format!("{name} is a time in seconds since 1970."));
        micros.map(|micros| Some(Timestamp::from_micros(micros))).ok_or_else(told)
    }

    /// A page of `all`, which is in the order of `key`; the cursor is the key of the last entry.
    pub(super) fn page<T>(
        &self,
        all: &[T],
        key: impl Fn(&T) -> String,
        shown: impl Fn(&T) -> Value,
    ) -> Result<Value, Problem> {
        let limit = usize::from(self.limit()?);
        let begin = match self.text("cursor")? {
            None => 0,
            Some(cursor) => {
                1 + all.iter().position(|entry| key(entry) == cursor).ok_or_else(unknown_cursor)?
            }
        };
        let page: Vec<&T> = all.iter().skip(begin).take(limit).collect();
        let more = begin + page.len() < all.len();
        let next = page.last().filter(|_| more).map(|last| key(last));
        let items: Vec<Value> = page.into_iter().map(shown).collect();
        Ok(paged(&items, next.as_deref()))
    }
}

/// A page as it is told.
pub(super) fn paged(items: &[Value], next: Option<&str>) -> Value {
    json!({ "items": items, "next": next })
}

fn unknown_cursor() -> Problem {
    Problem::invalid("cursor_unknown", "The cursor is not one that a page of this list ended with.")
}
