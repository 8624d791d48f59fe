//! World, scenario and manifest of a run on paper.

use std::collections::BTreeMap;

use overdraft_model::{
    manifest::{FORMAT, Lead, Manifest, Planned, Provenance, Workspace, World},
    promises::{Promises, Stated},
    scenario::{Load, Scenario, Workload},
    span::Span,
};

use crate::USERS;

/// Partners who own the leads.
pub const PARTNERS: usize = 12;
/// Starting balance of every buyer: enough for a million operations.
pub const CREDITS: i64 = 10_000_000;
/// Credits per order.
pub const ORDER: i64 = 100;

/// Checks that have something to judge in such a run.
const PROVES: [&str; 10] = [
    "credits.conserved",
    "credits.never-negative",
    "leads.capacity",
    "purchase.atomic",
    "effects.at-most-once",
    "acknowledged.durable",
    "paid.delivered",
    "webhooks.authentic",
    "history.linearizable",
    "sessions.consistent",
];

/// Tables that the target maps.
const MAPPED: [&str; 9] =
    ["accounts", "entries", "leads", "purchases", "commissions", "grants", "reversals", "dead_letters", "jobs"];

/// A manifest without scenarios.
#[must_use]
pub fn manifest(seed: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        provenance: Provenance {
            run: format!("paper-{seed}"),
            seed,
            target: "paper".into(),
            configuration: "0".repeat(64),
            defect: None,
            started: "2026-01-01T00:00:00Z".into(),
            overdraft: env!("CARGO_PKG_VERSION").into(),
            postgresql: "none".into(),
            instances: 2,
            host: "paper".into(),
            replay: format!("overdraft run paper --seed {seed}"),
        },
        scenarios: Vec::new(),
        skip: BTreeMap::new(),
        promises: Promises::default(),
        stated: Stated::default(),
        mapped: MAPPED.map(str::to_owned).to_vec(),
    }
}

/// Partners, then buyers; the leads come as they are put on sale.
#[must_use]
pub fn workspaces() -> Vec<Workspace> {
    let workspace =
        |name: String, role: &str, credits| Workspace { name, role: role.into(), credits, values: BTreeMap::new() };
    let partners = (0..PARTNERS).map(|n| workspace(format!("partner-{n:02}"), "partner", 0));
    let buyers = (0..USERS).map(|n| workspace(buyer(n), "buyer", CREDITS));
    partners.chain(buyers).collect()
}

/// A buyer's name.
#[must_use]
pub fn buyer(number: usize) -> String {
    format!("buyer-{number:03}")
}

/// The scenario that was driven, in its world.
#[must_use]
pub fn planned(id: &str, operations: usize, leads: Vec<Lead>) -> Planned {
    let limit = |metric: &str, limit: &str| (metric.to_owned(), limit.into());
    let scenario = Scenario {
        id: id.into(),
        title: "Everything at once, on paper".into(),
        breaks: "nothing".into(),
        proves: PROVES.map(str::to_owned).to_vec(),
        workload: Workload::WebhookStorm { credits: ORDER, price: 20 },
        load: Load {
            users: USERS,
            rounds: operations.div_ceil(USERS),
            at_most: Span::from_ms(3_600_000),
            keep: vec![],
        },
        faults: Vec::new(),
        random: None,
        thresholds: [limit("latency.purchase", "p(99)<2000"), limit("errors", "rate<0.05")].into(),
        settle_within: Span::from_ms(20_000),
        seed: None,
    };
    Planned { scenario, world: World { workspaces: workspaces(), leads, ..World::default() }, script: "0".repeat(64) }
}
