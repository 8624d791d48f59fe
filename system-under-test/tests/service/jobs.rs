//! Emails that fail: retries with one key, dead letters, alerts, manual retry.

use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_email_is_retried_with_the_same_key_until_it_is_sent() {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 9).await);
    let lead = world.lead(&partner, 5, 1).await;
    *world.stub.email_answers.lock().unwrap() = vec![503, 429];
    let (_, purchase) = world.buy(0, &buyer, "k", &[lead]).await;
    world.until_quiet().await;
    let emails = world.stub.emails.lock().unwrap().clone();
    assert_eq!(emails.len(), 3);
    assert!(emails.iter().all(|email| email.key == emails[0].key));
    let body: Value = serde_json::from_str(&emails[2].body).unwrap();
    let event = format!("purchase_{}", purchase["purchase_id"].as_str().unwrap());
    assert_eq!(body["tags"], json!([{ "name": "event", "value": event }]));
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'sent' AND attempts = 3").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_that_fails_for_good_is_a_dead_letter_with_one_alert_and_can_be_retried() {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 9).await);
    let admin = world.staff("admin").await;
    let lead = world.lead(&partner, 5, 1).await;
    *world.stub.email_always.lock().unwrap() = Some(500);
    assert_eq!(world.buy(0, &buyer, "k", &[lead]).await.0, 201, "the purchase stands");
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), 3);

    let (_, page) = world.get_as(&admin, "/v1/admin/dead-letters").await;
    let letter = &page["dead_letters"][0];
    assert_eq!(letter["history"].as_array().unwrap().len(), 3);
    let subject = letter["subject"].as_str().unwrap();
    let alerts = world.stub.alerts.lock().unwrap().clone();
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].body.contains("email") && alerts[0].body.contains(subject), "{}", alerts[0].body);

    *world.stub.email_always.lock().unwrap() = None;
    let retry = format!("/v1/admin/dead-letters/{}/retry", letter["id"].as_str().unwrap());
    let statuses =
        futures::future::join_all((0..10).map(|n| world.send(n, "POST", &retry, &admin, "", &Value::Null))).await;
    assert_eq!(statuses.iter().filter(|r| r.status() == 200).count(), 1);
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), 4);
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'sent'").await, 1);
    assert_eq!(world.get_as(&admin, "/v1/admin/dead-letters").await.1["dead_letters"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_email_is_not_tried_again() {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 9).await);
    let lead = world.lead(&partner, 5, 1).await;
    *world.stub.email_always.lock().unwrap() = Some(422);
    world.buy(0, &buyer, "k", &[lead]).await;
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters WHERE kind = 'email'").await, 1);
    world.end().await;
}
