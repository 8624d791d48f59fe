//! Who was turned away at the door: by a limiter, a login or a router, before the shop looked at what was asked for.

use overdraft_model::{
    fill,
    history::Call,
    manifest::Workspace,
    operation::{Operation, Outcome},
};

use crate::case::Case;

/// Statuses of a door.
const DOOR: [u16; 5] = [401, 403, 404, 405, 429];
/// Codes that speak of what was asked for, under whatever status.
const INSIDE: [&str; 3] = ["lead_sold_out", "insufficient_credits", "already_purchased"];

/// Whether the target's rate limits apply to a workspace.
pub(crate) fn limited(workspace: &Workspace) -> bool {
    workspace.values.get("limited").is_some_and(|limited| fill::plain(limited) == "true")
}

/// Whether an answer says nothing of the shop.
pub(crate) fn at_the_door(call: &Call) -> bool {
    call.outcome != Outcome::Ok
        && call.answer.status.is_some_and(|status| DOOR.contains(&status))
        && !call.answer.code.as_deref().is_some_and(|code| INSIDE.contains(&code))
}

/// A purchase that was turned away, although no limit applies to its workspace.
pub(crate) fn turned_away(case: &Case<'_>, call: &Call) -> bool {
    let Operation::Purchase { workspace, .. } = &call.operation else { return false };
    at_the_door(call) && !case.workspace(workspace).is_some_and(limited)
}
