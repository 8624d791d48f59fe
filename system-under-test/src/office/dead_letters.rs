//! What the service gave up on, and how to try it again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Office;
use crate::database::retrying;

/// One that is open.
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    pub(crate) id: Uuid,
    /// What it was to be: `email`, `webhook`, ...
    pub(crate) kind: String,
    /// The email's event, Stripe's event id, ...
    pub(crate) subject: String,
    /// What went wrong last.
    pub(crate) reason: String,
    /// What went wrong at each attempt.
    #[schema(value_type = Vec<Attempt>)]
    pub(crate) history: Value,
    pub(crate) created_at: DateTime<Utc>,
}

/// One attempt that failed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Attempt {
    pub(crate) attempt: i32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) error: String,
}

impl Office<'_> {
    /// The open ones, newest first, before the cursor.
    pub(crate) async fn dead_letters(
        &self,
        limit: i32,
        (before, before_id): (Option<DateTime<Utc>>, Option<Uuid>),
    ) -> Result<Vec<DeadLetter>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM list_dead_letters($1, $2, $3, $4)")
                .bind(self.caller)
                .bind(limit)
                .bind(before)
                .bind(before_id)
                .fetch_all(self.pool)
        })
        .await
    }

    /// Takes one up again, with fresh attempts. False: no open one has this id.
    pub(crate) async fn retry_dead_letter(&self, id: Uuid) -> Result<bool, sqlx::Error> {
        retrying(|| {
            sqlx::query_scalar("SELECT retry_dead_letter($1, $2)").bind(self.caller).bind(id).fetch_one(self.pool)
        })
        .await
    }

    /// Takes several up again; how many were still open.
    pub(crate) async fn retry_dead_letters(&self, ids: &[Uuid]) -> Result<i64, sqlx::Error> {
        retrying(|| {
            sqlx::query_scalar("SELECT retry_dead_letters($1, $2)").bind(self.caller).bind(ids).fetch_one(self.pool)
        })
        .await
    }
}
