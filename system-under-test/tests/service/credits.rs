//! Credits by when they expire, commissions, and what staff adjusts.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Tenant, World};

/// A connection that acts as the owner of the money functions, as the functions that call them do.
pub(crate) async fn as_money(world: &World) -> sqlx::PgConnection {
    use sqlx::Connection;
    let mut connection = sqlx::PgConnection::connect(&world.url()).await.unwrap();
    sqlx::query("SET ROLE marketplace_money").execute(&mut connection).await.unwrap();
    connection
}

/// Gives credits that expire after so many days.
async fn give(world: &World, tenant: &Tenant, credits: i64, reference: &str, days: i32) -> bool {
    sqlx::query_scalar("SELECT grant_credits($1, $2, $3, $4, 'earned', $5)")
        .bind(tenant.workspace)
        .bind(credits)
        .bind(reference)
        .bind(Utc::now())
        .bind(days)
        .fetch_one(&mut as_money(world).await)
        .await
        .unwrap()
}

/// What is left in the tenant's lots, first those that expire first.
async fn lots(world: &World, tenant: &Tenant) -> Vec<i64> {
    sqlx::query_scalar("SELECT remaining FROM lots WHERE workspace_id = $1 ORDER BY expires_at, id")
        .bind(tenant.workspace)
        .fetch_all(&world.operator)
        .await
        .unwrap()
}

async fn move_clock(world: &World, n: usize, days: i64) {
    let body = json!({ "ahead_ms": TimeDelta::days(days).num_milliseconds() });
    assert_eq!(world.put(n, "/test-clock", &body).await, 200);
}

