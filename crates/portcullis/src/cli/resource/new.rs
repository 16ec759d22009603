//! A resource that an admin registers: from words on the command line to what is checked and stored.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use portcullis_authorization_server::{NewResource, ResourceError, ResourceScope};
use portcullis_oauth::{PublicUrl, ResourceUri, Seconds, TokenFormat};

use crate::Problem;
use crate::cli::output::Format;

/// A new resource.
#[derive(Debug, Args)]
pub(in crate::cli) struct AddArguments {
    /// The URL of its MCP endpoint, exactly as its users type it
    #[arg(long)]
    uri: String,
    /// The name that people see
    #[arg(long)]
    name: String,
    /// A scope that clients have to ask for; may be given several times
    #[arg(long = "scope", value_name = "NAME=SENTENCE", value_parser = scope)]
    scopes: Vec<(String, String)>,
    /// A scope that is also meant when a client names none; may be given several times
    #[arg(long = "default-scope", value_name = "NAME=SENTENCE", value_parser = scope)]
    default_scopes: Vec<(String, String)>,
    /// What its access tokens are
    #[arg(long, value_name = "FORMAT", default_value = "opaque", value_parser = PossibleValuesParser::new(TokenFormat::ALL.map(TokenFormat::as_str)).map(|name| TokenFormat::parse(&name).unwrap_or_default()))]
    token_format: TokenFormat,
    /// How many seconds an access token for it lives [default: that of this server's own]
    #[arg(long, value_name = "SECONDS")]
    access_token_seconds: Option<i64>,
    #[command(flatten)]
    pub(super) format: Format,
}

/// `NAME=SENTENCE`
fn scope(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, about)) if !about.trim().is_empty() => Ok((name.to_owned(), about.trim().to_owned())),
        _ => Err("write the scope's name, = and the sentence that people read, as in 'notes.read=Read your notes.'".to_owned()),
    }
}

impl AddArguments {
    /// The resource to register.
    pub(super) fn check(self, public_url: &PublicUrl) -> Result<NewResource, Problem> {
        let uri = ResourceUri::parse(&self.uri)
            .map_err(|error| Problem::configuration(format!("{}: {error}", self.uri)))?;
        if is_our_own(&uri, public_url) {
            return Err(Problem::configuration(format!(
                "{uri} is this server's own; only other servers are registered"
            )));
        }
        let scopes = |given: Vec<(String, String)>, default: bool| {
            given.into_iter().map(move |(name, about)| ResourceScope { name, about, default })
        };
        Ok(NewResource {
            uri,
            name: self.name.trim().to_owned(),
            scopes: scopes(self.default_scopes, true).chain(scopes(self.scopes, false)).collect(),
            token_format: self.token_format,
            access_token_life: self.access_token_seconds.map(Seconds),
        })
    }
}

/// What this server answers at itself. Even if one was registered (under another public URL), our own would win.
fn is_our_own(uri: &ResourceUri, public_url: &PublicUrl) -> bool {
    let path = uri.as_str().strip_prefix(public_url.as_str());
    let below = |path: &str, root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    };
    path.is_some_and(|path| path.is_empty() || below(path, "/mcp") || below(path, "/api"))
}

/// What was typed is put right by typing something else; all else is the store's.
pub(super) fn problem(error: &ResourceError) -> Problem {
    match error {
        ResourceError::Database(_) | ResourceError::Taken => Problem::caused(error),
        _ => Problem::configuration(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_endpoints_are_not_somebody_elses() {
        let public_url = PublicUrl::parse("https://h.example").unwrap();
        let own = |text: &str| is_our_own(&ResourceUri::parse(text).unwrap(), &public_url);
        for ours in [
            "https://h.example",
            "HTTPS://H.example:443/mcp",
            "https://h.example/mcp/work",
            "https://h.example/api/v1",
        ] {
            assert!(own(ours), "{ours}");
        }
        for theirs in [
            "https://h.example/mcp2",
            "https://h.example/notes",
            "https://h.example.evil/mcp",
            "http://h.example/mcp",
        ] {
            assert!(!own(theirs), "{theirs}");
        }
    }

    #[test]
    fn a_scope_has_a_name_and_a_sentence() {
        assert_eq!(scope("a.b= See = b. "), Ok(("a.b".to_owned(), "See = b.".to_owned())));
        assert!(scope("a.b").is_err() && scope("a.b= ").is_err());
    }
}
