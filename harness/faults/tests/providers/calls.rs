//! Blows aimed at single requests: before they are worked on or after, with a reset or with silence.

use std::time::Duration;

use overdraft_faults::calls::CallBlow;

use crate::support::{Api, order, stripe};

const SESSIONS: &str = "/v1/checkout/sessions";

fn second(done: bool, stalls: bool) -> CallBlow {
    CallBlow { what: format!("POST {SESSIONS}"), skip: 1, done, stalls }
}

#[tokio::test]
async fn the_second_of_its_kind_is_struck_and_no_other() {
    for done in [false, true] {
        let sim = stripe(1).await;
        let api = Api::of(&sim);
        sim.calls().mark();
        let (guard, mut fallen) = sim.calls().aim(second(done, false));
        assert_eq!(api.post(SESSIONS, Some("a"), &order("b", 1)).await.0, 200);
        assert_eq!(api.get(&format!("{SESSIONS}/cs_test_unknown1")).await.0, 404);
        assert_eq!(guard.effects(), 0);
        assert!(api.try_post(SESSIONS, Some("b"), &order("b", 2)).await.is_err(), "its connection is reset");
        assert!(fallen.wait().await);
        assert_eq!(sim.ledger().sessions.len(), if done { 2 } else { 1 });
        assert_eq!(api.post(SESSIONS, Some("b"), &order("b", 2)).await.0, 200);
        assert_eq!((sim.ledger().sessions.len(), guard.heal()), (2, 1));
        let seen: Vec<String> = sim.calls().since_mark().into_iter().map(|call| call.what).collect();
        let post = format!("POST {SESSIONS}");
        assert_eq!(seen, [post.clone(), format!("GET {SESSIONS}/{{id}}"), post.clone(), post]);
    }
}

#[tokio::test]
async fn one_that_stalls_tells_and_leaves_the_connection_open() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let (guard, mut fallen) = sim.calls().aim(CallBlow { skip: 0, ..second(true, true) });
    let (key, body) = (Some("a"), order("b", 1));
    {
        let asked = api.try_post(SESSIONS, key, &body);
        tokio::pin!(asked);
        tokio::select! {
            answer = &mut asked => panic!("answered: {answer:?}"),
            fell = fallen.wait() => assert!(fell),
        }
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut asked).await.is_err(), "it was answered");
    }
    assert_eq!((sim.ledger().sessions.len(), guard.heal()), (1, 1));
    assert_eq!(api.post(SESSIONS, key, &body).await.0, 200);
}

#[tokio::test]
async fn one_that_is_taken_back_never_falls() {
    let sim = stripe(1).await;
    let (guard, mut fallen) = sim.calls().aim(CallBlow { skip: 0, ..second(false, false) });
    assert_eq!(guard.heal(), 0);
    assert_eq!(Api::of(&sim).post(SESSIONS, None, &order("b", 1)).await.0, 200);
    assert!(!fallen.wait().await);
}
