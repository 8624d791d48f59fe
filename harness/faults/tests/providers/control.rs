//! Deliveries under control: held, released in an order, sent again; thin envelopes; rolled secrets.

use std::collections::BTreeSet;

use overdraft_faults::stripe::{Envelopes, Outgoing, StripeSim};
use serde_json::json;

use crate::support::{Api, NOW, SECRET, body_of, ms, stripe, verify};

async fn held_payment(sim: &StripeSim) -> (Api, String) {
    let api = Api::of(sim);
    let session = api.open("buyer-1", 20).await;
    sim.hold(ms(0));
    sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    (api, session)
}

#[tokio::test]
async fn what_is_held_goes_out_in_the_order_of_its_release_one_after_the_other() {
    let sim = stripe(1).await;
    let (_, session) = held_payment(&sim).await;
    assert!(sim.take_due(ms(9_999)).is_empty());
    assert_eq!(sim.next_due(), None);
    sim.expedite(ms(1));
    assert!(sim.take_due(ms(9_999)).is_empty(), "hurrying does not end a hold");
    let held = sim.held();
    assert_eq!(held.len(), 4);
    assert!(held.iter().all(|held| held.session.as_deref() == Some(&*session) && held.attempt == 1));
    let backwards: Vec<u64> = held.iter().rev().map(|held| held.id).collect();
    assert_eq!(sim.release(&[backwards.as_slice(), &[9_999]].concat(), ms(2)), 4);
    assert_eq!(sim.outstanding(), 4);
    let mut sequences = Vec::new();
    for id in backwards {
        assert_eq!(sim.next_due(), Some(ms(2)));
        let due = sim.take_due(ms(2));
        assert_eq!(due.iter().map(|outgoing| outgoing.id).collect::<Vec<_>>(), [id]);
        assert!(sim.take_due(ms(2)).is_empty(), "the former was not answered yet");
        sequences.extend(due[0].sequence);
        sim.delivered(id, Some(200), 1, ms(2));
    }
    assert_eq!(sequences, [1, 2, 3, 4]);
    assert_eq!((sim.held().len(), sim.outstanding()), (0, 0));
}

#[tokio::test]
async fn a_hold_keeps_what_comes_and_what_failed_until_it_ends() {
    let sim = stripe(1).await;
    let (_, session) = held_payment(&sim).await;
    let first = sim.held()[0].clone();
    sim.release(&[first.id], ms(1));
    sim.delivered(sim.take_due(ms(1))[0].id, Some(500), 1, ms(1));
    sim.refund(&session, None, "l", ms(2)).unwrap();
    let held = sim.held();
    assert_eq!(held.len(), 3 + 1 + 3, "the rest, the retry, the refund");
    assert!(held.iter().any(|held| held.event == first.event && held.attempt == 2));
    sim.release_all(ms(3));
    assert!(sim.held().is_empty());
    let due = sim.take_due(ms(3));
    assert_eq!(due.len(), 7);
    assert!(due.iter().all(|outgoing| outgoing.sequence.is_none()));
}

#[tokio::test]
async fn an_event_is_sent_again_at_once_or_in_turn_past_a_hold() {
    let sim = stripe(1).await;
    let (_, session) = held_payment(&sim).await;
    let events = sim.events_of(&session, Some("charge.succeeded"));
    assert_eq!((events.len(), sim.events_of(&session, None).len()), (1, 4));
    let event = events[0].event.clone();
    assert_eq!(sim.redeliver("evt_none", 1, true, ms(0)), None);
    let ids = sim.redeliver(&event, 3, true, ms(1)).unwrap();
    let due = sim.take_due(ms(1));
    assert_eq!(due.iter().map(|outgoing| outgoing.id).collect::<Vec<_>>(), ids);
    assert!(due.iter().all(|outgoing| outgoing.event == event && outgoing.burst == due[0].burst));
    assert!(due[0].burst.is_some());
    for outgoing in &due {
        sim.delivered(outgoing.id, Some(200), 1, ms(1));
    }
    for id in sim.redeliver(&event, 2, false, ms(2)).unwrap() {
        let due = sim.take_due(ms(2));
        assert_eq!((due.len(), due[0].id, due[0].burst), (1, id, None));
        sim.delivered(id, Some(200), 1, ms(2));
    }
    assert_eq!(sim.held().len(), 4, "what is held stays");
    assert_eq!(sim.events_of(&session, None).len(), 4, "no new event");
}

