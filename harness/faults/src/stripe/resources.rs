//! What each endpoint does once a request is known to be genuine and new.
//!
//! Parameters that the simulator does not know are ignored, where Stripe refuses them: a target must not
//! fail here for a feature that no check looks at.

use serde_json::{Map, Value, json};

use super::{
    book::{Book, Moment, News},
    events::Origin,
    form::Form,
    objects::{Checkout, Intent, Line, Stage},
};

/// How long a session can be paid unless the request says otherwise, in seconds: Stripe's 24 hours.
const SESSION_LIFE: i64 = 24 * 60 * 60;
/// Stripe's limits on `metadata`: keys, characters of a key, characters of a value.
const METADATA: (usize, usize, usize) = (50, 40, 500);

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
    ReadEvent(&'a str),
    ReadCharge(&'a str),
}

/// An error in Stripe's words.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) code: Option<&'static str>,
    pub(super) param: Option<String>,
    pub(super) message: String,
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
            ("GET", ["v1", "events", id]) => Self::ReadEvent(id),
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
            Self::ReadEvent(_) => "GET /v1/events/{id}",
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
            Self::CreateCheckout => create_checkout(book, form, caller, moment).map(|id| checkout(book, &id, &expand)),
            Self::ReadCheckout(id) => {
                book.checkout(id).ok_or_else(|| Refusal::missing("checkout.session", id, "session"))?;
                Ok(checkout(book, id, &expand))
            }
            Self::ReadLines(id) => book
                .checkout(id)
                .map(Checkout::lines_json)
                .ok_or_else(|| Refusal::missing("checkout.session", id, "session")),
            Self::ExpireCheckout(id) => expire(book, id, caller, moment).map(|()| checkout(book, id, &expand)),
            Self::CreateIntent => create_intent(book, form, caller, moment).map(|id| intent(book, &id, &expand)),
            Self::ReadIntent(id) => {
                book.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))?;
                Ok(intent(book, id, &expand))
            }
            Self::ConfirmIntent(id) => {
                confirm(book, id, form, caller, moment)?;
                Ok(intent(book, id, &expand))
            }
            Self::ReadEvent(id) => book
                .event_at
                .get(id)
                .and_then(|at| book.events.get(*at))
                .map(|event| event.envelope.clone())
                .ok_or_else(|| Refusal::missing("event", id, "id")),
            Self::ReadCharge(id) => {
                book.charges.get(id).map(|charge| charge.to_json()).ok_or_else(|| Refusal::missing("charge", id, "id"))
            }
        }
    }
}

impl Refusal {
    /// 400 for one parameter.
    pub(super) fn invalid(param: &str, code: Option<&'static str>, message: impl Into<String>) -> Self {
        let (kind, param) = ("invalid_request_error", Some(param.to_owned()));
        Self { status: 400, kind, code, param, message: message.into() }
    }

    fn required(param: &str) -> Self {
        Self::invalid(param, Some("parameter_missing"), format!("Missing required param: {param}."))
    }

    fn missing(object: &str, id: &str, param: &str) -> Self {
        let refusal = Self::invalid(param, Some("resource_missing"), format!("No such {object}: '{id}'"));
        Self { status: 404, ..refusal }
    }
}

