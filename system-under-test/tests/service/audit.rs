//! The consistency checks: silent where all is well, each finds what it is there for, and run once a day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{TimeDelta, Utc};
use overdraft_reference::{CheckOutcome, Error, audit};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::credits::as_money;
use crate::payments::{event, order, signals};
use crate::world::World;

/// A bit of everything: sales (one to the partner itself), a payment that was refunded in part, a debt, an adjustment
/// and an expiry.
async fn lived_in() -> World {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 40).await, world.tenant("buyer", 0).await);
    world.tenant("buyer", 0).await;
    let purchase = order(&world, &buyer, 25).await;
    let [paid, ..] = signals(&purchase, 2_500);
    assert_eq!(world.deliver(0, &paid).await, 200);
    world.until_quiet().await;
    let grant = "SELECT grant_credits($1, $2, $3, $4, 'earned', $5)";
    for (reference, credits, days) in [("short", 4_i64, 10), ("long", 30, 80)] {
        let call = sqlx::query(grant).bind(buyer.workspace).bind(credits).bind(reference).bind(Utc::now()).bind(days);
        call.execute(&mut as_money(&world).await).await.unwrap();
    }
    let mut leads = Vec::new();
    for price in [10, 15, 7, 5] {
        leads.push(world.lead(&partner, price, 3).await);
    }
    assert_eq!(world.buy(0, &buyer, "one", &leads[..1]).await.0, 201);
    assert_eq!(world.buy(1, &buyer, "two", &leads[1..3]).await.0, 201);
    assert_eq!(world.buy(1, &partner, "own", &leads[3..]).await.0, 201);

    world.staff("admin").await;
    sqlx::query("SELECT adjust_credits((SELECT id FROM staff), $1, 3, 'as agreed', 'a', $2)")
        .bind(buyer.workspace)
        .bind(Utc::now())
        .execute(&mut as_money(&world).await)
        .await
        .unwrap();
    let refunded = json!({"id": "re_1", "object": "refund", "payment_intent": "pi_1", "charge": "ch_1", "amount": 999,
        "currency": "usd", "status": "succeeded"});
    assert_eq!(world.deliver(1, &event("evt_refund", "refund.created", refunded)).await, 200);
    world.until_quiet().await;
    // The purchases took what expires first; this grant comes after them, and is swept.
    let late = sqlx::query(grant).bind(buyer.workspace).bind(2_i64).bind("unspent").bind(Utc::now()).bind(1);
    late.execute(&mut as_money(&world).await).await.unwrap();
    for n in 0..2 {
        let ahead = json!({ "ahead_ms": TimeDelta::days(2).num_milliseconds() });
        assert_eq!(world.put(n, "/test-clock", &ahead).await, 200);
    }
    world.until("the sweep", async || world.count("SELECT count(*) FROM expiries").await == 1).await;
    world.until_quiet().await;
    world
}

async fn audited(world: &World) -> Vec<CheckOutcome> {
    audit(&world.url()).await.unwrap()
}

