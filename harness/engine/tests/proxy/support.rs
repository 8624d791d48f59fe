//! A database of a test's own, and the proxy in front of it.

use std::{net::SocketAddr, path::Path};

use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{Database, Postgres, PostgresOptions, Way},
};
use overdraft_faults::postgres::PgProxy;
use overdraft_model::fault::statement::{StatementAction, StatementFault};
use sqlx::{Connection, PgConnection};
use tokio::sync::OnceCell;
use url::Url;

/// One server for all tests of this program. It is never dropped: the keeper ends it with the program.
static SERVER: OnceCell<(Postgres, Keeper)> = OnceCell::const_new();

pub(crate) struct Site {
    database: Database,
    pub(crate) proxy: PgProxy,
}

impl Site {
    /// An empty table `kept (x int)` behind a proxy.
    pub(crate) async fn open() -> Self {
        let (server, _) = SERVER.get_or_init(start).await;
        let name = format!("p_{}", uuid::Uuid::new_v4().simple());
        let database = server.create_database(&name, &[]).await.expect("a database");
        let proxy = PgProxy::start(upstream(database.url())).await.expect("a port");
        let site = Self { database, proxy };
        sqlx::raw_sql("CREATE TABLE kept (x int)").execute(&mut site.direct().await).await.expect("a table");
        site
    }

    /// The URL that leads past the proxy.
    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// The URL that leads through the proxy.
    pub(crate) fn through(&self, application: &str) -> String {
        let mut url = Url::parse(self.url()).expect("a URL");
        url.set_port(Some(self.proxy.address().port())).expect("a URL with a port");
        url.query_pairs_mut().append_pair("application_name", application);
        url.into()
    }

    pub(crate) async fn direct(&self) -> PgConnection {
        PgConnection::connect(self.url()).await.expect("a connection")
    }

    pub(crate) async fn connect(&self, application: &str) -> PgConnection {
        PgConnection::connect(&self.through(application)).await.expect("a connection through the proxy")
    }

    /// What is in the table, as seen past the proxy.
    pub(crate) async fn kept(&self) -> Vec<i32> {
        let mut direct = self.direct().await;
        sqlx::query_scalar("SELECT x FROM kept ORDER BY x").fetch_all(&mut direct).await.expect("the table")
    }

    /// Waits until the server has no connection of this application any more, which ends its db_tx.
    pub(crate) async fn gone(&self, application: &str) {
        let mut direct = self.direct().await;
        for _ in 0..500 {
            let count = sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE application_name = $1");
            let count: i64 = count.bind(application).fetch_one(&mut direct).await.expect("the activity");
            if count == 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the server still has a connection of {application}");
    }

    pub(crate) async fn close(self) {
        drop(self.proxy);
        self.database.remove().await.expect("dropped");
    }
}

/// Strikes the statements that contain this text, once.
pub(crate) fn once(matching: &str, action: StatementAction) -> StatementFault {
    StatementFault { matching: Some(matching.into()), times: Some(1), ..StatementFault::every(action) }
}

fn upstream(url: &str) -> SocketAddr {
    let url = Url::parse(url).expect("a URL");
    let addresses = url.socket_addrs(|| Some(5432)).expect("an address");
    *addresses.first().expect("an address")
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
        log: folder.join("proxy-postgresql.log"),
    };
    let server = Postgres::start(&options, &keeper).await.expect("a PostgreSQL to test with");
    (server, keeper)
}
