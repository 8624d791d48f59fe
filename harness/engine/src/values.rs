//! What the placeholders of a target file stand for: a workspace's, a lead's, an operation's.

use overdraft_model::{
    manifest::{Lead, Workspace, World},
    target::{Action, Target},
};
use serde_json::json;

use crate::fill::Values;

/// What stands for a workspace.
#[must_use]
pub fn of_workspace(workspace: &Workspace) -> Values {
    let own = workspace.values.iter().map(|(name, value)| (format!("workspace.{name}"), json!(value)));
    own.chain([
        ("workspace.name".to_owned(), json!(workspace.name)),
        ("workspace.role".to_owned(), json!(workspace.role)),
        ("workspace.credits".to_owned(), json!(workspace.credits)),
    ])
    .collect()
}

/// What stands for the member of staff of a world.
#[must_use]
pub fn of_admin(world: &World) -> Values {
    world.admin.iter().map(|(name, value)| (format!("admin.{name}"), value.clone())).collect()
}

/// What stands for a lead, without its partner.
#[must_use]
pub fn of_lead(lead: &Lead) -> Values {
    let own = lead.values.iter().map(|(name, value)| (format!("lead.{name}"), json!(value)));
    own.chain([
        ("lead.name".to_owned(), json!(lead.name)),
        ("lead.price".to_owned(), json!(lead.price)),
        ("lead.max_sales".to_owned(), json!(lead.max_sales)),
    ])
    .collect()
}

/// What stands for a lead and for the partner's workspace that owns it.
#[must_use]
pub fn of_lead_and_partner(world: &World, lead: &Lead) -> Values {
    let mut values = world.workspace(&lead.partner).map(of_workspace).unwrap_or_default();
    values.extend(of_lead(lead));
    values
}

/// Every placeholder that an operation may use, with a sample, so that a target file can be checked before
/// anything starts. What SQL returns is known only once it has run: [`may_be_captured`] says what that may be.
#[must_use]
pub fn samples(target: &Target) -> Values {
    let captures = |prefix: &'static str, actions: &[Action]| -> Vec<String> {
        actions
            .iter()
            .flat_map(|action| match action {
                Action::Sql(_) => vec![],
                Action::Http(operation) => operation.capture.keys().map(|name| format!("{prefix}.{name}")).collect(),
            })
            .collect()
    };
    let own = ["key", "credits", "session", "lead.ids", "lead.id", "lead.name", "lead.price", "lead.max_sales"];
    let workspace =
        ["id", "token", "email", "name", "role", "credits", "limited"].map(|name| format!("workspace.{name}"));
    let admin = ["id", "token", "email"].map(|name| format!("admin.{name}"));
    own.map(str::to_owned)
        .into_iter()
        .chain(workspace)
        .chain(admin)
        .chain(captures("admin", &target.setup.admin))
        .chain(captures("workspace", &target.setup.workspace))
        .chain(captures("lead", &target.setup.lead))
        .map(|name| (name, json!("sample")))
        .collect()
}

/// Whether a placeholder that has no sample may be a column that the setup's SQL returns.
#[must_use]
pub fn may_be_captured(target: &Target, placeholder: &str) -> bool {
    let by_sql = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::Sql(_)));
    (placeholder.starts_with("admin.") && by_sql(&target.setup.admin))
        || (placeholder.starts_with("workspace.") && by_sql(&target.setup.workspace))
        || (placeholder.starts_with("lead.") && by_sql(&target.setup.lead))
}
