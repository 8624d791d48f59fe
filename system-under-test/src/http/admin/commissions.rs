//! `/v1/admin/commissions`: what partners are due, held against what they got.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::request::KeyHash;
use crate::office::{Office, PartnerCommissions, Period};
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct Commissions {
    /// What is sold now is sold at so many percent of the price, rounded down. Each sale is held against its own.
    percent: i32,
    /// Where the period begins.
    from: DateTime<Utc>,
    /// Where it ends; null: now.
    to: Option<DateTime<Utc>>,
    /// Those with differences first.
    partners: Vec<PartnerCommissions>,
}

/// Per partner what is due by the rates of the sales, what was accrued and what the ledger paid, with the purchases in which these
/// differ. For staff.
#[utoipa::path(get, path = "/v1/admin/commissions", tag = "admin", security(("staff" = [])), params(Period),
    responses((status = 200, body = Commissions)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(period): Query<Period>,
) -> Result<Json<Commissions>, Problem> {
    let (percent, now) = (app.settings.commission_percent, app.clock.now());
    let partners = Office::enter(&app.pool, &key).commissions(period, now).await?;
    Ok(Json(Commissions { percent, from: period.begins(now), to: period.to, partners }))
}
