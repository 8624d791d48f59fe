//! Buying credits: checkout, signed events, one grant per payment.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::{Tenant, World};

pub(crate) async fn order(world: &World, buyer: &Tenant, credits: i64) -> Value {
    let body = json!({ "credits": credits });
    let response = world.send(0, "POST", "/v1/credit-purchases", &buyer.key, "buy", &body).await;
    assert_eq!(response.status(), 201);
    response.json().await.unwrap()
}

pub(crate) fn event(id: &str, kind: &str, object: Value) -> Value {
    json!({"id": id, "object": "event", "type": kind, "livemode": false, "created": 1, "data": {"object": object}})
}

/// The three events of one card payment.
pub(crate) fn signals(purchase: &Value, cents: i64) -> [Value; 3] {
    let metadata = json!({ "credit_purchase_id": purchase["id"] });
    [
        event(
            "evt_intent",
            "payment_intent.succeeded",
            json!({"id": "pi_1", "amount_received": cents,
            "currency": "usd", "metadata": metadata}),
        ),
        event(
            "evt_charge",
            "charge.succeeded",
            json!({"id": "ch_1", "payment_intent": "pi_1", "amount": cents,
            "currency": "usd", "captured": true, "paid": true, "metadata": metadata}),
        ),
        event(
            "evt_session",
            "checkout.session.completed",
            json!({"id": "cs_1", "payment_intent": "pi_1",
            "amount_total": cents, "currency": "usd", "payment_status": "paid", "metadata": metadata}),
        ),
    ]
}

