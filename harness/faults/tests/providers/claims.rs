//! Refunds and disputes: their events, their caps, what the API and the evidence say of them.

use overdraft_faults::stripe::{ClaimError, Method, Ruling, StripeSim};
use serde_json::{Value, json};

use crate::support::{Api, body_of, ms, stripe};

/// Takes and accepts everything, and returns the types and objects of the events.
fn told(sim: &StripeSim) -> Vec<(String, Value)> {
    let due = sim.take_due(ms(1_000));
    for outgoing in &due {
        sim.delivered(outgoing.id, Some(200), 1, ms(1_000));
    }
    due.iter().map(|outgoing| (outgoing.event_type.clone(), body_of(outgoing)["data"]["object"].clone())).collect()
}

fn types(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(event_type, _)| event_type.as_str()).collect()
}

/// A session of a hundred, paid, its events delivered.
async fn paid(sim: &StripeSim) -> (Api, String) {
    let api = Api::of(sim);
    let session = api.open("buyer-1", 20).await;
    sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    told(sim);
    (api, session)
}

fn form(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn refunds_add_up_and_a_failed_one_is_taken_off_again() {
    let sim = stripe(1).await;
    let (api, session) = paid(&sim).await;
    let first = sim.refund(&session, Some(30), "l", ms(1)).unwrap();
    assert_eq!((first.amount, first.status.as_str(), first.session.as_deref()), (30, "succeeded", Some(&*session)));
    let events = told(&sim);
    assert_eq!(types(&events), ["refund.created", "charge.refunded", "refund.updated"]);
    assert_eq!((&events[0].1["id"], &events[0].1["amount"]), (&json!(first.refund), &json!(30)));
    assert_eq!((&events[1].1["amount_refunded"], &events[1].1["refunded"]), (&json!(30), &json!(false)));
    assert_eq!(events[2].1["destination_details"]["card"]["reference_status"], "available");
    let rest = sim.refund(&session, None, "l", ms(2)).unwrap();
    assert_eq!(rest.amount, 70);
    let events = told(&sim);
    assert_eq!((&events[1].1["amount_refunded"], &events[1].1["refunded"]), (&json!(100), &json!(true)));
    let over = sim.refund(&session, Some(1), "l", ms(3)).unwrap_err();
    assert!(matches!(over, ClaimError::Amount { asked: 1, left: 0, .. }), "{over}");

    assert_eq!(sim.fail_refund(&rest.refund, ms(4)).unwrap().status, "failed");
    let events = told(&sim);
    assert_eq!(types(&events), ["refund.failed", "refund.updated", "charge.refund.updated"]);
    assert!(events.iter().all(|(_, object)| object["status"] == "failed" && object["id"] == *rest.refund));
    let charge = events[0].1["charge"].as_str().unwrap();
    let (_, charge) = api.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(30), &json!(false)));
    assert!(sim.fail_refund(&rest.refund, ms(5)).is_err());
    assert!(sim.fail_refund("re_none", ms(5)).is_err());
    assert_eq!(sim.refund(&session, None, "l", ms(6)).unwrap().amount, 70, "what failed can be refunded again");

    let ledger = sim.ledger();
    let known: Vec<_> = ledger.refunds.iter().map(|refund| (refund.amount, refund.status.as_str())).collect();
    assert_eq!(known, [(30, "succeeded"), (70, "failed"), (70, "succeeded")]);
    assert_eq!(ledger.sessions[0].paid, 100, "paid is what was captured");
    let of_first = ledger.events.iter().filter(|event| event.object.as_ref() == Some(&first.refund));
    assert_eq!(of_first.count(), 2);
}

#[tokio::test]
async fn targets_refund_through_the_api() {
    let sim = stripe(1).await;
    let (api, session) = paid(&sim).await;
    let (_, opened) = api.get(&format!("/v1/checkout/sessions/{session}")).await;
    let intent = opened["payment_intent"].as_str().unwrap();
    let ask = form(&[("payment_intent", intent), ("amount", "40"), ("reason", "duplicate"), ("metadata[a]", "b")]);
    let (status, refund) = api.post("/v1/refunds", Some("r1"), &ask).await;
    assert_eq!((status.as_u16(), &refund["amount"], &refund["status"]), (200, &json!(40), &json!("succeeded")));
    assert_eq!((&refund["reason"], &refund["metadata"]), (&json!("duplicate"), &json!({ "a": "b" })));
    assert_eq!(api.post("/v1/refunds", Some("r1"), &ask).await.1, refund, "the key repeats it");
    let due = sim.take_due(ms(1_000));
    assert_eq!(body_of(&due[0])["request"]["idempotency_key"], "r1");
    let id = refund["id"].as_str().unwrap();
    assert_eq!(api.get(&format!("/v1/refunds/{id}")).await.1, refund);
    let (_, listed) = api.get(&format!("/v1/refunds?payment_intent={intent}")).await;
    assert_eq!((&listed["object"], &listed["data"]), (&json!("list"), &json!([refund])));
    assert_eq!(api.get("/v1/refunds?charge=ch_other").await.1["data"], json!([]));

    let charge = refund["charge"].as_str().unwrap();
    for (ask, code, param) in [
        (form(&[("charge", charge), ("amount", "61")]), Value::Null, json!("amount")),
        (form(&[("charge", charge), ("amount", "0")]), json!("parameter_invalid_integer"), json!("amount")),
        (form(&[("charge", "ch_none")]), json!("resource_missing"), json!("charge")),
        (form(&[("payment_intent", "pi_none")]), json!("resource_missing"), json!("payment_intent")),
        (form(&[]), Value::Null, Value::Null),
    ] {
        let (status, error) = api.post("/v1/refunds", None, &ask).await;
        assert_eq!(
            (status.as_u16(), &error["error"]["code"], &error["error"]["param"]),
            (400, &code, &param),
            "{error}"
        );
    }
    assert_eq!(api.post("/v1/refunds", None, &form(&[("charge", charge)])).await.1["amount"], 60);
    let (_, error) = api.post("/v1/refunds", None, &form(&[("charge", charge)])).await;
    assert_eq!(error["error"]["code"], "charge_already_refunded");
    assert_eq!(api.get("/v1/refunds/re_none").await.0, 404);
    assert_eq!(sim.ledger().requests["POST /v1/refunds 200"], 3);
}

