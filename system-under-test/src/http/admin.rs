//! `/v1/admin/dead-letters`: what the service gave up on, and how to try it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::reads::next_page;
use super::request::{KeyHash, Page, cursor};
use crate::database::retrying;
use crate::problem::Problem;

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct DeadLetter {
    id: Uuid,
    kind: String,
    subject: String,
    reason: String,
    /// What went wrong at each attempt.
    history: Value,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeadLetters {
    dead_letters: Vec<DeadLetter>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Retried {
    id: Uuid,
    /// `queued`.
    status: &'static str,
}

/// The open dead letters, newest first. For staff.
#[utoipa::path(get, path = "/v1/admin/dead-letters", tag = "admin", security(("staff" = [])), params(Page),
    responses((status = 200, body = DeadLetters)))]
pub(crate) async fn dead_letters(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(page): Query<Page>,
) -> Result<Json<DeadLetters>, Problem> {
    let (before, before_id) = page.before()?;
    let letters: Vec<DeadLetter> = retrying(|| {
        sqlx::query_as("SELECT * FROM list_dead_letters($1, $2, $3, $4)")
            .bind(&key)
            .bind(page.limit())
            .bind(before)
            .bind(before_id)
            .fetch_all(&app.pool)
    })
    .await?;
    let next = next_page(&letters, page.limit(), |last| cursor(last.created_at, last.id));
    Ok(Json(DeadLetters { dead_letters: letters, next }))
}

/// Takes one up again, with fresh attempts. For staff with the role admin.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/retry", tag = "admin", security(("staff" = [])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Retried)),
    extensions(("x-problems" = json!(["dead_letter_not_found"]))))]
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
) -> Result<Json<Retried>, Problem> {
    let missing = || Problem::not_found("dead_letter_not_found", "No open dead letter has this id.");
    let id = Uuid::parse_str(&id).map_err(|_| missing())?;
    let taken: bool =
        retrying(|| sqlx::query_scalar("SELECT retry_dead_letter($1, $2)").bind(&key).bind(id).fetch_one(&app.pool))
            .await?;
    if !taken {
        return Err(missing());
    }
    Ok(Json(Retried { id, status: "queued" }))
}
