//! Every order of a payment's events ends in the same state: all permutations, each event also told twice.
//!
//! By default seven events, each told twice: in a row to one wallet, again at the end to the other. `OVERDRAFT_ORDERS=7` tells them in
//! every way to every wallet; 8, 9 or 10 tell so many events.

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::support::Database;

/// What is told of one payment of 2,500 cents for 25 credits; the first so many of these. Of a refund A of 1,000
/// and a refund B of 500 that failed, and of a dispute about 1,500 that was won, only A stays.
const EVENTS: [&str; 10] = [
    "session paid",
    "charge paid",
    "refund A",
    "charge refunded",
    "refund B failed",
    "withdrawn",
    "reinstated",
    "refund B",
    "intent paid",
    "dispute",
];
/// Orders in one statement.
const BATCH: usize = 250;

/// What a wallet has before the payment.
#[derive(Clone, Copy, Debug)]
enum Before {
    /// Seven credits that expire earlier than those that are bought.
    Credits,
    /// A debt of five credits, from a payment that was refunded when it was spent.
    Debt,
}

/// How often each event is told, and when again.
#[derive(Clone, Copy, Debug)]
enum Told {
    Once,
    TwiceInARow,
    AgainAtTheEnd,
}

impl Told {
    fn all(self, order: &[&str]) -> String {
        let told: Vec<&str> = match self {
            Self::Once => order.to_vec(),
            Self::TwiceInARow => order.iter().flat_map(|event| [*event, *event]).collect(),
            Self::AgainAtTheEnd => [order, order].concat(),
        };
        told.join(",")
    }
}

/// Calls `each` with every permutation (Heap's algorithm), each once.
fn permutations(events: &mut [&'static str], each: &mut impl FnMut(&[&'static str])) {
    let mut counters = vec![0; events.len()];
    each(events);
    let mut at = 1;
    while at < events.len() {
        if counters[at] < at {
            events.swap(if at % 2 == 0 { 0 } else { counters[at] }, at);
            each(events);
            counters[at] += 1;
            at = 1;
        } else {
            counters[at] = 0;
            at += 1;
        }
    }
}

/// A workspace with that before it, and its credit purchase.
async fn prepare(connection: &mut PgConnection, before: Before) -> Uuid {
    let (workspace, purchase) = (Uuid::new_v4(), Uuid::new_v4());
    let statements = [
        "INSERT INTO workspaces (id, name) VALUES ($1, 'w')",
        "INSERT INTO accounts (workspace_id, kind) VALUES ($1, 'credits')",
        "INSERT INTO members (workspace_id, email, role, api_key_hash) VALUES ($1, 'a@b.test', 'buyer', sha256($1::text::bytea))",
    ];
    for sql in statements {
        sqlx::query(sql).bind(workspace).execute(&mut *connection).await.unwrap();
    }
    let order =
        "INSERT INTO credit_purchases (id, workspace_id, member_id, credits, amount_cents, currency, idempotency_key)
                 SELECT $1, workspace_id, id, $3, $3 * 100, 'usd', $1 FROM members WHERE workspace_id = $2";
    let bought = |id: Uuid, credits: i64| sqlx::query(order).bind(id).bind(workspace).bind(credits);
    bought(purchase, 25).execute(&mut *connection).await.unwrap();
    match before {
        Before::Credits => {
            let give = "SELECT grant_credits($1, 7, 'before_' || $1, '2030-01-01', 'earned', 10)";
            sqlx::query(give).bind(workspace).execute(&mut *connection).await.unwrap();
        }
        Before::Debt => {
            let other = Uuid::new_v4();
            bought(other, 5).execute(&mut *connection).await.unwrap();
            // Paid, all of it spent elsewhere, refunded.
            let paid = "SELECT complete_credit_purchase(0, $1, 'pi_' || $1, 500, 'usd', '2030-01-01', 90)";
            sqlx::query(paid).bind(other).execute(&mut *connection).await.unwrap();
            let spent = "SELECT take_from_lots($1, 5, '2030-01-01'), post_transfer('adjustment', 'spent_' || $1,
                ARRAY[(SELECT id FROM accounts WHERE workspace_id = $1), '00000000-0000-0000-0000-000000000002'],
                ARRAY[-5, 5]::bigint[])";
            sqlx::query(spent).bind(workspace).execute(&mut *connection).await.unwrap();
            let back = "SELECT note_charge_refunded(0, 'ch_' || $1, 'pi_' || $1, 500, '2030-01-01')";
            sqlx::query(back).bind(other).execute(&mut *connection).await.unwrap();
        }
    }
    purchase
}

