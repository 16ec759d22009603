//! Whether the policy lets a person look after a connection of theirs on our pages (the action `manageConnection`): asked before
//! anything is shown or done, and told on a page of its own where it does not.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use portcullis_authorization_server::User;
use portcullis_resource_server::{Managed, NotManaged, Person};
use portcullis_web::ErrorPage;

use crate::home::{Console, Fault, trace};

impl Console {
    /// A user as the policy sees them.
    pub(crate) async fn person(&self, user: &User) -> Result<Person, Fault> {
        let groups = self.groups().of(&user.id).await?;
        let (id, email) = (user.id.clone(), user.email.clone());
        Ok(Person { id, email, groups, permissions: user.may() })
    }

    /// The page for somebody whom the policy keeps from what they are about to do, which is in the paper trail by then;
    /// nothing where it lets them.
    pub(crate) async fn kept_from(
        &self,
        user: &User,
        managed: Managed<'_>,
        headers: &HeaderMap,
    ) -> Result<Option<Response>, Fault> {
        match self.gateway().manage_by_hand(&self.person(user).await?, managed).await {
            Ok(()) => Ok(None),
            Err(NotManaged::Denied(forbidden)) => Ok(Some(refusal(&forbidden.reason, headers))),
            Err(error) => Err(error.into()),
        }
    }

    /// Why the policy would keep somebody from it; nothing where it would not. For what a page offers.
    pub(crate) async fn would_keep(
        &self,
        person: &Person,
        managed: Managed<'_>,
    ) -> Result<Option<String>, Fault> {
        match self.gateway().may_manage_by_hand(person, managed).await {
            Ok(()) => Ok(None),
            Err(NotManaged::Denied(forbidden)) => Ok(Some(forbidden.reason)),
            Err(error) => Err(error.into()),
        }
    }
}

fn refusal(reason: &str, headers: &HeaderMap) -> Response {
    let happened =
        "Whoever runs this gateway decides who looks after which connections. Nothing was changed.";
    let advice = "If you need this, ask them, and tell them the reason and the code below.";
    ErrorPage::new(
        StatusCode::FORBIDDEN,
        "You may not look after this connection",
        happened,
        advice,
        trace(headers),
    )
    .with_detail(reason)
    .into_response()
}
