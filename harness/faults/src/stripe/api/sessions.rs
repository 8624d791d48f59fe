//! Checkout sessions: opened, read, expired.

use serde_json::Value;

use super::{
    super::{
        book::{Book, Moment, News},
        objects::{Checkout, Line, Stage},
    },
    form::Form,
    intents,
    params::{metadata, whole},
    refusal::Refusal,
    routes::Caller,
};

/// How long a session can be paid unless the request says otherwise, in seconds: Stripe's 24 hours.
const SESSION_LIFE: i64 = 24 * 60 * 60;

/// Opens a session and returns its id.
pub(super) fn create(
    book: &mut Book,
    form: &Form,
    caller: &Caller<'_>,
    moment: &Moment<'_>,
) -> Result<String, Refusal> {
    match form.text(&["mode"]) {
        Some("payment") => {}
        Some(mode) => {
            return Err(Refusal::invalid("mode", None, format!("Invalid mode: {mode} is not simulated, use payment")));
        }
        None => return Err(Refusal::required("mode")),
    }
    if form.text(&["ui_mode"]).is_none() && form.text(&["success_url"]).is_none() {
        return Err(Refusal::required("success_url"));
    }
    let (lines, amount, currency) = lines(form)?;
    let life = whole(form, &["expires_at"], "expires_at")?;
    let intent_metadata = metadata(form, &["payment_intent_data", "metadata"], "payment_intent_data[metadata]")?;
    let metadata = metadata(form, &["metadata"], "metadata")?;
    let text = |name: &str| form.text(&[name]).map(str::to_owned);
    let id = book.fresh(moment.seed, "cs_test_a1", 56, &[caller.label]);
    let lines = lines
        .into_iter()
        .map(|line| Line { id: book.fresh(moment.seed, "li_1", 23, &[caller.label]), ..line })
        .collect();
    book.checkout_at.insert(id.clone(), book.checkouts.len());
    book.checkouts.push(Checkout {
        id: id.clone(),
        created: moment.created,
        expires_at: life.unwrap_or(moment.created + SESSION_LIFE),
        amount,
        currency,
        lines,
        metadata,
        intent_metadata,
        reference: text("client_reference_id"),
        customer_email: text("customer_email"),
        success_url: text("success_url"),
        cancel_url: text("cancel_url"),
        idempotency_key: caller.origin.idempotency_key.clone(),
        stage: Stage::Open,
        intent: None,
    });
    Ok(id)
}

/// The lines, their sum and their one currency.
fn lines(form: &Form) -> Result<(Vec<Line>, i64, String), Refusal> {
    let mut lines = Vec::new();
    let (mut amount, mut currency) = (0_i64, None);
    for (index, line) in form.list(&["line_items"]) {
        let at = |rest: &str| format!("line_items[{index}]{rest}");
        if let Some(price) = line.text(&["price"]) {
            let message = format!("No such price: '{price}'");
            return Err(Refusal::invalid(&at("[price]"), Some("resource_missing"), message));
        }
        let theirs = line
            .text(&["price_data", "currency"])
            .ok_or_else(|| Refusal::required(&at("[price_data][currency]")))?
            .to_ascii_lowercase();
        if theirs.len() != 3 || !theirs.bytes().all(|letter| letter.is_ascii_lowercase()) {
            let message = format!("Invalid currency: {theirs}.");
            return Err(Refusal::invalid(&at("[price_data][currency]"), None, message));
        }
        if currency.get_or_insert_with(|| theirs.clone()) != &theirs {
            let message = "All line items must have the same currency.";
            return Err(Refusal::invalid(&at("[price_data][currency]"), None, message));
        }
        if !line.has(&["price_data", "product_data", "name"]) && !line.has(&["price_data", "product"]) {
            return Err(Refusal::required(&at("[price_data][product_data][name]")));
        }
        let count = |path: &[&str], param: String| {
            whole(&line, path, &param)?.filter(|count| *count >= 0).ok_or_else(|| Refusal::required(&param))
        };
        let unit_amount = count(&["price_data", "unit_amount"], at("[price_data][unit_amount]"))?;
        let quantity = count(&["quantity"], at("[quantity]"))?;
        amount = unit_amount.checked_mul(quantity).and_then(|total| amount.checked_add(total)).ok_or_else(|| {
            Refusal::invalid(&at("[price_data][unit_amount]"), Some("amount_too_large"), "Amount is too large.")
        })?;
        let name = line.text(&["price_data", "product_data", "name"]).unwrap_or_default().to_owned();
        lines.push(Line { id: String::new(), name, unit_amount, quantity });
    }
    let currency = currency.ok_or_else(|| Refusal::required("line_items"))?;
    if amount <= 0 {
        let message = "The Checkout Session's total amount due must be greater than zero.";
        return Err(Refusal::invalid("line_items", Some("amount_too_small"), message));
    }
    Ok((lines, amount, currency))
}

/// Expires a session that was not completed, and cancels the payment intent of an attempt in vain.
pub(super) fn expire(book: &mut Book, id: &str, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<(), Refusal> {
    let found = book.checkout_mut(id).ok_or_else(|| Refusal::missing("checkout.session", id, "session"))?;
    if found.stage != Stage::Open {
        let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
        return Err(Refusal::invalid("session", None, message));
    }
    found.stage = Stage::Expired;
    let (object, intent) = (found.to_json(), found.intent.clone());
    let (event_type, origin) = ("checkout.session.expired", caller.origin.clone());
    book.issue(News { label: caller.label, event_type, session: Some(id), object, origin }, moment);
    if let Some(intent) = intent {
        book.cancel(&intent, "expired", &caller.origin, moment);
    }
    Ok(())
}

/// A session with what is to be expanded in it.
pub(super) fn shown(book: &Book, id: &str, expand: &[String]) -> Value {
    let Some(found) = book.checkout(id) else { return Value::Null };
    let mut shown = found.to_json();
    for wish in expand {
        match (wish.as_str(), &found.intent) {
            ("line_items", _) => shown["line_items"] = found.lines_json(),
            ("payment_intent", Some(intent)) => shown["payment_intent"] = intents::shown(book, intent, &[]),
            ("payment_intent.latest_charge", Some(intent)) => {
                shown["payment_intent"] = intents::shown(book, intent, &["latest_charge".to_owned()]);
            }
            _ => {}
        }
    }
    shown
}
