//! Money that goes back: refunds and disputes, whole and in part, late and early, and the debt they may leave.

use serde_json::{Value, json};

use crate::payments::{event, order, signals};
use crate::world::{Tenant, World};

/// A buyer who ordered 25 credits for 2,500 cents, and the first of the payment's events.
async fn ordered(world: &World, credits: i64) -> (Tenant, Value, Value) {
    let buyer = world.tenant("buyer", credits).await;
    let purchase = order(world, &buyer, 25).await;
    let [intent, ..] = signals(&purchase, 2_500);
    (buyer, purchase, intent)
}

async fn paid(world: &World) -> Tenant {
    let (buyer, _, intent) = ordered(world, 0).await;
    deliver(world, &[intent]).await;
    assert_eq!(world.balance(&buyer).await, 25);
    buyer
}

/// Delivers one after the other, and waits until all is processed.
async fn deliver(world: &World, events: &[Value]) {
    for (n, event) in events.iter().enumerate() {
        assert_eq!(world.deliver(n, event).await, 200);
        world.until_quiet().await;
    }
    assert!(world.ledger_is_sound().await);
}

/// An event whose id follows from what it tells, as no two of these tests tell the same twice.
fn told(kind: &str, object: Value) -> Value {
    event(&format!("evt_{:x}", hash(&format!("{kind}{object}"))), kind, object)
}

