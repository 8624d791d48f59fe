//! `overdraft tenancy`: its exit codes, and that it leaves a database that is not this machine's alone.

use sqlx::{Connection, PgConnection};

use crate::support::Place;

const SHOP: &str = include_str!("../../../../fixtures/tenancy/shop/schema.sql");
const PLANT: &str = include_str!("../../../../fixtures/tenancy/shop/plain_view.sql");

#[tokio::test(flavor = "multi_thread")]
async fn a_leak_is_exit_1_and_none_is_exit_0() {
    let Some(place) = Place::for_runs() else { return };
    let (server, _keeper) = place.server().await;
    let database = server.create_database("shop", &[]).await.unwrap();
    let url = database.url();
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(SHOP).execute(&mut connection).await.unwrap();

    place.run(&["tenancy", "--database-url", url]).exits(0).says(&["valid: ", "0 leaking"]);
    place.run(&["tenancy", "--database-url", url, "--role", "nobody_here"]).exits(2).complains(&["nobody_here"]);
    place.run(&["tenancy", "--database-url", url, "--allow", "orders"]).exits(2).complains(&["NAME=REASON"]);

    sqlx::raw_sql(PLANT).execute(&mut connection).await.unwrap();
    place.run(&["tenancy", "--database-url", url]).exits(1).says(&["leak", "plain-view", "security_invoker"]);
    let allowed = ["tenancy", "--database-url", url, "--allow", "order_list=totals are public"];
    place.run(&allowed).exits(0).says(&["on purpose", "totals are public"]);
    place.run(&["tenancy", "--database-url", url, "--format", "json", "--out", "report.json"]).exits(1);
    let report = crate::support::json(place.at("report.json"));
    assert_eq!(report["tenant_column"], "tenant_id");
    assert!(report["probes"].as_array().unwrap().len() > 50);

    connection.close().await.unwrap();
    database.remove().await.unwrap();
    server.stop().await;
}

#[test]
fn a_database_elsewhere_is_refused_and_an_absent_one_told() {
    let place = Place::new();
    let elsewhere = "postgres://me:secret@192.0.2.1/db";
    let told = place.run(&["tenancy", "--database-url", elsewhere]).exits(2).complains(&["--allow-remote"]).once();
    assert!(!told.stderr.contains("secret"));
    place.run(&["tenancy", "--database-url", "postgres://me@127.0.0.1:1/db"]).exits(4).once();
}
