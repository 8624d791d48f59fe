//! Campaigns: each step once per recipient and in order, whatever fails; nothing after an unsubscribe.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::stub::Seen;
use crate::world::{Tenant, World};

const TICK: [(&str, &str); 1] = [("TICK_MS", "50")];

async fn post(world: &World, n: usize, owner: &Tenant, path: &str, key: &str, body: &Value) -> (u16, Value) {
    let response = world.send(n, "POST", path, &owner.key, key, body).await;
    (response.status().as_u16(), response.json().await.unwrap())
}

/// A campaign with a step per delay, and these recipients; its path.
async fn campaign(world: &World, owner: &Tenant, delays: &[i64], emails: &[&str]) -> String {
    let steps: Vec<Value> = delays
        .iter()
        .enumerate()
        .map(|(n, delay)| json!({ "subject": format!("step {}", n + 1), "body": "Hello", "delay_s": delay }))
        .collect();
    let (status, created) =
        post(world, 0, owner, "/v1/campaigns", "create", &json!({ "name": "spring", "steps": steps })).await;
    assert_eq!(status, 201, "{created}");
    let path = format!("/v1/campaigns/{}", created["id"].as_str().unwrap());
    let (status, added) =
        post(world, 1, owner, &format!("{path}/recipients"), "add", &json!({ "emails": emails })).await;
    assert_eq!(status, 200, "{added}");
    path
}

async fn go(world: &World, owner: &Tenant, path: &str, to: &str) {
    let (status, moved) = post(world, 0, owner, &format!("{path}/{to}"), to, &Value::Null).await;
    assert_eq!(status, 200, "{moved}");
}

/// Who was sent which step, in this order.
fn sent(world: &World) -> Vec<(String, String)> {
    let emails = world.stub.emails.lock().unwrap();
    let body = |email: &Seen| serde_json::from_str::<Value>(&email.body).unwrap();
    emails
        .iter()
        .map(body)
        .map(|b| (b["to"][0].as_str().unwrap().to_owned(), b["subject"].as_str().unwrap().to_owned()))
        .collect()
}

