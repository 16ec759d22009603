//! Who may look after connections, as far as the policy goes: asked by the API for programs and by the console for people.

use portcullis_audit::{Action, ConnectionEvent, Event, Outcome};
use portcullis_oauth::VerifiedBearer;
use serde_json::json;

use super::Gateway;
use crate::connections::Connection;
use crate::policy::{self, Denial, Forbidden, Managed, NotManaged, Person};

impl Gateway {
    /// Whether the policy lets the program with this token for the API look after a connection of its user's (the action
    /// `manageConnection`, as for our own tools at `/mcp`).
    ///
    /// # Errors
    /// When it does not, or cannot be asked.
    pub async fn may_manage(&self, bearer: &VerifiedBearer, managed: Managed<'_>) -> Result<(), NotManaged> {
        let policy = self.0.policy.current().await.map_err(|error| NotManaged::Unreadable(error.into()))?;
        policy::may_manage_any(&policy, bearer, managed, self.0.clock.now()).map(drop).map_err(denied)
    }

    /// Whether the policy lets the program with this token for the API be shown the tools of a connection of its user's (the
    /// action `listTools`, as for lists at `/mcp`).
    ///
    /// # Errors
    /// When it does not, or cannot be asked.
    pub async fn may_list(&self, bearer: &VerifiedBearer, connection: &Connection) -> Result<(), NotManaged> {
        let policy = self.0.policy.current().await.map_err(|error| NotManaged::Unreadable(error.into()))?;
        policy::may_list_any(&policy, bearer, connection).map_err(denied)
    }

    /// Whether the policy lets somebody look after a connection of theirs on our pages. Nobody tried: it is asked for what a
    /// page offers.
    ///
    /// # Errors
    /// When it does not, or cannot be asked.
    pub async fn may_manage_by_hand(&self, person: &Person, managed: Managed<'_>) -> Result<(), NotManaged> {
        self.judge_by_hand(person, managed).await?.map_err(denied)
    }

    /// The same for somebody who does so now: a refusal is in the paper trail.
    ///
    /// # Errors
    /// When the policy does not let them, or cannot be asked.
    pub async fn manage_by_hand(&self, person: &Person, managed: Managed<'_>) -> Result<(), NotManaged> {
        let Err(denial) = self.judge_by_hand(person, managed).await? else { return Ok(()) };
        let forbidden = Forbidden::from(denial);
        let what = Action::Connection(ConnectionEvent::Managed);
        let event = Event::new(self.0.clock.now(), what, Outcome::Refused).because(forbidden.code);
        let event = event.by(&person.id).known_as(&person.email);
        let event = match managed {
            Managed::Known(connection) => event
                .at_connection(&connection.id)
                .with(json!({ "alias": connection.alias, "server": connection.server })),
            Managed::New(alias, server) => {
                event.with(json!({ "alias": alias, "server": server.map(|server| &server.slug) }))
            }
        };
        self.0.trail.note(forbidden.noted(event)).await;
        Err(NotManaged::Denied(forbidden))
    }

    async fn judge_by_hand(
        &self,
        person: &Person,
        managed: Managed<'_>,
    ) -> Result<Result<(), Denial>, NotManaged> {
        let policy = self.0.policy.current().await.map_err(|error| NotManaged::Unreadable(error.into()))?;
        let place = (person, self.0.registry.public_url());
        Ok(policy::may_manage_by_hand(&policy, place, managed, self.0.clock.now()))
    }
}

fn denied(denial: Denial) -> NotManaged {
    NotManaged::Denied(denial.into())
}