fn violated(outcomes: &[CheckOutcome]) -> Vec<(&str, &[Value])> {
    outcomes.iter().filter(|o| o.total > 0).map(|o| (o.name, o.violations.as_slice())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_well_nothing_is_found_and_each_sale_is_held_against_its_own_rate() {
    let world = lived_in().await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 50).await);
    let lead = world.lead(&partner, 30, 3).await;
    // As after a change of COMMISSION_PERCENT: this sale at 60 beside those at 20.
    let status: i32 = sqlx::query_scalar(
        "SELECT (purchase(api_key_hash, 'k', '\\x00', ARRAY[$2], 60, 'r', 'http://x', $3, 90)).status FROM members
         WHERE workspace_id = $1",
    )
    .bind(buyer.workspace)
    .bind(lead)
    .bind(Utc::now())
    .fetch_one(&mut as_money(&world).await)
    .await
    .unwrap();
    assert_eq!(status, 201);
    world.until_quiet().await;
    let outcomes = audited(&world).await;
    assert_eq!(outcomes.len(), 14);
    assert_eq!(violated(&outcomes), []);
    world.as_owner("UPDATE purchase_items SET commission_percent = 20 WHERE price = 30").await;
    let outcomes = audited(&world).await;
    let found = violated(&outcomes);
    assert_eq!(found.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["commission_errors"]);
    let [row] = found[0].1 else { panic!("{found:?}") };
    assert_eq!((&row["expected"], &row["found"]), (&json!(6), &json!(18)));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_the_service_s_is_told_from_one_that_is_away() {
    let world = World::start_some(None, 0, &[]).await;
    let elsewhere = world.url().replacen(world.url().rsplit('/').next().unwrap(), "postgres", 1);
    assert!(matches!(audit(&elsewhere).await, Err(Error::Unreadable(_))), "{elsewhere}");
    let nobody = "postgres://nobody@127.0.0.1:1/none";
    assert!(matches!(audit(nobody).await, Err(Error::Database(_))));
    world.end().await;
}

/// Without constraints and foreign keys everything can be planted.
const DEFENCELESS: &str = "
DO $$
DECLARE
    v_found record;
BEGIN
    FOR v_found IN SELECT conrelid::regclass AS relation, conname FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'u', 'p')
        ORDER BY contype = 'f' DESC, contype LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', v_found.relation, v_found.conname);
    END LOOP;
    FOR v_found IN SELECT indexrelid::regclass AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique LOOP
        EXECUTE format('DROP INDEX %s', v_found.name);
    END LOOP;
END $$;
CREATE VIEW idle AS SELECT workspace_id, a.id FROM accounts a WHERE kind = 'credits'
    AND NOT EXISTS (SELECT 1 FROM entries WHERE account_id = a.id);
CREATE VIEW one AS SELECT purchase_id AS id, lead_id FROM purchase_items WHERE price = 10;
CREATE VIEW two AS SELECT purchase_id AS id, lead_id FROM purchase_items WHERE price = 15;
CREATE VIEW issuance AS SELECT id FROM accounts WHERE label = 'issuance';
";

