//! `POST /v1/purchases`: leads for credits.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::layers::{RequestId, Workspace};
use super::request::{KeyHash, idempotency_key, json, request_hash};
use crate::problem::{PROBLEM_JSON, Problem};
use crate::seams::{Answer, PurchaseOrder};

/// Leads in one purchase at most: it bounds how long their locks are held.
const MOST_LEADS: usize = 100;
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

#[derive(Deserialize, ToSchema)]
struct NewPurchase {
    /// 1 to 100 different leads; all are bought, or none.
    lead_ids: Vec<Uuid>,
}

/// What the function `purchase` answers with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct Purchased {
    purchase_id: Uuid,
    total: i64,
    /// What the workspace can spend now.
    balance: i64,
    leads: Vec<Item>,
}

/// One lead of a purchase.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
pub(crate) struct Item {
    lead_id: Uuid,
    price: i64,
}

/// Buys leads, all or none.
// Everything that can be refused is refused by the database, in one round trip.
#[utoipa::path(post, path = "/v1/purchases", tag = "purchases", security(("member" = [])), request_body = NewPurchase,
    responses((status = 201, body = Purchased)), extensions(("x-problems" = json!(["idempotency_key_missing",
    "insufficient_credits", "debt_outstanding", "lead_not_found", "already_purchased", "lead_sold_out"]))))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(key_hash): KeyHash,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let order = PurchaseOrder {
        key_hash,
        idempotency_key,
        request_hash: request_hash("POST /v1/purchases", &body),
        lead_ids: lead_ids(&body)?,
        commission_percent: app.settings.commission_percent,
        lifetime_days: app.settings.credit_lifetime_days,
        now: app.clock.now(),
        request_id,
        public_url: app.settings.public_url.clone(),
    };
    let answer = app.purchasing.purchase(&app.pool, &order).await?;
    Ok(respond(answer))
}

fn lead_ids(body: &[u8]) -> Result<Vec<Uuid>, Problem> {
    let NewPurchase { lead_ids } = json(body)?;
    let mut distinct = lead_ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != lead_ids.len() || !(1..=MOST_LEADS).contains(&distinct.len()) {
        return Err(Problem::invalid_request(&format!("lead_ids must name 1 to {MOST_LEADS} different leads.")));
    }
    Ok(lead_ids)
}

/// Sends what the database decided, byte for byte.
pub(crate) fn respond(answer: Answer) -> Response<Body> {
    let status = u16::try_from(answer.status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = status;
    let media_type = if status.is_success() { HeaderValue::from_static("application/json") } else { PROBLEM_JSON };
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    if answer.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response.extensions_mut().insert(Workspace(answer.workspace_id));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_are_named_once_and_at_least_one() {
        let id = Uuid::from_u128(7);
        assert_eq!(lead_ids(format!("{{\"lead_ids\":[\"{id}\"]}}").as_bytes()).unwrap(), [id]);
        for bad in ["{\"lead_ids\":[]}", "{}", "nonsense"] {
            assert!(lead_ids(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(lead_ids(format!("{{\"lead_ids\":[\"{id}\",\"{id}\"]}}").as_bytes()).is_err());
    }
}
