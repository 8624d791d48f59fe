//! A flow: a case that reads as given, when, then, and can be held against any target.
//!
//! What is asked and what is expected are data, so that a saved run can be judged again from its files. Texts
//! may hold placeholders: `{n}` counts the copies of a race or of a `count`, `{LABEL.FIELD}` is what an earlier
//! step was answered, `{NAME.id}` a value of a workspace or lead of this case.

mod expected;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::expected::{Answered, Group, Then, What};
use crate::{
    fault::Fault,
    operation::{Forgery, Operation},
    scenario::{Load, Scenario, Workload},
    span::Span,
};

/// A case file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// Its id on the command line and in reports, such as `CF-13`.
    pub id: String,
    /// One line for a listing.
    pub title: String,
    /// What must hold, for `list` and the report.
    pub promise: String,
    /// Ids of the state checks that it exercises, besides its own expectations.
    #[serde(default)]
    pub proves: Vec<String>,
    /// How long the target may take to become quiet once everything is healed.
    #[serde(default = "twenty_seconds")]
    pub settle_within: Span,
    /// Who and what exists before.
    pub given: Given,
    /// What happens, in order.
    pub when: Vec<When>,
    /// What must hold once the target is quiet.
    #[serde(default)]
    pub then: Vec<Then>,
}

impl From<CaseFile> for Scenario {
    fn from(file: CaseFile) -> Self {
        let CaseFile { id, title, promise, proves, settle_within, given, when, then } = file;
        Self {
            id,
            title,
            breaks: promise,
            proves: std::iter::once(EXPECTED.to_owned()).chain(proves).collect(),
            workload: Workload::Flow(Flow { given, when, then }),
            load: Load { users: 1, rounds: 1, at_most: MOST, keep: Vec::new() },
            faults: Vec::new(),
            random: None,
            thresholds: BTreeMap::new(),
            settle_within,
            seed: None,
        }
    }
}

/// The id of the check that holds a case against its own expectations.
pub const EXPECTED: &str = "flow.expected";
/// A case is over by then, or something hangs.
const MOST: Span = Span::from_ms(120_000);

/// A case's steps, as a workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Who and what exists before.
    pub given: Given,
    /// What happens, in order.
    pub when: Vec<When>,
    /// What must hold once the target is quiet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<Then>,
}

/// Who and what exists before.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Workspaces; partners first.
    #[serde(default)]
    pub workspaces: Vec<GivenWorkspace>,
    /// Leads.
    #[serde(default)]
    pub leads: Vec<GivenLead>,
    /// Whether the rate limits that the target promises apply to this case's workspaces. Elsewhere the
    /// setup lifts them, because a race of a hundred is no customer's ordinary minute.
    #[serde(default, skip_serializing_if = "is_false")]
    pub limited: bool,
    /// Whether the target's tables are probed for leaks between tenants afterwards.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tenancy: bool,
}

/// One workspace, or `count` of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenWorkspace {
    /// Its name; with `{n}` in it where there are several.
    pub name: String,
    /// `buyer` or `partner`.
    #[serde(default = "buyer")]
    pub role: String,
    /// Starting balance.
    #[serde(default)]
    pub credits: i64,
    /// How many.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub count: usize,
}

