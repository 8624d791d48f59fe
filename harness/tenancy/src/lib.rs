//! Probes the tenant isolation of any PostgreSQL database.
//!
//! What a policy says and what it does differ: a view reads with its owner's eyes, a foreign key and a unique index
//! look past every policy, a partition has policies of its own. So each table, role and operation is tried: as the
//! role, inside one tenant, against another tenant's row. Where two tenants have no rows they are made, from the
//! catalogue alone. All of it happens in one db_tx that is rolled back; what could not be tried is said.
//!
//! It knows nothing of any application. [`probe`] is the whole of it; [`markdown`] writes the document.

mod belongs;
mod catalogue;
mod guess;
pub mod markdown;
mod probes;
mod rows;
mod sql;
mod stage;
mod values;

use overdraft_model::tenancy::{Report, Rules};
use sqlx::{Connection, PgConnection};

use crate::{probes::Prober, stage::Stage};

/// Why a database could not be probed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection failed, or a statement of ours that never should.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The catalogue said something that we do not understand.
    #[error("the catalogue's answer is not understood: {problem}; the query was {query}")]
    Catalogue {
        /// What is wrong with it.
        problem: serde_json::Error,
        /// What was asked.
        query: String,
    },
    /// The rules name a column that no table has.
    #[error("no table has a column `{0}`")]
    NoSuchColumn(String),
    /// The rules name a role that there is not.
    #[error("there is no role `{0}`")]
    NoSuchRole(String),
    /// No policy reads a column.
    #[error(
        "no policy reads a column, so the tenant column cannot be guessed: say --tenant-column, --enter and --role"
    )]
    NoTenantColumn,
    /// No policy reads a setting.
    #[error(
        "no policy reads a setting, so it cannot be guessed how a tenant is entered: say --enter, such as \
             \"SELECT set_config('app.tenant_id', $1, true)\""
    )]
    NoEntry,
    /// Several settings, none of which is named after the tenant column.
    #[error("the policies read several settings ({0}): say with --enter which of them enter the tenant $1")]
    ManySettings(String),
    /// The setting holds claims, and none of them is the tenant.
    #[error(
        "the policies read the claims in {setting}, none of which is {column}: say with --enter how to make them, \
             such as \"SELECT set_config('{setting}', json_build_object('sub', (SELECT user_id FROM members \
             WHERE {column}::text = $1 LIMIT 1))::text, true)\""
    )]
    Claims {
        /// The setting.
        setting: String,
        /// The tenant column.
        column: String,
    },
    /// No role that requests might run as.
    #[error("no role is both granted a table and confined by a policy: say with --role which one requests run as")]
    NoRole,
}

/// Tries everything and reports it. Nothing of it remains, sequences that a default advances excepted.
///
/// The login should be a superuser; a lesser one is told in [`Report::limits`] what it could not try. If the future
/// is dropped before its end, so must be the connection.
///
/// # Errors
/// Fails if the connection fails, or if the rules leave out what the catalogue does not tell.
pub async fn probe(connection: &mut PgConnection, rules: &Rules) -> Result<Report, Error> {
    let outlives = probes::session::settings_outlive(connection, rules).await?;
    let mut db_tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
    let report = Prober::run(Stage::new(&mut db_tx), rules, outlives).await;
    db_tx.rollback().await?;
    report
}