/// Waits for the tickers to have swept so many lots.
async fn until_swept(world: &World, lots: i64) {
    for _ in 0..400 {
        if world.count("SELECT count(*) FROM expiries").await == lots {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("{lots} lots were not swept within 10 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_first_is_spent_first() {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 0).await);
    for (credits, reference, days) in [(10, "late", 30), (4, "soon", 10), (6, "middle", 20)] {
        assert!(give(&world, &buyer, credits, reference, days).await);
        assert!(!give(&world, &buyer, credits, reference, days).await, "a reference gives once");
    }
    assert_eq!(lots(&world, &buyer).await, [4, 6, 10]);
    let lead = world.lead(&partner, 7, 9).await;
    assert_eq!(world.buy(0, &buyer, "k", &[lead]).await.1["balance"], 13);
    assert_eq!(lots(&world, &buyer).await, [0, 3, 10]);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credits_cannot_be_spent_swept_or_not_and_are_swept_once_by_two_instances() {
    let world = World::start(None).await;
    let partner = world.tenant("partner", 0).await;
    let mut buyers = Vec::new();
    for n in 0..20 {
        let buyer = world.tenant("buyer", 0).await;
        give(&world, &buyer, 5, &format!("short {n}"), 10).await;
        give(&world, &buyer, 3, &format!("long {n}"), 80).await;
        buyers.push(buyer);
    }
    let lead = world.lead(&partner, 4, 99).await;
    // Before any sweep: a read and a purchase that know the date, on a wallet whose lots are all still full.
    let later = Utc::now() + TimeDelta::days(11);
    let spendable: i64 = sqlx::query_scalar("SELECT spendable($1, $2)")
        .bind(buyers[0].workspace)
        .bind(later)
        .fetch_one(&mut as_money(&world).await)
        .await
        .unwrap();
    assert_eq!((spendable, world.balance(&buyers[0]).await), (3, 8));
    let refused = buy_at(&world, &buyers[0], lead, later).await;
    assert_eq!((refused["code"].clone(), refused["available"].clone()), (json!("insufficient_credits"), json!(3)));
    assert_eq!(lots(&world, &buyers[0]).await, [5, 3], "a refusal leaves the lots alone");

    move_clock(&world, 0, 11).await;
    move_clock(&world, 1, 11).await;
    let (status, body) = world.buy(0, &buyers[0], "k", &[lead]).await;
    assert_eq!((status, body["shortfall"].clone()), (402, json!(1)));
    until_swept(&world, 20).await;
    let sweeps = join_all((0..8).map(|_| async {
        let mut connection = as_money(&world).await;
        let call = sqlx::query_scalar::<_, i32>("SELECT expire_credits($1, 100)").bind(later);
        call.fetch_one(&mut connection).await.unwrap()
    }));
    assert_eq!(sweeps.await.iter().sum::<i32>(), 0, "what was swept is not swept again");
    assert_eq!(world.count("SELECT count(*) FROM expiries WHERE credits = 5").await, 20);
    let platform = "SELECT sum(amount)::bigint FROM entries e JOIN accounts a ON a.id = e.account_id
                    WHERE a.label = 'expired'";
    assert_eq!(world.count(platform).await, 100);
    for buyer in &buyers {
        assert_eq!(world.balance(buyer).await, 3);
    }
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_at_once_share_the_work() {
    let world = World::start(None).await;
    for n in 0..60 {
        let buyer = world.tenant("buyer", 0).await;
        give(&world, &buyer, 2, &format!("n{n}"), 1).await;
    }
    let later = Utc::now() + TimeDelta::days(2);
    let sweep = |_| async {
        let mut connection = as_money(&world).await;
        let mut swept = 0;
        for _ in 0..100 {
            let call = sqlx::query_scalar::<_, i32>("SELECT expire_credits($1, 5)").bind(later);
            match call.fetch_one(&mut connection).await.unwrap() {
                0 => break,
                lots => swept += lots,
            }
        }
        swept
    };
    let swept = join_all((0..6).map(sweep)).await;
    // Whoever found every wallet in use has left; at the end nothing is due.
    assert_eq!(swept.iter().sum::<i32>() + sweep(0).await, 60, "{swept:?}");
    assert_eq!(world.count("SELECT sum(credits)::bigint FROM expiries").await, 120);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

/// The answer to a purchase at that time, from the function behind the endpoint.
async fn buy_at(world: &World, tenant: &Tenant, lead: Uuid, now: DateTime<Utc>) -> Value {
    use sha2::{Digest, Sha256};
    let body: String =
        sqlx::query_scalar("SELECT body FROM purchase($1, $2, '\\x00', ARRAY[$3], 20, 'r', 'http://x', $4, 90)")
            .bind(Sha256::digest(tenant.key.as_bytes()).to_vec())
            .bind(Uuid::new_v4().to_string())
            .bind(lead)
            .bind(now)
            .fetch_one(&mut as_money(world).await)
            .await
            .unwrap();
    serde_json::from_str(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_split_exactly_and_a_day_s_commissions_are_one_lot() {
    let world = World::start(None).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 1_000).await);
    let mut shares = 0;
    for price in 1..=14_i64 {
        let lead = world.lead(&partner, price, 1).await;
        assert_eq!(world.buy(0, &buyer, &format!("{price}"), &[lead]).await.0, 201);
        shares += price * 20 / 100;
    }
    assert_eq!((world.balance(&partner).await, shares), (shares, 15));
    let revenue = "SELECT sum(amount)::bigint FROM entries e JOIN accounts a ON a.id = e.account_id
                   WHERE a.label = 'revenue'";
    assert_eq!(world.count(revenue).await, (1..=14).sum::<i64>() - shares);
    assert!(lots(&world, &partner).await.len() <= 2, "two if the test ran over midnight");
    assert_eq!(world.count("SELECT sum(amount)::bigint FROM commissions").await, shares);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_gives_and_takes_once_per_reference_and_never_more_than_there_is() {
    let world = World::start(None).await;
    let buyer = world.tenant("buyer", 10).await;
    world.staff("admin").await;
    let adjust = |credits: i64, reference: &'static str| {
        let (world, buyer) = (&world, &buyer);
        async move {
            let adjusted: (Option<Uuid>, i64, i64) =
                sqlx::query_as("SELECT * FROM adjust_credits((SELECT id FROM staff), $1, $2, 'as agreed', $3, $4)")
                    .bind(buyer.workspace)
                    .bind(credits)
                    .bind(reference)
                    .bind(Utc::now())
                    .fetch_one(&mut as_money(world).await)
                    .await
                    .unwrap();
            adjusted
        }
    };
    let given = join_all((0..8).map(|_| adjust(5, "a"))).await;
    assert!(given.iter().all(|one| *one == given[0] && one.0.is_some()), "{given:?}");
    assert_eq!(world.balance(&buyer).await, 15);
    let (refused, balance, shortfall) = adjust(-16, "b").await;
    assert_eq!((refused, balance, shortfall), (None, 15, 1));
    assert_eq!(adjust(-12, "b").await.1, 3);
    assert_eq!(lots(&world, &buyer).await, [0, 3], "what expires first is taken first");
    assert_eq!(world.count("SELECT sum(credits)::bigint FROM adjustments").await, -7);
    assert_eq!(world.count("SELECT count(*) FROM audit_log WHERE action = 'credits.adjusted'").await, 2);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}
