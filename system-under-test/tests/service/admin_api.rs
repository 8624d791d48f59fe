//! The admin API: filters and pages of purchases, commissions held against their rule, the audit log.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Tenant, World};

/// The ids that a list holds, page after page of `size`.
async fn listed(world: &World, key: &str, filter: &str, size: usize) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    for _ in 0..50 {
        let (status, page) = world.get_as(key, &format!("/v1/admin/purchases?{filter}&limit={size}{cursor}")).await;
        assert_eq!(status, 200, "{filter}: {page}");
        let rows = page["purchases"].as_array().unwrap();
        assert!(rows.len() <= size);
        ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
    panic!("{filter}: the list has no end");
}

/// So many open dead letters of events that ask for nothing, so that a retry succeeds.
pub(crate) async fn dead_letters(world: &World, count: i32) -> Vec<Uuid> {
    world
        .as_owner(&format!(
            "WITH events AS (
                 INSERT INTO webhook_events (event_id, type, payload, state, attempts)
                 SELECT 'evt_dead_' || n, 'ping', jsonb_build_object('id', 'evt_dead_' || n, 'type', 'ping',
                        'livemode', false, 'data', jsonb_build_object('object', '{{}}'::jsonb)), 'dead', 3
                 FROM generate_series(1, {count}) AS n RETURNING id, event_id)
             INSERT INTO dead_letters (kind, subject, target, reason, history)
             SELECT 'webhook', event_id, id::text, 'the database said no',
                    jsonb_build_array(jsonb_build_object('attempt', 1, 'at', now(), 'error', 'the first refusal'),
                                      jsonb_build_object('attempt', 2, 'at', now(), 'error', 'the database said no'))
             FROM events"
        ))
        .await;
    let ids = "SELECT id FROM dead_letters WHERE resolved_at IS NULL AND subject LIKE 'evt_dead_%'";
    sqlx::query_scalar(ids).fetch_all(&world.operator).await.unwrap()
}

