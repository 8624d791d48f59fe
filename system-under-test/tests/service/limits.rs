//! Rate limits: one budget across instances, by kind, by workspace or address, with overrides.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::world::{Tenant, World};

const AT_ONCE: usize = 120;

/// Lets this much time pass for every budget, by setting back the moments at which they are whole.
async fn rest(world: &World, seconds: i32) {
    let mut owner = PgConnection::connect(&world.database_url()).await.unwrap();
    sqlx::query("UPDATE rate_limits SET arrival = arrival - make_interval(secs => $1)")
        .bind(f64::from(seconds))
        .execute(&mut owner)
        .await
        .unwrap();
}

async fn read(world: &World, n: usize, key: &str) -> Response {
    world.send(n, "GET", "/v1/balance", key, "", &Value::Null).await
}

/// How many of these reads, all at once and over both instances, are admitted; and how long they took.
async fn admitted(world: &World, key: &str, reads: usize) -> (usize, Duration) {
    let began = Instant::now();
    let answers = join_all((0..reads).map(|n| read(world, n, key))).await;
    (answers.iter().filter(|answer| answer.status() == 200).count(), began.elapsed())
}

/// Insists that as many were admitted as the budget held, and those that flowed back meanwhile.
#[track_caller]
fn assert_admitted((admitted, took): (usize, Duration), budget: usize, step: Duration) {
    let meanwhile = usize::try_from(took.as_millis() / step.as_millis()).unwrap() + 1;
    assert!((budget..=budget + meanwhile).contains(&admitted), "{admitted} of {budget} within {took:?}");
}

fn header(answer: &Response, name: &str) -> String {
    answer.headers()[name].to_str().unwrap().to_owned()
}

