//! The job that carries out what one event of the inbox asks for.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;

use super::attempt::guarded;
use super::{JobError, Work};
use crate::database::{is_unavailable, retrying};
use crate::stripe::{Dispute, Fact, Meaning, Payment, Refund, current, fetch, meaning};

/// Processes the event, unless it was processed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct ProcessWebhook {
    webhook_id: i64,
}

impl TaskHandler for ProcessWebhook {
    const IDENTIFIER: &'static str = "process_webhook";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let (work, id) = (Work::of(&context)?, self.webhook_id);
        guarded(&work, "webhook", &id.to_string(), process(&work, id)).await
    }
}

#[derive(FromRow)]
struct Received {
    event_id: String,
    payload: Value,
    attempts: i32,
}

/// A failure of the business, not of the machinery.
enum Failure {
    /// No retry will help.
    Permanent(String),
    /// Stripe does not answer, or not yet.
    Provider(String),
    /// The database is there and refuses the facts: a bug of ours, which a person must see.
    Refused(String),
    /// Events come in any order: the one that this one builds on may still be on its way.
    Parked(&'static str),
}

async fn process(work: &Work, id: i64) -> Result<(), JobError> {
    let pool = &work.0.pool;
    // A parked event may come back more often than one that fails, or that no worker survives.
    let deaths = work.0.settings.job_max_attempts;
    let most = deaths.max(work.0.settings.parked_attempts);
    let received: Option<Received> = retrying(|| {
        sqlx::query_as("SELECT * FROM webhook_to_process($1, $2, $3)")
            .bind(id)
            .bind(most)
            .bind(deaths)
            .fetch_optional(pool)
    })
    .await?;
    let Some(received) = received else {
        return Ok(());
    };
    let failure = match facts(work, &received.payload).await {
        Ok(facts) if facts.is_empty() => {
            retrying(|| sqlx::query("SELECT ignore_webhook($1)").bind(id).execute(pool)).await?;
            None
        }
        Ok(facts) => match note_all(work, id, &facts).await {
            Err(JobError::Database(error)) if !is_unavailable(&error) => Some(Failure::Refused(error.to_string())),
            noted => noted?,
        },
        Err(failure) => Some(failure),
    };
    let Some(failure) = failure else {
        return Ok(());
    };
    let settings = &work.0.settings;
    let (reason, permanent, most) = match failure {
        Failure::Permanent(reason) => (reason, true, 1),
        Failure::Provider(reason) | Failure::Refused(reason) => (reason, false, settings.job_max_attempts),
        Failure::Parked(reason) => (reason.to_owned(), false, settings.parked_attempts),
    };
    let retry: bool = sqlx::query_scalar("SELECT webhook_failed($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(&reason)
        .bind(permanent)
        .bind(most)
        .bind(work.retry_at(received.attempts + 1, None))
        .fetch_one(pool)
        .await?;
    tracing::warn!(event_id = received.event_id, reason, retry, "event not processed");
    Ok(())
}

/// What the event tells: a snapshot by itself, a thin event by the object that it names, as it is now.
async fn facts(work: &Work, payload: &Value) -> Result<Vec<Fact>, Failure> {
    let malformed = |reason: &str| Failure::Permanent(reason.to_owned());
    match meaning(payload).map_err(malformed)? {
        Meaning::Facts(facts) => Ok(facts),
        Meaning::Look(related) => {
            let fetched = fetch(&work.0.client, &work.0.settings, &related).await;
            let object = fetched.map_err(|error| Failure::Provider(error.to_string()))?;
            current(&related, &object).map_err(malformed)
        }
    }
}

/// Notes each fact in a db_tx of its own. The last decides about the event; what those before it told is kept
/// even if their payment is still unknown.
async fn note_all(work: &Work, id: i64, facts: &[Fact]) -> Result<Option<Failure>, JobError> {
    let mut failure = None;
    for fact in facts {
        let outcome = retrying(|| note(work, id, fact)).await?;
        failure = match outcome.as_str() {
            "granted" | "already_granted" | "noted" | "settled" => None,
            "unknown" => Some(Failure::Parked("no payment is known for this event yet")),
            _ => Some(Failure::Permanent(outcome)),
        };
    }
    Ok(failure)
}

async fn note(work: &Work, id: i64, fact: &Fact) -> Result<String, sqlx::Error> {
    let now = work.0.clock.now();
    let call = match fact {
        Fact::Paid(Payment { credit_purchase_id, payment_intent, amount, currency }) => {
            sqlx::query_scalar("SELECT complete_credit_purchase($1, $2, $3, $4, $5, $6, $7)")
                .bind(id)
                .bind(credit_purchase_id)
                .bind(payment_intent)
                .bind(amount)
                .bind(currency)
                .bind(now)
                .bind(work.0.settings.credit_lifetime_days)
        }
        Fact::Status { credit_purchase_id, status } => {
            sqlx::query_scalar("SELECT note_payment_status($1, $2, $3)").bind(id).bind(credit_purchase_id).bind(status)
        }
        Fact::Refund(Refund { id: refund, payment_intent, amount, undone }) => {
            sqlx::query_scalar("SELECT note_refund($1, $2, $3, $4, $5, $6)")
                .bind(id)
                .bind(refund)
                .bind(payment_intent)
                .bind(amount)
                .bind(undone)
                .bind(now)
        }
        Fact::ChargeRefunded { charge, payment_intent, amount } => {
            sqlx::query_scalar("SELECT note_charge_refunded($1, $2, $3, $4, $5)")
                .bind(id)
                .bind(charge)
                .bind(payment_intent)
                .bind(amount)
                .bind(now)
        }
        Fact::Dispute(Dispute { id: dispute, payment_intent, amount, withdrawn, reinstated, closed }) => {
            sqlx::query_scalar("SELECT note_dispute($1, $2, $3, $4, $5, $6, $7, $8)")
                .bind(id)
                .bind(dispute)
                .bind(payment_intent)
                .bind(amount)
                .bind(withdrawn)
                .bind(reinstated)
                .bind(closed)
                .bind(now)
        }
    };
    call.fetch_one(&work.0.pool).await
}
