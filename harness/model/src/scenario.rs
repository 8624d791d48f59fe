//! The scenario file: a workload, how hard it is driven, what is broken meanwhile, which limits hold.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    boundary::Bounded,
    fault::{Fault, Window, timetable::Random, toxic::Between},
    flow::Flow,
    span::Span,
    threshold::Limits,
};

/// A scenario file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its id on the command line and in reports.
    pub id: String,
    /// One line for a listing.
    pub title: String,
    /// What it attacks, for `list` and the report.
    pub breaks: String,
    /// Ids of the checks it exists to exercise; one of these left unexercised makes the run unknown.
    pub proves: Vec<String>,
    /// What the users do.
    pub workload: Workload,
    /// How many users, for how long at most.
    pub load: Load,
    /// What is broken, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Window>,
    /// Faults at random. Planning turns them into windows of `faults`, drawn from the seed over `load.at_most`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<Random>,
    /// Limits in k6's spelling: metric (`latency.purchase`, `errors`) to expression (`p(99)<2000`) or a list of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, Limits>,
    /// How long the target may take to become quiet once everything is healed.
    #[serde(default = "twenty_seconds")]
    pub settle_within: Span,
    /// What everything is drawn from where the command line names no seed: a regression is one seed's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// How hard a scenario is driven.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Users at the same time, each a process of its own.
    pub users: usize,
    /// Rounds: each user runs its script this many times.
    pub rounds: usize,
    /// Driving ends here even if rounds remain.
    #[serde(default = "one_minute")]
    pub at_most: Span,
    /// Of all the steps that are drawn, only these are taken; none listed means all. What a regression is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<Kept>,
}

/// Steps of one user that are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// Which user, counted from 1.
    pub user: usize,
    /// Which of the steps drawn for it, counted from 1, in order.
    pub steps: Vec<usize>,
}

/// What the users do. Each is a module of the `scenarios` crate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Workload {
    /// Everybody buys the same lead at the same instant, round after round.
    FlashSale {
        /// Credits that a lead costs.
        price: i64,
        /// Starting balance of each buyer.
        balance: i64,
        /// How often the lead of a round may be sold; rounds take these in turn.
        max_sales: Vec<i64>,
    },
    /// One wallet with credits for a few leads, everybody buys another lead from it at the same instant.
    WalletDrain {
        /// Credits that a lead costs.
        price: i64,
        /// How many leads the wallet of a round can pay for.
        affordable: i64,
    },
    /// Impatient customers: the same purchase twice at once, replayed, and with the key of another.
    DoubleClick {
        /// Credits that a lead costs.
        price: i64,
        /// Starting balance of each buyer.
        balance: i64,
    },
    /// Customers buy credits, pay, and spend them while the webhooks come in.
    WebhookStorm {
        /// Credits bought per order.
        credits: i64,
        /// Credits that a lead costs.
        price: i64,
    },
    /// A case, step by step; it has its own faults and knows no load.
    Flow(Flow),
    /// A market day: customers buy leads, order credits and pay, look, and ask again whatever was not answered.
    Market {
        /// Credits bought per order.
        credits: i64,
        /// Credits that a lead costs.
        price: i64,
        /// Starting balance of each buyer.
        balance: i64,
    },
    /// Five operations, each struck at each of its protocol boundaries in turn, with fresh data each time.
    EveryBoundary {
        /// Credits that a lead costs, and the balance with which its buyer begins.
        price: i64,
        /// Credits bought per order.
        credits: i64,
        /// Passes at most, dry ones included: for each a buyer and a lead are made.
        most: usize,
        /// The type of the event by which the target learns that a session was paid.
        paid_event: String,
        /// The type of the event by which it learns of a refund.
        refund_event: String,
        /// Which operations.
        #[serde(default = "all_operations")]
        operations: Vec<Bounded>,
    },
    /// Customers buy leads while confirmations have to be sent.
    EmailOutage {
        /// Credits that a lead costs.
        price: i64,
        /// Starting balance of each buyer.
        balance: i64,
    },
    /// Pairs of purchases of which only one may win, a chosen time apart: at which distance both do, and how often.
    PairOffsets {
        /// Credits that a lead costs.
        price: i64,
        /// What there is only enough of for one of the two.
        scarce: Scarce,
        /// The greatest distance tried.
        up_to: Span,
    },
}

/// What two purchases cannot both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scarce {
    /// A lead that is sold once, wanted by two workspaces.
    Lead,
    /// The credits of one workspace, enough for one of two leads.
    Wallet,
}

impl Scenario {
    /// Every fault that it plans: those of its timetable, or those that a flow's steps inject, in order.
    #[must_use]
    pub fn planned_faults(&self) -> Vec<&Fault> {
        let steps = match &self.workload {
            Workload::Flow(flow) => flow.faults().collect(),
            _ => Vec::new(),
        };
        self.faults.iter().map(|window| &window.fault).chain(steps).collect()
    }

    /// Whether something spoils the connections between these, so that a proxy must stand there.
    #[must_use]
    pub fn spoils(&self, these: Between) -> bool {
        self.planned_faults().into_iter().any(|fault| matches!(fault, Fault::Tcp { between, .. } if *between == these))
    }

    /// Whether the target lives at another time for a while, by a step or by a fault.
    #[must_use]
    pub fn moves_the_clock(&self) -> bool {
        let skewed = self.planned_faults().into_iter().any(|fault| matches!(fault, Fault::ServiceClockSkew { .. }));
        skewed || matches!(&self.workload, Workload::Flow(flow) if flow.moves_the_clock())
    }

    /// Whether something strikes the traffic between the target and its database, so that a proxy must stand there.
    #[must_use]
    pub fn strikes_the_database(&self) -> bool {
        let planned = self.planned_faults().into_iter().any(|fault| matches!(fault, Fault::Statement(_)));
        planned
            || match &self.workload {
                Workload::Flow(flow) => flow.cuts_statements(),
                workload => matches!(workload, Workload::EveryBoundary { .. }),
            }
    }
}

impl Workload {
    /// Its name as the scenario file spells it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::FlashSale { .. } => "flash-sale",
            Self::WalletDrain { .. } => "wallet-drain",
            Self::DoubleClick { .. } => "double-click",
            Self::WebhookStorm { .. } => "webhook-storm",
            Self::EmailOutage { .. } => "email-outage",
            Self::Flow(_) => "flow",
            Self::Market { .. } => "market",
            Self::PairOffsets { .. } => "pair-offsets",
            Self::EveryBoundary { .. } => "every-boundary",
        }
    }
}

fn all_operations() -> Vec<Bounded> {
    Bounded::ALL.to_vec()
}

const fn twenty_seconds() -> Span {
    Span::from_ms(20_000)
}

const fn one_minute() -> Span {
    Span::from_ms(60_000)
}
