//! Payments that are declined, challenged, delayed, canceled or never made.

use overdraft_faults::stripe::{Came, Method, PayError, StripeSim};
use serde_json::{Value, json};

use crate::support::{Api, body_of, ms, stripe};

fn told(sim: &StripeSim) -> Vec<(String, Value)> {
    let due = sim.take_due(ms(1_000));
    due.iter().map(|outgoing| (outgoing.event_type.clone(), body_of(outgoing)["data"]["object"].clone())).collect()
}

fn types(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(event_type, _)| event_type.as_str()).collect()
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_declined_card_leaves_the_session_open_for_another() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let session = api.open("buyer-1", 20).await;
    let refused = sim.pay_with(&session, Method::Declined, "l", ms(0)).unwrap();
    assert_eq!(refused.came, Came::Refused);
    let events = told(&sim);
    assert_eq!(types(&events), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
    assert_eq!((&events[1].1["status"], &events[1].1["paid"]), (&json!("failed"), &json!(false)));
    let intent = &events[2].1;
    assert_eq!(intent["status"], "requires_payment_method");
    assert_eq!(intent["last_payment_error"]["decline_code"], "generic_decline");
    let (_, open) = api.get(&format!("/v1/checkout/sessions/{session}")).await;
    assert_eq!((&open["status"], &open["payment_intent"]), (&json!("open"), &json!(refused.payment_intent)));
    assert_eq!(sim.ledger().sessions[0].paid, 0);

    let paid = sim.pay(&session, "l", ms(1)).unwrap();
    assert_eq!((paid.came, &paid.payment_intent), (Came::Paid, &refused.payment_intent));
    assert_ne!(paid.charge, refused.charge);
    let events = told(&sim);
    assert_eq!(types(&events), ["charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]);
    assert!(events[1].1["last_payment_error"].is_null());
    assert_eq!(sim.ledger().sessions[0].paid, 100);
}

#[tokio::test]
async fn a_challenged_card_asks_for_an_action_first() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay_with(&session, Method::Challenged, "l", ms(0)).unwrap();
    let events = told(&sim);
    assert_eq!(types(&events)[..3], ["payment_intent.created", "payment_intent.requires_action", "charge.succeeded"]);
    assert_eq!(events[1].1["status"], "requires_action");
    assert!(events[1].1["next_action"].is_object());
    assert_eq!((events.len(), sim.ledger().sessions[0].paid), (5, 100));
}

#[tokio::test]
async fn a_delayed_method_completes_unpaid_and_settles_once() {
    for succeeds in [true, false] {
        let sim = stripe(1).await;
        let api = Api::of(&sim);
        let session = api.open("buyer-1", 20).await;
        assert_eq!(
            sim.settle_delayed(&session, succeeds, "l", ms(0)),
            Err(PayError::NotDelayed(session.clone())),
            "nobody paid yet"
        );
        assert_eq!(sim.pay_with(&session, Method::Delayed, "l", ms(0)).unwrap().came, Came::Processing);
        let events = told(&sim);
        let begun =
            ["payment_intent.created", "charge.pending", "payment_intent.processing", "checkout.session.completed"];
        assert_eq!(types(&events), begun);
        let completed = &events[3].1;
        assert_eq!((&completed["status"], &completed["payment_status"]), (&json!("complete"), &json!("unpaid")));
        assert_eq!(events[1].1["payment_method_details"]["type"], "sepa_debit");
        assert_eq!(sim.ledger().sessions[0].paid, 0);
        assert_eq!(sim.pay(&session, "l", ms(1)), Err(PayError::Complete(session.clone())));

        let settled = sim.settle_delayed(&session, succeeds, "l", ms(2)).unwrap();
        let events = told(&sim);
        let (expected, came, paid) = if succeeds {
            let types = ["charge.succeeded", "payment_intent.succeeded", "checkout.session.async_payment_succeeded"];
            (types, Came::Paid, 100)
        } else {
            let types = ["charge.failed", "payment_intent.payment_failed", "checkout.session.async_payment_failed"];
            (types, Came::Refused, 0)
        };
        assert_eq!((types(&events), settled.came), (expected.into(), came));
        assert_eq!(events[2].1["payment_status"], if succeeds { "paid" } else { "unpaid" });
        assert_eq!(events[0].1["id"], settled.charge, "the pending charge, not another");
        assert_eq!(sim.ledger().sessions[0].paid, paid);
        assert!(sim.settle_delayed(&session, succeeds, "l", ms(3)).is_err());
    }
}

#[tokio::test]
async fn an_expired_session_cancels_the_attempt_in_vain() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let session = api.open("buyer-1", 20).await;
    sim.pay_with(&session, Method::Declined, "l", ms(0)).unwrap();
    told(&sim);
    assert_eq!(api.post(&format!("/v1/checkout/sessions/{session}/expire"), None, &[]).await.0, 200);
    let events = told(&sim);
    assert_eq!(types(&events), ["checkout.session.expired", "payment_intent.canceled"]);
    assert_eq!(events[1].1["status"], "canceled");
    assert_eq!(sim.pay(&session, "l", ms(1)), Err(PayError::Expired(session)));
}

#[tokio::test]
async fn test_methods_decide_what_comes_of_a_confirmation() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let intents = "/v1/payment_intents";
    let with =
        |method: &str| form(&[("amount", "700"), ("currency", "eur"), ("confirm", "true"), ("payment_method", method)]);
    let (status, error) = api.post(intents, Some("k"), &with("pm_card_visa_chargeDeclined")).await;
    let error = &error["error"];
    assert_eq!((status.as_u16(), &error["type"], &error["code"]), (402, &json!("card_error"), &json!("card_declined")));
    assert_eq!(error["payment_intent"]["status"], "requires_payment_method");
    assert_eq!(types(&told(&sim)), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
    let (status, again) = api.post(intents, Some("k"), &with("pm_card_visa_chargeDeclined")).await;
    assert_eq!((status.as_u16(), &again["error"]), (402, error), "a decline is remembered");
    assert!(told(&sim).is_empty());
    let id = error["payment_intent"]["id"].as_str().unwrap();
    let good = form(&[("payment_method", "pm_card_visa")]);
    assert_eq!(api.post(&format!("{intents}/{id}/confirm"), None, &good).await.1["status"], "succeeded");
    let (status, error) = api.post(&format!("{intents}/{id}/cancel"), None, &[]).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (400, &json!("payment_intent_unexpected_state")));

    let (_, challenged) = api.post(intents, None, &with("pm_card_authenticationRequired")).await;
    assert_eq!(challenged["status"], "requires_action");
    told(&sim);
    let cancel = format!("{intents}/{}/cancel", challenged["id"].as_str().unwrap());
    assert_eq!(api.post(&cancel, None, &form(&[("cancellation_reason", "boredom")])).await.0, 400);
    let (status, canceled) = api.post(&cancel, None, &form(&[("cancellation_reason", "abandoned")])).await;
    assert_eq!((status.as_u16(), &canceled["status"]), (200, &json!("canceled")));
    assert_eq!(canceled["cancellation_reason"], "abandoned");
    assert_eq!(types(&told(&sim)), ["payment_intent.canceled"]);
    assert_eq!(api.post(&cancel, None, &[]).await.0, 400);

    let session = api.open("buyer-1", 20).await;
    let begun = sim.pay_with(&session, Method::Declined, "l", ms(0)).unwrap();
    let cancel = format!("{intents}/{}/cancel", begun.payment_intent);
    assert_eq!(api.post(&cancel, None, &[]).await.0, 400, "the checkout's own");
}
