//! The job that carries out what one event of the inbox asks for.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;

use super::{JobError, Work};
use crate::database::retrying;
use crate::stripe::{Meaning, Payment, meaning};

/// Processes the event, unless it was processed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ProcessWebhook {
    webhook_id: i64,
}

impl TaskHandler for ProcessWebhook {
    const IDENTIFIER: &'static str = "process_webhook";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        process(&Work::of(&context)?, self.webhook_id).await
    }
}

#[derive(FromRow)]
struct Received {
    event_id: String,
    payload: Value,
    attempts: i32,
}

/// A failure of the business, not of the machinery.
struct Failure {
    reason: String,
    permanent: bool,
}

async fn process(work: &Work, id: i64) -> Result<(), JobError> {
    let pool = &work.0.pool;
    let received: Option<Received> =
        retrying(|| sqlx::query_as("SELECT * FROM webhook_to_process($1)").bind(id).fetch_optional(pool)).await?;
    let Some(received) = received else {
        return Ok(());
    };
    let failure = match meaning(&received.payload) {
        Meaning::Nothing => {
            retrying(|| sqlx::query("SELECT ignore_webhook($1)").bind(id).execute(pool)).await?;
            None
        }
        Meaning::Paid(payment) => grant(work, id, &payment).await?,
        Meaning::Malformed(reason) => Some(Failure { reason: reason.to_owned(), permanent: true }),
    };
    let Some(Failure { reason, permanent }) = failure else {
        return Ok(());
    };
    let retry: bool = sqlx::query_scalar("SELECT webhook_failed($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(&reason)
        .bind(permanent)
        .bind(work.0.settings.job_max_attempts)
        .bind(work.retry_at(received.attempts + 1, None))
        .fetch_one(pool)
        .await?;
    tracing::warn!(event_id = received.event_id, reason, retry, "event not processed");
    Ok(())
}

/// Grants the payment's credits. `None`: done, now or before.
async fn grant(work: &Work, id: i64, payment: &Payment) -> Result<Option<Failure>, JobError> {
    let outcome: String = retrying(|| {
        sqlx::query_scalar("SELECT complete_credit_purchase($1, $2, $3, $4, $5)")
            .bind(id)
            .bind(payment.credit_purchase_id)
            .bind(&payment.payment_intent)
            .bind(payment.amount)
            .bind(&payment.currency)
            .fetch_one(&work.0.pool)
    })
    .await?;
    Ok(match outcome.as_str() {
        "granted" | "already_granted" => None,
        // Events come in any order: the one that names our row may still be on its way.
        "unknown" => Some(Failure {
            reason: format!("no credit purchase is known for {}", payment.payment_intent),
            permanent: false,
        }),
        _ => Some(Failure { reason: outcome, permanent: true }),
    })
}