/// Tries every order on one wallet; how many there were, and the states they came to.
async fn every_order(url: &str, before: Before, events: usize, ways: &[Told]) -> (usize, BTreeMap<String, i64>) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql("SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan;")
        .execute(&mut connection)
        .await
        .unwrap();
    let purchase = prepare(&mut connection, before).await;
    sqlx::raw_sql(include_str!("orders.sql")).execute(&mut connection).await.unwrap();
    let mut orders = Vec::new();
    permutations(&mut EVENTS[..events].to_vec(), &mut |order| {
        orders.extend(ways.iter().map(|told| told.all(order)));
    });
    let mut states = BTreeMap::new();
    for batch in orders.chunks(BATCH) {
        let found: Vec<(String, i64)> = sqlx::query_as(
            "SELECT state, count(*) FROM (SELECT pg_temp.outcome(string_to_array(told, ','), $2, '2030-01-02') AS state
             FROM unnest($1::text[]) AS told) AS outcomes GROUP BY state",
        )
        .bind(batch)
        .bind(purchase)
        .fetch_all(&mut connection)
        .await
        .unwrap();
        for (state, orders) in found {
            *states.entry(state).or_default() += orders;
        }
    }
    (orders.len(), states)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::print_stderr, reason = "a test tells how much it tried")]
async fn every_order_of_a_payment_s_events_ends_in_the_same_state() {
    let asked = std::env::var("OVERDRAFT_ORDERS").ok().map(|text| text.parse().expect("OVERDRAFT_ORDERS: 7 to 10"));
    let events = asked.unwrap_or(7);
    assert!((7..=EVENTS.len()).contains(&events), "OVERDRAFT_ORDERS: 7 to 10");
    let every = [Told::Once, Told::TwiceInARow, Told::AgainAtTheEnd];
    let (first, second) = match asked {
        Some(_) => (&every[..], &every[..]),
        None => (&[Told::TwiceInARow][..], &[Told::AgainAtTheEnd][..]),
    };
    let database = Database::create().await;
    overdraft_reference::migrate(&database.url(), None).await.unwrap();
    let url = database.url();
    let (credits, debt) = tokio::join!(
        every_order(&url, Before::Credits, events, first),
        every_order(&url, Before::Debt, events, second)
    );
    let factorial: usize = (1..=events).product();
    let expected = [
        (
            credits,
            "paid: 1000 of 2500 cents and 10 credits back; wallet 22, debt 0, lots earned 7/7, bought 15/25, \
                   1 grants, 1 receipts, reversed 10, issued 15, off by 0",
        ),
        (
            debt,
            "paid: 1000 of 2500 cents and 10 credits back; wallet 10, debt 0, lots bought 0/5, bought 10/25, \
                1 grants, 1 receipts, reversed 10, issued 15, off by 0",
        ),
    ];
    for ((tried, states), state) in expected {
        let all = i64::try_from(tried).unwrap();
        assert_eq!((tried, states), (first.len() * factorial, BTreeMap::from([(state.to_owned(), all)])));
    }
    let all = (first.len() + second.len()) * factorial;
    eprintln!("{events} events in all {factorial} orders, told in {} way(s) to each of 2 wallets: {all}", first.len());
    database.drop().await;
}