fn hash(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn refund(kind: &str, id: &str, cents: i64, status: &str) -> Value {
    told(
        kind,
        json!({"id": id, "object": "refund", "payment_intent": "pi_1", "charge": "ch_1", "amount": cents,
        "currency": "usd", "status": status}),
    )
}

fn charge_refunded(cents: i64) -> Value {
    told(
        "charge.refunded",
        json!({"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 2_500,
        "amount_refunded": cents, "refunded": cents == 2_500, "currency": "usd"}),
    )
}

fn dispute(kind: &str, cents: i64, status: &str) -> Value {
    told(
        &format!("charge.dispute.{kind}"),
        json!({"id": "du_1", "object": "dispute", "payment_intent": "pi_1",
        "charge": "ch_1", "amount": cents, "currency": "usd", "status": status}),
    )
}

async fn state(world: &World, buyer: &Tenant) -> (i64, i64) {
    let (_, body) = world.get(buyer, "/v1/balance").await;
    (body["balance"].as_i64().unwrap(), body["debt"].as_i64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_back_its_share_once_however_it_is_told() {
    let world = World::start(None).await;
    let buyer = paid(&world).await;
    // 999 of 2500 cents are 9.99 of 25 credits.
    let part = [refund("refund.created", "re_1", 999, "pending"), charge_refunded(999)];
    deliver(&world, &part).await;
    assert_eq!(state(&world, &buyer).await, (16, 0));
    deliver(&world, &[refund("refund.updated", "re_1", 999, "succeeded"), part[0].clone()]).await;
    assert_eq!(state(&world, &buyer).await, (16, 0));
    // The charge alone tells of the second; both together are 1001 cents: 10.01 credits.
    deliver(&world, &[charge_refunded(1_001)]).await;
    assert_eq!(state(&world, &buyer).await, (15, 0));
    deliver(&world, &[refund("refund.created", "re_2", 2, "succeeded")]).await;
    assert_eq!(state(&world, &buyer).await, (15, 0));
    deliver(&world, &[refund("refund.created", "re_3", 1_499, "succeeded"), charge_refunded(2_500)]).await;
    assert_eq!(state(&world, &buyer).await, (0, 0), "all the money, all the credits");
    assert_eq!(world.count("SELECT sum(credits)::bigint FROM reversals").await, 25);
    assert_eq!(world.count("SELECT credits_back FROM credit_purchases").await, 25);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_refund_is_undone_and_stays_so() {
    let world = World::start(None).await;
    let buyer = paid(&world).await;
    let created = refund("refund.created", "re_1", 1_000, "pending");
    deliver(&world, &[created, charge_refunded(1_000), refund("refund.failed", "re_1", 1_000, "failed")]).await;
    assert_eq!(state(&world, &buyer).await, (25, 0));
    deliver(&world, &[refund("refund.updated", "re_1", 1_000, "succeeded")]).await;
    assert_eq!(state(&world, &buyer).await, (25, 0), "late news of a refund that failed since");
    // A second one that succeeds, while the total on the charge is what it was before.
    deliver(&world, &[refund("refund.created", "re_2", 1_000, "succeeded"), charge_refunded(1_000)]).await;
    assert_eq!(state(&world, &buyer).await, (15, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_takes_the_credits_with_the_money_and_gives_them_back_with_it() {
    let world = World::start(None).await;
    let buyer = paid(&world).await;
    deliver(&world, &[dispute("created", 2_500, "needs_response")]).await;
    assert_eq!(state(&world, &buyer).await, (25, 0), "nothing has moved");
    deliver(&world, &[dispute("funds_withdrawn", 2_500, "needs_response")]).await;
    assert_eq!(state(&world, &buyer).await, (0, 0));
    deliver(&world, &[dispute("closed", 2_500, "won")]).await;
    assert_eq!(state(&world, &buyer).await, (0, 0), "won, but the money is not back yet");
    deliver(&world, &[dispute("funds_reinstated", 2_500, "won")]).await;
    assert_eq!(state(&world, &buyer).await, (25, 0));
    // Refunds and disputes together take no more than was paid.
    deliver(&world, &[charge_refunded(2_000)]).await;
    let mut second = dispute("funds_withdrawn", 2_400, "lost");
    second["data"]["object"]["id"] = json!("du_2");
    deliver(&world, &[second]).await;
    assert_eq!(state(&world, &buyer).await, (0, 0));
    assert_eq!(world.count("SELECT money_back FROM credit_purchases").await, 2_500);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_already_becomes_a_debt_that_stops_spending_and_is_settled_first() {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let (dear, cheap) = (world.lead(&partner, 20, 9).await, world.lead(&partner, 1, 9).await);
    let buyer = paid(&world).await;
    assert_eq!(world.buy(0, &buyer, "1", &[dear]).await.0, 201);
    deliver(&world, &[refund("refund.created", "re_1", 2_500, "succeeded")]).await;
    assert_eq!(state(&world, &buyer).await, (0, 20));
    let (status, problem) = world.buy(0, &buyer, "2", &[cheap]).await;
    assert_eq!((status, problem["code"].as_str(), problem["debt"].as_i64()), (402, Some("debt_outstanding"), Some(20)));
    assert_eq!(problem["actions"][0]["min_quantity"], 20);

    world.grant(&buyer, 8, "gift").await;
    assert_eq!(state(&world, &buyer).await, (0, 12), "new credits settle the debt first");
    assert_eq!(world.count("SELECT count(*) FROM transfers WHERE kind = 'settlement'").await, 1);
    // The refund fails: that cancels what is owed, and what was paid off comes back.
    deliver(&world, &[refund("refund.failed", "re_1", 2_500, "failed")]).await;
    assert_eq!(state(&world, &buyer).await, (13, 0));
    assert_eq!(world.buy(0, &buyer, "3", &[cheap]).await.1["balance"], 12);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_in_debt_settles_it_with_commissions() {
    let world = World::start(None).await;
    let (partner, purchase, intent) = ordered(&world, 0).await;
    let shop = world.tenant("partner", 0).await;
    let (theirs, own) = (world.lead(&shop, 25, 1).await, world.lead(&partner, 50, 9).await);
    deliver(&world, &[intent]).await;
    assert_eq!(world.buy(0, &partner, "1", &[theirs]).await.0, 201);
    deliver(&world, &[charge_refunded(2_500)]).await;
    assert_eq!(state(&world, &partner).await, (0, 25));
    for (n, expected) in [(0, (0, 15)), (1, (0, 5)), (2, (5, 0))] {
        let buyer = world.tenant("buyer", 50).await;
        assert_eq!(world.buy(n, &buyer, "k", &[own]).await.0, 201);
        assert_eq!(state(&world, &partner).await, expected);
    }
    assert!(world.ledger_is_sound().await);
    let id = purchase["id"].as_str().unwrap();
    let (_, body) = world.get(&partner, &format!("/v1/credit-purchases/{id}")).await;
    assert_eq!((body["money_back"].as_i64(), body["credits_back"].as_i64()), (Some(2_500), Some(25)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_before_its_payment_waits_for_it() {
    let world = World::start(None).await;
    let (buyer, _, intent) = ordered(&world, 3).await;
    assert_eq!(world.deliver(0, &refund("refund.created", "re_1", 1_000, "succeeded")).await, 200);
    for _ in 0..400 {
        if world.count("SELECT count(*) FROM webhook_events WHERE state = 'failed'").await == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(world.count("SELECT count(*) FROM webhook_events WHERE state = 'failed'").await, 1, "parked");
    deliver(&world, &[intent]).await;
    assert_eq!(state(&world, &buyer).await, (18, 0));
    assert_eq!(world.count("SELECT count(*) FROM webhook_events WHERE state = 'processed'").await, 2);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_whose_payment_never_comes_is_a_dead_letter_and_still_counts_when_it_does() {
    let world = World::start(None).await;
    let (buyer, _, intent) = ordered(&world, 0).await;
    deliver(&world, &[refund("refund.created", "re_1", 2_400, "succeeded")]).await;
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE kind = 'webhook'").await, 1);
    deliver(&world, &[intent]).await;
    assert_eq!(state(&world, &buyer).await, (1, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thin_event_leads_to_its_object_s_current_state() {
    let world = World::start(None).await;
    let (buyer, purchase, intent) = ordered(&world, 0).await;
    let thin = |id: &str, kind: &str, of: &str| {
        json!({"id": id, "object": "v2.core.event", "type": "v1.thing.changed", "livemode": false,
            "created": "2026-11-24T12:00:00.000Z", "related_object": {"id": of, "type": kind, "url": "/v1/elsewhere"}})
    };
    let mut object = intent["data"]["object"].clone();
    object["status"] = json!("succeeded");
    world.stub.objects.lock().unwrap().insert("payment_intents/pi_1".to_owned(), object);
    deliver(&world, &[thin("evt_t1", "payment_intent", "pi_1")]).await;
    assert_eq!(state(&world, &buyer).await, (25, 0));
    // The charge tells both of its payment and of its refunds.
    let charge = json!({"id": "ch_1", "object": "charge", "status": "succeeded", "payment_intent": "pi_1",
        "amount": 2_500, "amount_refunded": 1_300, "captured": true, "paid": true, "currency": "usd",
        "metadata": {"credit_purchase_id": purchase["id"]}});
    world.stub.objects.lock().unwrap().insert("charges/ch_1".to_owned(), charge);
    deliver(&world, &[thin("evt_t2", "charge", "ch_1"), thin("evt_t3", "customer", "cus_1")]).await;
    assert_eq!(state(&world, &buyer).await, (12, 0));
    let dispute = json!({"id": "du_1", "object": "dispute", "payment_intent": "pi_1", "amount": 1_200,
        "status": "needs_response", "balance_transactions": [{"amount": -1_200}]});
    world.stub.objects.lock().unwrap().insert("disputes/du_1".to_owned(), dispute);
    deliver(&world, &[thin("evt_t4", "dispute", "du_1")]).await;
    assert_eq!(state(&world, &buyer).await, (0, 0));
    // An object that Stripe does not have is asked for again, and ends before a person's eyes.
    deliver(&world, &[thin("evt_t5", "refund", "re_9")]).await;
    assert_eq!(world.count("SELECT attempts::bigint FROM webhook_events WHERE event_id = 'evt_t5'").await, 3);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE subject = 'evt_t5'").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delayed_payment_is_granted_when_it_arrives_and_its_status_never_falls() {
    let world = World::start(None).await;
    let (buyer, purchase, _) = ordered(&world, 0).await;
    let path = format!("/v1/credit-purchases/{}", purchase["id"].as_str().unwrap());
    let [_, _, mut session] = signals(&purchase, 2_500);
    session["data"]["object"]["object"] = json!("checkout.session");
    let mut unpaid = session.clone();
    unpaid["id"] = json!("evt_unpaid");
    unpaid["data"]["object"]["payment_status"] = json!("unpaid");
    let of_session = |kind: &str| told(kind, unpaid["data"]["object"].clone());
    let failed_try = told("payment_intent.payment_failed", json!({"id": "pi_1", "metadata": {}}));
    for (event, status, balance) in [
        (unpaid.clone(), "processing", 0),
        (failed_try, "processing", 0),
        (of_session("checkout.session.async_payment_failed"), "failed", 0),
        (
            told("payment_intent.processing", json!({"id": "pi_1", "metadata": unpaid["data"]["object"]["metadata"]})),
            "failed",
            0,
        ),
        (of_session("checkout.session.expired"), "expired", 0),
        (session, "paid", 25),
        (
            told("payment_intent.canceled", json!({"id": "pi_1", "metadata": unpaid["data"]["object"]["metadata"]})),
            "paid",
            25,
        ),
    ] {
        deliver(&world, std::slice::from_ref(&event)).await;
        assert_eq!(world.get(&buyer, &path).await.1["status"], status, "after {}", event["type"]);
        assert_eq!(state(&world, &buyer).await, (balance, 0));
    }
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.end().await;
}
