//! Which endpoint a request asks for, and what each does once a request is known to be genuine and new.
//!
//! Parameters that the simulator does not know are ignored, where Stripe refuses them: a target must not
//! fail here for a feature that no check looks at.

use serde_json::Value;

use super::{
    super::{
        book::{Book, Moment},
        events::Origin,
        objects::Checkout,
    },
    form::Form,
    intents,
    refusal::Refusal,
    returns, sessions,
};

/// A request after its path was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    CreateCheckout,
    ReadCheckout(&'a str),
    ReadLines(&'a str),
    ExpireCheckout(&'a str),
    CreateIntent,
    ReadIntent(&'a str),
    ConfirmIntent(&'a str),
    CancelIntent(&'a str),
    CreateRefund,
    ReadRefund(&'a str),
    ListRefunds,
    ReadDispute(&'a str),
    ListDisputes,
    ReadEvent(&'a str),
    ReadThinEvent(&'a str),
    ReadCharge(&'a str),
}

/// Who asks.
pub(super) struct Caller<'a> {
    /// A stable name for what is created: the idempotency key, or a count.
    pub(super) label: &'a str,
    pub(super) origin: Origin,
}

impl<'a> Route<'a> {
    /// Reads a method and a path; none if the simulator has no such endpoint.
    pub(super) fn of(method: &str, path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        Some(match (method, parts.as_slice()) {
            ("POST", ["v1", "checkout", "sessions"]) => Self::CreateCheckout,
            ("GET", ["v1", "checkout", "sessions", id]) => Self::ReadCheckout(id),
            ("GET", ["v1", "checkout", "sessions", id, "line_items"]) => Self::ReadLines(id),
            ("POST", ["v1", "checkout", "sessions", id, "expire"]) => Self::ExpireCheckout(id),
            ("POST", ["v1", "payment_intents"]) => Self::CreateIntent,
            ("GET", ["v1", "payment_intents", id]) => Self::ReadIntent(id),
            ("POST", ["v1", "payment_intents", id, "confirm"]) => Self::ConfirmIntent(id),
            ("POST", ["v1", "payment_intents", id, "cancel"]) => Self::CancelIntent(id),
            ("POST", ["v1", "refunds"]) => Self::CreateRefund,
            ("GET", ["v1", "refunds"]) => Self::ListRefunds,
            ("GET", ["v1", "refunds", id]) => Self::ReadRefund(id),
            ("GET", ["v1", "disputes"]) => Self::ListDisputes,
            ("GET", ["v1", "disputes", id]) => Self::ReadDispute(id),
            ("GET", ["v1", "events", id]) => Self::ReadEvent(id),
            ("GET", ["v2", "core", "events", id]) => Self::ReadThinEvent(id),
            ("GET", ["v1", "charges", id]) => Self::ReadCharge(id),
            _ => return None,
        })
    }

    /// Its name in the counts of requests: method and path, without ids.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CreateCheckout => "POST /v1/checkout/sessions",
            Self::ReadCheckout(_) => "GET /v1/checkout/sessions/{id}",
            Self::ReadLines(_) => "GET /v1/checkout/sessions/{id}/line_items",
            Self::ExpireCheckout(_) => "POST /v1/checkout/sessions/{id}/expire",
            Self::CreateIntent => "POST /v1/payment_intents",
            Self::ReadIntent(_) => "GET /v1/payment_intents/{id}",
            Self::ConfirmIntent(_) => "POST /v1/payment_intents/{id}/confirm",
            Self::CancelIntent(_) => "POST /v1/payment_intents/{id}/cancel",
            Self::CreateRefund => "POST /v1/refunds",
            Self::ReadRefund(_) => "GET /v1/refunds/{id}",
            Self::ListRefunds => "GET /v1/refunds",
            Self::ReadDispute(_) => "GET /v1/disputes/{id}",
            Self::ListDisputes => "GET /v1/disputes",
            Self::ReadEvent(_) => "GET /v1/events/{id}",
            Self::ReadThinEvent(_) => "GET /v2/core/events/{id}",
            Self::ReadCharge(_) => "GET /v1/charges/{id}",
        }
    }

    /// Does it.
    pub(super) fn run(
        self,
        book: &mut Book,
        form: &Form,
        caller: &Caller<'_>,
        moment: &Moment<'_>,
    ) -> Result<Value, Refusal> {
        let expand = form.texts(&["expand"]);
        match self {
            Self::CreateCheckout => {
                sessions::create(book, form, caller, moment).map(|id| sessions::shown(book, &id, &expand))
            }
            Self::ReadCheckout(id) => {
                book.checkout(id).ok_or_else(|| Refusal::missing("checkout.session", id, "session"))?;
                Ok(sessions::shown(book, id, &expand))
            }
            Self::ReadLines(id) => book
                .checkout(id)
                .map(Checkout::lines_json)
                .ok_or_else(|| Refusal::missing("checkout.session", id, "session")),
            Self::ExpireCheckout(id) => {
                sessions::expire(book, id, caller, moment).map(|()| sessions::shown(book, id, &expand))
            }
            Self::CreateIntent => {
                intents::create(book, form, caller, moment).map(|id| intents::shown(book, &id, &expand))
            }
            Self::ReadIntent(id) => {
                book.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))?;
                Ok(intents::shown(book, id, &expand))
            }
            Self::ConfirmIntent(id) => {
                intents::confirm(book, id, form, caller, moment).map(|()| intents::shown(book, id, &expand))
            }
            Self::CancelIntent(id) => {
                intents::cancel(book, id, form, caller, moment).map(|()| intents::shown(book, id, &expand))
            }
            Self::CreateRefund => returns::create(book, form, caller, moment),
            Self::ReadRefund(id) => returns::refund(book, id),
            Self::ListRefunds => Ok(returns::refunds(book, form)),
            Self::ReadDispute(id) => returns::dispute(book, id),
            Self::ListDisputes => Ok(returns::disputes(book, form)),
            Self::ReadEvent(id) => event(book, id, false),
            Self::ReadThinEvent(id) => event(book, id, true),
            Self::ReadCharge(id) => {
                book.charges.get(id).map(|charge| charge.to_json()).ok_or_else(|| Refusal::missing("charge", id, "id"))
            }
        }
    }
}

fn event(book: &Book, id: &str, thin: bool) -> Result<Value, Refusal> {
    let found = book.event_at.get(id).and_then(|at| book.events.get(*at)).filter(|event| event.thin == thin);
    found.map(|event| event.envelope()).ok_or_else(|| Refusal::missing("event", id, "id"))
}
