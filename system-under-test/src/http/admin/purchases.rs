//! `/v1/admin/purchases`: what every workspace has bought.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::{KeyHash, Page, cursor};
use crate::office::{Office, Purchase, PurchaseFilter};
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
#[schema(as = AdminPurchases)]
pub(crate) struct Purchases {
    purchases: Vec<Purchase>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// Purchases of leads and of credits, in every workspace, newest first. For staff.
#[utoipa::path(get, path = "/v1/admin/purchases", tag = "admin", security(("staff" = [])),
    params(PurchaseFilter, Page), responses((status = 200, body = Purchases)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(filter): Query<PurchaseFilter>,
    Query(page): Query<Page>,
) -> Result<Json<Purchases>, Problem> {
    let found = Office::enter(&app.pool, &key).purchases(&filter, page.limit(), page.before()?).await?;
    let next = next_page(&found, page.limit(), |last| cursor(last.created_at, last.id));
    Ok(Json(Purchases { purchases: found, next }))
}
