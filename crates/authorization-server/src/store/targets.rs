//! What a request is for: one resource or several, each with its own scopes. The first has columns of its own; those
//! beyond it stand beside it as JSON.

use std::iter::once;

use portcullis_database::DatabaseError;
use portcullis_oauth::{ResourceUri, ScopeSet};
use serde::{Deserialize, Serialize};

/// One resource, and what is asked or granted for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Target {
    pub(crate) resource: ResourceUri,
    pub(crate) scope: ScopeSet,
}

/// At least one target; the first is meant where a token request names none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Targets {
    pub(crate) first: Target,
    pub(crate) further: Vec<Target>,
}

impl Targets {
    /// A single one.
    pub(crate) fn one(resource: ResourceUri, scope: ScopeSet) -> Self {
        Self { first: Target { resource, scope }, further: Vec::new() }
    }

    /// All of them, in their order. `None` when there is none.
    pub(crate) fn of(targets: impl IntoIterator<Item = Target>) -> Option<Self> {
        let mut targets = targets.into_iter();
        let first = targets.next()?;
        Some(Self { first, further: targets.collect() })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Target> {
        once(&self.first).chain(&self.further)
    }

    /// The column for those beyond the first.
    pub(super) fn column(&self) -> Result<Option<String>, DatabaseError> {
        let encode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Encode(Box::new(error)));
        let some = (!self.further.is_empty()).then(|| serde_json::to_string(&self.further));
        some.transpose().map_err(encode)
    }

    /// What a row's three columns say.
    pub(super) fn read(
        (resource, scope): (&ResourceUri, &ScopeSet),
        further: Option<&str>,
    ) -> Result<Self, DatabaseError> {
        let decode = |error: serde_json::Error| DatabaseError::from(sqlx::Error::Decode(Box::new(error)));
        let further = further.map(serde_json::from_str).transpose().map_err(decode)?;
        let first = Target { resource: resource.clone(), scope: scope.clone() };
        Ok(Self { first, further: further.unwrap_or_default() })
    }
}