/// The path of the unsubscribe link in the n-th email.
fn link(world: &World, n: usize) -> String {
    let body: Value = serde_json::from_str(&world.stub.emails.lock().unwrap()[n].body).unwrap();
    let header = body["headers"]["List-Unsubscribe"].as_str().unwrap().to_owned();
    assert_eq!(body["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    let url = header.trim_matches(['<', '>']);
    assert!(body["text"].as_str().unwrap().contains(url), "the link is in the text too");
    url[url.find("/unsubscribe/").unwrap()..].to_owned()
}

async fn unsubscribe(world: &World, n: usize, link: &str) -> u16 {
    world.send(n, "POST", link, "", "", &Value::Null).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_sent_once_to_each_recipient_and_in_order_through_failures_and_double_submits() {
    let world = World::start_with(None, &TICK).await;
    let owner = world.tenant("admin", 0).await;
    *world.stub.email_answers.lock().unwrap() = vec![503, 503, 429, 200, 500];
    let path = campaign(&world, &owner, &[0, 0, 0], &["a@x.test", "b@x.test", "A@X.TEST", "c@x.test"]).await;
    let again = json!({ "emails": ["B@x.test", "d@x.test"] });
    let recipients = format!("{path}/recipients");
    let added = join_all((0..20).map(|n| post(&world, n, &owner, &recipients, "more", &again))).await;
    assert!(added.iter().all(|answer| *answer == (200, json!({ "added": 1, "total": 4 }))), "{added:?}");
    let start = format!("{path}/start");
    let started = join_all((0..20).map(|n| post(&world, n, &owner, &start, "go", &Value::Null))).await;
    assert!(started.iter().all(|answer| answer.0 == 200 && answer.1["status"] == "running"), "{started:?}");
    world
        .until("all done", async || {
            world.count("SELECT count(*) FROM campaign_recipients WHERE state = 'done'").await == 4
        })
        .await;
    world.until_quiet().await;
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'sent'").await, 12);
    for who in ["a@x.test", "b@x.test", "c@x.test", "d@x.test"] {
        let mut steps: Vec<String> = sent(&world).into_iter().filter(|(to, _)| to == who).map(|(_, s)| s).collect();
        steps.dedup();
        assert_eq!(steps, ["step 1", "step 2", "step 3"], "{who}");
    }
    let (_, shown) = world.get(&owner, &path).await;
    assert_eq!(shown["recipients"]["done"], 4);
    assert_eq!(shown["steps"].as_array().unwrap().iter().map(|s| s["sent"].as_i64().unwrap()).sum::<i64>(), 12);
    assert_eq!(world.get(&owner, "/v1/campaigns").await.1["campaigns"][0]["name"], "spring");
    let stranger = world.tenant("admin", 0).await;
    assert_eq!(world.get(&stranger, &path).await.0, 404);
    assert_eq!(world.get(&stranger, "/v1/campaigns").await.1["campaigns"], json!([]));
    assert_eq!(post(&world, 0, &stranger, &format!("{path}/pause"), "p", &Value::Null).await.0, 404);
    let (status, nowhere) = post(&world, 0, &owner, &format!("{path}/explode"), "x", &Value::Null).await;
    assert_eq!((status, &nowhere["code"]), (404, &json!("route_not_found")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_waits_for_its_delay_by_the_service_s_clock_and_for_a_pause() {
    let world = World::start_with(None, &TICK).await;
    let owner = world.tenant("admin", 0).await;
    let path = campaign(&world, &owner, &[0, 3_600], &["a@x.test"]).await;
    go(&world, &owner, &path, "start").await;
    world.until("the first step", async || sent(&world).len() == 1).await;
    world.until_quiet().await;
    assert_eq!(sent(&world).len(), 1);
    go(&world, &owner, &path, "pause").await;
    for n in 0..2 {
        world.send(n, "PUT", "/test-clock", "", "", &json!({ "ahead_ms": 3_601_000 })).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(sent(&world).len(), 1, "paused");
    let (status, refused) = post(&world, 0, &owner, &format!("{path}/start"), "again", &Value::Null).await;
    assert_eq!((status, &refused["code"]), (409, &json!("campaign_state")));
    go(&world, &owner, &path, "resume").await;
    world.until("the second step", async || sent(&world).len() == 2).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribe_stops_what_is_queued_and_waits_for_what_is_on_its_way() {
    let world = World::start_with(None, &TICK).await;
    let owner = world.tenant("admin", 0).await;
    let path = campaign(&world, &owner, &[0, 0], &["a@x.test", "b@x.test"]).await;
    // The first step of both goes wrong once: both emails wait in the outbox for their second attempt.
    *world.stub.email_always.lock().unwrap() = Some(503);
    go(&world, &owner, &path, "start").await;
    world
        .until("both were tried", async || {
            ["a@x.test", "b@x.test"].iter().all(|who| sent(&world).iter().any(|(to, _)| to == who))
        })
        .await;
    let of_a = sent(&world).iter().position(|(to, _)| to == "a@x.test").unwrap();
    let link = link(&world, of_a);
    assert_eq!(world.send(0, "GET", &link, "", "", &Value::Null).await.status(), 200, "asks, and changes nothing");
    assert_eq!(world.count("SELECT count(*) FROM unsubscribes").await, 0);
    let statuses = join_all((0..10).map(|n| unsubscribe(&world, n, &link))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let before = sent(&world).iter().filter(|(to, _)| to == "a@x.test").count();
    *world.stub.email_always.lock().unwrap() = None;
    world
        .until("b is done", async || {
            world.count("SELECT count(*) FROM campaign_recipients WHERE state = 'done'").await == 1
        })
        .await;
    world.until_quiet().await;
    assert_eq!(sent(&world).iter().filter(|(to, _)| to == "a@x.test").count(), before, "nothing after the answer");
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'suppressed'").await, 1);
    // Added again, in another campaign and another case: still nothing.
    let (_, other) = post(
        &world,
        0,
        &owner,
        "/v1/campaigns",
        "other",
        &json!({ "name": "summer", "steps": [{ "subject": "again", "body": "Hello" }] }),
    )
    .await;
    let other = format!("/v1/campaigns/{}", other["id"].as_str().unwrap());
    let again = json!({ "emails": ["A@x.test", "c@x.test"] });
    assert_eq!(post(&world, 0, &owner, &format!("{other}/recipients"), "o", &again).await.0, 200);
    assert_eq!(post(&world, 0, &owner, &format!("{other}/start"), "s", &Value::Null).await.0, 200);
    world.until("c got it", async || sent(&world).iter().any(|(to, _)| to == "c@x.test")).await;
    world.until_quiet().await;
    assert!(!sent(&world).contains(&("A@x.test".to_owned(), "again".to_owned())));
    let forged = format!("{}0", &link[..link.len() - 1]);
    let statuses = [unsubscribe(&world, 0, &forged).await, unsubscribe(&world, 0, "/unsubscribe/no").await];
    assert!(statuses.contains(&404) && statuses[1] == 404, "{statuses:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribe_is_answered_after_the_email_that_is_being_handed_over() {
    let world = World::start_with(None, &[TICK[0], ("PROVIDER_TIMEOUT_MS", "1500"), ("JOB_MAX_ATTEMPTS", "9")]).await;
    let owner = world.tenant("admin", 0).await;
    world.stub.email_hangs.store(true, Ordering::SeqCst);
    let path = campaign(&world, &owner, &[0], &["a@x.test"]).await;
    go(&world, &owner, &path, "start").await;
    world.until("it is on its way", async || sent(&world).len() == 1).await;
    let link = link(&world, 0);
    let in_flight = "SELECT count(*) FROM emails WHERE state = 'pending' AND started_at IS NOT NULL";
    assert_eq!(world.count(in_flight).await, 1);
    assert_eq!(unsubscribe(&world, 1, &link).await, 200);
    assert_eq!(world.count(in_flight).await, 0, "answered only when nothing was on its way");
    world.until_quiet().await;
    assert_eq!(sent(&world).len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'suppressed'").await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_the_dead_letters_stops_its_recipient_and_its_retry_goes_on() {
    let world = World::start_with(None, &TICK).await;
    let (owner, admin) = (world.tenant("admin", 0).await, world.staff("admin").await);
    *world.stub.email_always.lock().unwrap() = Some(422);
    let path = campaign(&world, &owner, &[0, 0], &["a@x.test"]).await;
    go(&world, &owner, &path, "start").await;
    world.until("dead", async || world.count("SELECT count(*) FROM dead_letters").await == 1).await;
    world.until_quiet().await;
    assert_eq!(world.get(&owner, &path).await.1["steps"][0]["dead"], 1);
    assert_eq!(world.count("SELECT count(*) FROM emails").await, 1, "no second step");
    *world.stub.email_always.lock().unwrap() = None;
    let (_, page) = world.get_as(&admin, "/v1/admin/dead-letters").await;
    let retry = format!("/v1/admin/dead-letters/{}/retry", page["dead_letters"][0]["id"].as_str().unwrap());
    assert_eq!(world.send(0, "POST", &retry, &admin, "", &Value::Null).await.status(), 200);
    world
        .until("both steps", async || {
            world.count("SELECT count(*) FROM campaign_recipients WHERE state = 'done'").await == 1
        })
        .await;
    let steps: Vec<String> = sent(&world).into_iter().map(|(_, step)| step).collect();
    assert_eq!(steps, ["step 1", "step 1", "step 2"]);
    world.end().await;
}
