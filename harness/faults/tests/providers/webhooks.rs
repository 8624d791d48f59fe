//! Payments and their deliveries: the sequence, duplicates, order, retries.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use overdraft_faults::stripe::{Outgoing, PayError, StripeSim};
use overdraft_model::{fault::Fault, span::Span};
use serde_json::json;

use crate::support::{Api, NOW, SECRET, body_of, ms, stripe, verify};

const SEQUENCE: [&str; 4] =
    ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"];

fn chaos(duplicates: u32, delay: u64, at_once: bool) -> Fault {
    Fault::WebhookChaos { duplicates, delay: Span::from_ms(delay), at_once, forged: 0.0, lose_answer: 0.0 }
}

fn accept_all(sim: &StripeSim, now: Duration) -> Vec<Outgoing> {
    let due = sim.take_due(now);
    for outgoing in &due {
        sim.delivered(outgoing.id, Some(200), outgoing.id, now);
    }
    due
}

#[tokio::test]
async fn a_payment_emits_the_official_sequence_in_full_envelopes() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let session = api.open("buyer-1", 20).await;
    let paid = sim.pay(&session, "buyer-1/1", ms(5)).unwrap();
    assert_eq!((paid.amount, paid.currency.as_str()), (100, "eur"));
    assert_eq!(sim.next_due(), Some(ms(5)));
    assert_eq!(sim.outstanding(), 4);
    let due = sim.take_due(ms(5));
    assert_eq!(due.iter().map(|outgoing| outgoing.event_type.as_str()).collect::<Vec<_>>(), SEQUENCE);
    for outgoing in &due {
        let event = body_of(outgoing);
        assert_eq!(event["id"], outgoing.event);
        assert!(outgoing.event.starts_with("evt_"));
        assert_eq!(event["object"], "event");
        assert_eq!(event["api_version"], "2026-10-28.endive");
        assert_eq!(event["created"], NOW);
        assert_eq!(event["livemode"], false);
        assert_eq!(event["pending_webhooks"], 1);
        assert_eq!(event["type"], outgoing.event_type);
        assert_eq!(event["request"], json!({ "id": null, "idempotency_key": null }));
        assert_eq!((outgoing.attempt, outgoing.forgery, outgoing.burst), (1, None, None));
        assert_eq!(outgoing.session.as_deref(), Some(session.as_str()));
        let signature = sim.sign(outgoing, NOW);
        assert_eq!(verify(outgoing, signature.as_deref(), SECRET, NOW), Ok(()));
        let (_, fetched) = api.get(&format!("/v1/events/{}", outgoing.event)).await;
        assert_eq!(fetched, event);
    }
    let [created, charge, succeeded, completed] = [0, 1, 2, 3].map(|at| body_of(&due[at])["data"]["object"].clone());
    assert_eq!((&created["status"], &succeeded["status"]), (&json!("requires_payment_method"), &json!("succeeded")));
    assert_eq!(charge["metadata"], json!({ "workspace": "buyer-1" }), "payment_intent_data[metadata]");
    assert_eq!(succeeded["metadata"], charge["metadata"]);
    assert_eq!(succeeded["latest_charge"], charge["id"]);
    assert_eq!(charge["id"], paid.charge);
    assert_eq!(completed["metadata"], json!({ "workspace": "buyer-1", "credits": "20" }));
    assert_eq!((&completed["status"], &completed["payment_status"]), (&json!("complete"), &json!("paid")));
    assert_eq!(completed["payment_intent"], paid.payment_intent);
    assert!(completed["url"].is_null());
    assert_eq!(api.get(&format!("/v1/checkout/sessions/{session}")).await.1, completed);
    let (_, expanded) =
        api.get(&format!("/v1/checkout/sessions/{session}?expand[]=payment_intent.latest_charge")).await;
    assert_eq!(expanded["payment_intent"]["latest_charge"]["id"], paid.charge);
    assert!(sim.take_due(ms(1_000)).is_empty(), "handed out twice");
}

