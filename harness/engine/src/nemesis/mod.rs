//! The nemesis: injects each fault of the timetable at its time, heals it, and records both, with the instances'
//! health before and after.

mod database;
mod held;
mod instances;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use overdraft_model::{
    fault::{Fault, Window, outage::Which, statement::StatementFault},
    fill,
    history::Body,
    target::Target,
};
use tokio::{sync::Mutex, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::held::Held;
use crate::{recorder::RecorderError, stage::Stage};

/// How much longer than planned a fault stays in place that took no effect yet: what it strikes may come seldom.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a look at the instances' health may take before an injection.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked whether it took effect.
const GLANCE: Duration = Duration::from_millis(20);
/// How long the instances may take to be ready again after healing, before the timetable goes on without them.
const RECOVERY: Duration = Duration::from_secs(10);

/// Whose turn it is.
#[derive(Debug, Default)]
pub struct Turns {
    /// Which instance the next fault hits that hits one.
    instance: AtomicUsize,
    /// Held from the injection of a fault that is to be alone until the instances are ready again.
    alone: Mutex<()>,
}

/// Runs a timetable until `heal` is cancelled; then whatever is still in place is healed.
///
/// # Errors
/// Fails if a fault cannot be recorded. By then it is healed: guards heal when they drop.
pub async fn run(stage: Arc<Stage>, timetable: Vec<Window>, heal: CancellationToken) -> Result<(), RecorderError> {
    let turns = Arc::new(Turns::default());
    let mut windows: JoinSet<Result<(), RecorderError>> = JoinSet::new();
    for (number, window) in timetable.into_iter().enumerate() {
        let (stage, turns, heal) = (Arc::clone(&stage), Arc::clone(&turns), heal.clone());
        windows.spawn(async move { attend(&stage, &turns, number, &window, &heal).await });
    }
    while let Some(done) = windows.join_next().await {
        done.unwrap_or(Ok(()))?;
    }
    Ok(())
}

/// Every injection of one line of the timetable. One that lasts into the next delays it.
async fn attend(
    stage: &Arc<Stage>,
    turns: &Turns,
    number: usize,
    window: &Window,
    heal: &CancellationToken,
) -> Result<(), RecorderError> {
    let began = Instant::now();
    let mut at = began + window.at.duration();
    loop {
        if heal.run_until_cancelled(tokio::time::sleep_until(at)).await.is_none() {
            return Ok(());
        }
        let turn = async { if window.alone { Some(turns.alone.lock().await) } else { None } };
        let Some(_turn) = heal.run_until_cancelled(turn).await else {
            let what = format!("fault {}, {}, had no turn before driving was over", number + 1, window.fault.name());
            return stage.recorder.mark(Body::Act { what }).await;
        };
        hold_open(stage, turns, number, window, at, heal).await?;
        match window.every {
            Some(every) if !every.duration().is_zero() => at += every.duration(),
            _ => return Ok(()),
        }
    }
}

async fn hold_open(
    stage: &Arc<Stage>,
    turns: &Turns,
    number: usize,
    window: &Window,
    due: Instant,
    heal: &CancellationToken,
) -> Result<(), RecorderError> {
    let fault = &window.fault;
    let act = |what: String| stage.recorder.mark(Body::Act { what });
    // A look, no wait: what is planned for this moment is not put off for it.
    let looked = tokio::time::timeout(LOOK, stage.fleet.wait_healthy(Duration::ZERO)).await;
    let (ready, waited) = looked.unwrap_or((false, LOOK));
    // A fault that nobody can inject is not recorded as injected: the run is then unknown, never green.
    let held = match inject(stage, fault, turns).await {
        Ok(held) => held,
        Err(why) => return act(format!("fault {}, {}, could not be injected: {why}", number + 1, fault.name())).await,
    };
    if heal.is_cancelled() {
        let healed = held.heal().await.map_or_else(|why| why, |_| "healed at once".to_owned());
        return act(format!("fault {}, {}, came when driving was over; {healed}", number + 1, fault.name())).await;
    }
    stage.recorder.mark(Body::Inject { fault: number, what: fault.clone() }).await?;
    stage.recorder.mark(health(Some(number), ready, waited)).await?;
    match window.length {
        Some(length) => {
            let open = async {
                let length = length.duration();
                tokio::time::sleep_until((due + length).max(Instant::now() + length / 2)).await;
                let deadline = Instant::now() + PATIENCE;
                while held.effects() == 0 && Instant::now() < deadline {
                    tokio::time::sleep(GLANCE).await;
                }
            };
            let _ = heal.run_until_cancelled(open).await;
        }
        None => heal.cancelled().await,
    }
    let effects = match held.heal().await {
        Ok(effects) => effects,
        Err(why) => return act(format!("fault {}, {}, could not be healed: {why}", number + 1, fault.name())).await,
    };
    stage.recorder.mark(Body::Heal { fault: number, effects }).await?;
    let (ready, waited) = stage.fleet.wait_healthy(RECOVERY).await;
    stage.recorder.mark(health(Some(number), ready, waited)).await
}

/// What was seen of the instances' health.
#[must_use]
pub fn health(fault: Option<usize>, ready: bool, waited: Duration) -> Body {
    Body::Health { fault, ready, waited_ms: u64::try_from(waited.as_millis()).unwrap_or(u64::MAX) }
}

/// Puts a fault in place. A fault between the target and its database that names a kind of statement
/// (`{statement.purchase}`) takes the text from the target file; without an entry there it strikes the next
/// statement, whichever it is.
///
/// # Errors
/// Fails, in words, if it cannot be put in place here.
pub async fn inject(stage: &Arc<Stage>, fault: &Fault, turns: &Turns) -> Result<Held, String> {
    match fault {
        Fault::Statement(fault) => {
            let matching = fault.matching.as_ref().and_then(|text| named(&stage.target, text));
            let proxy = stage.wires.statements.as_ref().ok_or("nothing stands between the target and its database")?;
            let guard = proxy.inject(StatementFault { matching, ..fault.clone() });
            guard.map(Held::from).map_err(|error| error.to_string())
        }
        Fault::Tcp { between, toxic } => {
            stage.wires.spoil(*between, toxic).map(Held::from).ok_or_else(|| "no proxy stands in that wire".to_owned())
        }
        Fault::InstancesKilled { which } => instances::kill(stage, *which, turns.next(*which)).await,
        Fault::InstancesFrozen { which } => instances::freeze(stage, *which, turns.next(*which)).await,
        Fault::InstancesRestarted { rolling } => instances::restart(stage, *rolling).await,
        Fault::InstanceAdded {} => instances::add(stage).await,
        Fault::ServiceClockSkew { which, ahead } => {
            instances::skew(stage, *which, turns.next(*which), ahead.ms()).await
        }
        Fault::DatabaseDown { how } => database::end(stage, *how).await,
        Fault::BackendsTerminated { every } => database::terminate(stage, every.duration()).await,
        Fault::ConnectionsExhausted {} => database::exhaust(stage).await,
        Fault::LockHeld { lock } => database::hold(stage, lock).await,
        Fault::DatabaseSettings { settings } => database::set(stage, settings).await,
        of_a_provider => {
            let guard = stage.email.inject(of_a_provider).or_else(|| stage.stripe.inject(of_a_provider));
            guard.map(Held::from).ok_or_else(|| "no provider knows it".to_owned())
        }
    }
}

impl Turns {
    /// Faults that hit one instance hit the next one each time.
    fn next(&self, which: Which) -> usize {
        match which {
            Which::One => self.instance.fetch_add(1, Ordering::Relaxed),
            Which::All => 0,
        }
    }
}

/// The text that a kind of statement contains in this target's traffic.
fn named(target: &Target, text: &str) -> Option<String> {
    let kinds = target.statements.iter().map(|(kind, text)| (format!("statement.{kind}"), text.clone().into()));
    fill::text(text, &kinds.collect()).ok()
}
