//! `/v1/admin/audit`: what staff did.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::{KeyHash, Page};
use crate::office::{AuditEntry, AuditFilter, Office};
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct Audit {
    entries: Vec<AuditEntry>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// What staff did, newest first. Nothing rewrites it. For staff.
#[utoipa::path(get, path = "/v1/admin/audit", tag = "admin", security(("staff" = [])), params(AuditFilter, Page),
    responses((status = 200, body = Audit)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(filter): Query<AuditFilter>,
    Query(page): Query<Page>,
) -> Result<Json<Audit>, Problem> {
    let entries = Office::enter(&app.pool, &key).audit(&filter, page.limit(), page.before_number()?).await?;
    let next = next_page(&entries, page.limit(), |last| last.id.to_string());
    Ok(Json(Audit { entries, next }))
}
