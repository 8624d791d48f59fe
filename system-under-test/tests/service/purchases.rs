//! Buying leads: races, refusals, replays.

use futures::FutureExt;
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::world::World;

const AT_ONCE: usize = 120;

async fn race(max_sales: i32) {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let lead = world.lead(&partner, 5, max_sales).await;
    let mut buyers = Vec::new();
    for _ in 0..AT_ONCE {
        buyers.push(world.tenant("buyer", 10).await);
    }
    let started = std::time::Instant::now();
    let wanted = [lead];
    let answers = join_all(buyers.iter().enumerate().map(|(n, buyer)| world.buy(n, buyer, "k", &wanted))).await;
    tell(&format!("{AT_ONCE} buyers, capacity {max_sales}: {:?}", started.elapsed()));
    let winners = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(winners, usize::try_from(max_sales).unwrap());
    for (_, body) in answers.iter().filter(|(status, _)| *status != 201) {
        assert_eq!(body["code"], "lead_sold_out", "{body}");
        assert_eq!(body["lead_id"], json!(lead));
    }
    assert_eq!(world.count("SELECT sum(sold_count)::bigint FROM leads").await, i64::from(max_sales));
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, i64::from(max_sales));
    assert_eq!(world.balance(&partner).await, i64::from(max_sales));
    assert!(world.ledger_is_sound().await);
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), winners);
    world.end().await;
}

