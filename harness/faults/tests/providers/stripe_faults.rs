//! Faults of the API: errors with nothing done, answers lost with everything done.

use overdraft_model::fault::Fault;

use crate::support::{Api, order, stripe};

const SESSIONS: &str = "/v1/checkout/sessions";

#[tokio::test]
async fn errors_do_nothing_are_not_remembered_and_heal() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let guard = sim.inject(&Fault::StripeErrors { share: 1.0 }).unwrap();
    let (status, error) = api.post(SESSIONS, Some("k"), &order("b", 1)).await;
    assert_eq!(status, 500);
    assert_eq!(error["error"]["type"], "api_error");
    assert_eq!(api.get("/v1/events/evt_1").await.0, 500, "reads fail too");
    assert!(sim.ledger().sessions.is_empty());
    assert_eq!(guard.heal(), 2);
    assert_eq!(api.post(SESSIONS, Some("k"), &order("b", 1)).await.0, 200);
    assert_eq!(sim.ledger().requests["POST /v1/checkout/sessions 500"], 1);
}

#[tokio::test]
async fn a_share_of_requests_fails_and_the_same_ones_each_time() {
    let mut failed = Vec::new();
    for backwards in [false, true] {
        let sim = stripe(3).await;
        let api = Api::of(&sim);
        let guard = sim.inject(&Fault::StripeErrors { share: 0.4 }).unwrap();
        let mut keys: Vec<u32> = (0..40).collect();
        if backwards {
            keys.reverse();
        }
        let mut mine = Vec::new();
        for key in keys {
            if api.post(SESSIONS, Some(&format!("k{key}")), &order("b", 1)).await.0 == 500 {
                mine.push(key);
            }
        }
        mine.sort_unstable();
        assert_eq!(guard.effects(), mine.len() as u64);
        assert_eq!(sim.ledger().sessions.len(), 40 - mine.len());
        failed.push(mine);
    }
    assert_eq!(failed[0], failed[1]);
    assert!((5..30).contains(&failed[0].len()), "{}", failed[0].len());
}

#[tokio::test]
async fn a_lost_answer_was_acted_on_and_the_key_brings_it_back() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let guard = sim.inject(&Fault::StripeLosesAnswers { share: 1.0 }).unwrap();
    let lost = api.try_post(SESSIONS, Some("k"), &order("b", 1)).await;
    assert!(lost.is_err(), "the connection stays without an answer");
    let opened = sim.ledger().sessions;
    assert_eq!(opened.len(), 1);
    let path = format!("{SESSIONS}/{}", opened[0].session);
    assert_eq!(api.get(&path).await.0, 200, "reads are answered");
    assert_eq!(sim.ledger().requests["POST /v1/checkout/sessions lost"], 1);
    assert_eq!(guard.heal(), 1);
    let (status, session) = api.post(SESSIONS, Some("k"), &order("b", 1)).await;
    assert_eq!((status.as_u16(), session["id"].as_str()), (200, Some(opened[0].session.as_str())));
    assert_eq!(sim.ledger().sessions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_never_meet_another_request_while_others_are_lost() {
    let sim = stripe(1).await;
    let guard = sim.inject(&Fault::StripeLosesAnswers { share: 0.5 }).unwrap();
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..64 {
        let api = Api::of(&sim);
        clients.spawn(async move {
            let form = order(&format!("buyer-{n}"), 1);
            let answer = api.try_post(SESSIONS, Some(&format!("k{n}")), &form).await.ok()?;
            let session: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(session["client_reference_id"], format!("buyer-{n}"));
            Some(())
        });
    }
    let answered = clients.join_all().await.into_iter().flatten().count();
    assert_eq!(guard.effects(), 64 - answered as u64);
    assert!((16..48).contains(&answered), "{answered}");
    assert_eq!(sim.ledger().sessions.len(), 64, "lost or not, all was done");
}

#[test]
fn simulators_and_guards_may_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<overdraft_faults::stripe::StripeSim>();
    crosses::<overdraft_faults::email::EmailSim>();
    crosses::<overdraft_faults::guard::Guard>();
}

#[tokio::test]
async fn the_latest_injection_wins_and_foreign_faults_are_declined() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let never = sim.inject(&Fault::StripeErrors { share: 0.0 }).unwrap();
    let always = sim.inject(&Fault::StripeErrors { share: 1.0 }).unwrap();
    drop(never);
    assert_eq!(api.post(SESSIONS, None, &order("b", 1)).await.0, 500);
    assert_eq!(always.heal(), 1);
    assert_eq!(api.post(SESSIONS, None, &order("b", 1)).await.0, 200);
    assert!(sim.inject(&Fault::EmailDown {}).is_none());
}
