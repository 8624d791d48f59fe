//! Sweeps expired credits, every so often. They cannot be spent before that either: this is for the books.

use tokio_util::sync::CancellationToken;

use super::{Work, ticker};

/// Wallets in one db_tx: it bounds how long their owners wait.
const WALLETS: i32 = 100;
/// Rounds in one tick at most; what is left then is for the next.
const ROUNDS: usize = 1_000;

/// Sweeps until `stop`. Several instances share the work: none waits for a wallet that another one holds.
pub(crate) async fn run(work: Work, stop: CancellationToken) {
    ticker::every("expiry", work.0.settings.expiry_tick, stop, || sweep(&work)).await;
}

async fn sweep(work: &Work) -> Result<(), sqlx::Error> {
    for _ in 0..ROUNDS {
        let swept: i32 = sqlx::query_scalar("SELECT expire_credits($1, $2)")
            .bind(work.0.clock.now())
            .bind(WALLETS)
            .fetch_one(&work.0.pool)
            .await?;
        if swept == 0 {
            break;
        }
        tracing::info!(lots = swept, "credits expired");
    }
    Ok(())
}
