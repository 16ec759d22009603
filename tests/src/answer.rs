//! An HTTP answer, read whole.

use axum::body::to_bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// An answer with its body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// Reads a response to its end.
    pub async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10 * 1024 * 1024).await.expect("the body ends");
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// The body as JSON; `null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut json: Value = serde_json::from_str(&self.body).unwrap_or_default();
        json.sort_all_objects();
        json
    }

    /// A header as text; empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The `Location`, asserting that it is a 303 (OA21-7.5.3-1).
    #[must_use]
    pub fn see_other(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// A parameter of the `Location`.
    #[must_use]
    pub fn redirect_parameter(&self, name: &str) -> Option<String> {
        parameter(self.see_other(), name)
    }

    /// The status and, for an OAuth error, its code: `400 invalid_grant`.
    #[must_use]
    pub fn verdict(&self) -> String {
        let code = self.json()["error"].as_str().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{code}", self.status.as_u16())
    }

    /// The value of a form field in a page.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let at = self.body.find(&format!("name=\"{name}\""))?;
        let rest = &self.body[at..];
        let tag = &rest[..rest.find('>')?];
        let start = tag.find("value=\"")? + 7;
        Some(tag[start..start + tag[start..].find('"')?].replace("&amp;", "&").replace("&#38;", "&"))
    }

    /// The values of every tick box of this name.
    #[must_use]
    pub fn boxes(&self, name: &str) -> Vec<String> {
        let marker = format!("name=\"{name}\" value=\"");
        self.body
            .split(&marker)
            .skip(1)
            .filter_map(|rest| rest.split('"').next().map(str::to_owned))
            .collect()
    }
}

/// A parameter of a URL, absolute or not.
pub(crate) fn parameter(location: &str, name: &str) -> Option<String> {
    let query = location.split_once('?')?.1.split('#').next()?;
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}
