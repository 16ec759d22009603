//! The authorization request that a browser is sent away with, and the answer that it comes back with.

use url::form_urlencoded;

use super::RemoteUrl;
use crate::{CodeVerifier, ErrorCode, Form, ScopeSet, Secret};

/// Longer codes are not taken.
const LONGEST_CODE: usize = 8_000;

/// What is asked (OAuth 2.1 §4.1.1).
#[derive(Clone, Copy, Debug)]
pub struct AuthorizationQuestion<'a> {
    /// Where the browser goes.
    pub endpoint: &'a RemoteUrl,
    /// Who we are there.
    pub client_id: &'a str,
    /// Where the answer comes.
    pub redirect_uri: &'a str,
    /// What finds our record of it again (OA21-2.3.3-1).
    pub state: &'a Secret,
    /// What will prove that the code is ours (RFC 7636).
    pub verifier: &'a CodeVerifier,
    /// What the token is for (MCP-AUTH-17).
    pub resource: &'a str,
    /// What it shall be good for; nothing is said when empty.
    pub scope: &'a ScopeSet,
}

impl AuthorizationQuestion<'_> {
    /// The URL, whatever query the endpoint has of its own being kept (OA21-3.1-1).
    #[must_use]
    pub fn url(&self) -> String {
        let endpoint = self.endpoint.as_str();
        let joint = match endpoint.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        let challenge = self.verifier.challenge();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("state", self.state.expose())
            .append_pair("code_challenge", challenge.as_str())
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", self.resource);
        if !self.scope.is_empty() {
            query.append_pair("scope", &self.scope.to_string());
        }
        format!("{endpoint}{joint}{}", query.finish())
    }
}

/// The answer, once it is certain whose it is.
#[derive(Clone, Debug)]
pub enum AuthorizationAnswer {
    /// A code, to be redeemed at the issuer that was asked and nowhere else.
    Code(Secret),
    /// The issuer or the person said no.
    Refused(Option<ErrorCode>),
    /// Another issuer's answer, or one that does not say whose it is although that was promised. Nothing of it may be
    /// used or shown (MCP-AUTH-16).
    Foreign,
    /// No answer at all: neither a code nor an error, or a parameter twice.
    Malformed,
}

impl AuthorizationAnswer {
    /// Judges what came to the redirect URI: `iss` first, compared as a string (RFC 9207 §2.4). `promised`: whether
    /// `issuer` said that it always sends `iss`.
    #[must_use]
    pub fn read(form: &Form, issuer: &str, promised: bool) -> Self {
        match form.one("iss") {
            Ok(Some(iss)) if iss == issuer => {}
            Ok(None) if !promised => {}
            _ => return Self::Foreign,
        }
        match (form.one("code"), form.one("error")) {
            (Ok(Some(code)), Ok(None)) if code.len() <= LONGEST_CODE => Self::Code(Secret::presented(code)),
            (Ok(None), Ok(Some(error))) => Self::Refused(ErrorCode::parse(error)),
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// OA21-3.1-1, MCP-AUTH-17
    #[test]
    fn the_question_keeps_the_endpoints_query() {
        let state = Secret::presented("s t");
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let url = |endpoint: &str, scope: &str| {
            AuthorizationQuestion {
                endpoint: &RemoteUrl::parse(endpoint, false).unwrap(),
                client_id: "https://g/c",
                redirect_uri: "https://g/cb",
                state: &state,
                verifier: &verifier,
                resource: "https://h/mcp",
                scope: &ScopeSet::parse(scope).unwrap(),
            }
            .url()
        };
        let asked = "response_type=code&client_id=https%3A%2F%2Fg%2Fc&redirect_uri=https%3A%2F%2Fg%2Fcb&state=s+t&\
                     code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&\
                     resource=https%3A%2F%2Fh%2Fmcp";
        assert_eq!(url("https://a/authorize", ""), format!("https://a/authorize?{asked}"));
        assert_eq!(url("https://a/z?t=1", "b a"), format!("https://a/z?t=1&{asked}&scope=a+b"));
        assert_eq!(url("https://a/z?", ""), format!("https://a/z?{asked}"));
    }

    /// T07, MCP-AUTH-15, MCP-AUTH-16, R9207-2.4-1: the four rows, and nothing is normalised
    #[test]
    fn an_answer_counts_only_from_the_issuer_that_was_asked() {
        let read = |query: &str, promised| {
            let form = Form::parse(query.as_bytes()).unwrap();
            match AuthorizationAnswer::read(&form, "https://as", promised) {
                AuthorizationAnswer::Code(code) => code.expose().to_owned(),
                other => format!("{other:?}"),
            }
        };
        for (query, promised, expected) in [
            ("code=c&iss=https%3A%2F%2Fas", true, "c"),
            ("code=c", true, "Foreign"),
            ("code=c&iss=https%3A%2F%2Fas", false, "c"),
            ("code=c", false, "c"),
            ("code=c&iss=https%3A%2F%2Fother", false, "Foreign"),
            ("code=c&iss=https%3A%2F%2FAS", true, "Foreign"),
            ("code=c&iss=https%3A%2F%2Fas%2F", true, "Foreign"),
            ("code=c&iss=https%3A%2F%2Fas&iss=https%3A%2F%2Fas", true, "Foreign"),
            ("code=c&iss=", true, "Foreign"),
            ("error=access_denied&iss=https%3A%2F%2Fother", true, "Foreign"),
            ("error=access_denied&iss=https%3A%2F%2Fas", true, "Refused(Some(AccessDenied))"),
            ("error=something_else", false, "Refused(None)"),
            ("code=c&error=access_denied", false, "Malformed"),
            ("code=c&code=d", false, "Malformed"),
            ("", false, "Malformed"),
        ] {
            assert_eq!(read(query, promised), expected, "{query} {promised}");
        }
    }
}