#[tokio::test]
async fn thin_events_name_the_object_and_its_state_is_fetched() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let session = api.open("buyer-1", 20).await;
    sim.tell_in(Envelopes::Both);
    sim.pay(&session, "l", ms(0)).unwrap();
    let due = sim.take_due(ms(0));
    let (thin, full): (Vec<&Outgoing>, Vec<_>) =
        due.iter().partition(|outgoing| body_of(outgoing)["object"] == "v2.core.event");
    assert_eq!((thin.len(), full.len()), (4, 4));
    for (thin, full) in thin.iter().zip(full) {
        let (event, object) = (body_of(thin), &body_of(full)["data"]["object"]);
        assert_eq!(event["type"], format!("v1.{}", full.event_type));
        assert_eq!(thin.event_type, event["type"]);
        assert_eq!(event["created"], "2027-01-15T08:00:00.000Z");
        assert!(event["data"].is_null());
        let related = &event["related_object"];
        assert_eq!((&related["id"], &related["type"]), (&object["id"], &object["object"]));
        let (status, current) = api.get(related["url"].as_str().unwrap()).await;
        assert_eq!((status.as_u16(), &current["id"]), (200, &object["id"]));
        assert_eq!(api.get(&format!("/v2/core/events/{}", thin.event)).await.1, event);
        assert_eq!(api.get(&format!("/v1/events/{}", thin.event)).await.0, 404);
        assert_eq!(verify(thin, sim.sign(thin, NOW).as_deref(), SECRET, NOW), Ok(()));
    }
    sim.tell_in(Envelopes::Thin);
    sim.refund(&session, None, "l", ms(1)).unwrap();
    let due = sim.take_due(ms(1));
    assert_eq!(due.len(), 3);
    for outgoing in &due {
        let url = body_of(outgoing)["related_object"]["url"].clone();
        assert_eq!(api.get(url.as_str().unwrap()).await.0, 200, "{url}");
    }
    let ids: BTreeSet<String> = sim.ledger().events.into_iter().map(|event| event.event).collect();
    assert_eq!(ids.len(), 4 + 4 + 3);
}

#[tokio::test]
async fn a_rolled_secret_signs_beside_the_old_one_and_then_alone() {
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    let outgoing = sim.take_due(ms(0)).remove(0);
    let by = |secret: &str| {
        let header = sim.sign(&outgoing, NOW).unwrap();
        let (timestamp, signatures) = header.split_once(',').unwrap();
        signatures.split(',').any(|v1| verify(&outgoing, Some(&format!("{timestamp},{v1}")), secret, NOW).is_ok())
    };
    sim.roll_secret("whsec_rolled_secret", true);
    assert_eq!((by(SECRET), by("whsec_rolled_secret")), (true, true));
    assert_eq!(sim.sign(&outgoing, NOW).unwrap().matches("v1=").count(), 2);
    sim.end_overlap();
    assert_eq!((by(SECRET), by("whsec_rolled_secret")), (false, true));
    assert_eq!(sim.sign(&outgoing, NOW).unwrap().matches("v1=").count(), 1);
    sim.roll_secret("whsec_next", false);
    assert_eq!((by("whsec_rolled_secret"), by("whsec_next")), (false, true));
    assert_eq!(json!(sim.ledger().deliveries), json!([]));
}

#[derive(serde::Deserialize)]
struct Table {
    known: Vec<Known>,
}

#[derive(serde::Deserialize)]
struct Known {
    secret: String,
    t: i64,
    body: String,
    v1: String,
}

#[tokio::test]
async fn signatures_are_the_known_answers_alone_and_while_a_roll_overlaps() {
    let table = include_str!("../../../../fixtures/stripe/signatures.toml");
    let known = toml::from_str::<Table>(table).unwrap().known;
    let [old, new] = known.as_slice() else { panic!("two known answers") };
    assert_eq!(old.secret, SECRET);
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    let mut outgoing = sim.take_due(ms(0)).remove(0);
    outgoing.body = old.body.clone().into();
    let t = old.t;
    assert_eq!(sim.sign(&outgoing, t).unwrap(), format!("t={t},v1={}", old.v1));
    sim.roll_secret(&new.secret, true);
    assert_eq!(sim.sign(&outgoing, t).unwrap(), format!("t={t},v1={},v1={}", new.v1, old.v1));
    sim.end_overlap();
    assert_eq!(sim.sign(&outgoing, t).unwrap(), format!("t={t},v1={}", new.v1));
}
