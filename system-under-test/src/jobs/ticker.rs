//! Something to do every so often, for as long as the instance lives.
//!
//! For what falls due by the service's clock (an expiry, a campaign's step), which the queue's own run_at
//! cannot tell. Every instance ticks, and none leads: what is done must be safe to do twice and at once.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

/// Calls `work` every `period`, the first time after one, until `stop`. A call that is running is finished
/// first; one that takes longer than the period delays the next. An error is logged and the next tick tries
/// again: what is due stays due.
pub(crate) async fn every<F, Fut, E>(name: &'static str, period: Duration, stop: CancellationToken, mut work: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        if let Err(error) = work().await {
            tracing::warn!(%error, ticker = name, "tick failed, the next one tries again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ticks_go_on_after_an_error_and_end_with_the_instance() {
        let stop = CancellationToken::new();
        let mut ticked = 0;
        every("test", Duration::from_millis(1), stop.clone(), || {
            ticked += 1;
            if ticked == 3 {
                stop.cancel();
            }
            async { Err("as told") }
        })
        .await;
        assert_eq!(ticked, 3);
    }
}
