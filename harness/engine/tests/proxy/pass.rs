//! What goes through the PostgreSQL proxy unchanged while nothing is struck.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use overdraft_model::fault::statement::BoundaryKind;
use sqlx::{
    Connection, Row,
    postgres::{PgListener, PgPoolCopyExt},
};
use tokio::process::Command;

use crate::support::Site;

/// A program of PostgreSQL's; none, with a printed skip, where it is not installed.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn program(name: &str) -> Option<Command> {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()));
    if !found {
        assert!(std::env::var_os("OVERDRAFT_NO_SKIPS").is_none(), "skips are failures here: no {name}");
        eprintln!("skipped: no {name} on the path");
        return None;
    }
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).kill_on_drop(true);
    Some(command)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlx_with_large_rows_and_errors() {
    let site = Site::open().await;
    let mut connection = site.connect("shop").await;
    let large = "x".repeat(20_000_000);
    let row = sqlx::query("SELECT $1::text AS text, n FROM generate_series(1, 3) n ORDER BY n DESC")
        .bind(&large)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(row.get::<String, _>("text") == large, "the row was changed");
    for x in 0..50 {
        sqlx::query("INSERT INTO kept VALUES ($1)").bind(x).execute(&mut connection).await.unwrap();
        assert!(sqlx::query("SELECT 1 / $1").bind(0).execute(&mut connection).await.is_err());
    }
    let mut db_tx = connection.begin().await.unwrap();
    sqlx::query("DELETE FROM kept").execute(&mut *db_tx).await.unwrap();
    db_tx.rollback().await.unwrap();
    assert_eq!(site.kept().await.len(), 50);
    connection.close().await.unwrap();
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scram_convinces_both_ends() {
    let site = Site::open().await;
    let mut direct = site.direct().await;
    let file: String = sqlx::query_scalar("SHOW hba_file").fetch_one(&mut direct).await.unwrap();
    let role = "SET password_encryption = 'scram-sha-256'; CREATE ROLE scrammed LOGIN PASSWORD 'right'";
    sqlx::raw_sql(role).execute(&mut direct).await.unwrap();
    let rules: String =
        sqlx::query_scalar("SELECT pg_read_file(current_setting('hba_file'))").fetch_one(&mut direct).await.unwrap();
    // Tabs mean something to COPY.
    let rules = format!("host all scrammed all scram-sha-256\n{}", rules.replace('\t', " "));
    let rules = format!(
        "COPY (SELECT line FROM string_to_table($rules${rules}$rules$, E'\\n') line) TO '{file}'; SELECT pg_reload_conf()"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(rules)).execute(&mut direct).await.unwrap();
    let mut url = url::Url::parse(&site.through("shop")).unwrap();
    url.set_username("scrammed").unwrap();
    let first = "SELECT auth_method FROM pg_hba_file_rules ORDER BY line_number LIMIT 1";
    let method: String = sqlx::query_scalar(first).fetch_one(&mut direct).await.unwrap();
    assert_eq!(method, "scram-sha-256");
    url.set_password(Some("right")).unwrap();
    let mut connection = sqlx::PgConnection::connect(url.as_str()).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
    assert_eq!(one, 1);
    url.set_password(Some("wrong")).unwrap();
    let refused = sqlx::PgConnection::connect(url.as_str()).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "28P01");
    drop(connection);
    sqlx::raw_sql("DROP ROLE scrammed").execute(&mut direct).await.unwrap();
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_both_ways_and_the_session_goes_on() {
    let site = Site::open().await;
    let pool = sqlx::PgPool::connect(&site.through("shop")).await.unwrap();
    let mut copy = pool.copy_in_raw("COPY kept FROM STDIN").await.unwrap();
    let lines: String = (0..100_000).map(|x| format!("{x}\n")).collect();
    copy.send(lines.as_bytes()).await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 100_000);
    let aborted = pool.copy_in_raw("COPY kept FROM STDIN").await.unwrap();
    aborted.abort("no more").await.unwrap();
    let out = pool.copy_out_raw("COPY kept TO STDOUT").await.unwrap();
    let parts: Vec<_> = futures::TryStreamExt::try_collect(out).await.unwrap();
    assert_eq!(parts.iter().map(bytes::Bytes::len).sum::<usize>(), lines.len());
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 100_000);
    pool.close().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notifications_arrive() {
    let site = Site::open().await;
    let mut listener = PgListener::connect(&site.through("ear")).await.unwrap();
    listener.listen("news").await.unwrap();
    let mut connection = site.connect("mouth").await;
    sqlx::query("SELECT pg_notify('news', $1)").bind("hello").execute(&mut connection).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(20), listener.recv()).await.unwrap().unwrap();
    assert_eq!(heard.payload(), "hello");
    drop((listener, connection));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbench_in_every_mode_and_in_a_pipeline() {
    let Some(mut init) = program("pgbench") else { return };
    let site = Site::open().await;
    let url = site.through("bench");
    let output = init.args(["-i", "-q", "-s", "1", &url]).output().await.unwrap();
    assert!(output.status.success(), "{}", said(&output));
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("pipeline.sql");
    let pipeline = "\\startpipeline\nBEGIN;\nINSERT INTO kept VALUES (1);\nSELECT 2;\nCOMMIT;\n\\endpipeline\n";
    std::fs::write(&script, pipeline).unwrap();
    let file = script.display().to_string();
    for mode in ["simple", "extended", "prepared"] {
        let run = ["-n", "-c", "4", "-t", "25", "-M", mode, &url];
        let output = program("pgbench").unwrap().args(run).output().await.unwrap();
        let said = said(&output);
        assert!(output.status.success() && said.contains("actually processed: 100/100"), "{mode}: {said}");
    }
    for mode in ["extended", "prepared"] {
        site.proxy.mark();
        let run = ["-n", "-c", "2", "-t", "25", "-M", mode, "-f", &file, &url];
        let output = program("pgbench").unwrap().args(run).output().await.unwrap();
        assert!(output.status.success(), "{mode}: {}", said(&output));
        let seen = site.proxy.take_boundaries();
        let commits = seen.iter().filter(|boundary| boundary.kind == BoundaryKind::Commit).count();
        let inserts = seen.iter().filter(|boundary| boundary.statement.starts_with("INSERT INTO kept")).count();
        assert_eq!((commits, inserts), (50, 50), "{mode}");
    }
    assert_eq!(site.kept().await.len(), 100);
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_copies_and_is_interrupted() {
    let Some(mut psql) = program("psql") else { return };
    let site = Site::open().await;
    let url = site.through("psql");
    let copies = ["-qAt", "-c", "\\copy (SELECT 7) TO STDOUT", "-c", "INSERT INTO kept VALUES (1) RETURNING x", &url];
    let output = psql.args(copies).output().await.unwrap();
    assert_eq!(said(&output), "7\n1\n");
    let mut sleeping = program("psql").unwrap();
    sleeping.args(["-c", "SELECT pg_sleep(600)", &url]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = sleeping.spawn().unwrap();
    let mut direct = site.direct().await;
    let asleep = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'psql' AND wait_event = 'PgSleep'";
    let mut count = 0_i64;
    for _ in 0..500 {
        count = sqlx::query_scalar(asleep).fetch_one(&mut direct).await.unwrap();
        if count > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(count, 1, "psql does not sleep");
    kill(Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()), Signal::SIGINT).unwrap();
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output()).await.unwrap().unwrap();
    assert!(said(&output).contains("canceling statement due to user request"), "{}", said(&output));
    site.close().await;
}
