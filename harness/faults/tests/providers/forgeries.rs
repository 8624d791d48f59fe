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
    assert_eq!(guard.effects(), 7);
    assert_eq!(sim.outstanding(), 4, "forgeries are nobody's debt");
    let due = sim.take_due(ms(0));
    let forged: BTreeMap<Forgery, &Outgoing> =
        due.iter().filter_map(|outgoing| Some((outgoing.forgery?, outgoing))).collect();
    assert_eq!((due.len(), forged.len()), (11, 7));
    for (kind, outgoing) in &forged {
        let header = sim.sign(outgoing, NOW);
        let reason = match kind {
            Forgery::Unsigned => "no header",
            Forgery::WrongSecret | Forgery::Altered | Forgery::Truncated | Forgery::EmptySignature => "wrong signature",
            Forgery::Stale => "too old",
            Forgery::WrongMode => "wrong mode",
        };
        assert_eq!(verify(outgoing, header.as_deref(), SECRET, NOW), Err(reason), "{kind:?}");
        if *kind == Forgery::Truncated {
            assert!(serde_json::from_slice::<serde_json::Value>(&outgoing.body).is_err(), "half a body is no JSON");
            sim.delivered(outgoing.id, Some(400), 1, ms(0));
            continue;
        }
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
    assert_eq!(ledger.deliveries.iter().filter(|delivery| delivery.forgery.is_some()).count(), Forgery::ALL.len());
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
    assert!(due[..Forgery::ALL.len()].iter().all(|outgoing| outgoing.forgery.is_some()), "forgeries come ahead");
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
            Some(Forgery::Unsigned | Forgery::WrongSecret | Forgery::Truncated | Forgery::EmptySignature) => {
                assert!(then.is_err());
            }
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

#[tokio::test]
async fn on_demand_each_kind_comes_once_even_while_all_is_held() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.hold(ms(0));
    for kind in Forgery::ALL {
        let id = sim.forge(&session, kind, ms(1)).unwrap();
        let due = sim.take_due(ms(1));
        assert_eq!(due.iter().map(|outgoing| (outgoing.id, outgoing.forgery)).collect::<Vec<_>>(), [(id, Some(kind))]);
        let header = sim.sign(&due[0], NOW);
        assert!(verify(&due[0], header.as_deref(), SECRET, NOW).is_err(), "{kind:?}");
        sim.delivered(id, Some(200), 1, ms(1));
    }
    assert!(sim.forge("cs_none", Forgery::Unsigned, ms(1)).is_err());
    let ledger = sim.ledger();
    assert_eq!((ledger.events.len(), ledger.deliveries.len(), ledger.sessions[0].paid), (0, Forgery::ALL.len(), 0));
}

#[tokio::test]
async fn a_true_event_may_tell_of_a_completed_session_that_nobody_paid() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    let event = sim.complete_unpaid(&session, ms(0)).unwrap();
    let due = sim.take_due(ms(0));
    assert_eq!((due.len(), &due[0].event, due[0].forgery), (1, &event, None));
    assert_eq!(verify(&due[0], sim.sign(&due[0], NOW).as_deref(), SECRET, NOW), Ok(()));
    let object = &body_of(&due[0])["data"]["object"];
    assert_eq!((&object["status"], &object["payment_status"]), (&json!("complete"), &json!("unpaid")));
    assert_eq!(sim.ledger().sessions[0].paid, 0);
    sim.pay(&session, "l", ms(1)).unwrap();
    assert_eq!(sim.ledger().sessions[0].paid, 100, "it stayed open");
    assert!(sim.complete_unpaid(&session, ms(1)).is_err());
}
