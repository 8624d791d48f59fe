//! Faults of the provider's API and of its webhooks that come and go: each strikes, counts, and heals.

use std::time::{Duration, Instant};

use overdraft_faults::stripe::{Outgoing, StripeSim};
use overdraft_model::{fault::Fault, span::Span};
use serde_json::json;

use crate::support::{Api, NOW, SECRET, ms, order, stripe, verify};

const SESSIONS: &str = "/v1/checkout/sessions";

/// Whether a fault that nothing met, once healed, counts nothing.
async fn counts_nothing_unmet(fault: &Fault) {
    let sim = stripe(1).await;
    assert_eq!(sim.inject(fault).unwrap().heal(), 0, "{}", fault.name());
}

async fn paid(sim: &StripeSim) -> String {
    let session = Api::of(sim).open("buyer-1", 20).await;
    sim.pay(&session, "buyer-1/1", ms(0)).unwrap();
    session
}

fn answer_all(sim: &StripeSim, due: &[Outgoing], status: u16, now: Duration) {
    for outgoing in due {
        sim.delivered(outgoing.id, Some(status), 1, now);
    }
}

#[tokio::test]
async fn an_outage_answers_503_or_nothing_and_does_nothing() {
    for refuses in [false, true] {
        let (sim, fault) = (stripe(1).await, Fault::StripeDown { refuses });
        let api = Api::of(&sim);
        let guard = sim.inject(&fault).unwrap();
        let met = api.try_post(SESSIONS, Some("k"), &order("b", 1)).await;
        match met {
            Err(_) => assert!(refuses, "closed without an answer"),
            Ok(answer) => assert_eq!((answer.status().as_u16(), refuses), (503, false)),
        }
        assert!(sim.ledger().sessions.is_empty());
        let ending = if refuses { "refused" } else { "503" };
        assert_eq!(sim.ledger().requests[&format!("POST {SESSIONS} {ending}")], 1);
        assert_eq!(guard.heal(), 1);
        assert_eq!(api.post(SESSIONS, Some("k"), &order("b", 1)).await.0, 200);
        counts_nothing_unmet(&fault).await;
    }
}

#[tokio::test]
async fn a_slow_answer_keeps_its_key_in_use_until_it_was_given() {
    let (sim, by) = (stripe(1).await, Span::from_ms(400));
    let fault = Fault::StripeSlow { by, share: 1.0 };
    let guard = sim.inject(&fault).unwrap();
    let began = Instant::now();
    let (first, racing) = (Api::of(&sim), Api::of(&sim));
    let slow = tokio::spawn(async move { first.post(SESSIONS, Some("k"), &order("b", 1)).await });
    while sim.ledger().sessions.is_empty() {
        tokio::time::sleep(ms(1)).await;
    }
    assert_eq!(guard.effects(), 1);
    drop(guard);
    let (status, error) = racing.post(SESSIONS, Some("k"), &order("b", 1)).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (409, &json!("idempotency_key_in_use")));
    let (status, made) = slow.await.unwrap();
    assert_eq!(status, 200);
    assert!(began.elapsed() >= by.duration());
    assert_eq!(racing.post(SESSIONS, Some("k"), &order("b", 1)).await, (status, made), "then it is repeated");
    assert_eq!(sim.ledger().sessions.len(), 1);
    counts_nothing_unmet(&fault).await;
}

#[tokio::test]
async fn rate_limits_and_keys_in_use_do_nothing_and_heal() {
    let limited = Fault::StripeRateLimited { share: 1.0 };
    let in_use = Fault::StripeKeyInUse { share: 1.0 };
    for (fault, status, code) in [(limited, 429, "rate_limit"), (in_use, 409, "idempotency_key_in_use")] {
        let sim = stripe(1).await;
        let api = Api::of(&sim);
        let guard = sim.inject(&fault).unwrap();
        let answer = api.try_post(SESSIONS, Some("k"), &order("b", 1)).await.unwrap();
        assert_eq!(answer.status(), status);
        let reason = answer.headers().get("stripe-rate-limited-reason").map(|reason| reason.to_str().unwrap());
        assert_eq!(reason, (status == 429).then_some("global-rate"));
        assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["error"]["code"], code);
        assert!(sim.ledger().sessions.is_empty());
        assert_eq!(guard.heal(), 1);
        assert_eq!(api.post(SESSIONS, Some("k"), &order("b", 1)).await.0, 200, "not remembered");
        counts_nothing_unmet(&fault).await;
    }
    let sim = stripe(1).await;
    let guard = sim.inject(&Fault::StripeKeyInUse { share: 1.0 }).unwrap();
    assert_eq!(Api::of(&sim).post(SESSIONS, None, &order("b", 1)).await.0, 200, "no key is in use without one");
    assert_eq!(guard.heal(), 0);
}

