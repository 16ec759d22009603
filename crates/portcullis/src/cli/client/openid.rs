//! What a client that signs people in is registered with, and how it is shown.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use portcullis_oauth::jose::Algorithm;
use portcullis_oauth::{OpenIdRegistration, RedirectUri};

use crate::Problem;

/// The options of `client add` that mean something where OpenID Connect is on.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "OpenID Connect (openid = \"on\")")]
pub(super) struct OpenIdArguments {
    /// What its ID tokens are signed with [default: RS256]
    #[arg(long = "id-token-alg", value_name = "ALG", value_parser = PossibleValuesParser::new(Algorithm::ALL.map(Algorithm::as_str)).map(|name| algorithm(&name)))]
    id_token_alg: Option<Algorithm>,
    /// Where the browser may be sent after signing out; may be given several times
    #[arg(long = "post-logout-redirect-uri", value_name = "URI")]
    post_logout_redirect_uris: Vec<String>,
    /// Where the client is told that somebody signed out
    #[arg(long = "backchannel-logout-uri", value_name = "URL")]
    backchannel_logout_uri: Option<String>,
}

/// The parser has let only known names through.
fn algorithm(name: &str) -> Algorithm {
    Algorithm::parse(name).unwrap_or(Algorithm::Rs256)
}

impl OpenIdArguments {
    /// What to register.
    pub(super) fn check(self) -> Result<OpenIdRegistration, Problem> {
        let uri = |text: &str| {
            RedirectUri::parse(text)
                .map_err(|error| Problem::configuration(format!("cannot register {text}: {error}")))
        };
        let backchannel_logout_uri = self.backchannel_logout_uri.as_deref().map(uri).transpose()?;
        let is_called = |uri: &RedirectUri| uri.as_str().starts_with("https://") || uri.loopback().is_some();
        if let Some(uri) = backchannel_logout_uri.as_ref().filter(|uri| !is_called(uri)) {
            return Err(Problem::configuration(format!(
                "--backchannel-logout-uri must be an https:// URL, not {uri}: this server calls it"
            )));
        }
        let after = self.post_logout_redirect_uris.iter().map(|text| uri(text));
        Ok(OpenIdRegistration {
            id_token_signed_response_alg: self.id_token_alg,
            post_logout_redirect_uris: after.collect::<Result<_, _>>()?,
            backchannel_logout_uri,
            backchannel_logout_session_required: false,
        })
    }
}

/// What of it is worth a line.
pub(super) fn fields(registered: &OpenIdRegistration) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(algorithm) = registered.id_token_signed_response_alg {
        fields.push(("ID tokens", algorithm.as_str().to_owned()));
    }
    if !registered.post_logout_redirect_uris.is_empty() {
        let uris: Vec<&str> = registered.post_logout_redirect_uris.iter().map(RedirectUri::as_str).collect();
        fields.push(("after sign-out", uris.join("\n")));
    }
    fields
        .extend(registered.backchannel_logout_uri.as_ref().map(|uri| ("told of sign-outs", uri.to_string())));
    fields
}
