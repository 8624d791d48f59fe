//! Giving and taking credits.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::FromRow;
use uuid::Uuid;

use super::Office;
use crate::database::retrying;
use crate::seams::Answer;

/// Credits that are given or taken at most.
const MOST: i64 = 1_000_000_000;
/// Characters of a reason at most.
const LONGEST_REASON: usize = 500;

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) workspace: Uuid,
    /// Positive gives, negative takes.
    pub(crate) credits: i64,
    pub(crate) reason: String,
}

impl Order {
    /// What is wrong with it, whatever the workspace has.
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        if self.credits == 0 || !(-MOST..=MOST).contains(&self.credits) {
            return Some("Credits: 1 to 1,000,000,000 to give, or -1 to -1,000,000,000 to take.");
        }
        let length = self.reason.trim().chars().count();
        (!(1..=LONGEST_REASON).contains(&length)).then_some("Reason: 1 to 500 characters, for whoever asks later.")
    }
}

/// Who asks, as far as it matters for being asked twice.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    /// The idempotency key.
    pub(crate) key: String,
    /// What makes two requests with one key the same.
    pub(crate) request_hash: Vec<u8>,
    /// For the body of a refusal.
    pub(crate) request_id: String,
}

/// A workspace before an adjustment.
#[derive(Debug, FromRow)]
pub(crate) struct Standing {
    /// Its name.
    pub(crate) workspace: String,
    /// What it can spend.
    pub(crate) balance: i64,
}

/// What became of an adjustment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Adjusted {
    /// It was done; what the workspace could spend afterwards.
    Done(i64),
    /// More was to be taken than there is; what the workspace can spend.
    TooMuch(i64),
    /// Another refusal, in its own words.
    Refused(String),
}

impl Adjusted {
    /// What an answer says.
    pub(crate) fn of(answer: &Answer) -> Self {
        let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let amount = |name: &str| body[name].as_i64().unwrap_or_default();
        match (answer.status, body["code"].as_str()) {
            (201, _) => Self::Done(amount("balance")),
            (_, Some("adjustment_too_large")) => Self::TooMuch(amount("available")),
            _ => Self::Refused(body["detail"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

impl Office<'_> {
    /// Gives or takes credits, once per key, and writes it into the audit log. What is given expires after `lifetime`
    /// days.
    pub(crate) async fn adjust(
        &self,
        order: &Order,
        asking: &Asking,
        lifetime: i32,
        now: DateTime<Utc>,
    ) -> Result<Answer, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM adjust_for_staff($1, $2, $3, $4, $5, $6, $7, $8, $9)")
                .bind(self.caller)
                .bind(&asking.key)
                .bind(&asking.request_hash)
                .bind(order.workspace)
                .bind(order.credits)
                .bind(order.reason.trim())
                .bind(lifetime)
                .bind(&asking.request_id)
                .bind(now)
                .fetch_one(self.pool)
        })
        .await
    }

    /// A workspace's name and what it can spend; `None` if there is no such workspace.
    pub(crate) async fn standing(&self, workspace: Uuid, now: DateTime<Utc>) -> Result<Option<Standing>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM read_standing($1, $2, $3)")
                .bind(self.caller)
                .bind(workspace)
                .bind(now)
                .fetch_optional(self.pool)
        })
        .await
    }
}
