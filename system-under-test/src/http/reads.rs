//! The read endpoints. Each is one call that names the tenant and reads under its policies.

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
use super::paging::{newest_first, next_page};
use super::purchases::Item;
use super::request::{KeyHash, Page};
use crate::database::retrying;
use crate::problem::Problem;

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Balance {
    /// What the workspace can spend, without what has expired.
    balance: i64,
    /// What it owes after a refund of credits that it had spent; new credits settle this first.
    debt: i64,
}

/// The credits of the caller's workspace.
#[utoipa::path(get, path = "/v1/balance", tag = "credits", security(("member" = [])),
    responses((status = 200, body = Balance)))]
pub(crate) async fn balance(State(app): State<Arc<App>>, KeyHash(key): KeyHash) -> Result<Json<Balance>, Problem> {
    let now = app.clock.now();
    let balance: Balance =
        retrying(|| sqlx::query_as("SELECT * FROM read_balance($1, $2)").bind(&key).bind(now).fetch_one(&app.pool))
            .await?;
    Ok(Json(balance))
}

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Lead {
    id: Uuid,
    title: String,
    price: i64,
    max_sales: i32,
    sold_count: i32,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Leads {
    leads: Vec<Lead>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// What is for sale, by id.
#[utoipa::path(get, path = "/v1/leads", tag = "leads", security(("member" = [])), params(Page),
    responses((status = 200, body = Leads)))]
pub(crate) async fn leads(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(page): Query<Page>,
) -> Result<Json<Leads>, Problem> {
    let leads = read_leads(&app, &key, None, page.after_id()?, page.limit()).await?;
    let next = next_page(&leads, page.limit(), |lead| lead.id.to_string());
    Ok(Json(Leads { leads, next }))
}

/// One lead.
#[utoipa::path(get, path = "/v1/leads/{id}", tag = "leads", security(("member" = [])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Lead)),
    extensions(("x-problems" = json!(["lead_not_found"]))))]
pub(crate) async fn lead(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
) -> Result<Json<Lead>, Problem> {
    let missing = || Problem::not_found("lead_not_found", "No lead has this id.");
    let id = Uuid::parse_str(&id).map_err(|_| missing())?;
    let lead = read_leads(&app, &key, Some(id), None, 1).await?.pop().ok_or_else(missing)?;
    Ok(Json(lead))
}

async fn read_leads(
    app: &App,
    key: &[u8],
    id: Option<Uuid>,
    after: Option<Uuid>,
    limit: i32,
) -> Result<Vec<Lead>, sqlx::Error> {
    retrying(|| {
        sqlx::query_as("SELECT * FROM read_leads($1, $2, $3, $4)")
            .bind(key)
            .bind(id)
            .bind(after)
            .bind(limit)
            .fetch_all(&app.pool)
    })
    .await
}

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Purchase {
    id: Uuid,
    total: i64,
    created_at: DateTime<Utc>,
    #[schema(value_type = Vec<Item>)]
    leads: Value,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Purchases {
    purchases: Vec<Purchase>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// What the workspace has bought, newest first.
#[utoipa::path(get, path = "/v1/purchases", tag = "purchases", security(("member" = [])), params(Page),
    responses((status = 200, body = Purchases)))]
pub(crate) async fn purchases(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(page): Query<Page>,
) -> Result<Json<Purchases>, Problem> {
    let read = "SELECT * FROM read_purchases($1, $2, $3, $4)";
    let (purchases, next) = newest_first(&app, read, &key, &page, |last: &Purchase| (last.created_at, last.id)).await?;
    Ok(Json(Purchases { purchases, next }))
}