async fn bought(world: &World, buyer: &Tenant, key: &str, lead: Uuid) -> String {
    let (status, body) = world.buy(0, buyer, key, &[lead]).await;
    assert_eq!(status, 201, "{body}");
    body["purchase_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_are_found_by_each_filter_and_paged_without_gaps() {
    let world = World::start(None).await;
    let support = world.staff("support").await;
    let (partner, a, b) =
        (world.tenant("partner", 0).await, world.tenant("buyer", 500).await, world.tenant("buyer", 500).await);
    let mut leads = Vec::new();
    for price in 1..=7 {
        leads.push(world.lead(&partner, price * 10, 5).await);
    }
    let mut of_a = Vec::new();
    for (n, lead) in leads.iter().enumerate() {
        of_a.push(bought(&world, &a, &format!("k{n}"), *lead).await);
    }
    let of_b = bought(&world, &b, "k", leads[0]).await;
    let order = world.send(0, "POST", "/v1/credit-purchases", &b.key, "c", &json!({ "credits": 25 })).await;
    let order = order.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned();

    // Newest first; every page size gives the same list.
    let everything: Vec<String> = [&order, &of_b].into_iter().chain(of_a.iter().rev()).cloned().collect();
    for size in [1, 2, 3, 9, 100] {
        assert_eq!(listed(&world, &support, "", size).await, everything, "pages of {size}");
    }
    let (_, all) = world.get_as(&support, "/v1/admin/purchases").await;
    let middle = all["purchases"][4]["created_at"].as_str().unwrap().replace('+', "%2B");
    for (filter, expected) in [
        ("kind=credits".to_owned(), vec![order.clone()]),
        ("kind=leads".to_owned(), everything[1..].to_vec()),
        (format!("workspace_id={}", b.workspace), vec![order.clone(), of_b.clone()]),
        (format!("lead_id={}", leads[0]), vec![of_b.clone(), of_a[0].clone()]),
        (format!("lead_id={}&workspace_id={}", leads[0], a.workspace), vec![of_a[0].clone()]),
        ("min_credits=60".to_owned(), vec![of_a[6].clone(), of_a[5].clone()]),
        ("max_credits=10&kind=leads".to_owned(), vec![of_b.clone(), of_a[0].clone()]),
        ("status=pending".to_owned(), vec![order.clone()]),
        ("status=completed&min_credits=70".to_owned(), vec![of_a[6].clone()]),
        (format!("from={middle}"), everything[..5].to_vec()),
        (format!("to={middle}"), everything[5..].to_vec()),
        (format!("workspace_id={}", Uuid::nil()), vec![]),
    ] {
        assert_eq!(listed(&world, &support, &filter, 2).await, expected, "{filter}");
    }
    let row = &all["purchases"][8];
    assert_eq!((row["kind"].as_str(), row["credits"].as_i64()), (Some("leads"), Some(10)));
    assert_eq!(row["leads"], json!([{ "lead_id": leads[0], "title": "a lead", "price": 10 }]));
    assert_eq!(all["purchases"][0]["amount_cents"], 2_500);
    assert_eq!(world.get_as(&support, "/v1/admin/purchases?workspace_id=x").await.0, 400);
    assert_eq!(world.get_as(&a.key, "/v1/admin/purchases").await.0, 403, "a member is not staff");
    assert_eq!(world.get_as("nobody", "/v1/admin/purchases").await.0, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconciliation_finds_wrong_commissions_and_nothing_else() {
    let world = World::start(None).await;
    let support = world.staff("support").await;
    let (one, two, buyer) =
        (world.tenant("partner", 0).await, world.tenant("partner", 100).await, world.tenant("buyer", 500).await);
    let (cheap, dear, other) =
        (world.lead(&one, 9, 5).await, world.lead(&one, 50, 5).await, world.lead(&two, 11, 5).await);
    let both = world.buy(0, &buyer, "both", &[cheap, dear, other]).await.1["purchase_id"].as_str().unwrap().to_owned();
    // A partner that buys a lead of its own, where the ledger nets price and commission.
    bought(&world, &two, "own", other).await;

    let read = async || world.get_as(&support, "/v1/admin/commissions").await.1;
    let partner = |answer: &Value, of: &Tenant| {
        let partners = answer["partners"].as_array().unwrap().clone();
        partners.into_iter().find(|p| p["workspace_id"] == of.workspace.to_string()).unwrap()
    };
    let right = read().await;
    assert_eq!((right["percent"].as_i64(), right["partners"].as_array().unwrap().len()), (Some(20), 2));
    for (of, sales, due) in [(&one, 2, 1 + 10), (&two, 2, 2 + 2)] {
        let row = partner(&right, of);
        for (name, amount) in [("sales", sales), ("due", due), ("accrued", due), ("paid", due), ("differing", 0)] {
            assert_eq!(row[name], amount, "{name} of {row}");
        }
        assert_eq!(row["differences"], json!([]));
    }

    // One credit too much is written down for one, and two credits are moved to one that belong to two.
    world.as_owner(&format!("UPDATE commissions SET amount = 11 WHERE lead_id = '{dear}'")).await;
    let entry = |of: &Tenant| {
        format!(
            "transfer_id = (SELECT id FROM transfers WHERE reference = 'purchase_{both}') AND account_id =
             (SELECT id FROM accounts WHERE workspace_id = '{}' AND kind = 'credits')",
            of.workspace
        )
    };
    world.as_owner(&format!("UPDATE entries SET amount = amount + 2 WHERE {}", entry(&one))).await;
    world.as_owner(&format!("DELETE FROM entries WHERE {}", entry(&two))).await;
    let wrong = read().await;
    let row = partner(&wrong, &one);
    assert_eq!(row["differing"], 1);
    let told = &row["differences"][0];
    assert_eq!(told["purchase_id"], both);
    assert_eq!((&told["due"], &told["accrued"], &told["paid"]), (&json!(11), &json!(12), &json!(13)));
    let row = partner(&wrong, &two);
    assert_eq!(
        (&row["differing"], &row["due"], &row["accrued"], &row["paid"]),
        (&json!(1), &json!(4), &json!(4), &json!(2))
    );
    // Outside the period there is nothing to differ.
    let before = "/v1/admin/commissions?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z";
    assert_eq!(world.get_as(&support, before).await.1["partners"], json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_does_is_in_the_audit_log_by_workspace_and_action() {
    let world = World::start(None).await;
    let (admin, support) = (world.staff("admin").await, world.staff("support").await);
    let letters = dead_letters(&world, 3).await;
    for letter in &letters {
        let retry = format!("/v1/admin/dead-letters/{letter}/retry");
        assert_eq!(world.send(0, "POST", &retry, &support, "", &Value::Null).await.status(), 403);
        assert_eq!(world.send(0, "POST", &retry, &admin, "", &Value::Null).await.status(), 200);
    }
    let (_, page) = world.get_as(&support, "/v1/admin/audit?action=dead_letter.retried&limit=2").await;
    assert_eq!(page["entries"].as_array().unwrap().len(), 2);
    assert_eq!(page["entries"][0]["staff"], format!("{admin}@example.test"));
    let next = page["next"].as_str().unwrap();
    let (_, rest) = world.get_as(&support, &format!("/v1/admin/audit?action=dead_letter.retried&cursor={next}")).await;
    assert_eq!((rest["entries"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    assert_eq!(world.get_as(&support, "/v1/admin/audit?action=none").await.1["entries"], json!([]));
    let elsewhere = format!("/v1/admin/audit?workspace_id={}", Uuid::nil());
    assert_eq!(world.get_as(&support, &elsewhere).await.1["entries"], json!([]));
    assert_eq!(world.get_as(&support, "/v1/admin/audit?cursor=x").await.0, 400);
    world.end().await;
}
