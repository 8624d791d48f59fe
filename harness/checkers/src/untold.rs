//! Whose credits may have moved by rows that the target file does not map.
//!
//! A table that is not mapped counts as empty in a book, and a balance that those rows would explain must not accuse
//! anybody: who had money back, whose credits staff was asked to change, and, where the clock was moved, everybody is left
//! out of the sums until `reversals`, `adjustments` and `expiries` are mapped; partners, until `commissions` are.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::{
    history::Call,
    manifest::Workspace,
    operation::{Operation, Outcome},
};
use serde_json::Value;

use crate::{case::Case, ledger, trial::Trial};

/// What target files call the operation by which staff gives or takes credits.
const ADJUST: &str = "adjust-credits";

/// Workspaces with credits that nothing tells of.
#[derive(Debug, Default)]
pub(crate) struct Untold<'a> {
    /// With the table that would tell.
    workspaces: BTreeMap<&'a str, &'static str>,
    /// Partners, where nothing tells what they earn. A target may well not keep that: no check is left open for it.
    partners: BTreeSet<&'a str>,
}

impl<'a> Untold<'a> {
    /// Finds them.
    pub(crate) fn new(case: &Case<'a>) -> Self {
        let (database, world) = (case.database(), case.world());
        let mut untold = Self::default();
        if database.commissions.is_none() {
            untold.partners = ledger::partners(case);
        }
        if database.reversals.is_none() {
            let provider = case.provider();
            let refunds = provider.refunds.iter().map(|refund| refund.session.as_deref());
            for session in refunds.chain(provider.disputes.iter().map(|dispute| dispute.session.as_deref())) {
                match session.and_then(|session| case.orders.get(session)) {
                    Some(order) => order.workspaces.iter().for_each(|who| untold.add(who, "reversals")),
                    // Nobody knows whose it was.
                    None => world.workspaces.iter().for_each(|known| untold.add(&known.name, "reversals")),
                }
            }
        }
        if database.adjustments.is_none() {
            for (_, of, _) in asked(case).filter(|(call, ..)| call.outcome != Outcome::Fail) {
                let known = world.workspaces.iter().filter(|known| known.values.get("id") == Some(of));
                known.for_each(|known| untold.add(&known.name, "adjustments"));
            }
        }
        if database.expiries.is_none() && case.planned.scenario.moves_the_clock() {
            world.workspaces.iter().for_each(|known| untold.add(&known.name, "expiries"));
        }
        untold
    }

    fn add(&mut self, workspace: &'a str, table: &'static str) {
        self.workspaces.entry(workspace).or_insert(table);
    }

    /// Whether a workspace is one of them.
    pub(crate) fn contains(&self, workspace: &str) -> bool {
        self.workspaces.contains_key(workspace) || self.partners.contains(workspace)
    }

    /// Whether a workspace is one only because nothing tells what it earns.
    pub(crate) fn only_earns(&self, workspace: &str) -> bool {
        self.partners.contains(workspace) && !self.workspaces.contains_key(workspace)
    }

    /// Whether something is needed that the target file does not map.
    pub(crate) fn leaves_open(&self) -> bool {
        !self.workspaces.is_empty()
    }

    /// Notes what would have told of them.
    pub(crate) fn note(&self, trial: &mut Trial) {
        self.workspaces.values().for_each(|table| trial.lacks(table));
    }
}

/// Every call that asked staff's operation to change a workspace's credits, and by how many.
pub(crate) fn asked_of_staff<'a>(case: &Case<'a>, workspace: &Workspace) -> impl Iterator<Item = (&'a Call, i64)> {
    let ours = asked(case).filter(|(_, of, _)| workspace.values.get("id") == Some(of));
    ours.map(|(call, _, credits)| (call, credits))
}

/// All of them, with the workspace's id.
fn asked<'a>(case: &Case<'a>) -> impl Iterator<Item = (&'a Call, &'a Value, i64)> {
    case.history.calls.iter().filter_map(|call| match &call.operation {
        Operation::Custom { name, with, .. } if name == ADJUST => {
            Some((call, with.get("workspace_id")?, with.get("credits").and_then(Value::as_i64)?))
        }
        _ => None,
    })
}