#[tokio::test]
async fn only_an_open_session_can_be_paid_and_once() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let session = api.open("buyer-1", 20).await;
    assert_eq!(sim.pay("cs_none", "l", ms(0)), Err(PayError::Unknown("cs_none".into())));
    sim.pay(&session, "l", ms(0)).unwrap();
    assert_eq!(sim.pay(&session, "l", ms(0)), Err(PayError::AlreadyPaid(session.clone())));
    let other = api.open("buyer-2", 20).await;
    assert_eq!(api.post(&format!("/v1/checkout/sessions/{other}/expire"), None, &[]).await.0, 200);
    assert_eq!(sim.pay(&other, "l", ms(0)), Err(PayError::Expired(other)));
    let mut late = crate::support::order("buyer-3", 1);
    late.push(("expires_at".into(), NOW.to_string()));
    let (_, late) = api.post("/v1/checkout/sessions", None, &late).await;
    assert!(matches!(sim.pay(late["id"].as_str().unwrap(), "l", ms(0)), Err(PayError::Expired(_))));
    assert_eq!(sim.ledger().sessions.iter().map(|session| session.paid).collect::<Vec<_>>(), [100, 0, 0]);
}

#[tokio::test]
async fn what_is_not_answered_2xx_is_sent_again_newly_signed() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    let first = sim.take_due(ms(0));
    for (outgoing, status) in first.iter().zip([Some(200), Some(500), None, Some(302)]) {
        sim.delivered(outgoing.id, status, 7, ms(10));
    }
    sim.delivered(first[1].id, Some(200), 8, ms(11));
    assert_eq!(sim.outstanding(), 3, "an answer counts once");
    assert!(sim.take_due(ms(69)).is_empty());
    // A minute, a thousand times as fast.
    assert_eq!(sim.next_due(), Some(ms(70)));
    let second = sim.take_due(ms(70));
    assert_eq!(second.len(), 3);
    for (before, after) in first[1..].iter().zip(&second) {
        assert_eq!((after.event.as_str(), after.attempt), (before.event.as_str(), 2));
        assert_eq!(after.body, before.body);
        assert_ne!(after.id, before.id);
        let (old, new) = (sim.sign(before, NOW), sim.sign(after, NOW + 400));
        assert_ne!(old, new);
        assert_eq!(verify(after, new.as_deref(), SECRET, NOW + 400), Ok(()));
        assert_eq!(verify(after, old.as_deref(), SECRET, NOW + 400), Err("too old"));
    }
    for outgoing in &second {
        sim.delivered(outgoing.id, Some(503), 9, ms(80));
    }
    assert_eq!(sim.next_due(), Some(ms(200)), "two minutes the second time");
    sim.expedite(ms(90));
    assert_eq!(sim.next_due(), Some(ms(90)));
    assert_eq!(accept_all(&sim, ms(90)).len(), 3);
    assert_eq!(sim.outstanding(), 0);
    let ledger = sim.ledger();
    assert!(ledger.events.iter().all(|event| event.acknowledged));
    assert_eq!(ledger.deliveries.len(), 4 + 3 + 3);
    assert_eq!(ledger.deliveries[2].status, None);
    assert_eq!(ledger.deliveries[9].attempt, 3);
    assert_eq!(ledger.deliveries[0].op, 7);
}

#[tokio::test]
async fn chaos_duplicates_in_both_forms_delays_and_reorders() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let guard = sim.inject(&chaos(3, 500, false)).unwrap();
    for n in 0..20 {
        let session = api.open(&format!("buyer-{n}"), 20).await;
        sim.pay(&session, &format!("buyer-{n}"), ms(0)).unwrap();
    }
    let all = sim.take_due(ms(500));
    assert!(all.is_sorted_by_key(|outgoing| outgoing.due));
    assert!(all.iter().all(|outgoing| outgoing.burst.is_none()));
    let mut copies: BTreeMap<(String, String), Vec<&Outgoing>> = BTreeMap::new();
    for outgoing in &all {
        copies.entry((outgoing.session.clone().unwrap(), outgoing.event_type.clone())).or_default().push(outgoing);
    }
    assert_eq!(copies.len(), 80);
    assert!(copies.values().all(|copies| (1..=4).contains(&copies.len())));
    assert!(copies.values().any(|copies| copies.len() == 4) && copies.values().any(|copies| copies.len() == 1));
    let ids = |copies: &[&Outgoing]| copies.iter().map(|copy| copy.event.clone()).collect::<BTreeSet<_>>().len();
    assert!(copies.values().any(|copies| ids(copies) < copies.len()), "the same Event again");
    let twins = copies.values().find(|copies| ids(copies) > 1).expect("a second Event for the same object");
    assert_eq!(body_of(twins[0])["data"], body_of(twins[1])["data"]);
    let created = |session: &Option<String>| &copies[&(session.clone().unwrap(), SEQUENCE[0].to_owned())];
    let reordered = all.iter().filter(|outgoing| outgoing.event_type == SEQUENCE[3]);
    assert!(reordered.clone().any(|done| done.due < created(&done.session)[0].due), "nothing overtook anything");
    let extra = u64::try_from(all.len() - 80).unwrap();
    assert!(guard.effects() >= extra, "{} effects, {extra} extra copies", guard.effects());
    assert_eq!(sim.ledger().events.len(), all.iter().map(|out| &out.event).collect::<BTreeSet<_>>().len());

    guard.heal();
    let session = api.open("calm", 20).await;
    sim.pay(&session, "calm", ms(600)).unwrap();
    assert_eq!(sim.take_due(ms(600)).len(), 4, "healed: one copy of each, at once");
}

