//! Refunds and disputes: refunds created and read, disputes read. Disputes are the customer's to open.

use serde_json::{Value, json};

use super::{
    super::{
        ClaimError,
        book::{Book, Moment},
        claiming::Wish,
        claims::{Dispute, Refund},
    },
    form::Form,
    params::{metadata, whole},
    refusal::Refusal,
    routes::Caller,
};

/// Refunds a charge, named by itself or by its payment intent.
pub(super) fn create(book: &mut Book, form: &Form, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<Value, Refusal> {
    let amount = whole(form, &["amount"], "amount")?;
    if amount.is_some_and(|amount| amount < 1) {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::invalid("amount", Some("parameter_invalid_integer"), message));
    }
    let charge = match (form.text(&["charge"]), form.text(&["payment_intent"])) {
        (Some(charge), _) => charge.to_owned(),
        (None, Some(id)) => {
            let intent = book.intents.get(id);
            let intent = intent.ok_or_else(|| absent("payment_intent", id, "payment_intent"))?;
            intent.charge.clone().ok_or_else(|| unpaid(id))?
        }
        (None, None) => {
            let message = "One of the following params should be provided for this request: payment_intent or charge.";
            return Err(Refusal::plain(400, "invalid_request_error", message));
        }
    };
    let wish = Wish {
        charge: &charge,
        amount,
        reason: form.text(&["reason"]).map(str::to_owned),
        metadata: metadata(form, &["metadata"], "metadata")?,
        label: caller.label,
    };
    let refund = book.refund(wish, &caller.origin, moment).map_err(|error| match error {
        ClaimError::Unknown(_) | ClaimError::State { .. } => absent("charge", &charge, "charge"),
        ClaimError::Unpaid(id) => unpaid(&id),
        ClaimError::Amount { left: 0, .. } => {
            let disputed = book.charges.get(&charge).is_some_and(|charge| charge.refunded < charge.intent.amount);
            let (code, what) = match disputed {
                true => ("charge_disputed", "charged back; cannot issue a refund"),
                false => ("charge_already_refunded", "refunded"),
            };
            let message = format!("Charge {charge} has already been {what}.");
            Refusal { code: Some(code), ..Refusal::plain(400, "invalid_request_error", message) }
        }
        ClaimError::Amount { asked, left, .. } => {
            let message = format!("Refund amount ({asked}) is greater than unrefunded amount on charge ({left})");
            Refusal::invalid("amount", None, message)
        }
    })?;
    Ok(refund.to_json())
}

/// One refund.
pub(super) fn refund(book: &Book, id: &str) -> Result<Value, Refusal> {
    let found = book.refunds.iter().find(|refund| refund.id == id);
    found.map(Refund::to_json).ok_or_else(|| Refusal::missing("refund", id, "refund"))
}

/// One dispute.
pub(super) fn dispute(book: &Book, id: &str) -> Result<Value, Refusal> {
    let found = book.disputes.iter().find(|dispute| dispute.id == id);
    found.map(Dispute::to_json).ok_or_else(|| Refusal::missing("dispute", id, "dispute"))
}

/// All refunds of a charge or a payment intent, or all, newest first.
pub(super) fn refunds(book: &Book, form: &Form) -> Value {
    let wanted = book.refunds.iter().rev().filter(|refund| of(form, &refund.charge, &refund.intent));
    list("/v1/refunds", wanted.map(Refund::to_json).collect())
}

/// All disputes of a charge or a payment intent, or all, newest first.
pub(super) fn disputes(book: &Book, form: &Form) -> Value {
    let wanted = book.disputes.iter().rev().filter(|dispute| of(form, &dispute.charge, &dispute.intent));
    list("/v1/disputes", wanted.map(Dispute::to_json).collect())
}

fn of(form: &Form, charge: &str, intent: &str) -> bool {
    form.text(&["charge"]).is_none_or(|wanted| wanted == charge)
        && form.text(&["payment_intent"]).is_none_or(|wanted| wanted == intent)
}

/// One page that holds everything: a run has few of either.
fn list(url: &str, data: Vec<Value>) -> Value {
    json!({ "object": "list", "url": url, "has_more": false, "data": data })
}

/// An object that a parameter names and nobody knows.
fn absent(object: &str, id: &str, param: &str) -> Refusal {
    Refusal { status: 400, ..Refusal::missing(object, id, param) }
}

fn unpaid(id: &str) -> Refusal {
    let message = format!("{id} does not have a successful charge to refund.");
    Refusal::plain(400, "invalid_request_error", message)
}