/// Shown with `--nocapture`.
#[expect(clippy::print_stderr, reason = "a test tells how long its race took")]
fn tell(line: &str) {
    eprintln!("{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_lead_has_one_winner() {
    race(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_with_capacity_has_as_many_winners() {
    race(7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_never_overdrawn() {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let buyer = world.tenant("buyer", 52).await;
    let mut leads = Vec::new();
    for _ in 0..AT_ONCE {
        leads.push(world.lead(&partner, 5, 3).await);
    }
    let keys: Vec<String> = (0..AT_ONCE).map(|n| format!("k{n}")).collect();
    let started = std::time::Instant::now();
    let answers = join_all((0..AT_ONCE).map(|n| world.buy(n, &buyer, &keys[n], &leads[n..=n]))).await;
    tell(&format!("{AT_ONCE} purchases of one wallet: {:?}", started.elapsed()));
    let bought = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(bought, 10);
    for (_, body) in answers.iter().filter(|(status, _)| *status != 201) {
        assert_eq!(body["code"], "insufficient_credits", "{body}");
        assert_eq!(body["shortfall"].as_i64().unwrap(), 5 - body["available"].as_i64().unwrap());
        assert_eq!(body["actions"][0]["min_quantity"], body["shortfall"]);
    }
    assert_eq!(world.balance(&buyer).await, 2);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partners_who_buy_from_each_other_do_not_deadlock() {
    let world = World::start(None).await;
    let (a, b) = (world.tenant("partner", 10_000).await, world.tenant("partner", 10_000).await);
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for _ in 0..60 {
        of_a.push(world.lead(&a, 10, 1).await);
        of_b.push(world.lead(&b, 10, 1).await);
    }
    let keys: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    let answers = join_all((0..60).flat_map(|n| {
        [world.buy(n, &a, &keys[n], &of_b[n..=n]).boxed(), world.buy(n + 1, &b, &keys[n], &of_a[n..=n]).boxed()]
    }))
    .await;
    assert!(answers.iter().all(|(status, _)| *status == 201), "{answers:?}");
    assert_eq!(world.balance(&a).await, 10_000 - 600 + 120);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_answered_once_and_replayed_byte_for_byte() {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let buyer = world.tenant("buyer", 10).await;
    let lead = world.lead(&partner, 5, 9).await;
    let body = json!({ "lead_ids": [lead] });
    let sent = |n| world.send(n, "POST", "/v1/purchases", &buyer.key, "\"same\"", &body);
    let mut bodies = Vec::new();
    for response in join_all((0..AT_ONCE).map(sent)).await {
        assert_eq!(response.status(), 201);
        let replayed = response.headers().contains_key("idempotent-replayed");
        bodies.push((replayed, response.bytes().await.unwrap()));
    }
    assert_eq!(bodies.iter().filter(|(replayed, _)| !replayed).count(), 1);
    assert!(bodies.iter().all(|(_, bytes)| *bytes == bodies[0].1));
    assert_eq!(world.balance(&buyer).await, 5);

    let (status, problem) = world.buy(0, &buyer, "same", &[lead, Uuid::nil()]).await;
    assert_eq!((status, problem["code"].as_str()), (422, Some("idempotency_key_reused")));
    // Another workspace's key of the same name is another key.
    let other = world.tenant("buyer", 10).await;
    assert_eq!(world.buy(0, &other, "same", &[lead]).await.0, 201);
    // A refusal is remembered too, though the reason for it has gone.
    let dear = world.lead(&partner, 500, 1).await;
    let first = world.buy(0, &buyer, "dear", &[dear]).await;
    assert_eq!((first.0, first.1["shortfall"].as_i64()), (402, Some(495)));
    sqlx::query("SELECT grant_credits($1, 1000, 'later')")
        .bind(buyer.workspace)
        .execute(&world.operator)
        .await
        .unwrap();
    assert_eq!(world.buy(1, &buyer, "dear", &[dear]).await, first);
    assert_eq!(world.buy(1, &buyer, "dear-2", &[dear]).await.0, 201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_leads_are_bought_all_or_none_and_the_answer_names_the_obstacle() {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let (first, second) = (world.tenant("buyer", 100).await, world.tenant("buyer", 100).await);
    let (a, b) = (world.lead(&partner, 3, 1).await, world.lead(&partner, 4, 1).await);
    let (status, body) = world.buy(0, &first, "1", &[a]).await;
    assert_eq!((status, body["balance"].as_i64(), body["total"].as_i64()), (201, Some(97), Some(3)));

    let (status, problem) = world.buy(0, &second, "1", &[b, a]).await;
    assert_eq!((status, problem["lead_id"].clone()), (409, json!(a)));
    assert_eq!(problem["code"], "lead_sold_out");
    assert_eq!(world.balance(&second).await, 100);

    let (status, problem) = world.buy(0, &first, "2", &[a]).await;
    assert_eq!((status, problem["code"].as_str()), (409, Some("already_purchased")));
    assert_eq!(problem["purchase_id"], body["purchase_id"]);

    let (status, problem) = world.buy(0, &first, "3", &[Uuid::nil()]).await;
    assert_eq!((status, problem["code"].as_str()), (404, Some("lead_not_found")));

    let (status, body) = world.get(&first, "/v1/purchases?limit=1").await;
    assert_eq!((status, body["purchases"][0]["leads"][0]["lead_id"].clone()), (200, json!(a)));
    let next = format!("/v1/purchases?limit=1&cursor={}", body["next"].as_str().unwrap());
    assert_eq!(world.get(&first, &next).await.1["purchases"], json!([]));
    let (_, lead) = world.get(&second, &format!("/v1/leads/{a}")).await;
    assert_eq!((lead["sold_count"].as_i64(), lead["max_sales"].as_i64()), (Some(1), Some(1)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_its_keys_is_told_which() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 1).await;
    let body = json!({ "lead_ids": [Uuid::nil()] });
    for (key, idempotency, status, code) in
        [(buyer.key.as_str(), "", 400, "idempotency_key_missing"), ("wrong", "k", 401, "unauthorized")]
    {
        let response = world.send(0, "POST", "/v1/purchases", key, idempotency, &body).await;
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let problem: serde_json::Value = response.json().await.unwrap();
        assert_eq!((problem["code"].as_str(), problem["request_id"].as_str()), (Some(code), Some(id.as_str())));
    }
    assert_eq!(world.get(&buyer, "/nowhere").await.1["code"], "route_not_found");
    assert_eq!(world.get(&buyer, "/v1/admin/dead-letters").await.0, 403);
    assert_eq!(world.get(&buyer, "/health").await.1["defect"], serde_json::Value::Null);
    world.end().await;
}
