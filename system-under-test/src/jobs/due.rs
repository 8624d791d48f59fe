//! The tickers that find what has fallen due and queue it, or forget it.

use tokio_util::sync::CancellationToken;

use super::ticker::every;
use super::{Work, budgets, campaigns, consistency, enrichment, sync};

/// Ticks until `stop`. What an instance has no provider for it does not look for.
pub(crate) async fn run(work: Work, stop: CancellationToken) {
    let settings = &work.0.settings;
    let enriching = async {
        if settings.enrichment_api_base.is_some() {
            every("enrichment", settings.tick, stop.clone(), || enrichment::queue(&work)).await;
        }
    };
    let syncing = async {
        if settings.data_sync_url.is_some() {
            every("data sync", settings.data_sync_tick, stop.clone(), || sync::queue(&work)).await;
        }
    };
    let advancing = every("campaigns", settings.tick, stop.clone(), || campaigns::advance(&work));
    let checking = every("consistency", settings.consistency_tick, stop.clone(), || consistency::queue(&work));
    let forgetting = every("rate limits", settings.rate_limit_sweep, stop.clone(), || budgets::forget(&work));
    tokio::join!(enriching, syncing, advancing, checking, forgetting);
}