fn create_checkout(book: &mut Book, form: &Form, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<String, Refusal> {
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
    let metadata = metadata(form, &["metadata"], "metadata")?;
    let intent_metadata = metadata_of_intent(form)?;
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

fn expire(book: &mut Book, id: &str, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<(), Refusal> {
    let found = book.checkout_mut(id).ok_or_else(|| Refusal::missing("checkout.session", id, "session"))?;
    if found.stage != Stage::Open {
        let message = "Only Checkout Sessions with a status in [\"open\"] can be expired.";
        return Err(Refusal::invalid("session", None, message));
    }
    found.stage = Stage::Expired;
    let object = found.to_json();
    let (event_type, origin) = ("checkout.session.expired", caller.origin.clone());
    book.issue(News { label: caller.label, ordinal: 0, event_type, session: Some(id), object, origin }, moment);
    Ok(())
}

fn create_intent(book: &mut Book, form: &Form, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<String, Refusal> {
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
        charge: None,
        label: caller.label.to_owned(),
    };
    book.open_intent(opened, None, &caller.origin, moment);
    if confirm {
        book.charge(&id, None, None, &caller.origin, moment);
    }
    Ok(id)
}

fn confirm(book: &mut Book, id: &str, form: &Form, caller: &Caller<'_>, moment: &Moment<'_>) -> Result<(), Refusal> {
    let found = book.intents.get(id).ok_or_else(|| Refusal::missing("payment_intent", id, "intent"))?;
    if found.charge.is_some() {
        let message = "You cannot confirm this PaymentIntent because it has already succeeded after being previously \
                       confirmed.";
        return Err(Refusal::invalid("intent", Some("payment_intent_unexpected_state"), message));
    }
    let payment_method = form.text(&["payment_method"]).map(str::to_owned);
    if payment_method.is_none() && found.payment_method.is_none() {
        return Err(no_payment_method());
    }
    book.charge(id, payment_method, None, &caller.origin, moment);
    Ok(())
}

fn no_payment_method() -> Refusal {
    let message = "You cannot confirm this PaymentIntent because it's missing a payment method.";
    Refusal::invalid("payment_method", Some("payment_intent_unexpected_state"), message)
}

fn checkout(book: &Book, id: &str, expand: &[String]) -> Value {
    let Some(found) = book.checkout(id) else { return Value::Null };
    let mut shown = found.to_json();
    for wish in expand {
        match (wish.as_str(), &found.stage) {
            ("line_items", _) => shown["line_items"] = found.lines_json(),
            ("payment_intent", Stage::Paid { intent: paid }) => shown["payment_intent"] = intent(book, paid, &[]),
            ("payment_intent.latest_charge", Stage::Paid { intent: paid }) => {
                shown["payment_intent"] = intent(book, paid, &["latest_charge".to_owned()]);
            }
            _ => {}
        }
    }
    shown
}

fn intent(book: &Book, id: &str, expand: &[String]) -> Value {
    let Some(found) = book.intents.get(id) else { return Value::Null };
    let mut shown = found.to_json();
    let charge = found.charge.as_ref().and_then(|charge| book.charges.get(charge));
    if let (true, Some(charge)) = (expand.iter().any(|wish| wish == "latest_charge"), charge) {
        shown["latest_charge"] = charge.to_json();
    }
    shown
}

fn whole(form: &Form, path: &[&str], param: &str) -> Result<Option<i64>, Refusal> {
    let wrong =
        |text: &str| Refusal::invalid(param, Some("parameter_invalid_integer"), format!("Invalid integer: {text}"));
    form.text(path).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

fn metadata_of_intent(form: &Form) -> Result<Map<String, Value>, Refusal> {
    metadata(form, &["payment_intent_data", "metadata"], "payment_intent_data[metadata]")
}

fn metadata(form: &Form, path: &[&str], param: &str) -> Result<Map<String, Value>, Refusal> {
    let metadata = form.map(path);
    let (keys, name, text) = METADATA;
    if metadata.len() > keys {
        let message = format!("Metadata can have up to {keys} keys.");
        return Err(Refusal::invalid(param, None, message));
    }
    for (key, value) in &metadata {
        let long = value.as_str().is_some_and(|value| value.chars().count() > text);
        if long || key.chars().count() > name {
            let message = format!("Metadata keys have up to {name} characters and values up to {text}.");
            return Err(Refusal::invalid(&format!("{param}[{key}]"), None, message));
        }
    }
    Ok(metadata)
}

impl From<Refusal> for Value {
    fn from(refusal: Refusal) -> Self {
        let mut error = json!({ "message": refusal.message, "type": refusal.kind });
        if let Some(code) = refusal.code {
            error["code"] = code.into();
            error["doc_url"] = format!("https://docs.stripe.com/error-codes/{}", code.replace('_', "-")).into();
        }
        if let Some(param) = refusal.param {
            error["param"] = param.into();
        }
        json!({ "error": error })
    }
}
