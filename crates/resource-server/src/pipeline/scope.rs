//! The scopes of the token: enough for the operation, else a step-up that names everything that it needs (MCP-AUTH-9,
//! MCP-AUTH-10). What the user may do is the policy's question.

use portcullis_oauth::TokenScheme;

use super::Caller;
use crate::challenge::Unauthorized;
use crate::protocol::{Era, Operation};
use crate::refusal::Refusal;

/// Refuses with 403 when the token was not given what the operation needs.
pub(super) fn suffices(caller: &Caller, operation: &Operation) -> Result<(), Refusal> {
    let needed = operation.scope();
    let held = caller.bearer.scope();
    if needed.is_subset(held) {
        return Ok(());
    }
    // DC-23: clients up to 2025-11-25 ask for exactly what the challenge names, later ones for the union
    let asked = match caller.era {
        Era::Session => needed.union(held),
        Era::Stateless => needed,
    };
    let scheme = TokenScheme::of(caller.bearer.confirmation());
    Err(Refusal::bearer("scope_missing", Unauthorized::InsufficientScope(asked), scheme))
}
