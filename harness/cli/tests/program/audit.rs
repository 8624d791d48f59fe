//! `overdraft audit`: what it finds decides the exit code, and what it cannot read is no finding.

use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::support::Place;

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_audited_and_only_read() {
    let Some(place) = Place::for_runs() else { return };
    let (server, _keeper) = place.server().await;
    let (theirs, other) =
        (server.create_database("theirs", &[]).await.unwrap(), server.create_database("other", &[]).await.unwrap());
    let url = theirs.url();
    overdraft_reference::migrate(url, None).await.unwrap();
    let audit = |more: &[&str], url: &str, code: i32| {
        let told = place.run(&[&["audit", "--database-url", url], more].concat());
        assert_eq!(told.code, Some(code), "{more:?} {}{}", told.stdout, told.stderr);
        told
    };

    let told = audit(&[], url, 0);
    assert!(told.stdout.ends_with("14 checks, 0 violated\n"), "{}", told.stdout);
    let plant = "INSERT INTO workspaces (id, name) VALUES (md5('w')::uuid, 'w');
                 INSERT INTO leads (workspace_id, title, price, max_sales, sold_count)
                 SELECT md5('w')::uuid, 'l', 1, 5, 1 FROM generate_series(1, 21)";
    sqlx::raw_sql(plant).execute(&mut PgConnection::connect(url).await.unwrap()).await.unwrap();
    let told = audit(&[], url, 1);
    assert!(told.stdout.contains("VIOLATED  sold_count: 21 row(s)\n          Every lead counts"), "{}", told.stdout);
    let told = audit(&["--format", "json"], url, 1);
    let outcomes: Value = serde_json::from_str(&told.stdout).unwrap();
    let sold = outcomes.as_array().unwrap().iter().find(|outcome| outcome["name"] == "sold_count").unwrap();
    assert_eq!((&sold["total"], sold["violations"].as_array().unwrap().len()), (&Value::from(21), 20));

    let told = audit(&[], "postgres://u:hidden@192.0.2.1/none", 2);
    assert!(!told.stderr.contains("hidden"), "{}", told.stderr);
    let told = audit(&[], other.url(), 3);
    assert!(told.stderr.contains("no database of the reference service"), "{}", told.stderr);
    audit(&[], "postgres://nobody@127.0.0.1:1/none", 4);

    theirs.remove().await.unwrap();
    other.remove().await.unwrap();
    server.stop().await;
}
