//! What an event means to us. Pure: a JSON value in, facts out.
//!
//! A snapshot event carries its object as it was; its type says which part of that is news. A thin event names
//! an object, whose current state is then read whole. Either way what comes out are facts that may be told in
//! any order and any number of times.

use serde_json::Value;
use uuid::Uuid;

/// What every event has.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    /// `evt_...`
    pub(crate) id: &'a str,
    /// `payment_intent.succeeded`, ...
    pub(crate) kind: &'a str,
    /// True for real money.
    pub(crate) livemode: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the envelope; `None` if a member is missing.
    pub(crate) fn of(event: &'a Value) -> Option<Self> {
        Some(Self {
            id: event["id"].as_str().filter(|id| !id.is_empty())?,
            kind: event["type"].as_str()?,
            livemode: event["livemode"].as_bool()?,
        })
    }
}

/// A payment that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    /// Our row, as we told Stripe when we created the session. `None`: look it up by the intent.
    pub(crate) credit_purchase_id: Option<Uuid>,
    /// `pi_...`: what makes a payment one payment, whichever event tells of it.
    pub(crate) payment_intent: String,
    /// What was paid, in the currency's smallest unit.
    pub(crate) amount: i64,
    /// ISO 4217, lowercase.
    pub(crate) currency: String,
}

/// A refund, in whatever state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    /// `re_...`
    pub(crate) id: String,
    /// The payment that it refunds.
    pub(crate) payment_intent: String,
    /// How much.
    pub(crate) amount: i64,
    /// True if it failed or was canceled. A refund that is pending counts: its money has left.
    pub(crate) undone: bool,
}

/// A dispute, and what is known of its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dispute {
    /// `du_...`
    pub(crate) id: String,
    /// The payment that is disputed.
    pub(crate) payment_intent: String,
    /// How much of it.
    pub(crate) amount: i64,
    /// The bank took the money.
    pub(crate) withdrawn: bool,
    /// The bank gave it back.
    pub(crate) reinstated: bool,
    /// `won`, `lost` or `warning_closed`, once it is. Moves no money by itself.
    pub(crate) closed: Option<&'static str>,
}

/// Something that is so, and stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Money arrived.
    Paid(Payment),
    /// A payment got so far, or ended without money.
    Status {
        /// Our row. Unlike money, the state of a payment that does not name it is nobody's concern.
        credit_purchase_id: Uuid,
        /// As in `credit_purchases.status`.
        status: &'static str,
    },
    /// There is a refund.
    Refund(Refund),
    /// So much of a charge was refunded, all refunds together.
    ChargeRefunded {
        /// `ch_...`
        charge: String,
        /// Its payment.
        payment_intent: String,
        /// The cumulative amount.
        amount: i64,
    },
    /// There is a dispute.
    Dispute(Dispute),
}

/// An object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Related {
    kind: Kind,
    id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Session,
    PaymentIntent,
    Charge,
    Refund,
    Dispute,
}

impl Related {
    fn of(object: &Value) -> Option<Result<Self, &'static str>> {
        let kind = match object["type"].as_str()? {
            "checkout.session" => Kind::Session,
            "payment_intent" => Kind::PaymentIntent,
            "charge" => Kind::Charge,
            "refund" => Kind::Refund,
            "dispute" => Kind::Dispute,
            _ => return None,
        };
        // It becomes part of a path.
        let sound = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let id = object["id"].as_str().filter(sound).ok_or("the related object has no id");
        Some(id.map(|id| Self { kind, id: id.to_owned() }))
    }

    /// Where Stripe's API has it.
    pub(crate) fn path(&self) -> String {
        let folder = match self.kind {
            Kind::Session => "checkout/sessions",
            Kind::PaymentIntent => "payment_intents",
            Kind::Charge => "charges",
            Kind::Refund => "refunds",
            Kind::Dispute => "disputes",
        };
        format!("/v1/{folder}/{}", self.id)
    }
}

/// What to do about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Take note of these. Empty: a type we do not handle, or nothing that concerns us.
    Facts(Vec<Fact>),
    /// Ask for the object, then take note of what [`current`] says of it.
    Look(Related),
}

/// Why an event cannot be understood; no retry will add what is missing.
pub(crate) type Malformed = &'static str;

/// Reads an event. A payment is announced up to three times, in any order.
pub(crate) fn meaning(event: &Value) -> Result<Meaning, Malformed> {
    if event["object"] == "v2.core.event" {
        return match Related::of(&event["related_object"]) {
            Some(related) => related.map(Meaning::Look),
            None => Ok(Meaning::Facts(Vec::new())),
        };
    }
    let object = &event["data"]["object"];
    let fact = match event["type"].as_str().unwrap_or_default() {
        "payment_intent.succeeded" => Some(intent_paid(object)?),
        "payment_intent.processing" => status(object, "processing")?,
        "payment_intent.canceled" => status(object, "canceled")?,
        "charge.succeeded" => charge_paid(object)?,
        // A delayed method completes the session unpaid; async_payment_succeeded or _failed comes later.
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => session_completed(object)?,
        "checkout.session.async_payment_failed" => status(object, "failed")?,
        "checkout.session.expired" => status(object, "expired")?,
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => Some(refund(object)?),
        "charge.refunded" => Some(charge_refunded(object)?),
        kind @ ("charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated"
        | "charge.dispute.closed") => Some(dispute(object, |_| {
            // A snapshot may be older than its event; the type is what happened. Reinstated implies withdrawn.
            let reinstated = kind == "charge.dispute.funds_reinstated";
            (reinstated || kind == "charge.dispute.funds_withdrawn", reinstated)
        })?),
        // payment_intent.payment_failed: one try failed, and the customer may try again. Nothing to note.
        _ => None,
    };
    Ok(Meaning::Facts(fact.into_iter().collect()))
}