/// One lead, or `count` of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenLead {
    /// Its name; with `{n}` in it where there are several.
    pub name: String,
    /// The partner's workspace.
    pub partner: String,
    /// Credits it costs.
    pub price: i64,
    /// How often it may be sold.
    pub max_sales: i64,
    /// How many.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub count: usize,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct When {
    /// What happens, in words.
    pub say: String,
    /// What is done.
    #[serde(flatten)]
    pub action: Action,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Ask and wait for the answer, `count` times in turn.
    Ask {
        /// What is asked.
        operation: Operation,
        /// How often.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        count: usize,
        /// The step's label.
        #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// What each must be answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Answered>,
    },
    /// Ask all of these at the same instant, each `count` times: released by their last byte, or, where `loose`, as
    /// ordinary requests that leave together, for what a service answers before it has read a request to its end.
    Race {
        /// What is asked.
        operations: Vec<Operation>,
        /// How often each.
        #[serde(default = "once", skip_serializing_if = "is_once")]
        count: usize,
        /// The step's label.
        #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// As ordinary requests.
        #[serde(default, skip_serializing_if = "is_false")]
        loose: bool,
        /// Groups into which the answers must fall.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        answers: Vec<Group>,
    },
    /// Ask, and go on without waiting.
    Begin {
        /// What is asked.
        operation: Operation,
        /// The step's label, by which `end` names it.
        #[serde(rename = "as")]
        label: String,
    },
    /// Wait for the answer to what was begun.
    End {
        /// The label.
        of: String,
        /// What it must be answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Answered>,
    },
    /// Ask the same again and again, cutting the connection to the database at the first statement, then at
    /// the second, and so on, until a round passes without a cut; each time repeat it under its own key, which
    /// must then succeed. `{n}` counts the rounds.
    CutEveryStatement {
        /// What is asked.
        operation: Operation,
        /// Where the cut falls.
        cut: Cut,
        /// Rounds at most.
        most: usize,
    },
    /// The payment provider holds its webhooks back from now on.
    Hold {},
    /// The provider delivers what it holds: with a session, that session's events in the given order, each
    /// answered before the next leaves, while the rest stays held; without one, everything, and holds no more.
    Release {
        /// The session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// Event types in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        order: Vec<String>,
    },
    /// The provider delivers the held events of many sessions at once, of each session in another order: the
    /// k-th session in the k-th permutation, each event answered before the next leaves.
    ReleaseEveryOrder {
        /// The label of the step that ordered them, one session each.
        of: String,
        /// The types that are permuted.
        events: Vec<String>,
    },
    /// The provider delivers an event again.
    Redeliver {
        /// The session.
        session: String,
        /// The event's type.
        event: String,
        /// How often.
        copies: usize,
        /// All at the same instant, or one after the other.
        at_once: bool,
        /// What each delivery must be answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Answered>,
    },
    /// A stranger posts an event that must change nothing.
    Forge {
        /// The session it claims to be about.
        session: String,
        /// What is wrong with it.
        forgery: Forgery,
    },
    /// Somebody opens the last email that was accepted for an address: its first link is known as `LABEL.link`,
    /// what follows its host and slash as `LABEL.path`.
    Mail {
        /// The address.
        of: String,
        /// The step's label.
        #[serde(rename = "as")]
        label: String,
    },
    /// Break something until it is healed by its label.
    Inject {
        /// What.
        fault: Fault,
        /// The label.
        #[serde(rename = "as")]
        label: String,
    },
    /// Wait until a fault has struck so often.
    Struck {
        /// The fault's label.
        of: String,
        /// How often.
        #[serde(default = "one")]
        times: u64,
    },
    /// Heal a fault.
    Heal {
        /// Its label.
        of: String,
    },
    /// Kill every instance with SIGKILL.
    Kill {},
    /// Start every instance that is not running, and wait until all are ready.
    Start {},
    /// Move the clock of every instance.
    Clock {
        /// How far ahead of the computer's clock.
        ahead: Span,
    },
    /// Wait until nothing is outstanding.
    Settle {},
    /// Do nothing.
    Pause {
        /// How long.
        #[serde(rename = "for")]
        length: Span,
    },
}

/// Where a connection to the database is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cut {
    /// Before the statement reaches the server.
    Before,
    /// After the server has executed it, before its answer.
    After,
}

impl Flow {
    /// The faults that its steps inject.
    pub fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.when.iter().filter_map(|step| match &step.action {
            Action::Inject { fault, .. } => Some(fault),
            _ => None,
        })
    }

    /// Whether some step cuts the connection to the database statement by statement.
    #[must_use]
    pub fn cuts_statements(&self) -> bool {
        self.when.iter().any(|step| matches!(step.action, Action::CutEveryStatement { .. }))
    }

    /// Whether some step moves the clock.
    #[must_use]
    pub fn moves_the_clock(&self) -> bool {
        self.when.iter().any(|step| matches!(step.action, Action::Clock { .. }))
    }

    /// Every operation that its steps ask.
    pub fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.when.iter().flat_map(|step| match &step.action {
            Action::Ask { operation, .. }
            | Action::Begin { operation, .. }
            | Action::CutEveryStatement { operation, .. } => std::slice::from_ref(operation),
            Action::Race { operations, .. } => operations,
            _ => &[],
        })
    }
}

impl Action {
    /// The step's label.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match self {
            Self::Ask { label, .. } | Self::Race { label, .. } => label.as_deref(),
            Self::Mail { label, .. } | Self::Inject { label, .. } => Some(label),
            Self::End { of, .. } => Some(of),
            _ => None,
        }
    }
}

/// The n-th of several: `{n}` becomes `001`, `002` and so on.
#[must_use]
pub fn numbered(text: &str, n: usize) -> String {
    text.replace("{n}", &format!("{n:03}"))
}

fn buyer() -> String {
    "buyer".into()
}

const fn twenty_seconds() -> Span {
    Span::from_ms(20_000)
}

const fn once() -> usize {
    1
}

const fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_once(count: &usize) -> bool {
    *count == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
