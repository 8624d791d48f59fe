//! Tests of `events.rs`: each type of event, thin events, and what is malformed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::events::{Dispute, Envelope, Fact, Meaning, Payment, Refund, current, meaning};

fn event(kind: &str, object: Value) -> Value {
    json!({"id": "evt_1", "object": "event", "type": kind, "livemode": false, "data": {"object": object}})
}

fn facts(kind: &str, object: Value) -> Vec<Fact> {
    match meaning(&event(kind, object)).unwrap() {
        Meaning::Facts(facts) => facts,
        Meaning::Look(_) => panic!("{kind} is a snapshot"),
    }
}

/// What a thin event about the object leads to, once it was fetched.
fn looked(kind: &str, object: Value) -> Vec<Fact> {
    let event = json!({"id": "evt_1", "object": "v2.core.event", "type": "x", "livemode": false,
        "related_object": {"id": object["id"], "type": kind, "url": "/elsewhere"}});
    let Meaning::Look(related) = meaning(&event).unwrap() else { panic!("{kind} is not looked up") };
    assert!(related.path().ends_with(object["id"].as_str().unwrap()) && related.path().starts_with("/v1/"));
    current(&related, &object).unwrap()
}

fn payment() -> Vec<Fact> {
    vec![Fact::Paid(Payment {
        credit_purchase_id: Some(Uuid::from_u128(5)),
        payment_intent: "pi_1".to_owned(),
        amount: 500,
        currency: "usd".to_owned(),
    })]
}

fn metadata() -> Value {
    json!({ "credit_purchase_id": Uuid::from_u128(5) })
}

fn intent(status: &str) -> Value {
    json!({"id": "pi_1", "object": "payment_intent", "status": status, "amount_received": 500, "currency": "usd",
        "metadata": metadata()})
}

fn charge(refunded: i64) -> Value {
    json!({"id": "ch_1", "object": "charge", "status": "succeeded", "payment_intent": "pi_1", "amount": 500,
        "amount_refunded": refunded, "captured": true, "paid": true, "currency": "usd", "metadata": metadata()})
}

fn session(status: &str, payment_status: &str) -> Value {
    json!({"id": "cs_1", "object": "checkout.session", "status": status, "payment_status": payment_status,
        "payment_intent": "pi_1", "amount_total": 500, "currency": "usd", "metadata": metadata()})
}

fn refund(status: &str) -> Value {
    json!({"id": "re_1", "object": "refund", "payment_intent": "pi_1", "charge": "ch_1", "amount": 200, "status": status})
}

fn dispute(status: &str, moved: &[i64]) -> Value {
    let moved: Vec<Value> = moved.iter().map(|amount| json!({ "amount": amount })).collect();
    json!({"id": "du_1", "object": "dispute", "payment_intent": "pi_1", "charge": "ch_1", "amount": 500,
        "status": status, "balance_transactions": moved})
}

fn disputed(withdrawn: bool, reinstated: bool, closed: Option<&'static str>) -> Vec<Fact> {
    let (id, payment_intent) = ("du_1".to_owned(), "pi_1".to_owned());
    vec![Fact::Dispute(Dispute { id, payment_intent, amount: 500, withdrawn, reinstated, closed })]
}

fn refunded(undone: bool) -> Vec<Fact> {
    let (id, payment_intent) = ("re_1".to_owned(), "pi_1".to_owned());
    vec![Fact::Refund(Refund { id, payment_intent, amount: 200, undone })]
}

fn status_of(facts: &[Fact]) -> Option<&'static str> {
    match facts {
        [Fact::Status { status, .. }] => Some(status),
        _ => None,
    }
}

#[test]
fn four_signals_and_three_objects_tell_of_one_payment() {
    assert_eq!(facts("payment_intent.succeeded", intent("succeeded")), payment());
    assert_eq!(facts("charge.succeeded", charge(0)), payment());
    assert_eq!(facts("checkout.session.completed", session("complete", "paid")), payment());
    assert_eq!(facts("checkout.session.async_payment_succeeded", session("complete", "paid")), payment());
    assert_eq!(looked("payment_intent", intent("succeeded")), payment());
    assert_eq!(looked("charge", charge(0)), payment());
    assert_eq!(looked("checkout.session", session("complete", "paid")), payment());
}

