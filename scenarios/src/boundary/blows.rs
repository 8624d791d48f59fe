//! Aiming a blow at a place, and what happens when it falls: instances die there and are started again.

use std::{sync::Arc, time::Duration};

use overdraft_engine::{
    faults::{
        calls::{CallBlow, Calls, Fallen},
        guard::Guard,
        postgres::Strikes,
        tcp::TcpProxy,
    },
    http::Told,
    stage::Stage,
};
use overdraft_model::{
    boundary::{Blow, Kind},
    fault::{
        statement::{BoundaryKind, StatementAction, StatementFault},
        toxic::{After, Stream, Toxic, ToxicAction},
    },
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    shape,
    trace::{Place, Provider},
};

/// How long what was done stays unanswered while the client's connection is reset, so that it cannot be answered.
const MEANWHILE: Duration = Duration::from_millis(40);
/// Starting the instances again takes no longer.
const STARTED_WITHIN: Duration = Duration::from_secs(60);

/// A blow and the place at which it is aimed.
#[derive(Debug, Clone)]
pub(super) struct Aim {
    pub(super) place: Place,
    pub(super) blow: Blow,
    /// The last thing that the service does before it answers: there a connection is reset before its answer.
    pub(super) last_before_answer: Option<Place>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Aimed,
    Fallen,
    /// What was killed runs again.
    Mended,
}

/// A blow that was aimed.
pub(super) struct Felling {
    stage: Arc<Stage>,
    aim: Aim,
    progress: watch::Sender<Progress>,
    over: CancellationToken,
    /// Counts its effects itself, where nothing has to be done when it falls.
    guards: Vec<Guard>,
    waiting: Option<JoinHandle<Result<(), String>>>,
}

/// Tells when it falls.
enum Signal {
    Statement(Strikes),
    Call(Fallen),
}

impl Signal {
    async fn wait(&mut self) -> bool {
        match self {
            Self::Statement(strikes) => strikes.next().await.is_some(),
            Self::Call(fallen) => fallen.wait().await,
        }
    }
}

impl Felling {
    /// Aims it. `doors` stand in front of the instances; the one that is asked first is `door`.
    pub(super) fn aim(stage: &Arc<Stage>, aim: &Aim, doors: &[TcpProxy], door: usize) -> Result<Self, String> {
        let mut felling = Self {
            stage: Arc::clone(stage),
            aim: aim.clone(),
            progress: watch::Sender::new(Progress::Aimed),
            over: CancellationToken::new(),
            guards: Vec::new(),
            waiting: None,
        };
        match aim.place.key.kind {
            Kind::Statement | Kind::Commit => felling.at_statement(&aim.place)?,
            Kind::ProviderCall => felling.at_call(&aim.place),
            Kind::Answer => felling.at_answer(&doors[door])?,
        }
        Ok(felling)
    }

    fn at_statement(&mut self, place: &Place) -> Result<(), String> {
        let action = match self.aim.blow {
            Blow::KillBefore => StatementAction::Hold { length: None },
            Blow::KillAfter => StatementAction::HoldAnswer { length: None },
            Blow::ResetBefore => StatementAction::CutBefore {},
            Blow::LoseAnswer => StatementAction::CutAfter {},
        };
        let (guard, strikes) = strike(&self.stage, place, action)?;
        if self.aim.blow.kills() {
            self.kill_when(Signal::Statement(strikes), guard);
        } else {
            self.guards.push(guard);
        }
        Ok(())
    }

    fn at_call(&mut self, place: &Place) {
        let done = matches!(self.aim.blow, Blow::KillAfter | Blow::LoseAnswer);
        let (guard, fallen) = strike_call(&self.stage, place, done, self.aim.blow.kills());
        if self.aim.blow.kills() {
            self.kill_when(Signal::Call(fallen), guard);
        } else {
            self.guards.push(guard);
        }
    }

