//! Payment intents: created, confirmed, canceled. Test payment methods decide what comes of a confirmation.

use serde_json::Value;

use super::{
    super::{
        book::{Book, Moment},
        intents::{DECLINED, Failure, Intent, Phase},
    },
    form::Form,
    params::{metadata, whole},
    refusal::Refusal,
    routes::Caller,
};

/// Reasons that a merchant may give for canceling.
const REASONS: [&str; 4] = ["abandoned", "duplicate", "fraudulent", "requested_by_customer"];

/// Creates an intent, confirms it if asked to, and returns its id.
pub(super) fn create(
    book: &mut Book,
    form: &Form,
    caller: &Caller<'_>,
    moment: &Moment<'_>,
) -> Result<String, Refusal> {
    let amount = whole(form, &["amount"], "amount")?.ok_or_else(|| Refusal::required("amount"))?;
    if amount < 1 {
        let message = "This value must be greater than or equal to 1.";
        return Err(Refusal::invalid("amount", Some("parameter_invalid_integer"), message));
    }
    let currency = form.text(&["currency"]).ok_or_else(|| Refusal::required("currency"))?.to_ascii_lowercase();
    let confirm = form.text(&["confirm"]) == Some("true");
    let payment_method = form.text(&["payment_method"]).map(str::to_owned);
    if confirm && payment_method.is_none() {
        return Err(no_payment_method());
    }
    let metadata = metadata(form, &["metadata"], "metadata")?;
    let id = book.fresh(moment.seed, "pi_3", 23, &[caller.label]);
    let opened = Intent {
        id: id.clone(),
        created: moment.created,
        amount,
        currency,
        metadata,
        description: form.text(&["description"]).map(str::to_owned),
        payment_method,
        debit: false,
        phase: Phase::Open,
        failure: None,
        canceled: None,
        charge: None,
        session: None,
        label: caller.label.to_owned(),
    };
    book.open_intent(opened, &caller.origin, moment);
    if confirm {
        attempt(book, &id, None, caller, moment)?;
    }
    Ok(id)
}

/// Confirms an intent.
pub(super) fn confirm(
    book: &mut Book,
    id: &str,
    form: &Form,
    caller: &Caller<'_>,
    moment: &Moment<'_>,
) -> Result<(), Refusal> {
    let found = book.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))?;
    match found.phase {
        Phase::Open => {}
        Phase::Succeeded => {
            return Err(unexpected(
                "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
                 confirmed.",
            ));
        }
        Phase::Challenged | Phase::Processing | Phase::Canceled => {
            let status = found.to_json()["status"].as_str().unwrap_or_default().to_owned();
            return Err(unexpected(&format!(
                "You cannot confirm this PaymentIntent because it has a status of {status}."
            )));
        }
    }
    let payment_method = form.text(&["payment_method"]).map(str::to_owned);
    if payment_method.is_none() && found.payment_method.is_none() {
        return Err(no_payment_method());
    }
    attempt(book, id, payment_method, caller, moment)
}

/// Cancels an intent that no money has come for.
pub(super) fn cancel(
    book: &mut Book,
    id: &str,
    form: &Form,
    caller: &Caller<'_>,
    moment: &Moment<'_>,
) -> Result<(), Refusal> {
    let found = book.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))?;
    if found.session.is_some() {
        return Err(unexpected(
            "You cannot cancel this PaymentIntent because it was created by a Checkout Session. Expire the Checkout \
             Session instead.",
        ));
    }
    let reason = form.text(&["cancellation_reason"]);
    if let Some(reason) = reason.filter(|reason| !REASONS.contains(reason)) {
        let message = format!("Invalid cancellation_reason: must be one of {}, not {reason}", REASONS.join(", "));
        return Err(Refusal::invalid("cancellation_reason", None, message));
    }
    match found.phase {
        Phase::Open | Phase::Challenged => {}
        Phase::Processing | Phase::Succeeded | Phase::Canceled => {
            let status = found.to_json()["status"].as_str().unwrap_or_default().to_owned();
            return Err(unexpected(&format!(
                "You cannot cancel this PaymentIntent because it has a status of {status}. Only a PaymentIntent with \
                 one of the following statuses may be canceled: requires_payment_method, requires_capture, \
                 requires_confirmation, requires_action."
            )));
        }
    }
    book.cancel(id, reason.unwrap_or("requested_by_customer"), &caller.origin, moment);
    Ok(())
}

/// Takes the money by the method given or kept: Stripe's own test methods name what comes of it.
fn attempt(
    book: &mut Book,
    id: &str,
    payment_method: Option<String>,
    caller: &Caller<'_>,
    moment: &Moment<'_>,
) -> Result<(), Refusal> {
    let kept = book.intents.get(id).and_then(|intent| intent.payment_method.clone());
    let method = payment_method.or(kept).unwrap_or_default();
    if method.contains("chargeDeclined") {
        book.fail(id, DECLINED, &caller.origin, moment);
        return Err(declined(book, id, DECLINED));
    }
    if method.contains("authenticationRequired") || method.contains("threeDSecure") {
        book.challenge(id, Some(method), &caller.origin, moment);
    } else {
        book.succeed(id, Some(method), &caller.origin, moment);
    }
    Ok(())
}

/// 402: the attempt was made and failed.
fn declined(book: &Book, id: &str, failure: Failure) -> Refusal {
    let refusal = Refusal::plain(402, "card_error", failure.message);
    let mut more = vec![("payment_intent", shown(book, id, &[]))];
    more.extend(failure.decline_code.map(|code| ("decline_code", code.into())));
    let charge = book.intents.get(id).and_then(|intent| intent.charge.clone());
    more.extend(charge.map(|charge| ("charge", charge.into())));
    Refusal { code: Some(failure.code), more, ..refusal }
}

fn unexpected(message: &str) -> Refusal {
    Refusal::invalid("intent", Some("payment_intent_unexpected_state"), message)
}

fn no_payment_method() -> Refusal {
    let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
    Refusal::invalid("payment_method", Some("payment_intent_unexpected_state"), message)
}

/// An intent with what is to be expanded in it.
pub(super) fn shown(book: &Book, id: &str, expand: &[String]) -> Value {
    let Some(found) = book.intents.get(id) else { return Value::Null };
    let mut shown = found.to_json();
    let charge = found.charge.as_ref().and_then(|charge| book.charges.get(charge));
    if let (true, Some(charge)) = (expand.iter().any(|wish| wish == "latest_charge"), charge) {
        shown["latest_charge"] = charge.to_json();
    }
    shown
}
