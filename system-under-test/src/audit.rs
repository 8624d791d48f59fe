//! The consistency checks: what must hold of the stored data at every moment, whatever happened.
//!
//! Each is one file of `audit/`: a query that returns what violates it. The daily job, the command line and a
//! person with `psql` run the same files. All run in one snapshot, so that what commits meanwhile cannot be
//! seen by half; and they only read.
//!
//! They run on a connection of the login user that has become `marketplace_operator`, which may read every
//! tenant and has no other right that a check could misuse. A SECURITY DEFINER function would need a second copy
//! of the queries in a migration, and would hand every tenant's rows to the role that serves requests.

use serde::Serialize;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::database::is_unavailable;
use crate::error::Error;

/// Rows of a violated check that are shown.
const SHOWN: i32 = 20;
/// Bound on one check: it holds a snapshot, and vacuum cannot clean behind it.
const CHECK_TIMEOUT: &str = "SET LOCAL statement_timeout = '5min'";

macro_rules! checks {
    ($($name:literal,)+) => {
        [$(($name, include_str!(concat!("../audit/", $name, ".sql"))),)+]
    };
}

/// Name and text of each file.
const CHECKS: [(&str, &str); 14] = checks![
    "negative_balances",
    "credit_arithmetic",
    "lots",
    "debts",
    "ledger_sum",
    "sold_count",
    "orphaned_purchases",
    "commission_errors",
    "ungranted_payments",
    "reversals",
    "adjustments",
    "expiries",
    "unconfirmed",
    "duplicated_effects",
];

/// What a check found.
#[derive(Clone, Debug, Serialize)]
pub struct CheckOutcome {
    /// The name of its file.
    pub name: &'static str,
    /// What it promises.
    pub promise: String,
    /// How many rows violate it.
    pub total: i64,
    /// The first 20 of them.
    pub violations: Vec<Value>,
}

/// Runs every check on a database of the reference service, which is only read.
///
/// `database_url` names a login user that may become `marketplace_operator`, such as the one that ran the migrations.
///
/// # Errors
/// [`Error::Database`] if the database cannot be reached; [`Error::Unreadable`] if it is not the service's, is not
/// migrated, or does not let this user read it.
pub async fn audit(database_url: &str) -> Result<Vec<CheckOutcome>, Error> {
    let mut connection = PgConnection::connect(database_url).await?;
    let outcomes = run(&mut connection).await.map_err(|error| match &error {
        sqlx::Error::Database(told) if !is_unavailable(&error) => Error::Unreadable(told.message().to_owned()),
        _ => Error::Database(error),
    })?;
    connection.close().await?;
    Ok(outcomes)
}

async fn run(connection: &mut PgConnection) -> Result<Vec<CheckOutcome>, sqlx::Error> {
    let mut db_tx = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    for statement in ["SET LOCAL ROLE marketplace_operator", CHECK_TIMEOUT] {
        sqlx::query(statement).execute(&mut *db_tx).await?;
    }
    let mut outcomes = Vec::with_capacity(CHECKS.len());
    for (name, text) in CHECKS {
        let (total, violations): (i64, Value) =
            sqlx::query_as(AssertSqlSafe(counted(text))).bind(SHOWN).fetch_one(&mut *db_tx).await?;
        let violations = match violations {
            Value::Array(rows) => rows,
            _ => Vec::new(),
        };
        outcomes.push(CheckOutcome { name, promise: promise(text), total, violations });
    }
    db_tx.rollback().await?;
    Ok(outcomes)
}

/// The file's query, so that it tells how many rows there are and shows the first.
fn counted(text: &str) -> String {
    let query = text.trim_end().trim_end_matches(';');
    format!(
        "WITH violating AS MATERIALIZED (\n{query}\n)
         SELECT (SELECT count(*) FROM violating),
                (SELECT coalesce(jsonb_agg(to_jsonb(shown)), '[]') FROM (SELECT * FROM violating LIMIT $1) AS shown)"
    )
}

/// What the header of a file promises: from `promise:` on, with the indented lines after it.
fn promise(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.starts_with("-- promise: "));
    let first = lines.next().unwrap_or_default().trim_start_matches("-- promise: ");
    let more = lines.map_while(|line| line.strip_prefix("--   "));
    std::iter::once(first).chain(more).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_is_run_and_says_what_it_is() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/audit");
        let files: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(files, CHECKS.iter().map(|(name, _)| format!("{name}.sql")).collect());
        for (name, text) in CHECKS {
            assert_eq!(text.lines().next(), Some(format!("-- name: {name}").as_str()));
            assert!(promise(text).ends_with('.'), "{name}: {}", promise(text));
            assert!(text.ends_with(";\n") && text.matches(';').count() >= 1 && text.contains("ORDER BY"), "{name}");
        }
    }

    #[test]
    fn a_promise_may_take_more_than_one_line() {
        assert_eq!(promise("-- name: x\n-- promise: One,\n--   two.\n-- Else.\nSELECT 1;\n"), "One, two.");
    }
}
