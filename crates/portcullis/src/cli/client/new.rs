//! A client that an admin registers: from words on the command line to metadata that is checked.

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use portcullis_authorization_server::{ClientOrigin, NewClient, RegisteredResource};
use portcullis_oauth::{
    ApplicationType, ClientAuthMethod, ClientMetadata, GrantType, PublicUrl, RedirectUri, ResourceRegistry,
    ResourceUri, ScopeSet, scopes,
};

use super::keys::KeyArguments;
use super::openid::OpenIdArguments;
use crate::Problem;
use crate::cli::output::Format;

/// A new client.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line by itself")]
pub(in crate::cli) struct AddArguments {
    /// The name that people see
    #[arg(long)]
    name: String,
    /// Where the browser may be sent back to; may be given several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// Cannot keep a secret, as an application on somebody's computer (the default)
    #[arg(long, conflicts_with_all = ["confidential", "jwks", "jwks_uri"])]
    public: bool,
    /// Runs on a server and keeps a secret
    #[arg(long)]
    confidential: bool,
    #[command(flatten)]
    keys: KeyArguments,
    /// What it may use; may be given several times [default: a code for a person's consent, and refresh tokens]
    #[arg(long = "grant", value_name = "GRANT", value_parser = PossibleValuesParser::new(GrantType::ALL.map(GrantType::short_name)).map(|name| grant(&name)))]
    grants: Vec<GrantType>,
    /// What it gets when it asks for no scope in particular, separated by spaces; where it acts for itself, all that it may have
    #[arg(long, value_name = "SCOPES")]
    scope: Vec<String>,
    /// What it may reach; may be given several times; …/oauth/userinfo too, if it may learn who signed in [default: anything that its users grant]
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// Must push its authorization requests before it sends the browser (RFC 9126)
    #[arg(long)]
    require_par: bool,
    /// Must prove to hold a key with each request for tokens, and gets tokens that are bound to it (RFC 9449)
    #[arg(long)]
    dpop: bool,
    #[command(flatten)]
    openid: OpenIdArguments,
    #[command(flatten)]
    pub(super) format: Format,
}

/// The parser has let only known names through.
fn grant(name: &str) -> GrantType {
    let named = GrantType::ALL.into_iter().find(|grant| grant.short_name() == name);
    named.unwrap_or(GrantType::AuthorizationCode)
}

impl AddArguments {
    /// The client to register, as far as the words alone can tell.
    pub(super) fn check(self) -> Result<NewClient, Problem> {
        let name = self.name.trim().to_owned();
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return refused("--name must have 1 to 100 characters, none of them a control character");
        }
        let keys = self.keys.read()?;
        let confidential = self.confidential || keys.is_some();
        let grant_types = grants(self.grants, confidential)?;
        let redirects = grant_types.contains(&GrantType::AuthorizationCode);
        if redirects && self.redirect_uris.is_empty() {
            return refused(
                "--redirect-uri is needed: it says where the browser is sent back to after consent",
            );
        }
        let redirect_uris =
            self.redirect_uris.iter().map(|text| redirect_uri(text)).collect::<Result<Vec<_>, _>>()?;
        let scope = ScopeSet::parse(&self.scope.join(" "))
            .map_err(|error| Problem::configuration(error.to_string()))?;
        if scope.is_empty() && grant_types.contains(&GrantType::ClientCredentials) {
            return refused(
                "--scope is needed with --grant client_credentials: nobody consents, so it says all that the client may do",
            );
        }
        let resources = self.resources.iter().map(|text| resource(text)).collect::<Result<Vec<_>, _>>()?;
        let token_endpoint_auth_method = match (&keys, confidential) {
            (Some(_), _) => ClientAuthMethod::PrivateKeyJwt,
            (None, true) => ClientAuthMethod::ClientSecretBasic,
            (None, false) => ClientAuthMethod::None,
        };
        let metadata = ClientMetadata {
            application_type: ApplicationType::infer(&redirect_uris),
            redirect_uris,
            client_name: name,
            client_uri: None,
            token_endpoint_auth_method,
            grant_types,
            response_types: if redirects { vec!["code".to_owned()] } else { Vec::new() },
            scope,
            require_pushed_authorization_requests: self.require_par,
            openid: self.openid.check()?,
            dpop_bound_access_tokens: self.dpop,
            keys,
            token_endpoint_auth_signing_alg: None,
        };
        Ok(NewClient { metadata, origin: ClientOrigin::Admin, resources })
    }
}

