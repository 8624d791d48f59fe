//! The db_tx that everything is tried in, and that is rolled back: savepoints, tenants, roles, statements.

use serde::de::DeserializeOwned;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use crate::{
    Error,
    sql::{ident, literal},
};

/// What the database did with a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// It did it, to so many rows.
    Done(u64),
    /// It refused it.
    Refused(Refusal),
}

/// Why a statement was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) constraint: Option<String>,
}

impl Refusal {
    /// Whether a grant or a policy refused it, rather than chance.
    pub(crate) fn is_denial(&self) -> bool {
        self.code == "42501"
    }

    /// Whether a constraint refused it, after every policy had let it pass.
    pub(crate) fn is_constraint(&self) -> bool {
        self.code.starts_with("23")
    }

    pub(crate) fn say(&self) -> String {
        format!("{} {}", self.code, self.message)
    }
}

/// A connection inside its db_tx.
#[derive(Debug)]
pub(crate) struct Stage<'c> {
    connection: &'c mut PgConnection,
    /// SQL that enters a tenant; `$1` is the tenant.
    pub(crate) enter: String,
    /// Whether triggers and foreign keys can be switched off while rows are made.
    pub(crate) replica: bool,
}

impl<'c> Stage<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection, enter: String::new(), replica: false }
    }

    /// Runs statements that must succeed.
    pub(crate) async fn must(&mut self, sql: &str) -> Result<(), Error> {
        self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
        Ok(())
    }

    /// Runs a statement that may be refused; nothing of it remains then.
    pub(crate) async fn attempt(&mut self, sql: &str) -> Result<Attempt, Error> {
        self.must("SAVEPOINT attempt").await?;
        match self.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await {
            Ok(done) => {
                self.must("RELEASE SAVEPOINT attempt").await?;
                Ok(Attempt::Done(done.rows_affected()))
            }
            Err(error) => Ok(Attempt::Refused(self.refused(error).await?)),
        }
    }

    /// Reads one value that may be refused.
    pub(crate) async fn look<T>(&mut self, sql: &str) -> Result<Result<T, Refusal>, Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        self.must("SAVEPOINT attempt").await?;
        let row = self.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await;
        match row.and_then(|row| row.try_get(0)) {
            Ok(value) => {
                self.must("RELEASE SAVEPOINT attempt").await?;
                Ok(Ok(value))
            }
            Err(error) => Ok(Err(self.refused(error).await?)),
        }
    }

    async fn refused(&mut self, error: sqlx::Error) -> Result<Refusal, Error> {
        let refusal = match error.as_database_error() {
            Some(told) => Refusal {
                code: told.code().unwrap_or_default().into_owned(),
                message: told.message().to_owned(),
                constraint: told.constraint().map(str::to_owned),
            },
            None => return Err(error.into()),
        };
        self.must("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt").await?;
        Ok(refusal)
    }

    /// Reads one value that must be there.
    pub(crate) async fn one<T>(&mut self, sql: &str) -> Result<T, Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let row = self.connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
        Ok(row.try_get(0)?)
    }

    /// Rows of a query as values, by the names of their columns; of a query of one column, if it is no struct.
    pub(crate) async fn rows<T: DeserializeOwned>(&mut self, sql: &str) -> Result<Vec<T>, Error> {
        let scalar = std::any::type_name::<T>().ends_with("String");
        let shown = if scalar { "to_json(x.one)" } else { "to_json(x)" };
        let named = if scalar { "AS x (one)" } else { "AS x" };
        let text: String =
            self.one(&format!("SELECT coalesce(json_agg({shown}), '[]')::text FROM ({sql}) {named}")).await?;
        serde_json::from_str(&text).map_err(|problem| Error::Catalogue { problem, query: sql.to_owned() })
    }

    /// Starts something that [`Stage::rewind`] undoes.
    pub(crate) async fn begin(&mut self) -> Result<(), Error> {
        self.must("SAVEPOINT probe").await
    }

    /// Undoes everything since the last `begin`: rows, settings, role.
    pub(crate) async fn rewind(&mut self) -> Result<(), Error> {
        self.must("ROLLBACK TO SAVEPOINT probe; RELEASE SAVEPOINT probe").await
    }

    /// Enters a tenant, if one is named, and becomes a role. Until `rewind`, or `back`.
    pub(crate) async fn become_role(&mut self, role: &str, tenant: Option<&str>) -> Result<Option<Refusal>, Error> {
        if let Some(tenant) = tenant {
            let enter = self.enter.replace("$1", &literal(tenant));
            if let Attempt::Refused(refusal) = self.attempt(&enter).await? {
                return Ok(Some(refusal));
            }
        }
        match self.attempt(&format!("SET LOCAL ROLE {}", ident(role))).await? {
            Attempt::Done(_) => Ok(None),
            Attempt::Refused(refusal) => Ok(Some(refusal)),
        }
    }

    /// The login again.
    pub(crate) async fn back(&mut self) -> Result<(), Error> {
        self.must("RESET ROLE").await
    }

    /// Runs a statement as the login with triggers and foreign keys off, where that is allowed.
    pub(crate) async fn as_replica(&mut self, sql: &str) -> Result<Attempt, Error> {
        if self.replica {
            self.must("SET LOCAL session_replication_role = replica").await?;
        }
        let attempt = self.attempt(sql).await;
        if self.replica {
            self.must("SET LOCAL session_replication_role = origin").await?;
        }
        attempt
    }
}
