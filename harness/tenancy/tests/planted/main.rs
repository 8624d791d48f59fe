//! The prober on schemas that are nobody's: silent where nothing leaks, and not where one leak was planted.

#[path = "../../../../system-under-test/tests/support/mod.rs"]
mod support;

use overdraft_model::{
    tenancy::{Operation, Outcome, Report, Rules, Severity, Standing},
    verdict::Validity,
};
use overdraft_tenancy::{markdown::markdown, probe};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::Database;

const SHOP: &str = include_str!("../../../../fixtures/tenancy/shop/schema.sql");
const CLAIMS: &str = include_str!("../../../../fixtures/tenancy/claims.sql");

macro_rules! plants {
    ($($file:literal => $kind:literal,)*) => {
        &[$((include_str!(concat!("../../../../fixtures/tenancy/shop/", $file, ".sql")), $kind)),*]
    };
}

/// Each planted leak, and the kind of the finding that names it.
const PLANTS: &[(&str, &str)] = plants! {
    "plain_view" => "plain-view",
    "definer_function" => "definer-function",
    "stream_function" => "definer-function",
    "no_force" => "no-force",
    "using_without_check" => "moves-to-others",
    "foreign_key" => "foreign-key",
    "cascade" => "cascade",
    "truncate" => "truncate",
    "unique_oracle" => "unique-oracle",
    "setting_outlives" => "setting-outlives",
    "partition_child" => "partition-child",
};

async fn report(sql: &[&str], rules: &Rules) -> Report {
    let database = Database::create().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    for sql in sql {
        sqlx::raw_sql(AssertSqlSafe((*sql).to_owned())).execute(&mut connection).await.unwrap();
    }
    let before = rows(&mut connection).await;
    let report = probe(&mut connection, rules).await.unwrap();
    assert_eq!(rows(&mut connection).await, before, "something remained");
    let role: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut connection).await.unwrap();
    assert_eq!(role, report.login, "the session is another's");
    connection.close().await.unwrap();
    database.drop().await;
    report
}

/// Rows of every table, and every relation and policy there is.
async fn rows(connection: &mut PgConnection) -> String {
    sqlx::query_scalar(
        "SELECT concat((SELECT string_agg(format('%s=%s', c.oid::regclass,
            (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1]),
            ',' ORDER BY c.oid) FROM pg_class c WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace),
            (SELECT count(*) FROM pg_policy), (SELECT count(*) FROM pg_class))",
    )
    .fetch_one(connection)
    .await
    .unwrap()
}

fn leaks(report: &Report) -> Vec<String> {
    report.of(Severity::Leak).map(|finding| format!("{} {}: {}", finding.kind, finding.object, finding.shown)).collect()
}

fn untried(report: &Report) -> Vec<String> {
    report.not_exercised().map(|p| format!("{} {}: {} {}", p.object, p.operation.word(), p.seen, p.statement)).collect()
}

fn standing(report: &Report, name: &str) -> Standing {
    report.objects.iter().find(|object| object.name == name).unwrap().standing
}

#[tokio::test(flavor = "multi_thread")]
async fn each_planted_leak_is_found_and_nothing_where_none_is() {
    let rules = Rules::default();
    let clean = report(&[SHOP], &rules).await;
    assert_eq!(leaks(&clean), Vec::<String>::new());
    assert_eq!(untried(&clean), Vec::<String>::new());
    assert_eq!(clean.of(Severity::Weakness).count(), 0, "{:?}", clean.findings);
    assert_eq!(clean.validity(), Validity::Valid);
    assert_eq!(
        (clean.tenant_column.as_str(), clean.enter.as_str()),
        ("tenant_id", "SELECT set_config('shop.tenant', $1, true)")
    );
    for name in ["tenants", "customers", "orders", "order_lines", "measurements", "open_orders"] {
        assert_eq!(standing(&clean, name), Standing::Isolated, "{name}");
    }
    assert_eq!(standing(&clean, "measurements_2026"), Standing::Internal);
    assert!(clean.probes.iter().any(|p| p.operation == Operation::Cascade && p.outcome == Outcome::Held));

    for (sql, kind) in PLANTS {
        let found = report(&[SHOP, sql], &rules).await;
        let leaks = leaks(&found);
        assert!(
            leaks.iter().any(|leak| leak.starts_with(kind)),
            "{kind} was not found: {leaks:?}; {:?}",
            untried(&found)
        );
        assert_eq!(found.validity(), Validity::Invalid, "{kind}");
        assert!(markdown(&found).contains(kind));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_another_style_is_probed_once_it_is_told_how_a_tenant_is_entered() {
    let database = Database::create().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(CLAIMS.to_owned())).execute(&mut connection).await.unwrap();
    let error = probe(&mut connection, &Rules::default()).await.unwrap_err();
    assert!(error.to_string().contains("request.jwt.claims") && error.to_string().contains("--enter"), "{error}");
    connection.close().await.unwrap();
    database.drop().await;

    let enter = "SELECT set_config('request.jwt.claims', json_build_object('sub',
        (SELECT user_id FROM memberships WHERE org_id = $1::bigint LIMIT 1))::text, true)";
    let rules = Rules { enter: Some(enter.into()), ..Rules::default() };
    let clean = report(&[CLAIMS], &rules).await;
    assert_eq!(leaks(&clean), Vec::<String>::new());
    assert_eq!(standing(&clean, "documents"), Standing::Isolated);
    assert_eq!(clean.tenant_column, "org_id");
    // The owner is a superuser, whom FORCE would not bind either.
    assert!(clean.of(Severity::Weakness).any(|finding| finding.kind == "no-force"));

    let open = "DROP POLICY of_mine ON documents; CREATE POLICY all_of_it ON documents TO authenticated USING (true);";
    let found = report(&[CLAIMS, open], &rules).await;
    let leaks = leaks(&found);
    for kind in [
        "reads-others documents",
        "updates-others documents",
        "deletes-others documents",
        "inserts-for-others documents",
    ] {
        assert!(leaks.iter().any(|leak| leak.starts_with(kind)), "{kind}: {leaks:?}");
    }
    assert_eq!(standing(&found, "documents"), Standing::Leaking);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_are_used_and_a_weaker_login_says_what_it_could_not_try() {
    let data = "INSERT INTO tenants (name) VALUES ('a'), ('b');
        INSERT INTO customers (tenant_id, email) SELECT id, name || '@example.test' FROM tenants;
        CREATE VIEW totals AS SELECT count(*) FROM customers; GRANT SELECT ON totals TO shop_app;";
    let allowed = Rules { allow: [("totals".into(), "a public number".into())].into(), ..Rules::default() };
    assert_eq!(report(&[SHOP, data], &Rules::default()).await.validity(), Validity::Invalid);
    let declared = report(&[SHOP, data], &allowed).await;
    assert_eq!(leaks(&declared), Vec::<String>::new());
    assert_eq!(declared.declared.get("totals").map(String::as_str), Some("a public number"));

    let database = Database::create().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(SHOP.to_owned())).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("SET SESSION AUTHORIZATION shop_owner").execute(&mut connection).await.unwrap();
    let weak = probe(&mut connection, &Rules::default()).await.unwrap();
    assert_eq!(weak.validity(), Validity::Unknown, "{:?}", leaks(&weak));
    assert!(weak.limits.iter().any(|limit| limit.contains("neither a superuser nor BYPASSRLS")), "{:?}", weak.limits);
    connection.close().await.unwrap();
    database.drop().await;
}
