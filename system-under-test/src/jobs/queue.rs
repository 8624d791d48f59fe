//! The queue's database, watched for answers that were lost.
//!
//! The worker claims jobs by one statement and keeps them in memory. If that statement's answer is lost, the jobs are
//! claimed by a worker that lives and does not know of them: nobody would run them until it ends. Its library only
//! logs the error. So whoever runs the worker is told, ends it in order, and starts another; what the first had
//! claimed belongs to no worker then, and the sweep gives it to others.

use std::any::Any;
use std::fmt;

use graphile_worker::{
    BoxFuture, Database, DatabaseDriver, DbError, DbExecutor, DbParams, DbRow, DbTransaction, NotificationStream,
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// A database whose lost answers are told.
pub(super) struct Watched {
    inner: Database,
    lost: CancellationToken,
}

impl Watched {
    /// Watches a pool. `lost` is cancelled when the answer of a statement that may have claimed jobs was lost.
    pub(super) fn new(pool: PgPool, lost: CancellationToken) -> Self {
        Self { inner: pool.into(), lost }
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

/// What the server refused, it tells with a code; without one nobody knows what became of the statement.
fn is_lost<T>(answer: &Result<T, DbError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code().is_none())
}

impl DbExecutor for Watched {
    fn execute<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<u64, DbError>> {
        self.inner.execute(sql, params)
    }

    /// Claims, among others: only what returns rows can hand out jobs.
    fn fetch_all<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<Vec<DbRow>, DbError>> {
        Box::pin(async move {
            let answer = self.inner.fetch_all(sql, params).await;
            if is_lost(&answer) {
                self.lost.cancel();
            }
            answer
        })
    }
}

impl DatabaseDriver for Watched {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn begin<'a>(&'a self) -> BoxFuture<'a, Result<DbTransaction, DbError>> {
        Box::pin(self.inner.begin())
    }

    fn listen<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<Option<NotificationStream>, DbError>> {
        Box::pin(self.inner.listen(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_lost() {
        assert!(is_lost::<()>(&Err(DbError::new("connection reset by peer"))));
        assert!(!is_lost::<()>(&Err(DbError::with_code("deadlock detected", "40P01"))));
        assert!(!is_lost(&Ok(())));
    }
}
