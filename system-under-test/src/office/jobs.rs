//! Every piece of work: what kind, how far, and what went wrong.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Office;
use crate::database::retrying;

/// One job.
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub(crate) struct Job {
    /// `email`, `webhook`, ...
    pub(crate) kind: String,
    pub(crate) id: String,
    /// What it is about: the email's event, Stripe's event id, ...
    pub(crate) subject: String,
    /// The workspace it is for, if it is one.
    pub(crate) workspace_id: Option<Uuid>,
    /// `waiting`, `running`, `done` or `dead`.
    pub(crate) state: String,
    pub(crate) attempts: i32,
    /// When it runs next, if it waits.
    pub(crate) run_at: Option<DateTime<Utc>>,
    /// What went wrong last.
    pub(crate) last_error: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

impl Job {
    /// Where the page after this job begins.
    pub(crate) fn cursor(&self) -> String {
        format!("{}_{}", self.created_at.timestamp_micros(), self.id)
    }
}

/// Jobs of one kind in one state.
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub(crate) struct JobCount {
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) jobs: i64,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct JobFilter {
    /// Of this kind.
    pub(crate) kind: Option<String>,
    /// In this state: `waiting`, `running`, `done` or `dead`.
    pub(crate) state: Option<String>,
}

impl Office<'_> {
    /// The jobs that pass the filter, newest first, before the cursor.
    pub(crate) async fn jobs(
        &self,
        filter: &JobFilter,
        limit: i32,
        (before, before_id): (Option<DateTime<Utc>>, Option<String>),
    ) -> Result<Vec<Job>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM list_jobs($1, $2, $3, $4, $5, $6)")
                .bind(self.caller)
                .bind(&filter.kind)
                .bind(&filter.state)
                .bind(limit)
                .bind(before)
                .bind(&before_id)
                .fetch_all(self.pool)
        })
        .await
    }

    /// How many there are of each kind in each state.
    pub(crate) async fn job_counts(&self) -> Result<Vec<JobCount>, sqlx::Error> {
        retrying(|| sqlx::query_as("SELECT * FROM count_jobs($1)").bind(self.caller).fetch_all(self.pool)).await
    }
}
