//! Protocol boundaries of an operation, as they are seen from outside of the target, and what is done to it there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::operation::Outcome;

/// The operations whose boundaries are counted and struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bounded {
    /// A purchase, from the request to its answer.
    Purchase,
    /// The order of credits, from the request to the checkout session.
    CreditPurchase,
    /// A paid event, from its delivery until nothing is left to do for it.
    Webhook,
    /// The event of a refund that was made at the provider, likewise.
    Refund,
    /// The confirmation of a purchase, from the purchase's answer until nothing is left to do for it.
    Email,
}

/// What a boundary is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The execution of a statement. Outside of a db_tx it commits too.
    Statement,
    /// A COMMIT.
    Commit,
    /// A request to the payment or the email provider.
    ProviderCall,
    /// The answer to the client, or to whoever sent the webhook.
    Answer,
}

/// What is done to the target at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blow {
    /// Every instance is killed with SIGKILL before it is done.
    KillBefore,
    /// Every instance is killed with SIGKILL when it is done, before an answer to it arrives; at an answer, when
    /// the client has it.
    KillAfter,
    /// The connection is reset before it is done; at an answer, before one comes.
    ResetBefore,
    /// It is done, and its answer is lost.
    LoseAnswer,
}

/// What a client does that was not clearly answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// Asks again with the same idempotency key; a provider delivers again.
    Retries,
    /// Goes away.
    GivesUp,
}

/// One boundary, as it was counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What it is.
    pub kind: Kind,
    /// A short text of what it was: a statement without its values, method and path, a status. Never a value.
    pub what: String,
    /// What is to be done there, each in a pass of its own.
    pub blows: Vec<Blow>,
    /// The blow after which it appears, as `boundary blow`; none for one that is always there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<(usize, Blow)>,
}

/// One pass over an operation that was to be struck at one boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Struck {
    /// Which operation.
    pub operation: Bounded,
    /// The boundary's number among those counted for it, from 0.
    pub boundary: usize,
    /// What the boundary is.
    pub kind: Kind,
    /// What it was, as in [`Counted::what`].
    pub what: String,
    /// What was to be done.
    pub blow: Blow,
    /// What the client was to do.
    pub client: Persistence,
    /// Whether it really was done.
    pub struck: bool,
    /// What the client, or the sender of the webhook, was told in the end: `ok` acknowledged, `fail` refused, `info`
    /// not known, and then the evidence tells. None where nobody asked.
    pub told: Option<Outcome>,
    /// Whether the target had nothing left to do in the end, within the scenario's limit.
    pub quiet: bool,
    /// The operations of this pass, in the order in which they were asked.
    pub operations: Vec<u64>,
    /// The workspace it was about.
    pub workspace: String,
    /// Milliseconds that the pass took.
    pub took_ms: u64,
}

impl Bounded {
    /// All of them, in the order in which they are struck.
    pub const ALL: [Self; 5] = [Self::Purchase, Self::CreditPurchase, Self::Webhook, Self::Refund, Self::Email];

    /// The name as histories and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::CreditPurchase => "credit-purchase",
            Self::Webhook => "webhook",
            Self::Refund => "refund",
            Self::Email => "email",
        }
    }
}

impl Kind {
    /// All kinds, in a stable order.
    pub const ALL: [Self; 4] = [Self::Statement, Self::Commit, Self::ProviderCall, Self::Answer];

    /// The name as histories and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::Commit => "commit",
            Self::ProviderCall => "provider-call",
            Self::Answer => "answer",
        }
    }

    /// What can be done at such a boundary.
    #[must_use]
    pub const fn blows(self) -> &'static [Blow] {
        match self {
            Self::Statement | Self::Commit | Self::ProviderCall => {
                &[Blow::KillBefore, Blow::KillAfter, Blow::ResetBefore, Blow::LoseAnswer]
            }
            // Before an answer is the same as after the last thing that the service does for it.
            Self::Answer => &[Blow::KillAfter, Blow::ResetBefore, Blow::LoseAnswer],
        }
    }
}

impl Blow {
    /// All of them, in a stable order.
    pub const ALL: [Self; 4] = [Self::KillBefore, Self::KillAfter, Self::ResetBefore, Self::LoseAnswer];

    /// The name as histories and reports spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillBefore => "kill-before",
            Self::KillAfter => "kill-after",
            Self::ResetBefore => "reset-before",
            Self::LoseAnswer => "lose-answer",
        }
    }

    /// Whether the instances must be started again afterwards.
    #[must_use]
    pub const fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter)
    }
}

impl fmt::Display for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
