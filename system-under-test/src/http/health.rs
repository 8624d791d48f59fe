//! `/health`: what runs here; `/health/live`: is the process alive; `/health/ready`: can it work.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use crate::defects::Defect;
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
    /// The planted defect, if there is one.
    defect: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    /// `ok`.
    status: &'static str,
}

/// Version, and the planted defect if there is one.
#[utoipa::path(get, path = "/health", tag = "health", responses((status = 200, body = Health)))]
pub(crate) async fn health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION"), defect: app.defect.map(Defect::name) })
}

/// Alive if it answers. Asks nothing of the database: a restart would not bring that back.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, body = Alive)))]
pub(crate) async fn live() -> Json<Alive> {
    Json(Alive { status: "ok" })
}

/// Ready if the database answers and is migrated: the newest function exists.
#[utoipa::path(get, path = "/health/ready", tag = "health", responses((status = 200, body = Alive)))]
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Alive>, Problem> {
    let migrated: bool =
        sqlx::query_scalar("SELECT to_regclass('public.applied_defects') IS NOT NULL").fetch_one(&app.pool).await?;
    if !migrated {
        return Err(Problem::database_unavailable());
    }
    Ok(Json(Alive { status: "ok" }))
}