#[tokio::test]
async fn a_webhook_outage_gathers_and_bursts_when_healed() {
    let sim = stripe(1).await;
    let guard = sim.inject(&Fault::WebhookOutage {}).unwrap();
    paid(&sim).await;
    assert!(sim.take_due(ms(10)).is_empty());
    assert!(sim.take_due(ms(20)).is_empty());
    assert_eq!(guard.heal(), 4, "each is counted once");
    let due = sim.take_due(ms(30));
    assert_eq!(due.len(), 4);
    assert!(due.iter().all(|outgoing| outgoing.attempt == 1));
    counts_nothing_unmet(&Fault::WebhookOutage {}).await;
}

#[tokio::test]
async fn dropped_webhooks_come_with_their_second_attempt() {
    let (sim, fault) = (stripe(1).await, Fault::WebhookDrops { share: 1.0 });
    let guard = sim.inject(&fault).unwrap();
    paid(&sim).await;
    assert!(sim.take_due(ms(0)).is_empty());
    assert_eq!((guard.effects(), sim.outstanding()), (4, 4));
    // A minute, a thousand times as fast.
    let due = sim.take_due(ms(60));
    assert_eq!(due.iter().map(|outgoing| outgoing.attempt).collect::<Vec<_>>(), [2; 4]);
    answer_all(&sim, &due, 200, ms(60));
    assert_eq!((guard.heal(), sim.outstanding(), sim.ledger().deliveries.len()), (4, 0, 4));
    let again = Api::of(&sim).open("buyer-2", 1).await;
    sim.pay(&again, "l", ms(100)).unwrap();
    assert_eq!(sim.take_due(ms(100)).len(), 4, "healed");
    counts_nothing_unmet(&fault).await;
}

#[tokio::test]
async fn a_wrong_clock_signs_too_old_or_ahead() {
    for (ahead, behind, expected) in [(0, 1_000, Err("too old")), (1_000, 0, Ok(()))] {
        let sim = stripe(1).await;
        paid(&sim).await;
        let due = sim.take_due(ms(0));
        let second = |seconds: u64| Span::from_ms(seconds * 1_000);
        let fault = Fault::WebhookClockSkew { ahead: second(ahead), behind: second(behind) };
        let guard = sim.inject(&fault).unwrap();
        let header = sim.sign(&due[0], NOW);
        let signed_at = NOW + i64::try_from(ahead).unwrap() - i64::try_from(behind).unwrap();
        assert!(header.as_deref().unwrap().starts_with(&format!("t={signed_at},")));
        assert_eq!(verify(&due[0], header.as_deref(), SECRET, NOW), expected);
        assert_eq!(guard.heal(), 1);
        assert_eq!(verify(&due[0], sim.sign(&due[0], NOW).as_deref(), SECRET, NOW), Ok(()));
        counts_nothing_unmet(&fault).await;
    }
    let sim = stripe(1).await;
    paid(&sim).await;
    let guard = sim.inject(&Fault::WebhookClockSkew { ahead: Span::default(), behind: Span::default() }).unwrap();
    assert!(sim.sign(&sim.take_due(ms(0))[0], NOW).is_some());
    assert_eq!(guard.heal(), 0, "a clock that is right has no effect");
}

#[tokio::test]
async fn the_old_secret_alone_signs_and_its_deliveries_are_never_given_up() {
    let (sim, fault) = (stripe(1).await, Fault::WebhookOldSecret { share: 1.0 });
    paid(&sim).await;
    sim.roll_secret("whsec_new", true);
    let guard = sim.inject(&fault).unwrap();
    let (mut now, mut signed) = (ms(0), 0);
    for _ in 0..20 {
        for outgoing in sim.take_due(now) {
            let header = sim.sign(&outgoing, NOW);
            signed += 1;
            assert_eq!(verify(&outgoing, header.as_deref(), SECRET, NOW), Ok(()), "by the old one");
            assert!(verify(&outgoing, header.as_deref(), "whsec_new", NOW).is_err());
            sim.delivered(outgoing.id, Some(400), 1, now);
        }
        now = sim.next_due().expect("the provider gave up what it signed wrongly itself");
    }
    assert_eq!((guard.heal(), signed), (80, 80));
    let due = sim.take_due(now);
    let header = sim.sign(&due[0], NOW).unwrap();
    assert_eq!(header.matches("v1=").count(), 2, "healed: both, while the roll overlaps");
    answer_all(&sim, &due, 200, now);
    assert_eq!(sim.outstanding(), 0);
    counts_nothing_unmet(&fault).await;
}
