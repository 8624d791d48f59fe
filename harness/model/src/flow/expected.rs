//! What a case expects: of an answer, of the answers of a race, of what is there in the end.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::operation::Outcome;

/// What an answer must be. What is not said may be anything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answered {
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Its HTTP status is one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<u16>,
    /// The error code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Captured values. A text `*` stands for anything that is there, `-` for nothing, `>= 5` and `<= 5` for bounds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
}

/// Answers of one kind among those of a race.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What they are.
    #[serde(flatten)]
    pub answer: Answered,
    /// Exactly so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<usize>,
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<usize>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
}

/// What must hold in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// The expectation in words.
    pub say: String,
    /// What is looked at.
    pub that: What,
    /// Of what: a workspace, a lead, an email address, a kind of dead letter; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Exactly so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<i64>,
    /// At least so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<i64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// Exactly these texts, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub are: Option<Vec<String>>,
}

/// What an expectation looks at. Numbers, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Credits on the workspace's accounts of kind `credits`.
    Balance,
    /// Credits that the workspace owes, on its accounts of kind `debt`.
    Debt,
    /// Credits that the workspace earned as commissions.
    Earned,
    /// The lead's own count of sales.
    Sold,
    /// Rows of purchases of the workspace, or of the lead.
    Purchases,
    /// Grants of the workspace that a session paid for.
    Grants,
    /// Credits that those granted.
    Granted,
    /// Credits taken back from the workspace, less those restored.
    Reversed,
    /// Credits of the workspace that expired.
    Expired,
    /// Credits that staff gave the workspace, less those taken.
    Adjusted,
    /// Emails accepted for the workspace's address, or for the address itself.
    Emails,
    /// Attempts to send those, refused ones included.
    EmailAttempts,
    /// Subjects of those accepted, in order of acceptance (texts).
    Subjects,
    /// Dead letters of a kind.
    DeadLetters,
    /// Alerts received at the hook.
    Alerts,
    /// Events of the provider that were never answered 2xx.
    Unacknowledged,
    /// Leaks between tenants that the prober found.
    Leaks,
}

impl What {
    /// Its name as the file spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Debt => "debt",
            Self::Earned => "earned",
            Self::Sold => "sold",
            Self::Purchases => "purchases",
            Self::Grants => "grants",
            Self::Granted => "granted",
            Self::Reversed => "reversed",
            Self::Expired => "expired",
            Self::Adjusted => "adjusted",
            Self::Emails => "emails",
            Self::EmailAttempts => "email-attempts",
            Self::Subjects => "subjects",
            Self::DeadLetters => "dead-letters",
            Self::Alerts => "alerts",
            Self::Unacknowledged => "unacknowledged",
            Self::Leaks => "leaks",
        }
    }
}
