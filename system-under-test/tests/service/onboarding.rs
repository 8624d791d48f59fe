//! Sign-up: one workspace however often it is submitted, wherever, and whatever dies in between.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::world::World;

fn ann() -> Value {
    json!({ "name": "Acme", "email": "ann@example.test" })
}

async fn sign_up(world: &World, n: usize, key: &str, body: &Value) -> (u16, String) {
    let response = world.send(n, "POST", "/v1/workspaces", "", key, body).await;
    (response.status().as_u16(), response.text().await.unwrap())
}

const CREATED: &str = "SELECT (SELECT count(*) FROM workspaces) * 1000 + (SELECT count(*) FROM members) * 100
                            + (SELECT count(*) FROM transfers) * 10 + (SELECT count(*) FROM emails)";

#[tokio::test(flavor = "multi_thread")]
async fn submitted_a_hundred_times_at_once_on_two_instances_it_makes_one_workspace_and_one_answer() {
    let world = World::start(None).await;
    let answers = join_all((0..100).map(|n| {
        let world = &world;
        async move { sign_up(world, n, "sign up once", &ann()).await }
    }))
    .await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 201, "{}", answers[0].1);
    let body: Value = serde_json::from_str(&answers[0].1).unwrap();
    assert_eq!(body["balance"], 10);
    let key = body["api_key"].as_str().unwrap();
    assert_eq!(world.get_as(key, "/v1/balance").await.1["balance"], 10);
    assert_eq!(world.count(CREATED).await, 1_111);
    world.until_quiet().await;
    let emails = world.stub.emails.lock().unwrap().clone();
    assert_eq!(emails.len(), 1);
    assert!(emails[0].body.contains("Acme") && emails[0].body.contains("ann@example.test"), "{}", emails[0].body);
    assert!(!emails[0].body.contains(key), "an email is no place for a key");
    let stored = "SELECT count(*) FROM idempotency_keys WHERE body LIKE '%od\\_%' OR body NOT LIKE '%{api_key}%'";
    assert_eq!(world.count(stored).await, 0, "the key is not stored in clear");
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_for_one_body_and_an_address_for_one_workspace() {
    let world = World::start(None).await;
    assert_eq!(sign_up(&world, 0, "first", &ann()).await.0, 201);
    let code = |(status, body): (u16, String)| {
        (status, serde_json::from_str::<Value>(&body).unwrap()["code"].as_str().unwrap().to_owned())
    };
    let other = json!({ "name": "Acme", "email": "bob@example.test" });
    assert_eq!(code(sign_up(&world, 1, "first", &other).await), (422, "idempotency_key_reused".to_owned()));
    let shouted = json!({ "name": "Acme", "email": "ANN@example.test" });
    assert_eq!(code(sign_up(&world, 1, "second", &shouted).await), (409, "email_taken".to_owned()));
    assert_eq!(code(sign_up(&world, 1, "", &ann()).await), (400, "idempotency_key_missing".to_owned()));
    let nobody = json!({ "name": "Acme", "email": "nobody" });
    assert_eq!(code(sign_up(&world, 1, "third", &nobody).await), (400, "invalid_request".to_owned()));
    assert_eq!(world.count(CREATED).await, 1_111);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_at_once_under_many_keys_makes_one_workspace() {
    let world = World::start(None).await;
    let answers = join_all((0..40).map(|n| {
        let world = &world;
        async move { sign_up(world, n, &format!("key {n}"), &ann()).await.0 }
    }))
    .await;
    assert_eq!(answers.iter().filter(|status| **status == 201).count(), 1);
    assert_eq!(answers.iter().filter(|status| **status == 409).count(), 39);
    assert_eq!(world.count(CREATED).await, 1_111);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_up_that_was_cut_off_leaves_nothing_and_its_repetition_everything() {
    let world = World::start(None).await;
    // The last statement of the sign-up fails: what a crash before the commit leaves.
    let failing = "CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS
                     $$ BEGIN RAISE EXCEPTION 'cut off' USING ERRCODE = '57P01'; END $$;
                   CREATE TRIGGER cut_off BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION cut_off()";
    world.as_owner(failing).await;
    assert_eq!(sign_up(&world, 0, "key", &ann()).await.0, 503);
    assert_eq!(world.count(CREATED).await, 0);
    world.as_owner("DROP TRIGGER cut_off ON idempotency_keys").await;
    let (status, first) = sign_up(&world, 1, "key", &ann()).await;
    assert_eq!(status, 201, "{first}");
    // The answer was lost: the client asks the other instance.
    assert_eq!(sign_up(&world, 0, "key", &ann()).await, (201, first));
    assert_eq!(world.count(CREATED).await, 1_111);
    world.end().await;
}
