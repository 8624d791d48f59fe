//! The two places where an instance can be given another way of working.
//!
//! A planted defect that is not a matter of SQL replaces one of these; the correct code has no
//! switches. `crate::defects` builds the others.

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use sqlx::PgPool;
use uuid::Uuid;

use crate::email::{Email, SendError};

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
    /// The leads, at least one, without duplicates.
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

/// One call of the function `purchase`: debit, purchase, commission, confirmation in one db_tx.
pub(crate) struct OneCall;

impl Purchasing for OneCall {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(crate::database::retrying(move || call_purchase(pool, order)))
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
