//! The ticker that queues the steps of campaigns that have fallen due.

use super::Work;

/// Steps that one call queues at most: it bounds how long their recipients are locked.
const BATCH: i32 = 200;

/// Queues what is due by the service's clock.
pub(crate) async fn advance(work: &Work) -> Result<(), sqlx::Error> {
    loop {
        let queued: i32 = sqlx::query_scalar("SELECT advance_campaigns($1, $2)")
            .bind(work.0.clock.now())
            .bind(BATCH)
            .fetch_one(&work.0.pool)
            .await?;
        if queued < BATCH {
            return Ok(());
        }
    }
}
