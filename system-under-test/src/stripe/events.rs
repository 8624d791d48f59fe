//! What an event means to us. Pure: a JSON value in, a decision out.

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

/// What to do about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Grant the credits of this payment, unless they were granted.
    Paid(Payment),
    /// Nothing: a type we do not handle, or money that has not arrived.
    Nothing,
    /// A payment event without what it must have; no retry will add it.
    Malformed(&'static str),
}

/// Reads an event. A payment is announced up to three times, in any order.
pub(crate) fn meaning(event: &Value) -> Meaning {
    let object = &event["data"]["object"];
    match event["type"].as_str().unwrap_or_default() {
        "payment_intent.succeeded" => paid(object, &object["id"], &object["amount_received"]),
        // An authorised charge that is not captured has moved no money.
        "charge.succeeded" if object["captured"] == false || object["paid"] == false => Meaning::Nothing,
        "charge.succeeded" => paid(object, &object["payment_intent"], &object["amount"]),
        // A delayed method completes the session unpaid; async_payment_succeeded comes later.
        "checkout.session.completed" | "checkout.session.async_payment_succeeded" => {
            if object["payment_status"] == "paid" {
                paid(object, &object["payment_intent"], &object["amount_total"])
            } else {
                Meaning::Nothing
            }
        }
        _ => Meaning::Nothing,
    }
}

fn paid(object: &Value, payment_intent: &Value, amount: &Value) -> Meaning {
    let Some(payment_intent) = payment_intent.as_str() else {
        return Meaning::Malformed("the payment has no payment intent");
    };
    let (Some(amount), Some(currency)) = (amount.as_i64(), object["currency"].as_str()) else {
        return Meaning::Malformed("the payment has no amount and currency");
    };
    let ours = object["metadata"]["credit_purchase_id"].as_str().or_else(|| object["client_reference_id"].as_str());
    let credit_purchase_id = match ours.map(Uuid::parse_str).transpose() {
        Ok(id) => id,
        Err(_) => return Meaning::Malformed("the credit purchase's id is not one of ours"),
    };
    Meaning::Paid(Payment {
        credit_purchase_id,
        payment_intent: payment_intent.to_owned(),
        amount,
        currency: currency.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, object: Value) -> Value {
        json!({"id": "evt_1", "type": kind, "livemode": false, "data": {"object": object}})
    }

    fn payment() -> Meaning {
        Meaning::Paid(Payment {
            credit_purchase_id: Some(Uuid::from_u128(5)),
            payment_intent: "pi_1".to_owned(),
            amount: 500,
            currency: "usd".to_owned(),
        })
    }

    #[test]
    fn four_signals_tell_of_one_payment() {
        let metadata = json!({"credit_purchase_id": Uuid::from_u128(5)});
        let intent = json!({"id": "pi_1", "amount_received": 500, "currency": "usd",
            "metadata": metadata});
        let charge = json!({"id": "ch_1", "payment_intent": "pi_1", "amount": 500, "captured": true,
            "paid": true, "currency": "usd", "metadata": metadata});
        let session = json!({"id": "cs_1", "payment_intent": "pi_1", "amount_total": 500,
            "currency": "usd", "payment_status": "paid", "metadata": metadata});
        assert_eq!(meaning(&event("payment_intent.succeeded", intent)), payment());
        assert_eq!(meaning(&event("charge.succeeded", charge)), payment());
        assert_eq!(meaning(&event("checkout.session.completed", session.clone())), payment());
        let later = "checkout.session.async_payment_succeeded";
        assert_eq!(meaning(&event(later, session)), payment());
    }

    #[test]
    fn nothing_is_granted_before_the_money_is_there() {
        let unpaid = json!({"payment_intent": "pi_1", "payment_status": "unpaid"});
        assert_eq!(meaning(&event("checkout.session.completed", unpaid)), Meaning::Nothing);
        let authorised = json!({"payment_intent": "pi_1", "captured": false});
        assert_eq!(meaning(&event("charge.succeeded", authorised)), Meaning::Nothing);
        assert_eq!(meaning(&event("payment_intent.created", json!({}))), Meaning::Nothing);
        let failed = "payment_intent.payment_failed";
        assert_eq!(meaning(&event(failed, json!({}))), Meaning::Nothing);
    }

    #[test]
    fn a_payment_without_its_parts_is_malformed() {
        let no_amount = json!({"id": "pi_1", "currency": "usd"});
        let bad = meaning(&event("payment_intent.succeeded", no_amount));
        assert!(matches!(bad, Meaning::Malformed(_)));
        let foreign = json!({"id": "pi_1", "currency": "usd", "amount_received": 1,
            "metadata": {"credit_purchase_id": "x"}});
        let bad = meaning(&event("payment_intent.succeeded", foreign));
        assert!(matches!(bad, Meaning::Malformed(_)));
    }

    #[test]
    fn an_envelope_needs_id_type_and_mode() {
        assert!(Envelope::of(&event("x", json!({}))).is_some());
        assert!(Envelope::of(&json!({"id": "evt_1", "type": "x"})).is_none());
        assert!(Envelope::of(&json!({"id": "", "type": "x", "livemode": true})).is_none());
    }
}