#[tokio::test]
async fn a_dispute_takes_funds_and_gives_them_back() {
    let sim = stripe(1).await;
    let (api, session) = paid(&sim).await;
    sim.refund(&session, Some(20), "l", ms(1)).unwrap();
    told(&sim);
    assert!(sim.dispute(&session, Some(81), "l", ms(2)).is_err(), "more than is left");
    let dispute = sim.dispute(&session, None, "l", ms(2)).unwrap();
    assert_eq!((dispute.amount, dispute.status.as_str(), dispute.withdrawn), (80, "needs_response", false));
    assert!(sim.refund(&session, Some(1), "l", ms(2)).is_err(), "what is disputed cannot be refunded");
    let id = dispute.dispute.as_str();
    assert!(sim.reinstate(id, ms(3)).is_err(), "nothing was withdrawn");
    assert!(sim.withdraw(id, ms(3)).unwrap().withdrawn);
    assert!(sim.withdraw(id, ms(3)).is_err());
    assert_eq!(sim.contest(id, ms(4)).unwrap().status, "under_review");
    assert!(!sim.reinstate(id, ms(5)).unwrap().withdrawn);
    assert!(sim.close(id, Ruling::Lost, ms(6)).is_err(), "lost with the funds given back");
    assert_eq!(sim.close(id, Ruling::Won, ms(6)).unwrap().status, "won");
    assert!(sim.close(id, Ruling::Won, ms(6)).is_err());
    let events = told(&sim);
    let steps = ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"];
    assert_eq!(types(&events), steps.map(|step| format!("charge.dispute.{step}")));
    let moved: Vec<_> =
        events.iter().map(|(_, dispute)| dispute["balance_transactions"].as_array().unwrap().len()).collect();
    assert_eq!(moved, [0, 1, 1, 2, 2]);
    assert_eq!(events[1].1["balance_transactions"][0]["amount"], -80);
    assert_eq!(events[3].1["balance_transactions"][1]["amount"], 80);
    assert_eq!(api.get(&format!("/v1/disputes/{id}")).await.1, events[4].1);
    assert_eq!(api.get("/v1/disputes").await.1["data"][0]["id"], id);
    assert_eq!(api.get("/v1/disputes/du_none").await.0, 404);
    let charge = events[0].1["charge"].as_str().unwrap();
    let (_, charge) = api.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!((&charge["disputed"], &charge["dispute"]), (&json!(true), &json!(id)));
    assert_eq!(sim.refund(&session, None, "l", ms(7)).unwrap().amount, 80, "a won dispute makes room again");
    assert_eq!(sim.ledger().disputes[0].status, "won");
}

#[tokio::test]
async fn a_lost_dispute_keeps_the_funds() {
    let sim = stripe(1).await;
    let (api, session) = paid(&sim).await;
    let dispute = sim.dispute(&session, Some(60), "l", ms(1)).unwrap();
    sim.withdraw(&dispute.dispute, ms(2)).unwrap();
    let lost = sim.close(&dispute.dispute, Ruling::Lost, ms(3)).unwrap();
    assert_eq!((lost.status.as_str(), lost.withdrawn), ("lost", true));
    assert!(sim.reinstate(&dispute.dispute, ms(4)).is_err());
    assert_eq!(sim.refund(&session, None, "l", ms(5)).unwrap().amount, 40);
    let charge = told(&sim)[0].1["charge"].as_str().unwrap().to_owned();
    let (_, error) = api.post("/v1/refunds", None, &form(&[("charge", &charge)])).await;
    assert_eq!(error["error"]["code"], "charge_disputed");
}

#[tokio::test]
async fn nothing_goes_back_that_never_came() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    assert_eq!(sim.refund(&session, None, "l", ms(0)), Err(ClaimError::Unpaid(session.clone())));
    sim.pay_with(&session, Method::Declined, "l", ms(0)).unwrap();
    assert!(matches!(sim.refund(&session, None, "l", ms(0)), Err(ClaimError::Unpaid(_))));
    sim.pay_with(&session, Method::Delayed, "l", ms(0)).unwrap();
    assert!(matches!(sim.dispute(&session, None, "l", ms(0)), Err(ClaimError::Unpaid(_))));
    assert!(matches!(sim.refund("cs_none", None, "l", ms(0)), Err(ClaimError::Unknown(_))));
    assert!(sim.withdraw("du_none", ms(0)).is_err());
    assert!(sim.ledger().refunds.is_empty() && sim.ledger().disputes.is_empty());
}
