//! Faults between the target and its database, one SQL statement at a time.

use serde::{Deserialize, Serialize};

use crate::span::Span;

/// Which statements a fault strikes, and how. What is left out does not narrow the choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementFault {
    /// The statement's text contains this; ASCII case does not matter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matching: Option<String>,
    /// The statement's text matches this regular expression, in the syntax of Rust's `regex`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The statement before it on the same connection matches this regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<String>,
    /// Only where it returned or changed at least one row, which is known once it was executed: for actions that
    /// strike the answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub effective: bool,
    /// Only commits, or only what is not a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<BoundaryKind>,
    /// The connection's `application_name` is this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The boundary with this index, counted from 0 at the proxy's last mark.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_boundary: Option<u64>,
    /// So many statements that fit pass first.
    #[serde(default)]
    pub skip: u32,
    /// At most so many are struck; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What happens to those struck.
    pub action: StatementAction,
}

impl StatementFault {
    /// Strikes every statement of every connection; narrow it with the other fields.
    #[must_use]
    pub const fn every(action: StatementAction) -> Self {
        Self {
            matching: None,
            pattern: None,
            follows: None,
            effective: false,
            only: None,
            application: None,
            at_boundary: None,
            skip: 0,
            times: None,
            action,
        }
    }
}

/// What happens to a statement that is struck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum StatementAction {
    /// Both sides are reset before the statement reaches the server.
    CutBefore {},
    /// The server executes it, then both sides are reset: the answer is lost. For a statement outside of a
    /// db_tx that means committed.
    CutAfter {},
    /// The statement never runs, an error stands in its place, and an open db_tx has failed.
    Answer {
        /// Five digits and capital letters, such as `40001`.
        sqlstate: String,
        /// The error's message.
        message: String,
    },
    /// The statement waits before it reaches the server, and never does if its client goes meanwhile.
    Hold {
        /// How long; none means until healed.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        length: Option<Span>,
    },
    /// The server executes it, its answer waits.
    HoldAnswer {
        /// How long; none means until healed.
        #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
        length: Option<Span>,
    },
    /// The statement is late, as on a slow network: it arrives even if its client goes meanwhile.
    Delay {
        /// By how much.
        by: Span,
    },
}

/// What a boundary of the database protocol ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundaryKind {
    /// The execution of a statement, which outside of a db_tx commits it too.
    Statement,
    /// A COMMIT.
    Commit,
}
