//! `POST /v1/admin/credits`: giving and taking credits.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::App;
use crate::http::layers::RequestId;
use crate::http::purchases::respond;
use crate::http::request::{KeyHash, idempotency_key, json as parse, request_hash};
use crate::office::{Asking, Office, Order};
use crate::problem::Problem;

#[derive(Deserialize, ToSchema)]
pub(crate) struct NewAdjustment {
    workspace_id: Uuid,
    /// Positive gives, negative takes.
    credits: i64,
    /// 1 to 500 characters, for the audit log.
    reason: String,
}

/// What the function `adjust_for_staff` answers with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct Adjustment {
    adjustment_id: Uuid,
    /// What the workspace could spend afterwards.
    balance: i64,
}

/// Gives or takes credits, and writes it into the audit log. For staff with the role admin.
#[utoipa::path(post, path = "/v1/admin/credits", tag = "admin", security(("staff" = [])),
    request_body = NewAdjustment, responses((status = 201, body = Adjustment)),
    extensions(("x-problems" = json!(["idempotency_key_missing", "workspace_not_found", "adjustment_too_large"]))))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(caller): KeyHash,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let key = idempotency_key(&headers)?;
    let NewAdjustment { workspace_id, credits, reason } = parse(&body)?;
    let order = Order { workspace: workspace_id, credits, reason };
    if let Some(mistake) = order.mistake() {
        return Err(Problem::invalid_request(mistake));
    }
    let asking = Asking { key, request_hash: request_hash("POST /v1/admin/credits", &body), request_id };
    let (lifetime, now) = (app.settings.credit_lifetime_days, app.clock.now());
    let answer = Office::enter(&app.pool, &caller).adjust(&order, &asking, lifetime, now).await?;
    Ok(respond(answer))
}
