//! A database for one test. The only file that knows where PostgreSQL comes from.

use std::path::Path;

use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{self, Postgres, PostgresOptions, Way},
};
use tokio::sync::OnceCell;

/// One server for all tests of this program. It is never dropped: the keeper ends it with the program.
static SERVER: OnceCell<(Postgres, Keeper)> = OnceCell::const_new();

/// A database of this test's own, dropped at the end.
pub(crate) struct Database(postgres::Database);

impl Database {
    /// Creates an empty database.
    pub(crate) async fn create() -> Self {
        let (server, _) = SERVER.get_or_init(start).await;
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        Self(server.create_database(&name, &[]).await.expect("a database"))
    }

    /// Its URL, as the login user.
    pub(crate) fn url(&self) -> String {
        self.0.url().to_owned()
    }

    /// Drops it, connections and all.
    pub(crate) async fn drop(self) {
        self.0.remove().await.expect("dropped");
    }
}

async fn start() -> (Postgres, Keeper) {
    let keeper = Keeper::start().expect("a shell");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let options = PostgresOptions {
        url: None,
        way: Way::Auto,
        image: std::env::var("OVERDRAFT_POSTGRES_IMAGE").unwrap_or_else(|_| "postgres:17".into()),
        cache: folder.join("cache"),
        scratch: std::env::temp_dir(),
        log: folder.join("postgresql.log"),
    };
    let server = Postgres::start(&options, &keeper).await.expect("a PostgreSQL to test with");
    (server, keeper)
}