/// Whether the scopes mean something at this server or at a registered one. `serve` may have been given another public URL by
/// flag, so a resource that looks foreign from here is noted, not refused.
pub(super) fn fits(
    new: &NewClient,
    public_url: &PublicUrl,
    registered: &[RegisteredResource],
) -> Result<(), Problem> {
    let theirs = registered.iter().flat_map(|resource| &resource.what.scopes);
    let ours = scopes::ALL.into_iter().chain(scopes::ADMIN);
    let known: ScopeSet = ours.chain(theirs.map(|scope| scope.name.as_str())).collect();
    let scope = &new.metadata.scope;
    if !scope.is_subset(&known) {
        return refused(format!(
            "--scope {scope} holds a scope that this server does not know; it knows: {known}"
        ));
    }
    let own = ResourceRegistry::new(public_url.clone());
    let is_known =
        |uri: &&ResourceUri| own.find(uri).is_some() || registered.iter().any(|one| one.what.uri == **uri);
    for uri in new.resources.iter().filter(|uri| !is_known(uri)) {
        eprintln!(
            "portcullis: note: {uri} is neither {public_url}/mcp nor below it, nor registered; check it, or set public_url"
        );
    }
    Ok(())
}

/// The grants that fit each other and the client.
fn grants(named: Vec<GrantType>, confidential: bool) -> Result<Vec<GrantType>, Problem> {
    let mut grants = if named.is_empty() { GrantType::USUAL.to_vec() } else { named };
    grants.sort_unstable();
    grants.dedup();
    let has_person = grants.iter().any(|g| matches!(g, GrantType::AuthorizationCode | GrantType::DeviceCode));
    // A refresh token is had for a code of either kind and for nothing else (OA21-4.2-1).
    if grants.contains(&GrantType::RefreshToken) && !has_person {
        return refused(
            "--grant refresh_token is of no use alone; add --grant authorization_code or device_code",
        );
    }
    match grants.iter().find(|grant| grant.needs_confidential() && !confidential) {
        Some(grant) => refused(format!(
            "--grant {} is for clients that keep a secret; add --confidential, or a key with --jwks",
            grant.short_name()
        )),
        None => Ok(grants),
    }
}

fn refused<T>(sentence: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::configuration(sentence))
}

fn redirect_uri(text: &str) -> Result<RedirectUri, Problem> {
    RedirectUri::parse(text)
        .map_err(|error| Problem::configuration(format!("cannot register {text}: {error}")))
}

