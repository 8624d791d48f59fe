//! The ticker that forgets rate limit budgets that are whole again, so that strangers' addresses do not pile up.

use super::Work;

/// Budgets forgotten by one statement, at most: it bounds how long their locks are held.
const BATCH: i32 = 5_000;

/// Forgets the next batch; what is left is for the next tick.
pub(crate) async fn forget(work: &Work) -> Result<(), sqlx::Error> {
    sqlx::query("SELECT forget_rate_limits($1)").bind(BATCH).execute(&work.0.pool).await.map(|_| ())
}
