//! What holds for every kind of job: attempts that are counted whatever ends them, steps that are done once,
//! dead letters with one alert, and a list of it all.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::world::World;

const ENRICHED: [(&str, &str); 2] = [("ENRICHMENT_API_BASE", "{providers}"), ("TICK_MS", "50")];

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_kills_each_of_its_workers_ends_in_the_dead_letters() {
    let world = World::start_some(None, 0, &[]).await;
    let tenant = world.tenant("buyer", 0).await;
    world.stub.email_hangs.store(true, Ordering::SeqCst);
    world.queue_email(&tenant, "poison").await;
    for died in 1..=3 {
        let instance = world.doomed().await;
        world.until("the email is being sent", async || world.stub.emails.lock().unwrap().len() == died).await;
        instance.kill();
    }
    let survivor = world.doomed().await;
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), 3, "nobody else was sent to die");
    let dead = "SELECT count(*) FROM dead_letters WHERE kind = 'email' AND subject = 'poison'
                  AND reason = 'its worker died' AND jsonb_array_length(history) = 3";
    assert_eq!(world.count(dead).await, 1);
    assert_eq!(world.stub.alerts.lock().unwrap().len(), 1);
    survivor.kill();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_kills_three_workers_is_buried_and_one_that_is_parked_may_come_back_more_often() {
    let world = World::start_some(None, 0, &[]).await;
    let (worker, app) = (world.role("marketplace_worker").await, world.role("marketplace_app").await);
    let ids = async |event: &'static str| -> i64 {
        let stored: bool = sqlx::query_scalar("SELECT receive_webhook($1, 'refund.created', '{}')")
            .bind(event)
            .fetch_one(&app)
            .await
            .unwrap();
        assert!(stored);
        world.count("SELECT max(id) FROM webhook_events").await
    };
    let begins = async |id: i64| -> bool {
        let begun = sqlx::query("SELECT * FROM webhook_to_process($1, 8, 3)").bind(id).fetch_optional(&worker).await;
        begun.unwrap().is_some()
    };
    let park = async |id: i64| -> bool {
        let failed = sqlx::query_scalar("SELECT webhook_failed($1, 'parked', false, 8, now())").bind(id);
        failed.fetch_one(&worker).await.unwrap()
    };
    let buried = "SELECT count(*) FROM dead_letters WHERE kind = 'webhook' AND reason = 'its worker died'
                    AND resolved_at IS NULL";

    let poison = ids("evt_poison").await;
    for _ in 0..3 {
        assert!(begins(poison).await);
    }
    assert!(!begins(poison).await, "nobody else is sent to die");
    assert_eq!(world.count(buried).await, 1);

    let parked = ids("evt_parked").await;
    for _ in 0..5 {
        assert!(begins(parked).await && park(parked).await);
    }
    assert!(begins(parked).await && begins(parked).await, "one worker died, by a deployment perhaps");
    assert!(park(parked).await, "the seventh attempt of eight");
    assert!(begins(parked).await && !park(parked).await, "and the eighth");
    assert_eq!(world.count(buried).await, 1, "that one died of patience");

    // Taken up again, it has three lives again.
    let admin = world.staff("admin").await;
    let letter: Uuid = sqlx::query_scalar("SELECT id FROM dead_letters WHERE subject = 'evt_poison'")
        .fetch_one(&world.operator)
        .await
        .unwrap();
    let retried: bool = sqlx::query_scalar("SELECT retry_dead_letter($1, $2)")
        .bind(Sha256::digest(admin.as_bytes()).to_vec())
        .bind(letter)
        .fetch_one(&app)
        .await
        .unwrap();
    assert!(retried);
    for _ in 0..3 {
        assert!(begins(poison).await);
    }
    assert!(!begins(poison).await);
    assert_eq!(world.count(buried).await, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_the_database_broke_off_is_not_counted() {
    let world = World::start(None).await;
    let tenant = world.tenant("buyer", 0).await;
    world
        .as_owner(
            "CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE EXCEPTION 'cut off' USING ERRCODE = '57P01'; END $$;
             CREATE TRIGGER cut_off BEFORE UPDATE ON emails FOR EACH ROW WHEN (NEW.state = 'sent')
               EXECUTE FUNCTION cut_off()",
        )
        .await;
    world.queue_email(&tenant, "unlucky").await;
    world.until("many runs", async || world.stub.emails.lock().unwrap().len() >= 5).await;
    world.as_owner("DROP TRIGGER cut_off ON emails").await;
    world.until_quiet().await;
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'sent' AND attempts = 1").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    let emails = world.stub.emails.lock().unwrap().clone();
    assert!(emails.iter().all(|email| email.key == emails[0].key), "the provider can tell that it is one email");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_succeeded_is_not_done_again() {
    let world = World::start_with(None, &ENRICHED).await;
    let (partner, buyer, other) =
        (world.tenant("partner", 0).await, world.tenant("buyer", 9).await, world.tenant("buyer", 9).await);
    world
        .as_owner(
            "CREATE SEQUENCE runs;
             CREATE FUNCTION cut_off() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN PERFORM nextval('runs'); RAISE EXCEPTION 'cut off' USING ERRCODE = '57P01'; END $$;
             ALTER FUNCTION cut_off() SECURITY DEFINER;
             CREATE TRIGGER cut_off BEFORE UPDATE ON lead_enrichments FOR EACH ROW WHEN (NEW.state = 'enriched')
               EXECUTE FUNCTION cut_off()",
        )
        .await;
    let lead = world.lead(&partner, 5, 3).await;
    let runs = async || world.owner_count("SELECT last_value FROM runs").await;
    world.until("the job has run several times", async || runs().await >= 9).await;
    world.as_owner("DROP TRIGGER cut_off ON lead_enrichments").await;
    world.until_quiet().await;
    let asked = world.stub.enrichments.lock().unwrap().clone();
    assert_eq!(asked.len(), 1, "the provider is paid for one answer: {asked:?}");
    assert!(asked[0].body.contains(&lead.to_string()));

    let path = format!("/v1/leads/{lead}/enrichment");
    assert_eq!(world.get(&partner, &path).await.1["data"], json!({ "company": "Acme" }));
    assert_eq!(world.get(&buyer, &path).await.0, 404, "not bought");
    assert_eq!(world.buy(0, &buyer, "k", &[lead]).await.0, 201);
    assert_eq!(world.get(&buyer, &path).await.0, 200);
    assert_eq!(world.get(&other, &path).await.1["code"], "enrichment_not_found");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_refused_is_told_once_by_hook_and_email_and_again_if_its_retry_dies_too() {
    let mut extra = ENRICHED.to_vec();
    extra.push(("ALERT_EMAIL", "oncall@example.test"));
    let world = World::start_with(None, &extra).await;
    let (partner, admin, support) =
        (world.tenant("partner", 0).await, world.staff("admin").await, world.staff("support").await);
    *world.stub.enrichment_always.lock().unwrap() = Some(422);
    *world.stub.email_answers.lock().unwrap() = vec![503];
    world.lead(&partner, 5, 3).await;
    for lives in 1..=2 {
        world
            .until("an open dead letter", async || {
                world.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL").await == 1
            })
            .await;
        world.until_quiet().await;
        assert_eq!(world.stub.enrichments.lock().unwrap().len(), lives, "a refusal is not repeated");
        assert_eq!(world.stub.alerts.lock().unwrap().len(), lives, "the hook is not told again for the email's sake");
        assert_eq!(world.stub.emails.lock().unwrap().len(), lives + 1, "the first email was tried twice");
        if lives == 2 {
            *world.stub.enrichment_always.lock().unwrap() = None;
        }
        let (_, page) = world.get_as(&support, "/v1/admin/dead-letters").await;
        assert_eq!(page["dead_letters"][0]["kind"], "enrichment");
        let retry = format!("/v1/admin/dead-letters/{}/retry", page["dead_letters"][0]["id"].as_str().unwrap());
        assert_eq!(world.send(0, "POST", &retry, &support, "", &Value::Null).await.status(), 403);
        assert_eq!(world.send(0, "POST", &retry, &admin, "", &Value::Null).await.status(), 200);
    }
    world.until_quiet().await;
    assert_eq!(world.count("SELECT count(*) FROM lead_enrichments WHERE state = 'enriched'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM alerts WHERE resolved_at IS NULL").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_goes_on_with_the_page_that_was_not_delivered() {
    let world = World::start_with(
        None,
        &[
            ("DATA_SYNC_URL", "{providers}/sync"),
            ("DATA_SYNC_TICK_MS", "100"),
            ("DATA_SYNC_PAGE", "2"),
            ("DATA_SYNC_LAG_MS", "1500"),
        ],
    )
    .await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 10).await);
    *world.stub.sync_answers.lock().unwrap() = vec![200, 503, 503];
    // In one statement, so that no sync can find some of them: all are of one moment, and go by their ids.
    let mut leads: Vec<Uuid> = sqlx::query_scalar(
        "INSERT INTO leads (workspace_id, title, price, max_sales) SELECT $1, 'a lead', 5, 3 FROM generate_series(1, 5)
         RETURNING id",
    )
    .bind(partner.workspace)
    .fetch_all(&world.operator)
    .await
    .unwrap();
    leads.sort_unstable();
    let delivered = |stream: &str, id: &str| -> Vec<String> {
        let synced = world.stub.synced.lock().unwrap();
        let bodies = synced.iter().map(|seen| serde_json::from_str::<Value>(&seen.body).unwrap());
        let rows = bodies.filter(|body| body["stream"] == stream).flat_map(|b| b["rows"].as_array().unwrap().clone());
        rows.map(|row| row[id].as_str().unwrap().to_owned()).collect()
    };
    world.until("all leads", async || delivered("leads", "lead_id").len() >= 9).await;
    world.until_quiet().await;
    let wanted: Vec<String> = [0, 1, 2, 3, 2, 3, 2, 3, 4].map(|n: usize| leads[n].to_string()).to_vec();
    assert_eq!(delivered("leads", "lead_id"), wanted, "page 1 once, page 2 three times, page 3 once");
    let keys: Vec<String> = world.stub.synced.lock().unwrap().iter().map(|seen| seen.key.clone()).collect();
    assert_eq!((&keys[1], &keys[2]), (&keys[2], &keys[3]), "the receiver can tell that it is one page");

    let (status, bought) = world.buy(0, &buyer, "k", &leads[..2]).await;
    assert_eq!(status, 201);
    world.until("the purchase", async || !delivered("purchases", "purchase_id").is_empty()).await;
    world.until_quiet().await;
    assert_eq!(delivered("purchases", "purchase_id"), [bought["purchase_id"].as_str().unwrap()]);
    assert_eq!(delivered("leads", "lead_id").len(), 9, "nothing is pushed again");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_is_listed_with_its_state_and_a_job_exists_once() {
    let world = World::start(None).await;
    let (tenant, support) = (world.tenant("buyer", 0).await, world.staff("support").await);
    *world.stub.email_always.lock().unwrap() = Some(422);
    world.queue_email(&tenant, "refused").await;
    world.until_quiet().await;
    let hash = Sha256::digest(support.as_bytes()).to_vec();
    let listed = |kind: Option<&'static str>, state: Option<&'static str>| {
        sqlx::query_as::<_, (String, String, String, i32, Option<String>)>(
            "SELECT kind, subject, state, attempts, last_error FROM list_jobs($1, $2, $3, 10)",
        )
        .bind(hash.clone())
        .bind(kind)
        .bind(state)
    };
    let mut owner = world.owner().await;
    let all = listed(None, None).fetch_all(&mut owner).await.unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
    let dead = listed(Some("email"), Some("dead")).fetch_all(&mut owner).await.unwrap();
    assert_eq!((dead[0].1.as_str(), dead[0].3), ("refused", 1));
    assert!(dead[0].4.as_ref().unwrap().starts_with("422"));
    assert!(listed(Some("email"), Some("waiting")).fetch_all(&mut owner).await.unwrap().is_empty());
    let counts: Vec<(String, String, i64)> =
        sqlx::query_as("SELECT * FROM count_jobs($1)").bind(&hash).fetch_all(&mut owner).await.unwrap();
    let expected = [("alert", "done"), ("email", "dead")].map(|(kind, state)| (kind.to_owned(), state.to_owned(), 1));
    assert_eq!(counts, expected);
    let nobody = Sha256::digest(tenant.key.as_bytes()).to_vec();
    let refused = sqlx::query("SELECT * FROM count_jobs($1)").bind(nobody).execute(&mut owner).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "MK403");

    let started = join_all((0..20).map(|_| world.owner_bool("SELECT start_job('nobody knows', '2026-11-24')"))).await;
    assert_eq!(started.into_iter().filter(|first| *first).count(), 1);
    world.until_quiet().await;
    assert_eq!(world.count("SELECT count(*) FROM jobs WHERE state = 'dead' AND attempts = 3").await, 1);
    world.end().await;
}
