//! Purchases, grants, payments, refunds, disputes, expiries and adjustments in random order, some of them at
//! once, against the real database and an obvious model; what fails is shrunk to the few steps that show it.
//!
//! `OVERDRAFT_PROPTEST_CASES=10000` tries more cases than the 64 of every test run.

mod database;
mod model;
mod steps;

use std::cell::Cell;
use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

use self::database::{Seen, Shop};
use self::model::Model;
use self::steps::Steps;
use crate::support::Database;

/// Steps of one case.
const STEPS: std::ops::Range<usize> = 1..40;

/// What the model has of each wallet, as [`Shop::wallets`] tells it.
fn expected(model: &Model) -> Vec<Seen> {
    let of = |(number, wallet): (usize, &model::Wallet)| {
        (model.spendable(number), wallet.debt, wallet.lots.iter().map(|lot| (lot.remaining, lot.expired)).collect())
    };
    model.wallets.iter().enumerate().map(of).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "a test tells how much it tried")]
fn the_database_does_what_the_model_does() {
    let cases = std::env::var("OVERDRAFT_PROPTEST_CASES").map_or(64, |text| text.parse().expect("a number of cases"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (database, pool, staff) = runtime.block_on(async {
        let database = Database::create().await;
        overdraft_reference::migrate(&database.url(), None).await.unwrap();
        let options = PgPoolOptions::new().max_connections(4).after_connect(|connection, _| {
            let fast = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan";
            Box::pin(async move { sqlx::raw_sql(fast).execute(connection).await.map(|_| ()) })
        });
        let pool = options.connect(&database.url()).await.unwrap();
        let staff: Uuid = sqlx::query_scalar(
            "INSERT INTO staff (email, role, api_key_hash) VALUES ('a@b.test', 'admin', sha256('')) RETURNING id",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        (database, pool, staff)
    });
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let (steps, tried) = (Cell::new(0), Cell::new(0));
    let outcome = runner.run(&Steps::sequential_strategy(STEPS), |(mut model, transitions, seen)| {
        runtime.block_on(async {
            let mut shop = Shop::open(&pool, staff).await;
            for (number, step) in transitions.iter().enumerate() {
                if let Some(seen) = &seen {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
                model.apply(step);
                shop.apply(step, &model).await;
                let (found, expected) = (shop.wallets(&model).await, expected(&model));
                proptest::prop_assert_eq!(found, expected, "after step {}: {:?}", number + 1, step);
            }
            steps.set(steps.get() + transitions.len());
            tried.set(tried.get() + 1);
            Ok(())
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    runtime.block_on(async {
        // What was never done was not tested.
        let kinds: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, count(*) FROM transfers GROUP BY kind ORDER BY kind")
                .fetch_all(&pool)
                .await
                .unwrap();
        let debts: i64 =
            sqlx::query_scalar("SELECT count(*) FROM reversals WHERE debt <> 0").fetch_one(&pool).await.unwrap();
        eprintln!("{} cases, {} steps; transfers {kinds:?}, {debts} debts", tried.get(), steps.get());
        // A debt that is settled later is rare: a few in a hundred cases.
        let seen = |kind: &str| kinds.iter().any(|(found, _)| found == kind);
        let rare = cases < 1_000 || (seen("settlement") && debts > 0);
        assert!(
            ["adjustment", "expiry", "grant", "purchase", "reversal"].iter().all(|kind| seen(kind)) && rare,
            "{kinds:?}"
        );
        pool.close().await;
        database.drop().await;
    });
}