/// `r` and `t` of the header `RateLimit`.
fn standing(answer: &Response, kind: &str) -> (u64, u64) {
    let text = header(answer, "ratelimit");
    let rest = text.strip_prefix(&format!("\"{kind}\";r=")).unwrap_or_else(|| panic!("{text}"));
    let (r, t) = rest.split_once(";t=").unwrap();
    (r.parse().unwrap(), t.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_one_budget_and_no_refused_purchase_has_an_effect() {
    let world = World::start_with(None, &[("RATE_LIMIT_PURCHASES", "10")]).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 10_000).await);
    let mut leads = Vec::new();
    for _ in 0..AT_ONCE {
        leads.push(world.lead(&partner, 5, 3).await);
    }
    let began = Instant::now();
    let buy = |n: usize| {
        let (world, buyer, body) = (&world, &buyer, json!({ "lead_ids": [leads[n]] }));
        async move { world.send(n, "POST", "/v1/purchases", &buyer.key, &format!("k{n}"), &body).await }
    };
    let answers = join_all((0..AT_ONCE).map(buy)).await;
    let took = began.elapsed();
    let bought = answers.iter().filter(|answer| answer.status() == 201).count();
    assert_admitted((bought, took), 10, Duration::from_secs(6));
    assert_eq!(world.count("SELECT count(*) FROM purchases").await, i64::try_from(bought).unwrap());

    for answer in answers {
        assert_eq!(header(&answer, "ratelimit-policy"), "\"purchases\";q=10;w=60");
        let (r, t) = standing(&answer, "purchases");
        assert!((1..=6).contains(&t), "{t}");
        if answer.status() == 201 {
            assert!(r < 10, "{r}");
            continue;
        }
        assert_eq!((answer.status().as_u16(), r), (429, 0));
        let wait: u64 = header(&answer, "retry-after").parse().unwrap();
        assert!(wait >= t);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "rate_limited");
        assert_eq!((&problem["kind"], &problem["limit"]), (&json!("purchases"), &json!(10)));
        assert_eq!((&problem["retry_after"], &problem["retryable"]), (&json!(wait), &json!(true)));
    }
    // Another workspace has a budget of its own.
    let other = world.tenant("buyer", 10).await;
    assert_eq!(world.buy(0, &other, "k", &leads[..1]).await.0, 201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_flows_back_evenly_and_a_long_rest_saves_no_more_than_one() {
    let step = Duration::from_millis(500);
    let world = World::start_with(None, &[("RATE_LIMIT_READS", "120")]).await;
    let buyer = world.tenant("buyer", 0).await;
    assert_admitted(admitted(&world, &buyer.key, 200).await, 120, step);
    rest(&world, 30).await;
    assert_admitted(admitted(&world, &buyer.key, 200).await, 60, step);
    // A fixed window would let the whole limit pass on each side of its boundary.
    rest(&world, 1).await;
    assert_admitted(admitted(&world, &buyer.key, 200).await, 2, step);
    rest(&world, 3_600).await;
    assert_admitted(admitted(&world, &buyer.key, 300).await, 120, step);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_as_long_as_told_is_admitted() {
    let world = World::start_with(None, &[("RATE_LIMIT_READS", "60")]).await;
    let buyer = world.tenant("buyer", 0).await;
    let mut refused = None;
    for n in 0..200 {
        let answer = read(&world, n, &buyer.key).await;
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status(), 200);
    }
    let wait = header(&refused.expect("sixty reads take less than a minute"), "retry-after").parse().unwrap();
    assert!(wait >= 1);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(read(&world, 1, &buyer.key).await.status(), 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_has_its_budget_and_probes_and_webhooks_need_none() {
    let limits = [
        ("RATE_LIMIT_READS", "3"),
        ("RATE_LIMIT_WRITES", "2"),
        ("RATE_LIMIT_PURCHASES", "1"),
        ("RATE_LIMIT_CREDIT_PURCHASES", "1"),
    ];
    let world = World::start_with(None, &limits).await;
    let (buyer, admin) = (world.tenant("buyer", 0).await, world.staff("admin").await);
    let retry = format!("/v1/admin/dead-letters/{}/retry", uuid::Uuid::nil());
    for (method, path, key, kind, limit) in [
        ("POST", "/v1/purchases", &buyer.key, "purchases", 1),
        ("POST", "/v1/credit-purchases", &buyer.key, "credit_purchases", 1),
        ("POST", retry.as_str(), &admin, "writes", 2),
        ("GET", "/v1/leads", &buyer.key, "reads", 3),
        ("GET", "/v1/admin/dead-letters", &admin, "reads", 3),
    ] {
        for left in (0..limit).rev() {
            let answer = world.send(0, method, path, key, "", &json!({})).await;
            assert_ne!(answer.status(), 429, "{path}");
            assert_eq!(header(&answer, "ratelimit-policy"), format!("\"{kind}\";q={limit};w=60"));
            assert_eq!(standing(&answer, kind).0, left, "{path}");
        }
        let refused = world.send(1, method, path, key, "", &json!({})).await;
        assert_eq!(refused.status(), 429, "{path}");
        assert_eq!(header(&refused, "content-type"), "application/problem+json");
    }
    for n in 0..20 {
        let answer = world.send(n, "GET", "/health/ready", "", "", &Value::Null).await;
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key("ratelimit")), (200, false));
        assert_eq!(world.deliver_raw(n, "", String::new()).await, 400);
    }
    world.end().await;
}

/// Reads without a key, or with one that is nobody's, as if forwarded for an address.
async fn stranger(world: &World, key: &str, forwarded: &str) -> u16 {
    let url = format!("{}/v1/balance", world.instance(0));
    let mut request = reqwest::Client::new().get(url).header("X-Forwarded-For", forwarded);
    if !key.is_empty() {
        request = request.bearer_auth(key);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_count_by_address_and_cannot_invent_one() {
    let world = World::start_with(None, &[("RATE_LIMIT_READS", "5")]).await;
    let buyer = world.tenant("buyer", 0).await;
    let mut answers = Vec::new();
    for n in 0..8 {
        let key = if n % 2 == 0 { String::new() } else { format!("guess-{n}") };
        answers.push(stranger(&world, &key, &format!("203.0.113.{n}")).await);
    }
    assert_eq!(answers, [401, 401, 401, 401, 401, 429, 429, 429], "guessing keys is limited like the rest");
    assert_eq!(read(&world, 0, &buyer.key).await.status(), 200, "a valid key counts for its workspace");
    let callers: Vec<String> =
        sqlx::query_scalar("SELECT caller FROM rate_limits ORDER BY caller").fetch_all(&world.operator).await.unwrap();
    assert_eq!(callers, ["address:127.0.0.1".to_owned(), format!("workspace:{}", buyer.workspace)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_trusted_proxy_each_client_has_its_budget() {
    let trusted = [("RATE_LIMIT_READS", "1"), ("TRUSTED_PROXIES", "10.0.0.0/8, 127.0.0.1")];
    let world = World::start_with(None, &trusted).await;
    for address in ["203.0.113.1", "203.0.113.2", "2001:db8:0:1::1"] {
        assert_eq!(stranger(&world, "", address).await, 401);
    }
    assert_eq!(stranger(&world, "", "198.51.100.9, 203.0.113.2, 10.1.1.1").await, 429);
    assert_eq!(stranger(&world, "", "2001:db8:0:1:ffff::2").await, 429, "one customer, one network");
    world.end().await;
}

async fn put(world: &World, key: &str, tenant: &Tenant, kind: &str, body: &Value) -> (u16, Value) {
    let path = format!("/v1/admin/rate-limits/{}/{kind}", tenant.workspace);
    let answer = world.send(0, "PUT", &path, key, "", body).await;
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn ahead(world: &World, n: usize, ms: i64) {
    let moved = world.send(n, "PUT", "/test-clock", "", "", &json!({ "ahead_ms": ms })).await;
    assert_eq!(moved.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_lifts_a_limit_until_a_date_and_leaves_a_trace() {
    let world = World::start_with(None, &[("RATE_LIMIT_READS", "2")]).await;
    let (buyer, other) = (world.tenant("buyer", 0).await, world.tenant("buyer", 0).await);
    let (admin, support) = (world.staff("admin").await, world.staff("support").await);
    let expires = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let lift = json!({ "per_minute": null, "expires_at": expires, "reason": "a migration" });
    for key in [&support, &buyer.key] {
        assert_eq!(put(&world, key, &buyer, "reads", &lift).await.1["code"], "forbidden");
    }
    let (status, set) = put(&world, &admin, &buyer, "reads", &lift).await;
    assert_eq!((status, &set["per_minute"], &set["kind"]), (200, &Value::Null, &json!("reads")), "{set}");
    assert_eq!(put(&world, &admin, &buyer, "reads", &lift).await.1, set);
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'rate_limit.set' AND subject = 'reads'
                     AND detail ->> 'reason' = 'a migration'";
    assert_eq!(world.count(audited).await, 1, "said twice, written down once");

    let free = join_all((0..20).map(|n| read(&world, n, &buyer.key))).await;
    assert!(free.iter().all(|answer| answer.status() == 200 && !answer.headers().contains_key("ratelimit")));
    assert_admitted(admitted(&world, &other.key, 20).await, 2, Duration::from_secs(30));

    // Where it is past the date already, the limit holds again; elsewhere not yet.
    ahead(&world, 1, 7_200_000).await;
    let late: Vec<u16> =
        join_all((0..5).map(|_| read(&world, 1, &buyer.key))).await.iter().map(|a| a.status().as_u16()).collect();
    assert_eq!(late.iter().filter(|status| **status == 200).count(), 2, "{late:?}");
    assert_eq!(read(&world, 0, &buyer.key).await.status(), 200);
    ahead(&world, 1, 0).await;

    // Another limit, then its end before its date.
    let other_limit = json!({ "per_minute": 600, "expires_at": expires, "reason": "a slower one" });
    assert_eq!(put(&world, &admin, &other, "reads", &other_limit).await.0, 200);
    assert_eq!(header(&read(&world, 0, &other.key).await, "ratelimit-policy"), "\"reads\";q=600;w=60");
    let path = format!("/v1/admin/rate-limits/{}/reads", other.workspace);
    let end = || world.send(0, "DELETE", &path, &admin, "", &Value::Null);
    assert_eq!(end().await.status(), 200);
    assert_eq!(end().await.json::<Value>().await.unwrap()["code"], "override_not_found");
    assert_eq!(header(&read(&world, 1, &other.key).await, "ratelimit-policy"), "\"reads\";q=2;w=60");
    assert_eq!(world.count("SELECT count(*) FROM audit_log WHERE action = 'rate_limit.ended'").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_that_makes_no_sense_is_refused() {
    let world = World::start_with(None, &[]).await;
    let (buyer, admin) = (world.tenant("buyer", 0).await, world.staff("admin").await);
    let nobody = Tenant { workspace: uuid::Uuid::nil(), key: String::new() };
    let later = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let good = json!({ "per_minute": 5, "expires_at": later, "reason": "why" });
    let but = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for body in [
        but("per_minute", json!(0)),
        but("per_minute", json!(1_000_001)),
        but("expires_at", json!("2020-01-01T00:00:00Z")),
        but("reason", json!("  ")),
        but("per_hour", json!(1)),
    ] {
        assert_eq!(put(&world, &admin, &buyer, "reads", &body).await.1["code"], "invalid_request", "{body}");
    }
    assert_eq!(put(&world, &admin, &buyer, "refunds", &good).await.1["code"], "invalid_request");
    assert_eq!(put(&world, &admin, &nobody, "reads", &good).await.1["code"], "workspace_not_found");
    assert_eq!(world.count("SELECT count(*) FROM rate_limit_overrides").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_back_office_lifts_limits_by_hand_and_whole_budgets_are_forgotten() {
    let world = World::start_with(None, &[("RATE_LIMIT_READS", "2"), ("RATE_LIMIT_SWEEP_MS", "50")]).await;
    let (lifted, limited) = (world.tenant("buyer", 0).await, world.tenant("buyer", 0).await);
    sqlx::query(
        "INSERT INTO rate_limit_overrides (workspace_id, kind, expires_at, reason) VALUES ($1, 'reads', 'infinity', 'x')",
    )
    .bind(lifted.workspace)
    .execute(&world.operator)
    .await
    .unwrap();
    assert_eq!(admitted(&world, &lifted.key, 20).await.0, 20);
    assert_admitted(admitted(&world, &limited.key, 2).await, 2, Duration::from_secs(30));
    let callers = || async {
        let callers: Vec<String> =
            sqlx::query_scalar("SELECT caller FROM rate_limits").fetch_all(&world.operator).await.unwrap();
        callers.into_iter().collect::<BTreeSet<_>>()
    };
    let mine = BTreeSet::from([format!("workspace:{}", limited.workspace)]);
    assert_eq!(callers().await, mine, "what is not limited needs no row, and what is used up is kept");
    rest(&world, 120).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !callers().await.is_empty() {
        assert!(Instant::now() < deadline, "a whole budget is not forgotten");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.end().await;
}
