//! `/v1/admin/dead-letters`: what the service gave up on, and how to try it again.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::{KeyHash, Page, cursor};
use crate::office::{DeadLetter, Office};
use crate::problem::Problem;

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
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(page): Query<Page>,
) -> Result<Json<DeadLetters>, Problem> {
    let letters = Office::enter(&app.pool, &key).dead_letters(page.limit(), page.before()?).await?;
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
    if !Office::enter(&app.pool, &key).retry_dead_letter(id).await? {
        return Err(missing());
    }
    Ok(Json(Retried { id, status: "queued" }))
}
