//! Events: the envelopes around an object, full and thin, and the forgeries of them.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use overdraft_model::operation::Forgery;
use serde_json::{Value, json};

use super::{objects, packed::Packed};

/// One event that was really issued.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) event_type: String,
    pub(super) session: Option<String>,
    /// The id of the object that it tells of.
    pub(super) object: Option<String>,
    pub(super) envelope: Packed,
    pub(super) thin: bool,
    pub(super) acknowledged: bool,
}

impl Event {
    /// The envelope as it is now: a snapshot counts the endpoints that have not acknowledged it.
    pub(super) fn envelope(&self) -> Value {
        let mut envelope = self.envelope.document();
        if self.acknowledged && !self.thin {
            envelope["pending_webhooks"] = json!(0);
        }
        envelope
    }
}

/// In which envelopes facts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Envelopes {
    /// `object: "event"`, with the object as it was.
    #[default]
    Snapshot,
    /// `object: "v2.core.event"`, with the object's address: its state is for the receiver to fetch.
    Thin,
    /// Each fact in both, as two events.
    Both,
}

impl Envelopes {
    /// Whether each is thin, in the order in which they are issued.
    pub(super) const fn forms(self) -> &'static [bool] {
        match self {
            Self::Snapshot => &[false],
            Self::Thin => &[true],
            Self::Both => &[false, true],
        }
    }
}

/// The API request behind an event: a customer's own doing has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Origin {
    pub(super) request: Option<String>,
    pub(super) idempotency_key: Option<String>,
}

/// The envelope of a snapshot event in test mode.
pub(super) fn envelope(
    id: &str,
    api_version: &str,
    created: i64,
    event_type: &str,
    object: Value,
    origin: &Origin,
) -> Value {
    json!({
        "id": id, "object": "event", "api_version": api_version, "created": created, "data": { "object": object },
        "livemode": false, "pending_webhooks": 1,
        "request": { "id": origin.request, "idempotency_key": origin.idempotency_key },
        "type": event_type,
    })
}

/// The envelope of a thin event in test mode. Types of the first API's objects carry its name in front.
pub(super) fn thin(id: &str, created: i64, event_type: &str, object: &Value, origin: &Origin) -> Value {
    let at = DateTime::from_timestamp(created, 0).unwrap_or_default();
    let reason = origin.request.as_ref().map(
        |request| json!({ "type": "request", "request": { "id": request, "idempotency_key": origin.idempotency_key } }),
    );
    let kind = object["object"].as_str().unwrap_or_default();
    let path = match kind {
        "checkout.session" => "checkout/sessions".to_owned(),
        kind => format!("{kind}s"),
    };
    let object = object["id"].as_str().unwrap_or_default();
    json!({
        "id": id, "object": "v2.core.event", "context": null, "created": at.to_rfc3339_opts(SecondsFormat::Millis, true),
        "livemode": false, "reason": reason,
        "related_object": { "id": object, "type": kind, "url": format!("/v1/{path}/{object}") },
        "type": format!("v1.{event_type}"),
    })
}

/// The bytes of a webhook: Stripe posts indented JSON.
pub(super) fn body(envelope: &Value) -> Bytes {
    Bytes::from(format!("{envelope:#}"))
}

/// Spoils a true-looking envelope. Returns what is posted and, where that is not what was signed, what was.
pub(super) fn forge(mut envelope: Value, kind: Forgery) -> (Bytes, Option<Bytes>) {
    match kind {
        Forgery::Unsigned | Forgery::WrongSecret | Forgery::Stale | Forgery::EmptySignature => (body(&envelope), None),
        Forgery::WrongMode => {
            envelope["livemode"] = true.into();
            envelope["data"]["object"]["livemode"] = true.into();
            (body(&envelope), None)
        }
        Forgery::Altered => {
            let original = body(&envelope);
            objects::raise_tenfold(&mut envelope["data"]["object"]);
            (body(&envelope), Some(original))
        }
        Forgery::Truncated => {
            let original = body(&envelope);
            (original.slice(..original.len() / 2), Some(original))
        }
    }
}