    fn at_answer(&mut self, door: &TcpProxy) -> Result<(), String> {
        let toxic = |action, after| Toxic { after, times: Some(1), ..Toxic::new(Stream::Downstream, action) };
        match (self.aim.blow, self.aim.last_before_answer.clone()) {
            // Only when there is an answer.
            (Blow::KillBefore | Blow::KillAfter, _) => {}
            (Blow::LoseAnswer, _) => {
                self.guards.push(door.inject(&toxic(ToxicAction::LimitData { bytes: 0 }, None)));
            }
            (Blow::ResetBefore, None) => {
                let at_once = ToxicAction::ResetPeer { timeout: 0 };
                self.guards.push(door.inject(&toxic(at_once, Some(After::Requests(1)))));
            }
            (Blow::ResetBefore, Some(last)) => {
                let (guard, mut signal) = match last.key.kind {
                    Kind::ProviderCall => {
                        let (guard, fallen) = strike_call(&self.stage, &last, true, true);
                        (guard, Signal::Call(fallen))
                    }
                    _ => {
                        let hold = StatementAction::HoldAnswer { length: None };
                        let (guard, strikes) = strike(&self.stage, &last, hold)?;
                        (guard, Signal::Statement(strikes))
                    }
                };
                let (door, over, progress) = (door.clone(), self.over.clone(), self.progress.clone());
                self.waiting = Some(tokio::spawn(async move {
                    if over.run_until_cancelled(signal.wait()).await != Some(true) {
                        return Ok(());
                    }
                    let reset = door.inject(&toxic(ToxicAction::Down {}, None));
                    tokio::time::sleep(MEANWHILE).await;
                    drop(guard);
                    progress.send_replace(if reset.heal() > 0 { Progress::Mended } else { Progress::Aimed });
                    Ok(())
                }));
            }
        }
        Ok(())
    }

    fn kill_when(&mut self, mut signal: Signal, guard: Guard) {
        let (stage, over, progress) = (Arc::clone(&self.stage), self.over.clone(), self.progress.clone());
        self.waiting = Some(tokio::spawn(async move {
            if over.run_until_cancelled(signal.wait()).await != Some(true) {
                return Ok(());
            }
            progress.send_replace(Progress::Fallen);
            let killed = kill(&stage).await;
            drop(guard);
            killed?;
            progress.send_replace(Progress::Mended);
            Ok(())
        }));
    }

    /// The client was told something: where it is the answer that is struck, what is to happen then happens now.
    pub(super) async fn answered(&mut self, told: &Told) -> Result<(), String> {
        let at_answer = self.aim.place.key.kind == Kind::Answer && self.aim.blow.kills();
        if at_answer && told.answer.status.is_some() && *self.progress.borrow() == Progress::Aimed {
            self.progress.send_replace(Progress::Fallen);
            kill(&self.stage).await?;
            self.progress.send_replace(Progress::Mended);
        }
        Ok(())
    }

    /// Waits until what was killed runs again, if something was.
    pub(super) async fn mended(&self) {
        let mut progress = self.progress.subscribe();
        if *progress.borrow() == Progress::Fallen {
            let mended = progress.wait_for(|progress| *progress != Progress::Fallen);
            drop(tokio::time::timeout(STARTED_WITHIN, mended).await);
        }
    }

    /// Whether it has fallen by now.
    pub(super) fn has_fallen(&self) -> bool {
        *self.progress.borrow() != Progress::Aimed || self.guards.iter().any(|guard| guard.effects() > 0)
    }

    /// Takes it back if it has not fallen; whether it has.
    pub(super) async fn end(mut self) -> Result<bool, String> {
        self.over.cancel();
        if let Some(waiting) = self.waiting.take() {
            waiting.await.map_err(|error| error.to_string())??;
        }
        Ok(self.has_fallen())
    }
}

async fn kill(stage: &Stage) -> Result<(), String> {
    stage.fleet.kill_all().await;
    stage.fleet.start_missing().await.map_err(|error| error.to_string())
}

/// Strikes the statement of a place.
fn strike(stage: &Stage, place: &Place, action: StatementAction) -> Result<(Guard, Strikes), String> {
    let key = &place.key;
    let fault = StatementFault {
        pattern: Some(shape::pattern(&key.what)),
        follows: key.follows.as_deref().map(shape::pattern),
        only: Some(if key.kind == Kind::Commit { BoundaryKind::Commit } else { BoundaryKind::Statement }),
        effective: key.effective,
        skip: u32::try_from(place.nth).unwrap_or(u32::MAX),
        times: Some(1),
        ..StatementFault::every(action)
    };
    let proxy = stage.wires.statements.as_ref().ok_or("nothing stands between the target and its database")?;
    proxy.inject_watched(fault).map_err(|error| error.to_string())
}

fn strike_call(stage: &Stage, place: &Place, done: bool, stalls: bool) -> (Guard, Fallen) {
    let skip = u32::try_from(place.nth).unwrap_or(u32::MAX);
    calls(stage, place.key.provider).aim(CallBlow { what: place.key.what.clone(), skip, done, stalls })
}

fn calls(stage: &Stage, provider: Option<Provider>) -> &Calls {
    match provider {
        Some(Provider::Stripe) => stage.stripe.calls(),
        Some(Provider::Email) | None => stage.email.calls(),
    }
}
