//! What each fault of the PostgreSQL proxy does to a client and to the server, and that it heals.

use std::time::{Duration, Instant};

use overdraft_model::{
    fault::statement::{BoundaryKind, StatementAction, StatementFault},
    span::Span,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{Site, once};

const INSERT: &str = "INSERT INTO kept VALUES ($1)";

async fn insert(connection: &mut PgConnection, x: i32) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT).bind(x).execute(connection).await.map(drop)
}

/// As [`insert`], by the simple protocol.
async fn insert_simply(connection: &mut PgConnection, x: i32) -> Result<(), sqlx::Error> {
    let text = format!("INSERT INTO kept VALUES ({x})");
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.map(drop)
}

fn code(error: &sqlx::Error) -> String {
    let error = error.as_database_error().unwrap_or_else(|| panic!("not the server's error: {error}"));
    format!("{} {}", error.code().unwrap_or_default(), error.message())
}

fn answer(sqlstate: &str) -> StatementAction {
    StatementAction::Answer { sqlstate: sqlstate.into(), message: "planned".into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_before_leaves_nothing_behind() {
    let site = Site::open().await;
    let guard = site.proxy.inject(once("insert into kept", StatementAction::CutBefore {})).unwrap();
    let mut connection = site.connect("shop").await;
    let error = insert(&mut connection, 1).await.unwrap_err();
    assert!(matches!(&error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionReset), "{error}");
    assert_eq!(guard.effects(), 1);
    site.gone("shop").await;
    assert!(site.kept().await.is_empty());
    drop(guard);
    insert(&mut site.connect("shop").await, 2).await.unwrap();
    assert_eq!(site.kept().await, [2]);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_after_has_committed_and_the_answer_is_lost() {
    let site = Site::open().await;
    // Outside of a db_tx, by both protocols.
    for simple in [false, true] {
        let guard = site.proxy.inject(once("insert into kept", StatementAction::CutAfter {})).unwrap();
        let mut connection = site.connect("shop").await;
        let lost = if simple { insert_simply(&mut connection, 2).await } else { insert(&mut connection, 1).await };
        assert!(matches!(lost, Err(sqlx::Error::Io(_))), "{lost:?}");
        assert_eq!(guard.heal(), 1);
    }
    assert_eq!(site.kept().await, [1, 2]);
    // At its COMMIT.
    let commit = StatementFault {
        only: Some(BoundaryKind::Commit),
        application: Some("shop".into()),
        ..StatementFault::every(StatementAction::CutAfter {})
    };
    let guard = site.proxy.inject(commit).unwrap();
    for (application, x) in [("other", 3), ("shop", 4)] {
        let mut connection = site.connect(application).await;
        let mut db_tx = connection.begin().await.unwrap();
        insert(&mut db_tx, x).await.unwrap();
        assert_eq!(db_tx.commit().await.is_err(), application == "shop");
    }
    assert_eq!(guard.heal(), 1);
    assert_eq!(site.kept().await, [1, 2, 3, 4]);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_after_inside_a_db_tx_rolls_it_back() {
    let site = Site::open().await;
    let guard = site.proxy.inject(once("insert into kept", StatementAction::CutAfter {})).unwrap();
    let mut connection = site.connect("shop").await;
    let mut db_tx = connection.begin().await.unwrap();
    assert!(matches!(insert(&mut db_tx, 1).await, Err(sqlx::Error::Io(_))));
    assert_eq!(guard.effects(), 1);
    site.gone("shop").await;
    assert!(site.kept().await.is_empty());
    drop(db_tx);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stands_in_and_the_session_goes_on() {
    let site = Site::open().await;
    let mut connection = site.connect("shop").await;
    insert(&mut connection, 0).await.unwrap();
    for sqlstate in ["40001", "40P01", "57014", "53300", "08006"] {
        for simple in [false, true] {
            let guard = site.proxy.inject(once("insert into kept", answer(sqlstate))).unwrap();
            let answered =
                if simple { insert_simply(&mut connection, 1).await } else { insert(&mut connection, 1).await };
            assert_eq!(code(&answered.unwrap_err()), format!("{sqlstate} planned"));
            assert_eq!(guard.heal(), 1);
        }
    }
    assert_eq!(site.kept().await, [0]);
    insert(&mut connection, 1).await.unwrap();
    insert_simply(&mut connection, 2).await.unwrap();
    assert_eq!(site.kept().await, [0, 1, 2]);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_inside_a_db_tx_fails_it_on_the_server_too() {
    let site = Site::open().await;
    let mut connection = site.connect("shop").await;
    for simple in [false, true] {
        let guard = site.proxy.inject(once("values (2)", answer("40001"))).unwrap();
        let bound = site.proxy.inject(StatementFault { skip: 1, ..once("values ($1)", answer("40001")) }).unwrap();
        let mut db_tx = connection.begin().await.unwrap();
        insert(&mut db_tx, 1).await.unwrap();
        let answered = if simple { insert_simply(&mut db_tx, 2).await } else { insert(&mut db_tx, 2).await };
        assert_eq!(code(&answered.unwrap_err()), "40001 planned");
        let after = insert_simply(&mut db_tx, 3).await.unwrap_err();
        assert!(code(&after).starts_with("25P02"), "the server's db_tx goes on: {after}");
        db_tx.rollback().await.unwrap();
        assert_eq!(guard.heal() + bound.heal(), 1);
    }
    insert(&mut connection, 4).await.unwrap();
    assert_eq!(site.kept().await, [4]);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_commit_has_ended_the_db_tx() {
    let site = Site::open().await;
    let mut connection = site.connect("shop").await;
    for bound in [false, true] {
        let guard = site.proxy.inject(once("commit", answer("40001"))).unwrap();
        sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
        insert(&mut connection, 1).await.unwrap();
        let answered = if bound {
            sqlx::query("COMMIT").execute(&mut connection).await
        } else {
            sqlx::raw_sql("COMMIT").execute(&mut connection).await
        };
        assert_eq!(code(&answered.unwrap_err()), "40001 planned");
        assert_eq!(guard.heal(), 1);
        insert(&mut connection, 2).await.unwrap();
    }
    assert_eq!(site.kept().await, [2, 2], "only what came after the db_tx is kept, and at once");
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_tells_holds_and_lets_go_when_healed() {
    let site = Site::open().await;
    let hold = once("insert into kept", StatementAction::Hold { length: None });
    let (guard, mut strikes) = site.proxy.inject_watched(hold).unwrap();
    let mut connection = site.connect("shop").await;
    let waiting = tokio::spawn(async move { insert(&mut connection, 1).await });
    let boundary = strikes.next().await.unwrap();
    assert_eq!((&*boundary.statement, &*boundary.application), (INSERT, "shop"));
    assert!(site.kept().await.is_empty(), "it has reached the server");
    assert!(!waiting.is_finished());
    assert_eq!(guard.heal(), 1);
    waiting.await.unwrap().unwrap();
    assert_eq!(site.kept().await, [1]);
    assert!(strikes.next().await.is_none());
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_statement_whose_client_goes_never_happens() {
    let site = Site::open().await;
    let hold = once("insert into kept", StatementAction::Hold { length: None });
    let (guard, mut strikes) = site.proxy.inject_watched(hold).unwrap();
    let mut connection = site.connect("shop").await;
    let waiting = tokio::spawn(async move { insert(&mut connection, 1).await });
    strikes.next().await.unwrap();
    waiting.abort();
    site.gone("shop").await;
    assert_eq!(guard.heal(), 1);
    assert!(site.kept().await.is_empty());
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_answer_belongs_to_an_executed_statement() {
    let site = Site::open().await;
    let hold = once("insert into kept", StatementAction::HoldAnswer { length: None });
    let (guard, mut strikes) = site.proxy.inject_watched(hold).unwrap();
    let mut connection = site.connect("shop").await;
    let waiting = tokio::spawn(async move {
        insert(&mut connection, 1).await?;
        insert(&mut connection, 2).await
    });
    strikes.next().await.unwrap();
    assert_eq!(site.kept().await, [1], "it was not executed yet");
    assert!(!waiting.is_finished());
    assert_eq!(guard.heal(), 1);
    waiting.await.unwrap().unwrap();
    assert_eq!(site.kept().await, [1, 2]);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_delays_last_as_long_as_they_say() {
    let site = Site::open().await;
    let length = Span::from_ms(150);
    let mut connection = site.connect("shop").await;
    insert(&mut connection, 0).await.unwrap();
    let actions = [
        StatementAction::Hold { length: Some(length) },
        StatementAction::HoldAnswer { length: Some(length) },
        StatementAction::Delay { by: length },
    ];
    for action in actions {
        let guard = site.proxy.inject(StatementFault::every(action)).unwrap();
        let began = Instant::now();
        insert(&mut connection, 1).await.unwrap();
        insert_simply(&mut connection, 2).await.unwrap();
        assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
        assert_eq!(guard.heal(), 2);
    }
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_boundary_can_be_struck_by_its_index() {
    let site = Site::open().await;
    let operation = async |connection: &mut PgConnection, x| {
        let mut db_tx = connection.begin().await?;
        insert(&mut db_tx, x).await?;
        insert_simply(&mut db_tx, x).await?;
        db_tx.commit().await
    };
    site.proxy.mark();
    operation(&mut site.connect("shop").await, 100).await.unwrap();
    let boundaries = site.proxy.take_boundaries();
    let kinds: Vec<_> = boundaries.iter().map(|boundary| (boundary.index, boundary.kind)).collect();
    let (statement, commit) = (BoundaryKind::Statement, BoundaryKind::Commit);
    assert_eq!(kinds, [(0, statement), (1, statement), (2, statement), (3, commit)], "{boundaries:?}");
    assert_eq!(&*boundaries[1].statement, INSERT);
    for boundary in boundaries {
        for (after, action) in [StatementAction::CutBefore {}, StatementAction::CutAfter {}].into_iter().enumerate() {
            let mut connection = site.connect("shop").await;
            site.proxy.mark();
            let fault = StatementFault { at_boundary: Some(boundary.index), ..StatementFault::every(action) };
            let guard = site.proxy.inject(fault).unwrap();
            let x = i32::try_from(boundary.index).unwrap();
            assert!(operation(&mut connection, x).await.is_err());
            assert_eq!(guard.heal(), 1);
            drop(connection);
            site.gone("shop").await;
            let kept = site.kept().await.iter().filter(|kept| **kept == x).count();
            let expected = if boundary.kind == BoundaryKind::Commit && after == 1 { 2 } else { 0 };
            assert_eq!(kept, expected, "at {boundary:?}, after: {after}");
        }
    }
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_fits_nothing_has_no_effect() {
    let site = Site::open().await;
    let mut connection = site.connect("shop").await;
    let other = StatementFault { application: Some("other".into()), ..once("kept", StatementAction::CutBefore {}) };
    let guards = [once("absent", StatementAction::CutAfter {}), other].map(|fault| site.proxy.inject(fault).unwrap());
    insert(&mut connection, 1).await.unwrap();
    assert_eq!(guards.map(|guard| guard.heal()), [0, 0]);
    site.close().await;
}