/// What is planted, one after the other; the checks that find more than before; a problem or effect that one names.
const PLANTED: [(&str, &[&str], &str); 30] = [
    ("UPDATE accounts SET owed = 5 WHERE id IN (SELECT id FROM idle)", &["debts"], ""),
    (
        "UPDATE accounts SET balance = -1 WHERE id IN (SELECT id FROM idle)",
        &["credit_arithmetic", "lots", "negative_balances"],
        "",
    ),
    ("UPDATE lots SET expired = -1 WHERE reference = 'long'", &["expiries", "negative_balances"], "lot differs"),
    (
        "WITH t AS (INSERT INTO transfers (kind, reference) VALUES ('settlement', 'x') RETURNING id)
         INSERT INTO entries SELECT t.id, a.id, CASE a.kind WHEN 'platform' THEN -1 ELSE 1 END FROM t, accounts a
         WHERE a.label = 'revenue' OR a.id = (SELECT account_id FROM entries WHERE amount = -10)",
        &["credit_arithmetic"],
        "",
    ),
    ("UPDATE lots SET remaining = remaining - 1 WHERE reference = 'long'", &["lots"], ""),
    (
        "WITH t AS (INSERT INTO transfers (kind, reference) VALUES ('settlement', 'y') RETURNING id)
         INSERT INTO entries SELECT t.id, i.id, 1 FROM t, issuance i",
        &["ledger_sum"],
        "",
    ),
    ("INSERT INTO entries SELECT gen_random_uuid(), id, 1 FROM issuance", &["ledger_sum"], ""),
    ("UPDATE leads SET sold_count = 0 WHERE price = 10", &["sold_count"], ""),
    ("UPDATE leads SET max_sales = 0 WHERE price = 15", &["sold_count"], ""),
    (
        "INSERT INTO purchases (id, workspace_id, member_id, total, idempotency_key)
         SELECT gen_random_uuid(), workspace_id, gen_random_uuid(), 1, 'orphan' FROM idle",
        &["orphaned_purchases", "unconfirmed"],
        "no items",
    ),
    ("UPDATE purchases SET total = 11 WHERE id IN (SELECT id FROM one)", &["orphaned_purchases"], "total is not"),
    (
        "UPDATE transfers SET kind = 'settlement' WHERE reference = 'purchase_' || (SELECT id FROM one)",
        &["orphaned_purchases"],
        "no transfer",
    ),
    (
        "INSERT INTO transfers (kind, reference) VALUES ('purchase', 'purchase_nobody')",
        &["orphaned_purchases"],
        "transfer without a purchase",
    ),
    (
        "UPDATE entries SET amount = amount - 4 WHERE amount = -22",
        &["commission_errors", "ledger_sum", "orphaned_purchases"],
        "debit is not",
    ),
    (
        "UPDATE commissions SET amount = 7 WHERE lead_id IN (SELECT lead_id FROM two)",
        &["commission_errors"],
        "wrong amount",
    ),
    ("UPDATE purchase_items SET commission_percent = 60 WHERE price = 7", &["commission_errors"], "\"expected\":4"),
    ("DELETE FROM commissions WHERE lead_id IN (SELECT lead_id FROM one)", &["commission_errors"], "missing"),
    (
        "UPDATE commissions SET workspace_id = (SELECT workspace_id FROM idle) WHERE amount = 1
           AND purchase_id IN (SELECT id FROM two)",
        &["commission_errors"],
        "not the partner's",
    ),
    (
        "INSERT INTO commissions SELECT id, gen_random_uuid(), (SELECT workspace_id FROM idle), 1 FROM one",
        &["commission_errors"],
        "not sold",
    ),
    (
        "UPDATE transfers SET kind = 'settlement' WHERE reference = 'payment_pi_1'",
        &["ungranted_payments"],
        "paid without a grant",
    ),
    (
        "UPDATE transfers SET kind = 'grant', reference = 'payment_pi_2' WHERE reference = 'payment_pi_1'",
        &["ungranted_payments"],
        "grant without a payment",
    ),
    ("UPDATE credit_purchases SET credits_back = credits_back + 1", &["reversals"], "do not add up"),
    ("UPDATE refunds SET amount_cents = 1000", &["reversals"], "money back is not"),
    ("UPDATE reversals SET debt = 1", &["reversals"], "transfer differs"),
    ("UPDATE adjustments SET credits = 4", &["adjustments"], ""),
    ("UPDATE expiries SET credits = credits + 1", &["expiries"], "ledger differs"),
    ("DELETE FROM emails WHERE event LIKE 'credit_purchase_%'", &["unconfirmed"], "without a receipt"),
    (
        "UPDATE emails SET state = 'dead' WHERE event = 'purchase_' || (SELECT id FROM one)",
        &["unconfirmed"],
        "without a dead letter",
    ),
    (
        "INSERT INTO transfers (kind, reference) VALUES ('settlement', 'x');
         INSERT INTO accounts (workspace_id, kind) SELECT workspace_id, 'credits' FROM accounts WHERE kind = 'credits'
           AND id NOT IN (SELECT id FROM idle) LIMIT 1",
        &["duplicated_effects", "orphaned_purchases"],
        "wallet",
    ),
    (
        "INSERT INTO emails (workspace_id, event, kind, recipient, subject, body)
         SELECT workspace_id, event, kind, recipient, subject, body FROM emails;
         INSERT INTO webhook_events (event_id, type, payload, state)
         SELECT event_id, type, payload, 'processed' FROM webhook_events",
        &["duplicated_effects"],
        "event",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_check_finds_what_is_planted_for_it() {
    let world = lived_in().await;
    world.as_owner(DEFENCELESS).await;
    let totals = |outcomes: &[CheckOutcome]| -> BTreeMap<&str, i64> {
        outcomes.iter().map(|outcome| (outcome.name, outcome.total)).collect()
    };
    let mut before = totals(&audited(&world).await);
    let (mut found, mut wrong) = (BTreeSet::new(), Vec::new());
    for (planted, expected, problem) in PLANTED {
        world.as_owner(planted).await;
        let outcomes = audited(&world).await;
        let after = totals(&outcomes);
        let more: Vec<&str> = after.keys().copied().filter(|name| after[name] > before[name]).collect();
        let mut rows = outcomes.iter().filter(|o| expected.contains(&o.name)).flat_map(|o| &o.violations);
        if more != expected || !rows.any(|row| row.to_string().contains(problem)) {
            wrong.push(format!("{planted}\n{more:?} and not {expected:?} with `{problem}`"));
        }
        before = after;
        found.extend(more);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert_eq!(found, before.into_keys().collect(), "every check was tried");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rows_are_counted_and_the_first_are_shown() {
    let world = World::start_some(None, 0, &[]).await;
    let partner = world.tenant("partner", 0).await;
    for _ in 0..23 {
        world.lead(&partner, 5, 3).await;
    }
    world.as_owner("UPDATE leads SET sold_count = 1").await;
    let outcomes = audited(&world).await;
    let sold = outcomes.iter().find(|outcome| outcome.name == "sold_count").unwrap();
    assert_eq!((sold.total, sold.violations.len()), (23, 20));
    assert_eq!(sold.violations[0]["workspace_id"], partner.workspace.to_string());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_check_once_a_day_and_raise_one_alert() {
    let world = World::start_with(None, &[("CONSISTENCY_TICK_MS", "50")]).await;
    let partner = world.tenant("partner", 0).await;
    let lead: Uuid = world.lead(&partner, 5, 3).await;
    let runs = async || world.count("SELECT count(*) FROM consistency_runs").await;
    world.until("the first day", async || runs().await == 1).await;
    for day in 1..=2_i64 {
        if day == 2 {
            world.as_owner("UPDATE leads SET sold_count = 1").await;
        }
        for n in 0..2 {
            let ahead = json!({ "ahead_ms": TimeDelta::days(day).num_milliseconds() });
            assert_eq!(world.put(n, "/test-clock", &ahead).await, 200);
        }
        world.until("the next day", async || runs().await == day + 1).await;
    }
    // Ten ticks of each instance, to do it again if they would.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.until_quiet().await;
    assert_eq!((runs().await, world.count("SELECT count(*) FROM jobs WHERE kind = 'consistency'").await), (3, 3));
    assert_eq!(world.count("SELECT count(*) FROM jobs WHERE state = 'done' AND attempts = 1").await, 3);
    let days = "SELECT (max(day) - min(day))::bigint FROM consistency_runs";
    assert_eq!(world.count(days).await, 2);
    assert_eq!(world.count("SELECT count(*) FROM consistency_runs WHERE violations = '[]'").await, 2);
    let kept: Value = sqlx::query_scalar("SELECT violations FROM consistency_runs ORDER BY day DESC LIMIT 1")
        .fetch_one(&world.operator)
        .await
        .unwrap();
    assert_eq!((&kept[0]["name"], &kept[0]["total"]), (&json!("sold_count"), &json!(1)));
    assert_eq!(kept[0]["violations"][0]["lead_id"], lead.to_string());
    let told = "SELECT count(*) FROM alerts WHERE kind = 'consistency' AND reason = 'sold_count: 1' AND state = 'sent'";
    assert_eq!(world.count(told).await, 1);
    assert_eq!(world.stub.alerts.lock().unwrap().len(), 1);

    let again = "SELECT finish_consistency_run(max(day), now(), now(), '[{\"name\": \"debts\", \"total\": 1}]')
                 FROM consistency_runs";
    sqlx::query(again).execute(&world.app_role().await).await.unwrap_err();
    sqlx::query(again).execute(&mut world.owner().await).await.unwrap();
    assert_eq!(world.count("SELECT count(*) FROM alerts").await, 1, "a day is finished once");

    let open = "SELECT count(*) FROM alerts WHERE resolved_at IS NULL";
    assert_eq!(world.count(open).await, 1);
    world.as_owner("UPDATE leads SET sold_count = 0").await;
    for n in 0..2 {
        let ahead = json!({ "ahead_ms": TimeDelta::days(3).num_milliseconds() });
        assert_eq!(world.put(n, "/test-clock", &ahead).await, 200);
    }
    world.until("a clean day", async || runs().await == 4).await;
    assert_eq!((world.count(open).await, world.stub.alerts.lock().unwrap().len()), (0, 1), "resolved, and not told");
    world.end().await;
}