/// Starts a purchase of 25 credits and delivers each signal often, all at once.
pub(crate) async fn storm(world: &World, buyer: &Tenant) {
    let purchase = order(world, buyer, 25).await;
    let events = signals(&purchase, 2_500);
    let delivered = join_all((0..100).map(|n| world.deliver(n, &events[n % 3]))).await;
    assert!(delivered.iter().all(|status| *status == 200), "{delivered:?}");
    world.until_quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_granted_once_however_often_it_is_announced() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 0).await;
    storm(&world, &buyer).await;
    assert_eq!(world.balance(&buyer).await, 25);
    assert_eq!(world.count("SELECT count(*) FROM webhook_events WHERE state = 'processed'").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM transfers WHERE kind = 'grant'").await, 1);
    assert_eq!(world.stub.emails.lock().unwrap().len(), 1);
    let id: String =
        sqlx::query_scalar("SELECT id::text FROM credit_purchases").fetch_one(&world.operator).await.unwrap();
    assert_eq!(world.get(&buyer, &format!("/v1/credit-purchases/{id}")).await.1["status"], "paid");
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_checkout_is_continued_with_the_same_key() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 0).await;
    *world.stub.session_answers.lock().unwrap() = vec![500, 500, 500];
    let body = json!({ "credits": 3 });
    let failed = world.send(0, "POST", "/v1/credit-purchases", &buyer.key, "buy", &body).await;
    assert_eq!(failed.status(), 502);
    assert_eq!(failed.json::<Value>().await.unwrap()["retryable"], true);
    let first = order(&world, &buyer, 3).await;
    let again = order(&world, &buyer, 3).await;
    assert_eq!(first, again);
    assert_eq!((first["session_id"].as_str(), first["credits"].as_i64()), (Some("cs_1"), Some(3)));
    let sessions = world.stub.sessions.lock().unwrap().clone();
    assert_eq!(sessions.len(), 4);
    assert!(sessions.iter().all(|s| s.key == format!("credit_purchase_{}", first["id"].as_str().unwrap())));
    assert!(sessions[0].body.contains("unit_amount%5D=300"), "{}", sessions[0].body);
    assert_eq!(world.count("SELECT count(*) FROM credit_purchases").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_whose_first_request_waits_for_stripe_is_in_use_and_is_taken_over_when_that_died() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 0).await;
    *world.stub.session_takes.lock().unwrap() = Duration::from_millis(500);
    let body = json!({ "credits": 3 });
    let sent = |n| world.send(n, "POST", "/v1/credit-purchases", &buyer.key, "buy", &body);
    let responses = join_all((0..8).map(sent)).await;
    let first = responses.iter().filter(|response| response.status() == 201).count();
    assert_eq!(first, 1, "{responses:?}");
    for response in responses.into_iter().filter(|response| response.status() != 201) {
        assert_eq!((response.status().as_u16(), response.headers()["retry-after"].to_str().unwrap()), (409, "1"));
        let problem: Value = response.json().await.unwrap();
        assert_eq!(
            (problem["code"].as_str(), problem["retryable"].as_bool()),
            (Some("idempotency_key_in_use"), Some(true))
        );
    }
    assert_eq!(world.stub.sessions.lock().unwrap().len(), 1, "Stripe was asked once");
    assert_eq!(order(&world, &buyer, 3).await["session_id"], "cs_1", "afterwards it is a replay");

    // A request that died while it waited: its lease ends, and the next takes over where it was.
    let died = sqlx::query(
        "SELECT begin_credit_purchase(api_key_hash, 'died', '\\x00', 3, 100, 'usd', 'r', interval '700 ms')
         FROM members WHERE workspace_id = $1",
    );
    died.bind(buyer.workspace).execute(&mut crate::credits::as_money(&world).await).await.unwrap();
    let hash =
        "UPDATE idempotency_keys SET request_hash = (SELECT request_hash FROM idempotency_keys WHERE key = 'buy')
                WHERE key = 'died'";
    sqlx::query(hash).execute(&mut crate::credits::as_money(&world).await).await.unwrap();
    let again = |n| world.send(n, "POST", "/v1/credit-purchases", &buyer.key, "died", &body);
    assert_eq!(again(0).await.status(), 409);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(again(1).await.status(), 201);
    assert_eq!(world.count("SELECT count(*) FROM credit_purchases").await, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_foreign_unpaid_or_short_grants_nothing() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 0).await;
    let purchase = order(&world, &buyer, 25).await;
    let [intent, _, session] = signals(&purchase, 2_500);
    assert_eq!(world.deliver_raw(0, "t=1,v1=00", intent.to_string()).await, 400);
    assert_eq!(world.deliver_raw(0, "", intent.to_string()).await, 400);
    let mut live = intent.clone();
    live["livemode"] = json!(true);
    assert_eq!(world.deliver(0, &live).await, 200);
    assert_eq!(world.count("SELECT count(*) FROM webhook_events").await, 0);

    let mut unpaid = session.clone();
    unpaid["data"]["object"]["payment_status"] = json!("unpaid");
    assert_eq!(world.deliver(0, &unpaid).await, 200);
    assert_eq!(world.deliver(0, &event("evt_other", "customer.created", json!({}))).await, 200);
    let [short, ..] = signals(&purchase, 2_499);
    assert_eq!(world.deliver(0, &short).await, 200);
    let mut stranger = intent;
    stranger["id"] = json!("evt_stranger");
    stranger["data"]["object"]["id"] = json!("pi_stranger");
    stranger["data"]["object"]["metadata"] = json!({});
    assert_eq!(world.deliver(0, &stranger).await, 200);
    world.until_quiet().await;

    assert_eq!(world.balance(&buyer).await, 0);
    assert_eq!(world.count("SELECT count(*) FROM webhook_events WHERE state = 'ignored'").await, 1);
    let attempts = world.count("SELECT attempts::bigint FROM webhook_events WHERE event_id = 'evt_stranger'").await;
    assert_eq!(attempts, 5, "parked and tried again");
    let attempts = world.count("SELECT attempts::bigint FROM webhook_events WHERE event_id = 'evt_intent'").await;
    assert_eq!(attempts, 1, "no retry changes an amount");
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE kind = 'webhook'").await, 2);
    assert_eq!(world.stub.alerts.lock().unwrap().len(), 2);
    world.end().await;
}
