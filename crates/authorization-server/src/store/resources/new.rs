//! A resource to be registered, and what none may be.

use portcullis_database::DatabaseError;
use portcullis_oauth::{ResourceUri, ScopeSet, Seconds, TokenFormat, scopes};
use serde::{Deserialize, Serialize};

/// A scope of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceScope {
    /// Its wire name.
    pub name: String,
    /// What it lets a client do, in a sentence for people.
    pub about: String,
    /// Whether a request that names no scope asks for it (OA21-1.4.1-3).
    pub default: bool,
}

/// A resource to be registered.
#[derive(Clone, Debug)]
pub struct NewResource {
    /// Its canonical identifier: the `aud` of its tokens.
    pub uri: ResourceUri,
    /// What people call it.
    pub name: String,
    /// Its scopes, in the order in which people are asked.
    pub scopes: Vec<ResourceScope>,
    /// What its access tokens look like.
    pub token_format: TokenFormat,
    /// How long they live; `None` for the server's default.
    pub access_token_life: Option<Seconds>,
}

/// Why a resource was not registered.
#[derive(Debug, thiserror::Error)]
pub enum ResourceError {
    /// A token would travel in clear.
    #[error(
        "a resource is an https:// URL; http:// is for this computer alone (localhost, 127.0.0.1, [::1])"
    )]
    Insecure,
    /// Empty, too long, or with control characters.
    #[error("a resource's name has 1 to 100 characters and no control characters")]
    Name,
    /// No scope, too many, or one that cannot be.
    #[error(
        "scope {0}: a resource has 1 to 50 scopes, each once, with a name that OAuth allows and a sentence of 1 to 200 characters"
    )]
    Scope(String),
    /// A name that means something else here.
    #[error("scope {0} is this server's own; choose another name, such as notes.read")]
    ReservedScope(String),
    /// Too short or too long.
    #[error("an access token lives for 60 to 86400 seconds")]
    Life,
    /// It is registered already.
    #[error("there is already a resource with this URI; `portcullis resource list` shows every resource")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl NewResource {
    pub(super) fn check(&self) -> Result<(), ResourceError> {
        if !self.uri.is_https() && !self.uri.is_loopback() {
            return Err(ResourceError::Insecure);
        }
        if !is_text(&self.name, 100) {
            return Err(ResourceError::Name);
        }
        if self.scopes.is_empty() || self.scopes.len() > 50 {
            return Err(ResourceError::Scope(format!("list of {}", self.scopes.len())));
        }
        for (index, scope) in self.scopes.iter().enumerate() {
            let one = ScopeSet::parse(&scope.name).is_ok_and(|set| set.iter().eq([scope.name.as_str()]));
            let again = self.scopes.iter().take(index).any(|earlier| earlier.name == scope.name);
            if !one || again || scope.name.len() > 100 || !is_text(&scope.about, 200) {
                return Err(ResourceError::Scope(scope.name.clone()));
            }
            if scopes::is_reserved(&scope.name) {
                return Err(ResourceError::ReservedScope(scope.name.clone()));
            }
        }
        match self.access_token_life {
            Some(Seconds(life)) if !(60..=86_400).contains(&life) => Err(ResourceError::Life),
            _ => Ok(()),
        }
    }
}

fn is_text(text: &str, longest: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= longest && !text.chars().any(char::is_control)
}
