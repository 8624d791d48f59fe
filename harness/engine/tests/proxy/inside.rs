//! Faults inside the database, and that they heal.

use std::time::Duration;

use overdraft_faults::database::{self, Terminator};
use sqlx::{Connection, PgConnection};

use crate::support::Site;

#[tokio::test(flavor = "multi_thread")]
async fn backends_of_an_application_are_terminated_and_no_others() {
    let site = Site::open().await;
    let (mut shop, mut other) = (site.connect("shop").await, site.connect("other").await);
    let mut terminator = Terminator::connect(site.url()).await.unwrap();
    assert_eq!(terminator.strike(Some("shop")).await.unwrap(), 1);
    assert!(shop.ping().await.is_err());
    other.ping().await.unwrap();
    assert_eq!(terminator.strike(Some("absent")).await.unwrap(), 0);
    site.connect("shop").await.ping().await.unwrap();
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_lock_is_waited_for_and_counted() {
    let site = Site::open().await;
    let guard = database::hold(site.url(), "LOCK TABLE kept").await.unwrap();
    let mut connection = site.direct().await;
    let waiting =
        tokio::spawn(
            async move { sqlx::query("INSERT INTO kept VALUES (1)").execute(&mut connection).await.map(drop) },
        );
    for _ in 0..1_000 {
        if guard.effects() > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!waiting.is_finished());
    assert_eq!(guard.heal(), 1);
    waiting.await.unwrap().unwrap();
    assert_eq!(site.kept().await, [1]);
    assert_eq!(database::hold(site.url(), "LOCK TABLE kept").await.unwrap().heal(), 0, "nobody waited");
    assert!(database::hold(site.url(), "LOCK TABLE absent").await.is_err());
    site.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_used_up_and_given_back() {
    let site = Site::open().await;
    // A role of its own has few: the server's others belong to the other tests.
    let role = format!("few_{}", uuid::Uuid::new_v4().simple());
    let create = format!("CREATE ROLE {role} LOGIN PASSWORD 'few' CONNECTION LIMIT 3");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut site.direct().await).await.unwrap();
    let mut url = url::Url::parse(site.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("few")).unwrap();
    let enough = database::exhaust(url.as_str(), 2).await.unwrap();
    assert_eq!(enough.effects(), 0, "one was left");
    let guard = database::exhaust(url.as_str(), 100).await.unwrap();
    assert_eq!(guard.effects(), 1);
    let refused = PgConnection::connect(url.as_str()).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "53300");
    drop((enough, guard));
    let mut again = PgConnection::connect(url.as_str()).await;
    for _ in 0..500 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        again = PgConnection::connect(url.as_str()).await;
    }
    again.unwrap().close().await.unwrap();
    let leaves = format!("DROP ROLE {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(leaves)).execute(&mut site.direct().await).await.unwrap();
    site.close().await;
}
