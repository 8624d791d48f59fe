//! `GET /v1/leads/{id}/enrichment`: what a provider knows about a lead.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::request::KeyHash;
use crate::database::retrying;
use crate::problem::Problem;

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Enrichment {
    lead_id: Uuid,
    /// As the provider told it.
    data: Value,
    enriched_at: DateTime<Utc>,
}

/// What a provider knows about a lead. For its partner, and for workspaces that have bought it.
#[utoipa::path(get, path = "/v1/leads/{id}/enrichment", tag = "leads", security(("member" = [])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Enrichment)),
    extensions(("x-problems" = json!(["enrichment_not_found"]))))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
) -> Result<Json<Enrichment>, Problem> {
    let missing = || Problem::not_found("enrichment_not_found", "There is none of a lead of yours with this id.");
    let id = Uuid::parse_str(&id).map_err(|_| missing())?;
    let found: Option<Enrichment> = retrying(|| {
        sqlx::query_as("SELECT * FROM read_enrichment($1, $2)").bind(&key).bind(id).fetch_optional(&app.pool)
    })
    .await?;
    found.map(Json).ok_or_else(missing)
}
