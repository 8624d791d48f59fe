//! Which boundaries were struck, of those that were counted, and what the passes ended in.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::{
    boundary::{Blow, Bounded, Kind, Struck},
    evidence::Evidence,
    history::History,
    manifest::World,
    operation::Outcome,
    verdict::{BlowStats, BoundaryStats},
};

/// One operation.
pub(crate) struct Operation<'a> {
    pub(crate) operation: Bounded,
    pub(crate) boundaries: usize,
    pub(crate) skipped: Option<&'a str>,
    /// One per boundary and blow.
    pub(crate) cells: Vec<Cell<'a>>,
}

/// A boundary and a blow.
pub(crate) struct Cell<'a> {
    /// The boundary's number.
    pub(crate) boundary: usize,
    pub(crate) kind: Kind,
    pub(crate) what: &'a str,
    pub(crate) blow: Blow,
    /// Whether it was done at least once.
    pub(crate) struck: bool,
}

impl Operation<'_> {
    /// How many blows were to be struck.
    pub(crate) fn planned(&self) -> usize {
        self.cells.len()
    }

    /// How many of them were.
    pub(crate) fn struck(&self) -> usize {
        self.cells.iter().filter(|cell| cell.struck).count()
    }
}

/// Every operation that was counted or left out, in the order of the history.
pub(crate) fn of(history: &History) -> Vec<Operation<'_>> {
    let counted = history.counted.iter().map(|counted| {
        let cells = counted.boundaries.iter().enumerate().flat_map(|(index, boundary)| {
            boundary.blows.iter().map(move |blow| {
                let aimed = |struck: &&Struck| {
                    struck.operation == counted.operation && struck.boundary == index && struck.blow == *blow
                };
                let struck = history.struck.iter().filter(aimed).any(|pass| pass.struck);
                Cell { boundary: index, kind: boundary.kind, what: &boundary.what, blow: *blow, struck }
            })
        });
        Operation {
            operation: counted.operation,
            boundaries: counted.boundaries.len(),
            skipped: counted.skipped.as_deref(),
            cells: cells.collect(),
        }
    });
    counted.collect()
}

/// The same as figures.
pub(crate) fn stats(history: &History, world: &World, evidence: Option<&Evidence>) -> Vec<BoundaryStats> {
    let stats = |operation: Operation<'_>| {
        let mut rows: BTreeMap<(Kind, Blow), BlowStats> = BTreeMap::new();
        let mut uncovered = BTreeSet::new();
        for cell in &operation.cells {
            let row = rows.entry((cell.kind, cell.blow)).or_default();
            row.planned += 1;
            row.struck += u64::from(cell.struck);
            if !cell.struck {
                uncovered.insert(cell.boundary);
            }
        }
        let passes = history.struck.iter().filter(|pass| pass.operation == operation.operation && pass.struck);
        for pass in passes {
            let row = rows.entry((pass.kind, pass.blow)).or_default();
            row.passes += 1;
            match (pass.told, evidence) {
                (Some(Outcome::Ok), _) => row.acknowledged += 1,
                (Some(Outcome::Fail), _) => row.refused += 1,
                (_, Some(evidence)) if done(pass, history, world, evidence) => row.found_done += 1,
                (_, Some(_)) => row.found_not_done += 1,
                (_, None) => {}
            }
        }
        BoundaryStats {
            operation: operation.operation.name().into(),
            skipped: operation.skipped.map(str::to_owned),
            boundaries: operation.boundaries as u64,
            covered: (operation.boundaries - uncovered.len()) as u64,
            blows: rows
                .into_iter()
                .map(|((kind, blow), row)| BlowStats { kind: kind.name().into(), blow: blow.name().into(), ..row })
                .collect(),
        }
    };
    of(history).into_iter().map(stats).collect()
}

/// Whether what nobody was told of has happened. An order of credits has once a session was paid for it, which nobody
/// does who was not told of one: without an answer it came to nothing.
fn done(pass: &Struck, history: &History, world: &World, evidence: &Evidence) -> bool {
    let workspace = pass.workspace.as_str();
    let database = &evidence.database;
    match pass.operation {
        Bounded::Purchase => database.purchases.iter().flatten().any(|row| row.workspace == workspace),
        Bounded::CreditPurchase | Bounded::Webhook => {
            database.grants.iter().flatten().any(|row| row.workspace == workspace && row.session.is_some())
        }
        Bounded::Refund => database.reversals.iter().flatten().any(|row| row.workspace == workspace),
        Bounded::Email => {
            let owed: BTreeSet<&str> = database
                .purchases
                .iter()
                .flatten()
                .filter(|row| row.workspace == workspace)
                .filter_map(|row| row.confirmation.as_deref())
                .collect();
            let address = world.workspace(workspace).and_then(|workspace| workspace.values.get("email"));
            let asked = history.calls.iter().any(|call| pass.operations.contains(&call.op));
            asked
                && evidence.email.accepted.iter().any(|email| {
                    owed.contains(email.event.as_str())
                        && address.is_none_or(|address| address.as_str() == Some(email.recipient.as_str()))
                })
        }
    }
}
