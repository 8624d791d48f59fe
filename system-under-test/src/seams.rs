//! The places where an instance can be given another way of working.
//!
//! A planted defect that is not a matter of SQL replaces one of these; the correct code has no
//! switches. `crate::defects` builds the others. Where a seam has methods of its own, they are the
//! correct way, and whoever works otherwise says only what is otherwise.

use axum::extract::Request;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::database::retrying;
use crate::email::{Email, SendError};
use crate::network::Network;
use crate::settings::Settings;
use crate::stripe::signature::{self, SignatureError};

/// What an endpoint answers: decided, and stored with its idempotency key, by the database.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Answer {
    /// The caller's workspace, for the log.
    pub(crate) workspace_id: Uuid,
    /// HTTP status.
    pub(crate) status: i32,
    /// The body, to be sent byte for byte.
    pub(crate) body: String,
    /// True if this key was answered before.
    pub(crate) replayed: bool,
}

/// A purchase as it reaches the database.
#[derive(Clone, Debug)]
pub(crate) struct PurchaseOrder {
    /// SHA-256 of the caller's API key.
    pub(crate) key_hash: Vec<u8>,
    /// The caller's idempotency key.
    pub(crate) idempotency_key: String,
    /// SHA-256 of method, path and body.
    pub(crate) request_hash: Vec<u8>,
    /// The leads, at least one, without duplicates, as they were listed.
    pub(crate) lead_ids: Vec<Uuid>,
    /// The partners' share, in percent.
    pub(crate) commission_percent: i32,
    /// How long what they earn can be spent.
    pub(crate) lifetime_days: i32,
    /// The time of day, which decides what has expired.
    pub(crate) now: DateTime<Utc>,
    /// For the body of a refusal.
    pub(crate) request_id: String,
    /// Where to buy credits, for the body of a refusal.
    pub(crate) public_url: String,
}

/// How leads are bought.
pub(crate) trait Purchasing: Send + Sync {
    /// Buys all the leads or none, at most once per idempotency key.
    fn purchase<'a>(&'a self, pool: &'a PgPool, order: &'a PurchaseOrder)
    -> BoxFuture<'a, Result<Answer, sqlx::Error>>;
}

/// How an email leaves the house.
pub(crate) trait Mailer: Send + Sync {
    /// Hands the email to the provider; the provider's id for it, if it gave one.
    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<String>, SendError>>;
}

/// An event of Stripe, to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// `evt_...`
    pub(crate) id: String,
    /// `payment_intent.succeeded`, ...
    pub(crate) kind: String,
    /// All of it.
    pub(crate) payload: Value,
}

/// How webhooks are taken in.
pub(crate) trait Intake: Send + Sync {
    /// Whether the body is from Stripe, and not an old one that somebody kept.
    fn verify(&self, header: &str, body: &[u8], settings: &Settings, now: i64) -> Result<(), SignatureError> {
        signature::verify(header, body, &settings.stripe_webhook_secrets, settings.stripe_tolerance, now)
    }

    /// Whether an event of this mode is ours.
    fn is_ours(&self, livemode: bool, settings: &Settings) -> bool {
        livemode == settings.stripe_livemode
    }

    /// Stores the event with its job in one db_tx. False: it is known, nothing was done.
    fn store<'a>(&'a self, pool: &'a PgPool, event: &'a Event) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        Box::pin(store_event(pool, event))
    }
}

/// What a request says of whose budget it comes out of, and how large that is.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// SHA-256 of the API key, if there is one.
    pub(crate) key_hash: Option<Vec<u8>>,
    /// Who asks, if the key is nobody's.
    pub(crate) address: String,
    /// The budget's name.
    pub(crate) kind: &'static str,
    /// How much of it there is in a minute.
    pub(crate) per_minute: i32,
    /// The time of day, which decides whether an override holds.
    pub(crate) now: DateTime<Utc>,
}

/// What the function `admit` says of a request.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub(crate) struct Admission {
    /// The caller's workspace, if the key is a member's.
    pub(crate) workspace_id: Option<Uuid>,
    /// The limit that holds; `None` if none does.
    pub(crate) per_minute: Option<i32>,
    /// Whether the request may go on.
    pub(crate) admitted: bool,
    /// Requests that would be admitted now.
    pub(crate) remaining: Option<i32>,
    /// Whole seconds until there is one more.
    pub(crate) more_in: Option<i32>,
}

/// How requests are counted.
pub(crate) trait Counting: Send + Sync {
    /// Whose address a request counts for.
    fn address(&self, request: &Request, trusted: &[Network]) -> String;

    /// Takes one request out of its caller's budget, if it is there.
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Admission, sqlx::Error>>;
}

/// One call of the function `purchase`: debit, purchase, commission, confirmation in one db_tx.
pub(crate) struct OneCall;

impl Purchasing for OneCall {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(retrying(move || call_purchase(pool, order)))
    }
}

/// The statement behind [`OneCall`].
pub(crate) async fn call_purchase(pool: &PgPool, order: &PurchaseOrder) -> Result<Answer, sqlx::Error> {
    sqlx::query_as("SELECT * FROM purchase($1, $2, $3, $4, $5, $6, $7, $8, $9)")
        .bind(&order.key_hash)
        .bind(&order.idempotency_key)
        .bind(&order.request_hash)
        .bind(&order.lead_ids)
        .bind(order.commission_percent)
        .bind(&order.request_id)
        .bind(&order.public_url)
        .bind(order.now)
        .bind(order.lifetime_days)
        .fetch_one(pool)
        .await
}

/// Believes what is signed, and answers once it is stored.
pub(crate) struct StoreFirst;

impl Intake for StoreFirst {}

/// The statement behind [`StoreFirst`].
pub(crate) async fn store_event(pool: &PgPool, event: &Event) -> Result<bool, sqlx::Error> {
    retrying(|| {
        sqlx::query_scalar("SELECT receive_webhook($1, $2, $3)")
            .bind(&event.id)
            .bind(&event.kind)
            .bind(&event.payload)
            .fetch_one(pool)
    })
    .await
}
