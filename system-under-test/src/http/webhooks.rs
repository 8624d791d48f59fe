//! `POST /webhooks/stripe`: verify, store, answer. Processing is a job's work.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use crate::problem::Problem;
use crate::seams::Event;
use crate::stripe::Envelope;

#[derive(Serialize, ToSchema)]
pub(crate) struct Received {
    /// True.
    received: bool,
}

/// Takes an event of Stripe, signed in the header `Stripe-Signature`.
///
/// Answers 200 once the event and its job are stored in one db_tx, or were stored before. Anything
/// else makes Stripe deliver again, which is safe.
#[utoipa::path(post, path = "/webhooks/stripe", tag = "webhooks", request_body = Value,
    responses((status = 200, body = Received)), extensions(("x-problems" = json!(["invalid_signature"]))))]
pub(crate) async fn stripe(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Received>, Problem> {
    let settings = &app.settings;
    let header = headers.get("stripe-signature").and_then(|v| v.to_str().ok()).unwrap_or_default();
    app.intake
        .verify(header, &body, settings, app.clock.now().timestamp())
        .map_err(|error| Problem::invalid_signature(&error.to_string()))?;
    let payload: Value =
        serde_json::from_slice(&body).map_err(|_| Problem::invalid_request("The event is not JSON."))?;
    let envelope =
        Envelope::of(&payload).ok_or_else(|| Problem::invalid_request("The event has no id, type and livemode."))?;
    // An event of the other mode is genuine but not ours: acknowledge it, so that Stripe does not
    // repeat it, and change nothing.
    if !app.intake.is_ours(envelope.livemode, settings) {
        tracing::warn!(event_id = envelope.id, "event of the other mode ignored");
        return Ok(received());
    }
    let (id, kind) = (envelope.id.to_owned(), envelope.kind.to_owned());
    let event = Event { id, kind, payload };
    let new = app.intake.store(&app.pool, &event).await?;
    tracing::debug!(event_id = event.id, kind = event.kind, new, "event received");
    Ok(received())
}

fn received() -> Json<Received> {
    Json(Received { received: true })
}
