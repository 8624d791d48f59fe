//! `debit-before-purchase`: "charge the customer, then place the order", in two services' db_txs.

use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::database::retrying;
use crate::seams::{Answer, PurchaseOrder, Purchasing, call_purchase};

/// Charges in one db_tx, buys in the next, and gives nothing back in between.
pub(super) struct DebitFirst;

impl Purchasing for DebitFirst {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(async move {
            let refused: Option<Answer> = retrying(|| {
                sqlx::query_as("SELECT * FROM charge($1, $2, $3, $4, $5, $6, $7) WHERE status IS NOT NULL")
                    .bind(&order.key_hash)
                    .bind(&order.idempotency_key)
                    .bind(&order.request_hash)
                    .bind(&order.lead_ids)
                    .bind(&order.request_id)
                    .bind(&order.public_url)
                    .bind(order.now)
                    .fetch_optional(pool)
            })
            .await?;
            match refused {
                Some(answer) => Ok(answer),
                None => retrying(move || call_purchase(pool, order)).await,
            }
        })
    }
}
