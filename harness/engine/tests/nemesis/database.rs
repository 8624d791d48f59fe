//! Faults of a database server, and inside it.

use std::time::Duration;

use sqlx::{Connection, PgConnection};

use crate::support::Broken;

async fn connects(broken: &Broken) -> bool {
    let connecting = PgConnection::connect(&broken.stage.database_url);
    tokio::time::timeout(Duration::from_millis(500), connecting).await.is_ok_and(|connected| connected.is_ok())
}

/// A server that is at work again may be slow to say so, on a machine that is busy with other things.
async fn connects_again(broken: &Broken) -> bool {
    for _ in 0..40 {
        if connects(broken).await {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_goes_in_three_ways_and_comes_back() {
    let Some(broken) = Broken::open("").await else { return };
    for how in ["killed", "stopped", "frozen"] {
        assert!(connects_again(&broken).await);
        let held = broken.inject(&format!(r#"{{ kind = "database-down", how = "{how}" }}"#)).await;
        assert!(!connects(&broken).await, "a server that is {how} took a connection");
        assert_eq!(held.heal().await, Ok(1), "{how}");
    }
    assert!(connects_again(&broken).await);
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_ended_again_and_again() {
    let Some(broken) = Broken::open("").await else { return };
    let mut early = PgConnection::connect(&broken.stage.database_url).await.unwrap();
    let held = broken.inject(r#"{ kind = "backends-terminated", every = "50ms" }"#).await;
    assert!(early.ping().await.is_err());
    let mut late = PgConnection::connect(&broken.stage.database_url).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(late.ping().await.is_err());
    assert!(held.heal().await.unwrap() >= 2);
    PgConnection::connect(&broken.stage.database_url).await.unwrap().ping().await.unwrap();
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_left_not_even_one_that_was_ended_meanwhile() {
    let Some(broken) = Broken::open("").await else { return };
    let mut early = PgConnection::connect(&broken.stage.database_url).await.unwrap();
    let terminated = broken.inject(r#"{ kind = "backends-terminated", every = "1s" }"#).await;
    assert!(early.ping().await.is_err());
    let exhausted = broken.inject(r#"{ kind = "connections-exhausted" }"#).await;
    let refused = PgConnection::connect(&broken.stage.database_url).await.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(|error| error.code()).as_deref(), Some("53300"));
    terminated.heal().await.unwrap();
    assert!(exhausted.heal().await.unwrap() > 10);
    assert!(connects_again(&broken).await);
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_others_and_then_as_before() {
    let Some(broken) = Broken::open("").await else { return };
    let shown = || async {
        let mut session = PgConnection::connect(&broken.stage.database_url).await.unwrap();
        sqlx::query_scalar::<_, String>("SHOW deadlock_timeout").fetch_one(&mut session).await.unwrap()
    };
    let before = shown().await;
    let held = broken.inject(r#"{ kind = "database-settings", settings = { deadlock_timeout = "17ms" } }"#).await;
    assert_eq!(shown().await, "17ms");
    assert_eq!(held.heal().await, Ok(1));
    assert_eq!(shown().await, before);
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_of_the_target_file_is_held_and_one_it_does_not_name_is_refused() {
    let Some(broken) = Broken::open("").await else { return };
    let mut session = PgConnection::connect(&broken.stage.database_url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (x int); SET lock_timeout = '200ms'").execute(&mut session).await.unwrap();
    let held = broken.inject(r#"{ kind = "lock-held", lock = "kept" }"#).await;
    assert!(sqlx::raw_sql("INSERT INTO kept VALUES (1)").execute(&mut session).await.is_err());
    assert!(held.heal().await.unwrap() > 0);
    let mut tries = 0;
    while sqlx::raw_sql("INSERT INTO kept VALUES (1)").execute(&mut session).await.is_err() {
        tries += 1;
        assert!(tries < 50, "the lock was not let go");
    }
    assert!(broken.refuses(r#"{ kind = "lock-held", lock = "other" }"#).await.contains("`other`"));
    drop(session);
    broken.close().await;
}