#[tokio::test]
async fn copies_at_once_share_a_burst_and_a_time() {
    let sim = stripe(1).await;
    let _guard = sim.inject(&chaos(4, 300, true)).unwrap();
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    let mut bursts: BTreeMap<u64, Vec<Outgoing>> = BTreeMap::new();
    for outgoing in sim.take_due(ms(300)) {
        if let Some(burst) = outgoing.burst {
            bursts.entry(burst).or_default().push(outgoing);
        }
    }
    assert!(!bursts.is_empty());
    for copies in bursts.values() {
        assert!(copies.len() > 1);
        assert!(copies.iter().all(|copy| copy.due == copies[0].due && copy.event_type == copies[0].event_type));
    }
}

/// Everything that fate decided about a payment's deliveries, as one number.
fn fates(sim: &StripeSim) -> BTreeMap<String, u64> {
    let mut fates: BTreeMap<String, DefaultHasher> = BTreeMap::new();
    for outgoing in sim.take_due(ms(10_000)) {
        let workspace = body_of(&outgoing)["data"]["object"]["metadata"]["workspace"].as_str().unwrap().to_owned();
        let hash = fates.entry(workspace).or_default();
        (&outgoing.event, &outgoing.event_type, outgoing.due, outgoing.burst.is_some()).hash(hash);
    }
    fates.into_iter().map(|(workspace, hash)| (workspace, hash.finish())).collect()
}

#[tokio::test]
async fn the_same_seed_and_labels_give_the_same_fates_in_any_order() {
    let mut all = Vec::new();
    for (seed, backwards) in [(1, false), (1, true), (2, false)] {
        let sim = stripe(seed).await;
        let api = Api::of(&sim);
        let _guard = sim.inject(&chaos(3, 1_000, false)).unwrap();
        let mut buyers: Vec<String> = (0..12).map(|n| format!("buyer-{n:02}")).collect();
        if backwards {
            buyers.reverse();
        }
        for buyer in &buyers {
            let session = api.open(buyer, 20).await;
            sim.pay(&session, &format!("{buyer}/1"), ms(0)).unwrap();
        }
        all.push(fates(&sim));
    }
    assert_eq!(all[0].len(), 12);
    assert_eq!(all[0], all[1]);
    assert!(all[0].iter().all(|(buyer, hash)| all[2][buyer] != *hash), "another seed, other fates");
}

#[tokio::test]
async fn a_label_that_comes_again_draws_anew() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    for _ in 0..2 {
        let session = api.open("buyer-1", 20).await;
        sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    }
    let ids: BTreeSet<String> = sim.ledger().events.into_iter().map(|event| event.event).collect();
    assert_eq!(ids.len(), 8);
}

#[tokio::test]
async fn a_lost_2xx_is_tried_again_and_then_acknowledged() {
    let sim = stripe(1).await;
    let loses =
        Fault::WebhookChaos { duplicates: 0, delay: Span::default(), at_once: false, forged: 0.0, lose_answer: 1.0 };
    let guard = sim.inject(&loses).unwrap();
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    assert_eq!(guard.effects(), 0, "nothing was lost yet");
    let due = sim.take_due(ms(0));
    for outgoing in &due[..3] {
        sim.delivered(outgoing.id, Some(200), 1, ms(0));
    }
    assert_eq!(guard.heal(), 3);
    sim.delivered(due[3].id, Some(200), 1, ms(0));
    assert_eq!(sim.outstanding(), 3, "healed: the fourth 2xx arrived");
    assert_eq!(sim.ledger().deliveries.iter().filter(|delivery| delivery.status.is_none()).count(), 3);
    sim.expedite(ms(1));
    assert_eq!(accept_all(&sim, ms(1)).len(), 3);
    assert_eq!(sim.outstanding(), 0);
    assert!(sim.ledger().events.iter().all(|event| event.acknowledged));
}
