//! PostgreSQL of our own, by each way that this machine offers.

use std::path::Path;

use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{Postgres, PostgresError, PostgresOptions, Way, docker_available, installed},
};
use sqlx::{Connection, PgConnection};

/// A test that cannot run here is a printed skip on a person's machine, and a failure in CI.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip(reason: &str) {
    assert!(std::env::var_os("OVERDRAFT_NO_SKIPS").is_none(), "skips are failures here: {reason}");
    eprintln!("skipped: {reason}");
}

fn options(folder: &Path, way: Way) -> PostgresOptions {
    PostgresOptions {
        url: None,
        way,
        image: std::env::var("OVERDRAFT_POSTGRES_IMAGE").unwrap_or_else(|_| "postgres:17".into()),
        cache: folder.join("cache"),
        scratch: std::env::temp_dir(),
        log: folder.join("postgresql.log"),
    }
}

async fn local(folder: &Path) -> Option<Postgres> {
    if let Err(error) = installed() {
        skip(&error.to_string());
        return None;
    }
    let keeper = Keeper::start().unwrap();
    Some(Postgres::start(&options(folder, Way::Local), &keeper).await.unwrap())
}

async fn count(url: &str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut connection).await
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_kill_stop_and_pause_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(postgres) = local(folder.path()).await else { return };
    assert!(postgres.how().contains("started by us"), "{}", postgres.how());
    let database = postgres.create_database("overdraft_test", &[]).await.unwrap();
    let url = database.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)").execute(&mut connection).await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    drop(connection);

    let shared = postgres.server().unwrap();
    let mut server = shared.lock().await;
    server.kill();
    assert!(count(&url).await.is_err(), "a killed server answered");
    server.restart().await.unwrap();
    assert_eq!(count(&url).await.unwrap(), 1, "a committed row was lost by the kill");
    server.stop();
    assert!(server.died().is_none(), "a stop on purpose was taken for a death");
    server.restart().await.unwrap();

    server.pause();
    let while_paused = tokio::time::timeout(std::time::Duration::from_millis(300), count(&url)).await;
    assert!(while_paused.is_err(), "a paused server answered");
    server.resume();
    assert_eq!(count(&url).await.unwrap(), 1);
    drop(server);
    drop(shared);

    database.remove().await.unwrap();
    assert!(count(&url).await.is_err(), "the database is still there");
    postgres.stop().await;
    assert!(PgConnection::connect(&url).await.is_err());
    assert!(!Path::new(&data).exists(), "the data directory is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_uses_the_template() {
    let folder = tempfile::tempdir().unwrap();
    let Some(first) = local(folder.path()).await else { return };
    first.stop().await;
    let kept: Vec<_> = std::fs::read_dir(folder.path().join("cache")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let made = std::fs::metadata(kept[0].path().join("password")).unwrap().modified().unwrap();
    local(folder.path()).await.unwrap().stop().await;
    assert_eq!(std::fs::metadata(kept[0].path().join("password")).unwrap().modified().unwrap(), made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_was_not_ours_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(postgres) = local(folder.path()).await else { return };
    assert_eq!(postgres.died(), None);
    let database = postgres.create_database("overdraft_death", &[]).await.unwrap();
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    let data: String = sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    let pid = std::fs::read_to_string(Path::new(&data).join("postmaster.pid")).unwrap();
    let pid: i32 = pid.lines().next().unwrap().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    for _ in 0..100 {
        if let Some(reason) = postgres.died() {
            assert!(reason.contains("ended by itself"), "{reason}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the death was not noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_server_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let Some(owner) = local(folder.path()).await else { return };
    let theirs = owner.create_database("theirs", &[]).await.unwrap();
    let mut connection = PgConnection::connect(theirs.url()).await.unwrap();
    let setup = "CREATE ROLE theirs_role; CREATE TABLE kept (x int); INSERT INTO kept VALUES (1)";
    sqlx::raw_sql(setup).execute(&mut connection).await.unwrap();

    let keeper = Keeper::start().unwrap();
    let given = PostgresOptions { url: Some(theirs.url().to_owned()), ..options(folder.path(), Way::Auto) };
    let postgres = Postgres::start(&given, &keeper).await.unwrap();
    let roles = ["theirs_role".to_owned(), "our_role".to_owned()];
    let ours = postgres.create_database("ours", &roles).await.unwrap();
    sqlx::raw_sql("CREATE ROLE our_role").execute(&mut connection).await.unwrap();
    ours.remove().await.unwrap();
    postgres.stop().await;

    assert_eq!(count(theirs.url()).await.unwrap(), 1);
    let left: Vec<String> = sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname LIKE '%_role'")
        .fetch_all(&mut connection)
        .await
        .unwrap();
    assert_eq!(left, ["theirs_role"], "ours must be gone and theirs must stay");
    drop(connection);
    owner.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_serves_and_goes() {
    if let Err(error) = docker_available().await {
        skip(&format!("no Docker engine ({})", error.lines().next().unwrap_or_default()));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let postgres = match Postgres::start(&options(folder.path(), Way::Docker), &keeper).await {
        Ok(postgres) => postgres,
        Err(error) if error.to_string().contains("failed to pull") => {
            skip(&format!("the image cannot be had ({error})"));
            return;
        }
        Err(error) => panic!("{error}"),
    };
    assert!(postgres.how().contains("container of"), "{}", postgres.how());
    let database = postgres.create_database("overdraft_container", &[]).await.unwrap();
    let url = database.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
    assert_eq!(one, 1);
    drop(connection);
    database.remove().await.unwrap();
    postgres.stop().await;
    assert!(PgConnection::connect(&url).await.is_err(), "the container still answers");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let keeper = Keeper::start().unwrap();
    let url = Some("postgres://me:secret@127.0.0.1:1/postgres".to_owned());
    let given = PostgresOptions { url, ..options(folder.path(), Way::Auto) };
    let error = Postgres::start(&given, &keeper).await.unwrap_err();
    assert!(matches!(error, PostgresError::Connection { .. }));
    assert!(error.to_string().contains("127.0.0.1:1") && !error.to_string().contains("secret"), "{error}");
}
