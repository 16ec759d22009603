//! Access tokens for those who reach servers: the port of `reach`, filled by [`UpstreamAuthorization`].

use portcullis_oauth::{BoxFuture, Secret};

use super::{NoAccess, UpstreamAuthorization};
use crate::connections::Connection;
use crate::reach::{AccessTokens, NoToken};

impl From<NoAccess> for NoToken {
    fn from(why: NoAccess) -> Self {
        match why {
            // Those who ask add the page where its owner can go on.
            NoAccess::NeedsUser { code, words, .. } => Self::NeedsOwner(code, words.to_owned()),
            NoAccess::Later { .. } => Self::Later(why.to_string()),
            NoAccess::Store(error) => {
                tracing::error!(cause = ?error, "the tokens of a connection could not be read");
                Self::Later("Its tokens could not be read.".to_owned())
            }
        }
    }
}

impl AccessTokens for UpstreamAuthorization {
    fn token<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Result<Secret, NoToken>> {
        Box::pin(async move { Ok(self.access_token(connection).await?) })
    }

    fn refused<'a>(
        &'a self,
        connection: &'a Connection,
        token: &'a Secret,
    ) -> BoxFuture<'a, Result<(), NoToken>> {
        Box::pin(async move { Ok(Self::refused(self, connection, token).await?) })
    }

    fn insufficient<'a>(&'a self, connection: &'a Connection, challenge: &'a str) -> BoxFuture<'a, NoToken> {
        Box::pin(async move {
            match self.insufficient_scope(connection, challenge).await {
                Ok(why) | Err(why) => why.into(),
            }
        })
    }
}
