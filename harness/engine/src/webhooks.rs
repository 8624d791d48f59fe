//! The pump: takes the provider's due deliveries and posts them to the instances, each a recorded operation.

use std::{sync::Arc, time::Duration};

use overdraft_faults::stripe::Outgoing;
use overdraft_model::operation::{Answer, Operation, Outcome};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{recorder::RecorderError, stage::Stage};

/// How often the provider is asked for what is due.
const TICK: Duration = Duration::from_millis(5);
/// Deliveries in flight at once. Stripe itself opens many connections; the bound keeps file handles in bounds.
const AT_ONCE: usize = 256;

/// Delivers until told to end, then waits for what is in flight.
///
/// # Errors
/// Fails if deliveries cannot be recorded.
pub async fn pump(stage: Arc<Stage>, client: reqwest::Client, end: CancellationToken) -> Result<(), RecorderError> {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut flying: JoinSet<Result<(), RecorderError>> = JoinSet::new();
    while !end.is_cancelled() {
        for outgoing in stage.stripe.take_due(stage.provider_time()) {
            let (stage, client, permits) = (Arc::clone(&stage), client.clone(), Arc::clone(&permits));
            flying.spawn(async move {
                let _permit = permits.acquire_owned().await;
                deliver(&stage, &client, outgoing).await
            });
        }
        while let Some(done) = flying.try_join_next() {
            done.unwrap_or(Ok(()))?;
        }
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(TICK) => {}
        }
    }
    while let Some(done) = flying.join_next().await {
        done.unwrap_or(Ok(()))?;
    }
    Ok(())
}

async fn deliver(stage: &Stage, client: &reqwest::Client, outgoing: Outgoing) -> Result<(), RecorderError> {
    let Some(webhook) = &stage.target.webhook else { return Ok(()) };
    let instance = usize::try_from(outgoing.id).unwrap_or(0) % stage.base_urls.len();
    let url = format!("{}{}", stage.base_urls[instance], webhook.path);
    let operation = Operation::DeliverWebhook {
        event: outgoing.event.clone(),
        event_type: outgoing.event_type.clone(),
        session: outgoing.session.clone(),
        attempt: outgoing.attempt,
        forgery: outgoing.forgery,
    };
    let recorder = &stage.recorder;
    let op = recorder.invoke(recorder.new_process(), recorder.clock().ns(), operation).await?;
    let mut request = client
        .post(url)
        .header("content-type", "application/json; charset=utf-8")
        .header("user-agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
        .timeout(stage.target.service.answer_within.duration());
    if let Some(signature) = stage.stripe.sign(&outgoing, chrono::Utc::now().timestamp()) {
        request = request.header("stripe-signature", signature);
    }
    let (outcome, answer) = match request.body(outgoing.body.clone()).send().await {
        Ok(told) => {
            let status = told.status();
            let outcome = match status {
                status if status.is_success() => Outcome::Ok,
                // Stripe takes redirects and refusals alike for "not delivered".
                status if status.is_server_error() => Outcome::Info,
                _ => Outcome::Fail,
            };
            (outcome, Answer { status: Some(status.as_u16()), instance, ..Answer::default() })
        }
        Err(error) => {
            let outcome = if error.is_connect() { Outcome::Fail } else { Outcome::Info };
            (outcome, Answer { error: Some(error.without_url().to_string()), instance, ..Answer::default() })
        }
    };
    let status = answer.status;
    recorder.complete(op, outcome, answer).await?;
    stage.stripe.delivered(outgoing.id, status, op, stage.provider_time());
    Ok(())
}
