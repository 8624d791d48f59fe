//! Events: the envelope around an object, and the forgeries of it.

use bytes::Bytes;
use overdraft_model::operation::Forgery;
use serde_json::{Value, json};

use super::objects;

/// One event that was really issued.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) event_type: &'static str,
    pub(super) session: Option<String>,
    pub(super) envelope: Value,
    pub(super) acknowledged: bool,
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

/// The bytes of a webhook: Stripe posts indented JSON.
pub(super) fn body(envelope: &Value) -> Bytes {
    Bytes::from(format!("{envelope:#}"))
}

/// Spoils a true-looking envelope. Returns what is posted and, where that is not what was signed, what was.
pub(super) fn forge(mut envelope: Value, kind: Forgery) -> (Bytes, Option<Bytes>) {
    match kind {
        Forgery::Unsigned | Forgery::WrongSecret | Forgery::Stale => (body(&envelope), None),
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
    }
}
