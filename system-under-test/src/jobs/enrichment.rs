//! Enrichment: what a provider knows about a lead, asked for once after the lead was created.
//!
//! A lead remembers in the database that it wants to be enriched. Only an instance that knows a provider
//! (`ENRICHMENT_API_BASE`) queues the job, so without one nothing waits, and with one nothing is forgotten.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Work;
use super::attempt::{Ended, Failure, judge};
use super::general::Job;
use crate::backoff::asked;
use crate::database::retrying;

/// Leads that one tick queues at most.
const BATCH: i32 = 200;

/// Queues a job for each lead that waits for one.
pub(crate) async fn queue(work: &Work) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT queue_enrichments($1)").bind(BATCH).execute(&work.0.pool).await.map(|_| ())
}

/// Asks the provider, which costs money and is therefore a step of its own; then keeps the answer.
pub(crate) async fn run(job: &Job<'_>) -> Result<(), Ended> {
    let Some(base) = &job.work.0.settings.enrichment_api_base else {
        return Err(transient("this instance has no ENRICHMENT_API_BASE").into());
    };
    let pool = &job.work.0.pool;
    let lead = Uuid::parse_str(&job.subject).map_err(|_| permanent("the subject is no lead's id"))?;
    let title: Option<String> =
        retrying(|| sqlx::query_scalar("SELECT lead_to_enrich($1)").bind(lead).fetch_one(pool)).await?;
    let title = title.ok_or_else(|| permanent("no such lead"))?;
    let data: Value = job.step("ask", || ask(job, base, lead, &title)).await?;
    retrying(|| {
        sqlx::query("SELECT enrichment_arrived($1, $2, $3)")
            .bind(lead)
            .bind(&data)
            .bind(job.work.0.clock.now())
            .execute(pool)
    })
    .await?;
    Ok(())
}

async fn ask(job: &Job<'_>, base: &str, lead: Uuid, title: &str) -> Result<Value, Ended> {
    let sent = job
        .work
        .0
        .client
        .post(format!("{base}/enrich"))
        .header("Idempotency-Key", job.id.to_string())
        .json(&json!({ "lead_id": lead, "title": title }))
        .send()
        .await;
    let response = sent.map_err(|error| transient(&format!("no answer: {error}")))?;
    judge("the enrichment provider", response.status(), asked(response.headers()))?;
    let data: Value = response.json().await.map_err(|error| transient(&format!("no whole answer: {error}")))?;
    if !data.is_object() {
        return Err(permanent("the enrichment provider's answer is not a JSON object").into());
    }
    Ok(data)
}

fn transient(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), permanent: false, retry_after: None }
}

fn permanent(reason: &str) -> Failure {
    Failure { permanent: true, ..transient(reason) }
}
