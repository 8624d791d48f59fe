//! Row-level security, from the catalogue and as the service's role.

use sqlx::{Connection, PgConnection};

use crate::support::Database;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn one_workspace_sees_nothing_of_another() {
    let world = World::start(None).await;
    let (partner, a, b) =
        (world.tenant("partner", 0).await, world.tenant("buyer", 50).await, world.tenant("buyer", 7).await);
    let lead = world.lead(&partner, 5, 3).await;
    assert_eq!(world.buy(0, &a, "k", &[lead]).await.0, 201);
    assert_eq!(world.get(&b, "/v1/purchases").await.1["purchases"], serde_json::json!([]));
    assert_eq!(world.balance(&b).await, 7);
    let body = serde_json::json!({ "credits": 1 });
    let bought = world.send(0, "POST", "/v1/credit-purchases", &a.key, "c", &body).await;
    let id = bought.json::<serde_json::Value>().await.unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&a, &format!("/v1/credit-purchases/{id}")).await.0, 200);
    assert_eq!(world.get(&b, &format!("/v1/credit-purchases/{id}")).await.0, 404);
    world.end().await;
}

#[tokio::test]
async fn the_service_s_role_reads_only_its_tenant_and_writes_nothing() {
    let database = Database::create().await;
    overdraft_reference::migrate(&database.url(), None).await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let unforced: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
           AND relname NOT IN ('_sqlx_migrations', 'applied_defects')
           AND NOT (relrowsecurity AND relforcerowsecurity)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(unforced, 0);
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM information_schema.role_table_grants WHERE table_schema = 'public'
           AND table_name <> 'rate_limits'
           AND (grantee = 'marketplace_app' AND privilege_type <> 'SELECT'
             OR grantee LIKE 'marketplace%' AND privilege_type IN ('DELETE', 'TRUNCATE'))",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(open, 0);

    sqlx::raw_sql(
        "INSERT INTO workspaces (id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 'a'),
                                                  ('00000000-0000-0000-0000-00000000000b', 'b');
         INSERT INTO accounts (workspace_id, kind) SELECT id, 'credits' FROM workspaces;
         SET ROLE marketplace_app",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for (tenant, rows) in [("", 0_i64), ("00000000-0000-0000-0000-00000000000a", 1)] {
        let mut db_tx = connection.begin().await.unwrap();
        sqlx::query("SELECT set_config('app.workspace_id', $1, true)").bind(tenant).execute(&mut *db_tx).await.unwrap();
        for sql in ["SELECT count(*) FROM accounts", "SELECT count(*) FROM workspaces"] {
            let seen: i64 = sqlx::query_scalar(sql).fetch_one(&mut *db_tx).await.unwrap();
            assert_eq!(seen, rows, "{sql} as {tenant:?}");
        }
        db_tx.commit().await.unwrap();
    }
    for sql in [
        "UPDATE accounts SET balance = 1",
        "INSERT INTO entries VALUES (gen_random_uuid(), gen_random_uuid(), 1)",
        "DELETE FROM leads",
        "SELECT * FROM members",
        "SELECT * FROM webhook_events",
        "SELECT grant_credits(gen_random_uuid(), 1, 'x')",
        "SELECT enqueue('send_email', '{}')",
        "SELECT job_to_run(gen_random_uuid(), 3)",
        "SELECT note_payment_status(1, gen_random_uuid(), 'unpaid')",
    ] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
    }
    drop(connection);
    database.drop().await;
}

#[tokio::test]
async fn the_worker_s_role_has_its_own_functions_and_no_table() {
    let database = Database::create().await;
    overdraft_reference::migrate(&database.url(), None).await.unwrap();
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    let (app, worker, both): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE app), count(*) FILTER (WHERE worker), count(*) FILTER (WHERE app AND worker)
         FROM pg_proc p, LATERAL (SELECT has_function_privilege('marketplace_app', p.oid, 'EXECUTE') AS app,
                                         has_function_privilege('marketplace_worker', p.oid, 'EXECUTE') AS worker) AS held
         WHERE pronamespace = 'public'::regnamespace
           AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(app > 0 && worker > 0, "{app} and {worker}");
    assert_eq!(both, 0);
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class
         WHERE relnamespace IN ('public'::regnamespace, 'graphile_worker'::regnamespace) AND relkind IN ('r', 'v', 'p')
           AND has_table_privilege('marketplace_worker', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(tables, 0);
    let powers: bool = sqlx::query_scalar(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcanlogin FROM pg_roles
         WHERE rolname = 'marketplace_worker'",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(!powers);
    sqlx::raw_sql("SET ROLE marketplace_worker").execute(&mut connection).await.unwrap();
    for sql in ["SELECT * FROM accounts", "SELECT read_balance('x', now())", "SELECT * FROM graphile_worker.jobs"] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
    }
    connection.close().await.unwrap();
    database.drop().await;
}
