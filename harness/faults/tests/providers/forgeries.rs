//! Forged deliveries: each must fail an honest check, and would grant something if it did not.

use std::collections::BTreeMap;

use overdraft_faults::stripe::Outgoing;
use overdraft_model::{fault::Fault, operation::Forgery, span::Span};
use serde_json::json;

use crate::support::{Api, NOW, SECRET, body_of, ms, stripe, verify};

fn forging(share: f64) -> Fault {
    Fault::WebhookChaos { duplicates: 0, delay: Span::default(), at_once: false, forged: share, lose_answer: 0.0 }
}

#[tokio::test]
async fn every_kind_claims_that_an_unpaid_session_was_paid_and_fails_verification() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let unpaid = api.open("poor", 30).await;
    let session = api.open("buyer-1", 20).await;
    let guard = sim.inject(&forging(1.0)).unwrap();
    sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    assert_eq!(guard.effects(), 5);
    assert_eq!(sim.outstanding(), 4, "forgeries are nobody's debt");
    let due = sim.take_due(ms(0));
    let forged: BTreeMap<Forgery, &Outgoing> =
        due.iter().filter_map(|outgoing| Some((outgoing.forgery?, outgoing))).collect();
    assert_eq!((due.len(), forged.len()), (9, 5));
    for (kind, outgoing) in &forged {
        let header = sim.sign(outgoing, NOW);
        let reason = match kind {
            Forgery::Unsigned => "no header",
            Forgery::WrongSecret | Forgery::Altered => "wrong signature",
            Forgery::Stale => "too old",
            Forgery::WrongMode => "wrong mode",
        };
        assert_eq!(verify(outgoing, header.as_deref(), SECRET, NOW), Err(reason), "{kind:?}");
        let event = body_of(outgoing);
        let claimed = &event["data"]["object"];
        assert_eq!((&event["type"], &event["id"]), (&json!("checkout.session.completed"), &json!(outgoing.event)));
        assert_eq!((&claimed["id"], &claimed["payment_status"]), (&json!(unpaid), &json!("paid")));
        assert!(claimed["payment_intent"].as_str().unwrap().starts_with("pi_"));
        let raised = *kind == Forgery::Altered;
        assert_eq!(claimed["metadata"]["credits"], if raised { "300" } else { "30" });
        assert_eq!(claimed["amount_total"], if raised { 1_500 } else { 150 });
        assert_eq!(event["livemode"], *kind == Forgery::WrongMode);
        assert_eq!(api.get(&format!("/v1/events/{}", outgoing.event)).await.0, 404, "{kind:?} has a true id");
        sim.delivered(outgoing.id, Some(500), 1, ms(0));
    }
    sim.expedite(ms(1));
    assert!(sim.take_due(ms(1)).is_empty(), "a forged delivery was tried again");
    let ledger = sim.ledger();
    assert_eq!(ledger.deliveries.iter().filter(|delivery| delivery.forgery.is_some()).count(), 5);
    assert_eq!(ledger.events.len(), 4);
    assert_eq!(ledger.sessions.iter().map(|session| session.paid).collect::<Vec<_>>(), [0, 100]);
}

#[tokio::test]
async fn without_an_unpaid_session_the_paid_one_is_claimed_first() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    let _guard = sim.inject(&forging(1.0)).unwrap();
    sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    let due = sim.take_due(ms(0));
    assert!(due[..5].iter().all(|outgoing| outgoing.forgery.is_some()), "forgeries come ahead");
    assert!(due.iter().all(|outgoing| outgoing.session.as_deref() == Some(session.as_str())));
}

#[tokio::test]
async fn stale_and_foreign_forgeries_are_truly_signed() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    let _guard = sim.inject(&forging(1.0)).unwrap();
    sim.pay(&session, "l", ms(0)).unwrap();
    for outgoing in sim.take_due(ms(0)) {
        let header = sim.sign(&outgoing, NOW);
        let then = verify(&outgoing, header.as_deref(), SECRET, NOW - 600);
        match outgoing.forgery {
            Some(Forgery::Stale) | None => assert_eq!(then, Ok(())),
            Some(Forgery::WrongMode) => assert_eq!(then, Err("wrong mode"), "only the mode is wrong"),
            Some(Forgery::Altered) => {
                let mut original = outgoing.clone();
                let text = String::from_utf8(outgoing.body.to_vec()).unwrap();
                original.body = text.replace("\"200\"", "\"20\"").replace(": 1000,", ": 100,").into();
                assert_eq!(verify(&original, header.as_deref(), SECRET, NOW), Ok(()), "signed before it was altered");
            }
            Some(Forgery::Unsigned | Forgery::WrongSecret) => assert!(then.is_err()),
        }
    }
}

#[tokio::test]
async fn nothing_is_forged_unless_asked() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    let guard = sim.inject(&forging(0.0)).unwrap();
    sim.pay(&session, "l", ms(0)).unwrap();
    assert!(sim.take_due(ms(0)).iter().all(|outgoing| outgoing.forgery.is_none()));
    assert_eq!(guard.heal(), 0, "chaos without any fate has no effect");
}
