//! The nemesis: injects each fault of the timetable at its time, heals it, and records both.

use std::sync::Arc;

pub use overdraft_faults::guard::Guard;
use overdraft_model::{
    fault::{Fault, Window, statement::StatementFault},
    fill,
    history::Body,
    target::Target,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{recorder::RecorderError, stage::Stage};

/// Runs a timetable until `heal` is cancelled; then whatever is still in place is healed.
///
/// # Errors
/// Fails if a fault cannot be recorded. By then it is healed: guards heal when they drop.
pub async fn run(stage: Arc<Stage>, timetable: Vec<Window>, heal: CancellationToken) -> Result<(), RecorderError> {
    let mut windows: JoinSet<Result<(), RecorderError>> = JoinSet::new();
    for (number, window) in timetable.into_iter().enumerate() {
        let (stage, heal) = (Arc::clone(&stage), heal.clone());
        windows.spawn(async move { hold_open(&stage, number, window, &heal).await });
    }
    while let Some(done) = windows.join_next().await {
        done.unwrap_or(Ok(()))?;
    }
    Ok(())
}

async fn hold_open(
    stage: &Stage,
    number: usize,
    window: Window,
    heal: &CancellationToken,
) -> Result<(), RecorderError> {
    if heal.run_until_cancelled(tokio::time::sleep(window.at.duration())).await.is_none() {
        return Ok(());
    }
    // A fault that nobody can inject is not recorded as injected: the run is then unknown, never green.
    let Some(guard) = inject(stage, &window.fault) else { return Ok(()) };
    stage.recorder.mark(Body::Inject { fault: number, what: window.fault }).await?;
    match window.length {
        Some(length) => drop(heal.run_until_cancelled(tokio::time::sleep(length.duration())).await),
        None => heal.cancelled().await,
    }
    let effects = guard.heal();
    stage.recorder.mark(Body::Heal { fault: number, effects }).await
}

/// Puts a fault in place; none if nobody here can. A fault between the target and its database that names a kind
/// of statement (`{statement.purchase}`) takes the text from the target file; without an entry there it strikes
/// the next statement, whichever it is.
#[must_use]
pub fn inject(stage: &Stage, fault: &Fault) -> Option<Guard> {
    if let Fault::Statement(fault) = fault {
        let matching = fault.matching.as_ref().and_then(|text| named(&stage.target, text));
        return stage.database_proxy.as_ref()?.inject(StatementFault { matching, ..fault.clone() }).ok();
    }
    stage.email.inject(fault).or_else(|| stage.stripe.inject(fault))
}

/// The text that a kind of statement contains in this target's traffic.
fn named(target: &Target, text: &str) -> Option<String> {
    let kinds = target.statements.iter().map(|(kind, text)| (format!("statement.{kind}"), text.clone().into()));
    fill::text(text, &kinds.collect()).ok()
}
