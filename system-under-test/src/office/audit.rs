//! What staff did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Office;
use crate::database::retrying;

/// One act. Nothing rewrites it.
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    pub(crate) id: i64,
    /// The email of the member of staff.
    pub(crate) staff: String,
    /// `credits.adjusted`, `dead_letter.retried`, `session.opened`, ...
    pub(crate) action: String,
    /// The workspace it was done to, if it was one.
    pub(crate) workspace_id: Option<Uuid>,
    /// Its name.
    pub(crate) workspace: Option<String>,
    /// What it was done to.
    pub(crate) subject: String,
    /// The particulars, by name.
    pub(crate) detail: Value,
    pub(crate) created_at: DateTime<Utc>,
}

/// Which acts to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditFilter {
    /// Done to this workspace.
    pub(crate) workspace_id: Option<Uuid>,
    /// Of this kind.
    pub(crate) action: Option<String>,
}

impl Office<'_> {
    /// The acts that pass the filter, newest first, before this one.
    pub(crate) async fn audit(
        &self,
        filter: &AuditFilter,
        limit: i32,
        before: Option<i64>,
    ) -> Result<Vec<AuditEntry>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM list_audit($1, $2, $3, $4, $5)")
                .bind(self.caller)
                .bind(filter.workspace_id)
                .bind(&filter.action)
                .bind(limit)
                .bind(before)
                .fetch_all(self.pool)
        })
        .await
    }
}