fn resource(text: &str) -> Result<ResourceUri, Problem> {
    ResourceUri::parse(text).map_err(|error| Problem::configuration(format!("{text}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(redirect_uri: &str) -> AddArguments {
        AddArguments {
            name: " Editor ".into(),
            redirect_uris: vec![redirect_uri.into()],
            public: false,
            confidential: false,
            keys: KeyArguments::default(),
            grants: Vec::new(),
            scope: vec!["mcp.tools.read".into(), "mcp.tools.execute".into()],
            require_par: false,
            openid: OpenIdArguments::default(),
            dpop: false,
            resources: vec!["HTTP://localhost:8420/mcp".into()],
            format: Format { json: false },
        }
    }

    fn check(arguments: AddArguments) -> Result<NewClient, String> {
        let public_url = PublicUrl::parse("http://localhost:8420").unwrap();
        let new = arguments.check().map_err(|problem| problem.to_string())?;
        fits(&new, &public_url, &[]).map_err(|problem| problem.to_string())?;
        Ok(new)
    }

    #[test]
    fn a_client_is_public_and_may_use_every_grant_unless_said_otherwise() {
        let new = check(arguments("http://localhost/cb")).unwrap();
        assert_eq!(new.metadata.client_name, "Editor");
        assert_eq!(new.metadata.token_endpoint_auth_method, ClientAuthMethod::None);
        assert_eq!(new.metadata.grant_types, GrantType::USUAL);
        assert_eq!(new.metadata.application_type, ApplicationType::Native);
        assert_eq!(new.metadata.scope.to_string(), "mcp.tools.execute mcp.tools.read");
        assert_eq!(new.resources[0].as_str(), "http://localhost:8420/mcp");
        let confidential = AddArguments { confidential: true, ..arguments("https://h/cb") };
        let method = check(confidential).unwrap().metadata.token_endpoint_auth_method;
        assert_eq!(method, ClientAuthMethod::ClientSecretBasic);
    }

    /// R7591-2-3: a client with keys is confidential and has no secret; both places at once are one too many
    #[test]
    fn a_client_may_have_keys_instead_of_a_secret() {
        let uri = |text: &str| KeyArguments { jwks: None, jwks_uri: Some(text.to_owned()) };
        let keyed = |keys| {
            check(AddArguments {
                keys,
                grants: vec![GrantType::ClientCredentials],
                redirect_uris: Vec::new(),
                ..arguments("")
            })
        };
        let metadata = keyed(uri("https://h/jwks")).unwrap().metadata;
        assert_eq!(metadata.token_endpoint_auth_method, ClientAuthMethod::PrivateKeyJwt);
        assert!(metadata.keys.is_some());
        assert!(keyed(uri("http://h/jwks")).unwrap_err().contains("jwks_uri is an https URL"));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys.json");
        let from = |text: &str| {
            std::fs::write(&file, text).unwrap();
            keyed(KeyArguments { jwks: Some(file.clone()), jwks_uri: None })
        };
        assert!(from(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#).is_ok());
        assert!(
            from(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)
                .is_ok(),
            "one key alone"
        );
        let private = from(
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","d":"AA","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        );
        assert!(private.unwrap_err().contains("private"));
        assert!(from("-----BEGIN PUBLIC KEY-----").unwrap_err().contains("is not JSON"));
    }

    /// OA21-4.2-1
    #[test]
    fn a_machine_needs_a_secret_and_a_ceiling_and_no_redirect() {
        let machine = |confidential, scope: Vec<String>| {
            let grants = vec![GrantType::ClientCredentials];
            let redirect_uris = Vec::new();
            check(AddArguments { redirect_uris, confidential, grants, scope, ..arguments("") })
        };
        assert!(machine(false, vec!["mcp.tools.read".into()]).unwrap_err().contains("add --confidential"));
        assert!(machine(true, Vec::new()).unwrap_err().contains("--scope is needed"));
        let metadata = machine(true, vec!["mcp.tools.read".into()]).unwrap().metadata;
        assert_eq!(metadata.grant_types, [GrantType::ClientCredentials]);
        assert!(metadata.response_types.is_empty() && metadata.redirect_uris.is_empty());
    }

    #[test]
    fn what_no_client_may_have_is_refused() {
        assert!(
            check(arguments("http://h/cb"))
                .unwrap_err()
                .starts_with("cannot register http://h/cb: http is for loopback")
        );
        let nowhere = AddArguments { redirect_uris: Vec::new(), ..arguments("") };
        assert!(check(nowhere).unwrap_err().contains("--redirect-uri is needed"));
        let unknown = AddArguments { scope: vec!["foo".into()], ..arguments("https://h/cb") };
        assert!(
            check(unknown).unwrap_err().contains("--scope foo holds a scope that this server does not know")
        );
        let idle = AddArguments { grants: vec![GrantType::RefreshToken], ..arguments("https://h/cb") };
        assert!(check(idle).unwrap_err().contains("of no use alone"));
        let nameless = AddArguments { name: " ".into(), ..arguments("https://h/cb") };
        assert!(check(nameless).unwrap_err().contains("--name must have"));
    }
}
