//! A database full of buyers, partners and leads, in which every purchase can succeed.
//!
//! Purchase number `i` is made by buyer `i mod 2000`, of lead `(buyer + i / 2000) mod 2000`, so that no buyer
//! buys a lead twice, and those who buy at the same time do not meet: not at a lead, not at a wallet. pgbench's
//! script computes the same.

use std::error::Error;

use overdraft_engine::provision::postgres::{Database, Postgres};
use sqlx::{Connection, PgConnection};

/// Buyers, and leads.
pub(crate) const SHOPPERS: u64 = 2_000;
/// Numbers set aside for each phase, more than any can use.
pub(crate) const PHASE: u64 = 100_000;

/// Sets up as the back office would, in four statements.
const STOCK: &str = "
SET ROLE marketplace_operator;
INSERT INTO workspaces (id, name)
SELECT ('00000000-0000-4000-a000-' || lpad(n::text, 12, '0'))::uuid, 'buyer-' || n FROM generate_series(0, 1999) n
UNION ALL
SELECT ('00000000-0000-4000-b000-' || lpad(n::text, 12, '0'))::uuid, 'partner-' || n FROM generate_series(0, 199) n;
INSERT INTO members (workspace_id, email, role, api_key_hash)
SELECT id, name || '@example.test', split_part(name, '-', 1), sha256(convert_to(name, 'UTF8')) FROM workspaces;
INSERT INTO accounts (workspace_id, kind) SELECT id, 'credits' FROM workspaces;
INSERT INTO leads (id, workspace_id, title, price, max_sales)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
       ('00000000-0000-4000-b000-' || lpad((n % 200)::text, 12, '0'))::uuid, 'lead-' || n, 10, 1000000000
FROM generate_series(0, 1999) n;
SELECT count(grant_credits(id, 1000000000, 'starting_balance_' || id)) FROM workspaces WHERE name LIKE 'buyer-%';
RESET ROLE;
";

/// The lead that a purchase is about.
pub(crate) fn lead_of(number: u64) -> String {
    let lead = (number % SHOPPERS + number / SHOPPERS) % SHOPPERS;
    format!("00000000-0000-4000-8000-{lead:012}")
}

/// A migrated and stocked database.
pub(crate) struct Shop(Database);

impl Shop {
    pub(crate) async fn open(postgres: &Postgres, name: &str) -> Result<Self, Box<dyn Error>> {
        let roles = ["app", "worker", "money", "operator"].map(|role| format!("marketplace_{role}"));
        let shop = Self(postgres.create_database(&format!("bench_{}", name.replace(' ', "_")), &roles).await?);
        overdraft_reference::migrate(shop.url(), None).await?;
        let mut session = shop.session().await?;
        sqlx::raw_sql(STOCK).execute(&mut session).await?;
        session.close().await?;
        shop.analyze().await?;
        Ok(shop)
    }

    pub(crate) fn url(&self) -> &str {
        self.0.url()
    }

    /// Statistics as autovacuum would find them sooner or later.
    pub(crate) async fn analyze(&self) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("ANALYZE").execute(&mut self.session().await?).await.map(drop)
    }

    /// Every purchase happened, and was answered 201.
    pub(crate) async fn audit(&self, expected: usize) -> Result<(), Box<dyn Error>> {
        let (made, refused): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM purchases), (SELECT count(*) FROM idempotency_keys WHERE status <> 201)",
        )
        .fetch_one(&mut self.session().await?)
        .await?;
        if (made, refused) == (i64::try_from(expected)?, 0) {
            return Ok(());
        }
        Err(format!("{expected} purchases were made, {made} are there and {refused} were refused").into())
    }

    /// Emails that the worker has sent.
    pub(crate) async fn confirmations(&self) -> Result<i64, sqlx::Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM emails WHERE state = 'sent'");
        count.fetch_one(&mut self.session().await?).await
    }

    pub(crate) async fn close(self) -> Result<(), Box<dyn Error>> {
        Ok(self.0.remove().await?)
    }

    async fn session(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(self.url()).await
    }
}
