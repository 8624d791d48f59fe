//! The pump: takes the provider's due deliveries and posts them to the instances, each a recorded operation.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use overdraft_faults::stripe::Outgoing;
use overdraft_model::{operation::Operation, target::HttpOperation};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{self, Request, Told},
    race::Rendezvous,
    recorder::RecorderError,
    stage::Stage,
};

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
                deliver(&stage, &client, outgoing).await.map(drop)
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

/// Posts one delivery that the provider has handed out, records it, and tells the provider how it went. None if
/// the target takes no webhooks.
///
/// # Errors
/// Fails if it cannot be recorded.
pub async fn deliver(
    stage: &Stage,
    client: &reqwest::Client,
    outgoing: Outgoing,
) -> Result<Option<u64>, RecorderError> {
    let (instance, url) = in_turn(stage, &outgoing);
    let delivered = deliver_at(stage, client, outgoing, instance, &url).await?;
    Ok(delivered.map(|(op, _)| op))
}

/// The same to a certain instance, at the address under which it is to be reached; and what was answered.
///
/// # Errors
/// As [`deliver`].
pub async fn deliver_at(
    stage: &Stage,
    client: &reqwest::Client,
    outgoing: Outgoing,
    instance: usize,
    url: &str,
) -> Result<Option<(u64, Told)>, RecorderError> {
    let Some(request) = request(stage, &outgoing, url) else { return Ok(None) };
    let recorder = &stage.recorder;
    let op = recorder.invoke(recorder.new_process(), recorder.clock().ns(), operation(&outgoing)).await?;
    let within = stage.target.service.answer_within.duration();
    let told = http::send(client, &request, &any(), instance, within).await;
    land(stage, &outgoing, op, told.clone()).await?;
    Ok(Some((op, told)))
}

/// Posts all of these at the same instant.
///
/// # Errors
/// Fails if one cannot be recorded.
pub async fn deliver_at_once(stage: &Arc<Stage>, name: &str, all: Vec<Outgoing>) -> Result<Vec<u64>, RecorderError> {
    let rendezvous = Rendezvous::new(name, all.len(), stage.target.service.races);
    let within = stage.target.service.answer_within.duration();
    let posts = all.into_iter().map(|outgoing| {
        let rendezvous = &rendezvous;
        async move {
            let (instance, url) = in_turn(stage, &outgoing);
            let Some(request) = request(stage, &outgoing, &url) else { return Ok(None) };
            let Some(ready) = rendezvous.get_ready(&request, &stage.stop).await else { return Ok(None) };
            let recorder = &stage.recorder;
            let op = recorder.invoke(recorder.new_process(), recorder.clock().ns(), operation(&outgoing)).await?;
            let told = match rendezvous.release(ready, op, recorder, within).await? {
                Ok(reply) => http::judge(&any(), &reply, instance),
                Err(lost) => http::lost(lost.sent, lost.problem, instance),
            };
            land(stage, &outgoing, op, told).await.map(Some)
        }
    });
    Ok(try_join_all(posts).await?.into_iter().flatten().collect())
}

/// The instance whose turn it is, and where it answers.
fn in_turn(stage: &Stage, outgoing: &Outgoing) -> (usize, String) {
    stage.instance(usize::try_from(outgoing.id).unwrap_or(0))
}

fn request(stage: &Stage, outgoing: &Outgoing, base_url: &str) -> Option<Request> {
    let webhook = stage.target.webhook.as_ref()?;
    let mut headers = vec![
        ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
        ("user-agent".to_owned(), "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
    ];
    if let Some(signature) = stage.stripe.sign(outgoing, chrono::Utc::now().timestamp()) {
        headers.push(("stripe-signature".to_owned(), signature));
    }
    let url = format!("{base_url}{}", webhook.path);
    Some(Request { method: reqwest::Method::POST, url, headers, body: Some(outgoing.body.to_vec()) })
}

fn operation(outgoing: &Outgoing) -> Operation {
    Operation::DeliverWebhook {
        event: outgoing.event.clone(),
        event_type: outgoing.event_type.clone(),
        session: outgoing.session.clone(),
        attempt: outgoing.attempt,
        forgery: outgoing.forgery,
    }
}

/// How a webhook is answered: Stripe takes redirects and refusals alike for 'not delivered', and what comes with
/// the status is nobody's business.
fn any() -> HttpOperation {
    HttpOperation { fail: Some((300..500).collect()), ..HttpOperation::default() }
}

async fn land(stage: &Stage, outgoing: &Outgoing, op: u64, told: Told) -> Result<u64, RecorderError> {
    let status = told.answer.status;
    stage.recorder.complete(op, told.outcome, told.answer).await?;
    stage.stripe.delivered(outgoing.id, status, op, stage.provider_time());
    Ok(op)
}