/// What an object's current state says, in the order in which to note it: the last decides about the event.
pub(crate) fn current(related: &Related, object: &Value) -> Result<Vec<Fact>, Malformed> {
    let state = object["status"].as_str().unwrap_or_default();
    let fact = match related.kind {
        Kind::Session => match state {
            "complete" => session_completed(object)?,
            "expired" => status(object, "expired")?,
            _ => None,
        },
        Kind::PaymentIntent => match state {
            "succeeded" => Some(intent_paid(object)?),
            "processing" => status(object, "processing")?,
            "canceled" => status(object, "canceled")?,
            _ => None,
        },
        Kind::Charge => {
            let refunded =
                (object["amount_refunded"].as_i64() > Some(0)).then(|| charge_refunded(object)).transpose()?;
            return Ok(refunded.into_iter().chain(charge_paid(object)?).collect());
        }
        Kind::Refund => Some(refund(object)?),
        // The bank's movements: what it took is negative, what it gave back positive.
        Kind::Dispute => Some(dispute(object, |object| {
            let moved = |sign: i64| {
                let movements = object["balance_transactions"].as_array();
                movements.is_some_and(|all| all.iter().any(|one| one["amount"].as_i64().map(i64::signum) == Some(sign)))
            };
            (moved(-1), moved(1))
        })?),
    };
    Ok(fact.into_iter().collect())
}

fn intent_paid(object: &Value) -> Result<Fact, Malformed> {
    paid(object, &object["id"], &object["amount_received"])
}

/// An authorised charge that is not captured has moved no money.
fn charge_paid(object: &Value) -> Result<Option<Fact>, Malformed> {
    if object["captured"] == false || object["paid"] == false {
        return Ok(None);
    }
    paid(object, &object["payment_intent"], &object["amount"]).map(Some)
}

fn session_completed(object: &Value) -> Result<Option<Fact>, Malformed> {
    match object["payment_status"] == "paid" {
        true => paid(object, &object["payment_intent"], &object["amount_total"]).map(Some),
        false => status(object, "processing"),
    }
}

fn paid(object: &Value, payment_intent: &Value, amount: &Value) -> Result<Fact, Malformed> {
    let Some(payment_intent) = payment_intent.as_str() else {
        return Err("the payment has no payment intent");
    };
    let (Some(amount), Some(currency)) = (amount.as_i64(), object["currency"].as_str()) else {
        return Err("the payment has no amount and currency");
    };
    Ok(Fact::Paid(Payment {
        credit_purchase_id: ours(object)?,
        payment_intent: payment_intent.to_owned(),
        amount,
        currency: currency.to_owned(),
    }))
}

fn status(object: &Value, status: &'static str) -> Result<Option<Fact>, Malformed> {
    Ok(ours(object)?.map(|credit_purchase_id| Fact::Status { credit_purchase_id, status }))
}

/// Our row, as the object names it.
fn ours(object: &Value) -> Result<Option<Uuid>, Malformed> {
    let ours = object["metadata"]["credit_purchase_id"].as_str().or_else(|| object["client_reference_id"].as_str());
    ours.map(Uuid::parse_str).transpose().map_err(|_| "the credit purchase's id is not one of ours")
}

fn refund(object: &Value) -> Result<Fact, Malformed> {
    let (id, payment_intent, amount) = parts(object, "amount")?;
    let undone = matches!(object["status"].as_str(), Some("failed" | "canceled"));
    Ok(Fact::Refund(Refund { id, payment_intent, amount, undone }))
}

fn charge_refunded(object: &Value) -> Result<Fact, Malformed> {
    let (charge, payment_intent, amount) = parts(object, "amount_refunded")?;
    Ok(Fact::ChargeRefunded { charge, payment_intent, amount })
}

fn dispute(object: &Value, money: impl Fn(&Value) -> (bool, bool)) -> Result<Fact, Malformed> {
    let (id, payment_intent, amount) = parts(object, "amount")?;
    let (withdrawn, reinstated) = money(object);
    let closed = ["won", "lost", "warning_closed"].into_iter().find(|closed| object["status"] == *closed);
    Ok(Fact::Dispute(Dispute { id, payment_intent, amount, withdrawn, reinstated, closed }))
}

/// Id, payment intent and an amount of a refund, charge or dispute.
fn parts(object: &Value, amount: &str) -> Result<(String, String, i64), Malformed> {
    let (Some(id), Some(payment_intent)) = (object["id"].as_str(), object["payment_intent"].as_str()) else {
        return Err("the refund, charge or dispute has no id and payment intent");
    };
    let amount = object[amount].as_i64().filter(|amount| *amount >= 0);
    Ok((id.to_owned(), payment_intent.to_owned(), amount.ok_or("the refund, charge or dispute has no amount")?))
}
