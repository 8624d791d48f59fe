//! `/v1/admin/rate-limits`: another limit for one workspace, until a date.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::LimitKind;
use crate::database::retrying;
use crate::http::App;
use crate::http::request::{KeyHash, json as parse};
use crate::problem::Problem;

/// Most requests per minute that an override may allow; more is no limit.
const MOST: i32 = 1_000_000;
/// Characters of a reason, at most.
const LONGEST_REASON: usize = 500;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewOverride {
    /// 1 to 1000000; null for no limit.
    per_minute: Option<i32>,
    /// When the limit of the settings holds again.
    expires_at: DateTime<Utc>,
    /// For the audit log, 1 to 500 characters.
    reason: String,
}

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Override {
    workspace_id: Uuid,
    kind: String,
    per_minute: Option<i32>,
    expires_at: DateTime<Utc>,
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Ended {
    workspace_id: Uuid,
    kind: &'static str,
    /// When it ended.
    expires_at: DateTime<Utc>,
}

/// Sets another limit for a workspace and a kind (reads, writes, purchases, credit_purchases). For staff with the
/// role admin.
#[utoipa::path(put, path = "/v1/admin/rate-limits/{workspace_id}/{kind}", tag = "admin", security(("staff" = [])),
    params(("workspace_id" = Uuid, Path), ("kind" = String, Path)), request_body = NewOverride,
    responses((status = 200, body = Override)), extensions(("x-problems" = json!(["workspace_not_found"]))))]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path((workspace, kind)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Override>, Problem> {
    let (workspace, kind) = named(&workspace, &kind)?;
    let NewOverride { per_minute, expires_at, reason } = parse(&body)?;
    if per_minute.is_some_and(|limit| !(1..=MOST).contains(&limit)) {
        return Err(Problem::invalid_request(&format!("per_minute must be 1 to {MOST}, or null.")));
    }
    if expires_at <= app.clock.now() {
        return Err(Problem::invalid_request("expires_at must be in the future."));
    }
    if !(1..=LONGEST_REASON).contains(&reason.trim().chars().count()) {
        return Err(Problem::invalid_request(&format!("reason must have 1 to {LONGEST_REASON} characters.")));
    }
    let set: Option<Override> = retrying(|| {
        sqlx::query_as("SELECT * FROM set_rate_limit($1, $2, $3, $4, $5, $6) WHERE workspace_id IS NOT NULL")
            .bind(&key)
            .bind(workspace)
            .bind(kind.name())
            .bind(per_minute)
            .bind(expires_at)
            .bind(reason.trim())
            .fetch_optional(&app.pool)
    })
    .await?;
    set.map(Json).ok_or_else(no_workspace)
}

/// Ends another limit: that of the settings holds again. For staff with the role admin.
#[utoipa::path(delete, path = "/v1/admin/rate-limits/{workspace_id}/{kind}", tag = "admin",
    security(("staff" = [])), params(("workspace_id" = Uuid, Path), ("kind" = String, Path)),
    responses((status = 200, body = Ended)),
    extensions(("x-problems" = json!(["workspace_not_found", "override_not_found"]))))]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path((workspace, kind)): Path<(String, String)>,
) -> Result<Json<Ended>, Problem> {
    let (workspace, kind) = named(&workspace, &kind)?;
    let now = app.clock.now();
    let ended: bool = retrying(|| {
        sqlx::query_scalar("SELECT end_rate_limit($1, $2, $3, $4)")
            .bind(&key)
            .bind(workspace)
            .bind(kind.name())
            .bind(now)
            .fetch_one(&app.pool)
    })
    .await?;
    if !ended {
        let detail = "This workspace has the limit of the settings for this kind.";
        return Err(Problem::not_found("override_not_found", detail));
    }
    Ok(Json(Ended { workspace_id: workspace, kind: kind.name(), expires_at: now }))
}

fn named(workspace: &str, kind: &str) -> Result<(Uuid, LimitKind), Problem> {
    let workspace = Uuid::parse_str(workspace).map_err(|_| no_workspace())?;
    let kind = LimitKind::ALL.into_iter().find(|known| known.name() == kind).ok_or_else(|| {
        let known = LimitKind::ALL.map(LimitKind::name).join(", ");
        Problem::invalid_request(&format!("The kind must be one of {known}."))
    })?;
    Ok((workspace, kind))
}

fn no_workspace() -> Problem {
    Problem::not_found("workspace_not_found", "No workspace has this id.")
}
