//! `/v1/credit-purchases`: credits for money, through Stripe Checkout.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::layers::RequestId;
use super::purchases::respond;
use super::request::{KeyHash, idempotency_key, json as parse, request_hash};
use crate::database::retrying;
use crate::problem::Problem;
use crate::seams::Answer;
use crate::stripe::CheckoutOrder;

/// Credits in one purchase at most: the amount stays far within Stripe's own limit.
const MOST_CREDITS: i64 = 100_000;

#[derive(Deserialize, ToSchema)]
struct NewCreditPurchase {
    /// 1 to 100000.
    credits: i64,
}

/// The type `credit_order`: a stored answer, or a row to pay for.
#[derive(FromRow)]
struct Begun {
    workspace_id: Uuid,
    status: Option<i32>,
    body: Option<String>,
    replayed: bool,
    busy: bool,
    id: Option<Uuid>,
    credits: Option<i64>,
    amount_cents: Option<i64>,
    currency: Option<String>,
}

/// What the function `attach_checkout_session` answers with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct NewSession {
    id: Uuid,
    credits: i64,
    session_id: String,
    /// Where the customer pays.
    checkout_url: String,
}

/// Starts a purchase of credits; the customer pays at `checkout_url`.
// Creates the row, then the checkout session. No db_tx is open while Stripe is asked.
#[utoipa::path(post, path = "/v1/credit-purchases", tag = "credits", security(("member" = [])),
    request_body = NewCreditPurchase, responses((status = 201, body = NewSession)),
    extensions(("x-problems" = json!(["idempotency_key_missing", "idempotency_key_in_use", "payment_provider_unavailable"]))))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(key): KeyHash,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let NewCreditPurchase { credits } = parse(&body)?;
    if !(1..=MOST_CREDITS).contains(&credits) {
        let detail = format!("credits must be 1 to {MOST_CREDITS}.");
        return Err(Problem::invalid_request(&detail));
    }
    let hash = request_hash("POST /v1/credit-purchases", &body);
    let begun: Begun = retrying(|| {
        sqlx::query_as("SELECT * FROM begin_credit_purchase($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&key)
            .bind(&idempotency_key)
            .bind(&hash)
            .bind(credits)
            .bind(app.settings.credit_price_cents)
            .bind(&app.settings.credit_currency)
            .bind(&request_id)
            .bind(app.settings.provider_timeout)
            .fetch_one(&app.pool)
    })
    .await?;
    let order = match order(begun) {
        Ok(order) => order,
        Err(answer) => return answer.map(respond),
    };
    let session = match app.checkout.create(&order).await {
        Ok(session) => session,
        Err(error) => {
            tracing::error!(%error, request_id, credit_purchase = %order.id, "no checkout session");
            let release = || sqlx::query("SELECT release_credit_purchase($1)").bind(order.id).execute(&app.pool);
            if let Err(error) = retrying(release).await {
                tracing::warn!(%error, credit_purchase = %order.id, "not released; the lease will end");
            }
            return Err(Problem::payment_provider_unavailable());
        }
    };
    let answer: Answer = retrying(|| {
        sqlx::query_as("SELECT * FROM attach_checkout_session($1, $2, $3)")
            .bind(order.id)
            .bind(&session.id)
            .bind(&session.url)
            .fetch_one(&app.pool)
    })
    .await?;
    Ok(respond(answer))
}

/// What is left to do: an order for Stripe, or (as `Err`) nothing but to answer.
fn order(begun: Begun) -> Result<CheckoutOrder, Result<Answer, Problem>> {
    match begun {
        Begun { busy: true, .. } => Err(Err(Problem::idempotency_key_in_use())),
        Begun { status: Some(status), body: Some(body), workspace_id, replayed, .. } => {
            Err(Ok(Answer { workspace_id, status, body, replayed }))
        }
        Begun {
            workspace_id,
            id: Some(id),
            credits: Some(credits),
            amount_cents: Some(amount_cents),
            currency: Some(currency),
            ..
        } => Ok(CheckoutOrder { id, workspace_id, credits, amount_cents, currency }),
        _ => Err(Err(Problem::internal())),
    }
}

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct CreditPurchase {
    id: Uuid,
    credits: i64,
    amount_cents: i64,
    /// `pending`, `processing` (a delayed payment method), `failed`, `expired`, `canceled` or `paid`.
    status: String,
    session_id: Option<String>,
    /// How many cents went back by refunds and disputes.
    money_back: i64,
    /// How many credits went back with them.
    credits_back: i64,
}

/// A purchase of credits and how far it is.
#[utoipa::path(get, path = "/v1/credit-purchases/{id}", tag = "credits", security(("member" = [])),
    params(("id" = Uuid, Path)), responses((status = 200, body = CreditPurchase)),
    extensions(("x-problems" = json!(["credit_purchase_not_found"]))))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
) -> Result<Json<CreditPurchase>, Problem> {
    let missing = || Problem::not_found("credit_purchase_not_found", "No purchase has this id.");
    let id = Uuid::parse_str(&id).map_err(|_| missing())?;
    let found: Option<CreditPurchase> = retrying(|| {
        sqlx::query_as("SELECT * FROM read_credit_purchase($1, $2)").bind(&key).bind(id).fetch_optional(&app.pool)
    })
    .await?;
    found.map(Json).ok_or_else(missing)
}
