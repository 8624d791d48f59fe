//! A database for one test. The only file that knows where PostgreSQL comes from.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A database of this test's own, dropped at the end.
pub(crate) struct Database {
    server: String,
    name: String,
}

impl Database {
    /// Creates an empty database on the server of `OVERDRAFT_TEST_DATABASE_URL`. Without a server the
    /// test fails: one that quietly did nothing would count as passed.
    pub(crate) async fn create() -> Self {
        let server = std::env::var("OVERDRAFT_TEST_DATABASE_URL")
            .expect("OVERDRAFT_TEST_DATABASE_URL names a PostgreSQL server to test with");
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&server).await.expect("the test server answers");
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.expect("a database");
        Self { server, name }
    }

    /// Its URL, as the login user.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("postgres://user@host:port/database");
        format!("{base}/{}", self.name)
    }

    /// Drops it, connections and all.
    pub(crate) async fn drop(self) {
        let mut admin = PgConnection::connect(&self.server).await.expect("the test server answers");
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await.expect("dropped");
    }
}
