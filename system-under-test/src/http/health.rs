//! `/health`: what runs here; `/health/live`: is the process alive; `/health/ready`: can it work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::App;
use crate::defects::Defect;
use crate::problem::Problem;

/// Version, and the planted defect if there is one.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "defect": app.defect.map(Defect::name),
    }))
}

/// Alive if it answers. Asks nothing of the database: a restart would not bring that back.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Ready if the database answers and is migrated: the newest function exists.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let migrated: bool =
        sqlx::query_scalar("SELECT to_regclass('public.applied_defects') IS NOT NULL").fetch_one(&app.pool).await?;
    if !migrated {
        return Err(Problem::database_unavailable());
    }
    Ok(Json(json!({ "status": "ok" })))
}