#[test]
fn nothing_is_granted_before_the_money_is_there() {
    let unpaid = session("complete", "unpaid");
    assert_eq!(status_of(&facts("checkout.session.completed", unpaid.clone())), Some("processing"));
    assert_eq!(status_of(&looked("checkout.session", unpaid)), Some("processing"));
    assert_eq!(facts("charge.succeeded", json!({"payment_intent": "pi_1", "captured": false})), []);
    assert_eq!(facts("payment_intent.created", json!({})), []);
    assert_eq!(facts("payment_intent.payment_failed", intent("requires_payment_method")), []);
    assert_eq!(looked("payment_intent", intent("requires_payment_method")), []);
    assert_eq!(looked("checkout.session", session("open", "unpaid")), []);
}

#[test]
fn a_payment_may_end_without_money() {
    for (kind, object, expected) in [
        ("payment_intent.processing", intent("processing"), "processing"),
        ("payment_intent.canceled", intent("canceled"), "canceled"),
        ("checkout.session.expired", session("expired", "unpaid"), "expired"),
        ("checkout.session.async_payment_failed", session("complete", "unpaid"), "failed"),
    ] {
        assert_eq!(status_of(&facts(kind, object)), Some(expected), "{kind}");
    }
    assert_eq!(status_of(&looked("payment_intent", intent("canceled"))), Some("canceled"));
    assert_eq!(status_of(&looked("checkout.session", session("expired", "unpaid"))), Some("expired"));
}

#[test]
fn a_refund_counts_until_it_fails() {
    for kind in ["refund.created", "refund.updated", "charge.refund.updated"] {
        assert_eq!(facts(kind, refund("pending")), refunded(false), "{kind}");
    }
    assert_eq!(facts("refund.failed", refund("failed")), refunded(true));
    assert_eq!(facts("refund.updated", refund("canceled")), refunded(true));
    assert_eq!(looked("refund", refund("succeeded")), refunded(false));
    let cumulative = Fact::ChargeRefunded { charge: "ch_1".to_owned(), payment_intent: "pi_1".to_owned(), amount: 300 };
    assert_eq!(facts("charge.refunded", charge(300)), std::slice::from_ref(&cumulative));
    assert_eq!(looked("charge", charge(300)), [vec![cumulative], payment()].concat());
}

#[test]
fn a_dispute_moves_money_when_the_bank_does() {
    assert_eq!(facts("charge.dispute.created", dispute("needs_response", &[])), disputed(false, false, None));
    let withdrawn = facts("charge.dispute.funds_withdrawn", dispute("needs_response", &[]));
    assert_eq!(withdrawn, disputed(true, false, None));
    assert_eq!(facts("charge.dispute.closed", dispute("lost", &[-500])), disputed(false, false, Some("lost")));
    let reinstated = facts("charge.dispute.funds_reinstated", dispute("won", &[]));
    assert_eq!(reinstated, disputed(true, true, Some("won")));
    assert_eq!(looked("dispute", dispute("needs_response", &[-500])), disputed(true, false, None));
    assert_eq!(looked("dispute", dispute("won", &[-500, 500])), disputed(true, true, Some("won")));
    assert_eq!(looked("dispute", dispute("warning_closed", &[])), disputed(false, false, Some("warning_closed")));
}

#[test]
fn what_lacks_its_parts_is_malformed() {
    for (kind, object) in [
        ("payment_intent.succeeded", json!({"id": "pi_1", "currency": "usd"})),
        ("charge.succeeded", json!({"id": "ch_1", "amount": 1, "currency": "usd"})),
        ("refund.created", json!({"id": "re_1", "amount": 1})),
        ("charge.refunded", json!({"id": "ch_1", "payment_intent": "pi_1", "amount_refunded": -1})),
        ("charge.dispute.created", json!({"id": "du_1", "payment_intent": "pi_1"})),
    ] {
        assert!(meaning(&event(kind, object)).is_err(), "{kind}");
    }
    let foreign =
        json!({"id": "pi_1", "currency": "usd", "amount_received": 1, "metadata": {"credit_purchase_id": "x"}});
    assert!(meaning(&event("payment_intent.succeeded", foreign)).is_err());
    let thin = |related: Value| meaning(&json!({"object": "v2.core.event", "related_object": related}));
    assert!(thin(json!({"id": "../balance", "type": "charge"})).is_err());
    assert_eq!(thin(json!({"id": "cus_1", "type": "customer"})), Ok(Meaning::Facts(Vec::new())));
    assert_eq!(thin(Value::Null), Ok(Meaning::Facts(Vec::new())));
}

#[test]
fn an_envelope_needs_id_type_and_mode() {
    assert!(Envelope::of(&event("x", json!({}))).is_some());
    assert!(Envelope::of(&json!({"id": "evt_1", "type": "x"})).is_none());
    assert!(Envelope::of(&json!({"id": "", "type": "x", "livemode": true})).is_none());
}
