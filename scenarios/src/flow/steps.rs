//! What each kind of step does. Returns the operations that it asked, in order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use overdraft_engine::{
    http::Told,
    nemesis::{self, Held, Turns},
    race::Rendezvous,
    recorder::RecorderError,
    run::DriveError,
    settle,
    stage::{Process, Stage, StageError},
    webhooks,
};
use overdraft_model::{
    fault::{
        Fault,
        statement::{StatementAction, StatementFault},
    },
    flow::{Action, Cut, numbered},
    history::Body,
    operation::{Forgery, Operation},
};
use rand::seq::SliceRandom;
use tokio::task::JoinHandle;

use super::{deliveries, told::Known};
use crate::draw;

/// How often it is looked whether something that was waited for has come.
const TICK: Duration = Duration::from_millis(5);
/// Something that was waited for and has not come by then does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a step was not performed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StepError {
    /// The harness cannot go on.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The history cannot be written.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// The case cannot go on: it needs what did not come.
    #[error("{0}")]
    Impossible(String),
}

impl From<StepError> for DriveError {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Stage(error) => error.into(),
            StepError::Recorder(error) => Self::Stage(error.into()),
            StepError::Impossible(why) => Self::Generator(why),
        }
    }
}

type Asked = Result<(u64, Told), StageError>;

/// Who performs the steps, and what was learnt and broken on the way.
pub(super) struct Conductor {
    stage: Arc<Stage>,
    client: reqwest::Client,
    scenario: String,
    seed: u64,
    known: Known,
    races: usize,
    begun: BTreeMap<String, JoinHandle<Asked>>,
    faults: BTreeMap<String, (usize, Held)>,
    /// Which instance a fault hits next.
    turns: Turns,
    injected: usize,
}

impl Conductor {
    pub(super) fn new(stage: Arc<Stage>, scenario: &str, seed: u64) -> Result<Self, DriveError> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| DriveError::Generator(error.to_string()))?;
        let known = Known::of(&stage.world, chrono::Utc::now());
        Ok(Self {
            stage,
            client,
            scenario: scenario.to_owned(),
            seed,
            known,
            races: 0,
            begun: BTreeMap::new(),
            faults: BTreeMap::new(),
            turns: Turns::default(),
            injected: 0,
        })
    }

    /// Performs one step.
    pub(super) async fn perform(&mut self, action: &Action) -> Result<Vec<u64>, StepError> {
        match action {
            Action::Ask { operation, count, label, .. } => self.ask(operation, *count, label.as_deref()).await,
            Action::Race { operations, count, label, loose, .. } => {
                self.race(operations, *count, label.as_deref(), *loose).await
            }
            Action::Begin { operation, label } => self.begin(operation, label),
            Action::End { of, .. } => self.await_begun(of).await.map(|op| vec![op]),
            Action::CutEveryStatement { operation, cut, most } => {
                self.cut_every_statement(operation, *cut, *most).await
            }
            Action::Hold {} => {
                self.stage.stripe.hold(self.stage.provider_time());
                Ok(vec![])
            }
            Action::Release { session: None, .. } => {
                self.stage.stripe.release_all(self.stage.provider_time());
                Ok(vec![])
            }
            Action::Release { session: Some(session), order } => self.release(session, order).await,
            Action::ReleaseEveryOrder { of, events } => self.release_every_order(of, events).await,
            Action::Redeliver { session, event, copies, at_once, .. } => {
                self.redeliver(session, event, *copies, *at_once).await
            }
            Action::Forge { session, forgery } => self.forge(session, *forgery).map(|()| vec![]),
            Action::Mail { of, label } => self.mail(of, label).map(|()| vec![]),
            Action::Inject { fault, label } => self.inject(fault, label).await.map(|()| vec![]),
            Action::Struck { of, times } => self.struck(of, *times).await.map(|()| vec![]),
            Action::Heal { of } => self.heal(of).await.map(|()| vec![]),
            Action::Kill {} => self.kill().await.map(|()| vec![]),
            Action::Start {} => self.start().await.map(|()| vec![]),
            Action::Settle {} => self.settle().await.map(|()| vec![]),
            Action::Pause { length } => {
                let pause = tokio::time::sleep(length.duration());
                self.stage.stop.run_until_cancelled(pause).await;
                Ok(vec![])
            }
            Action::Clock { ahead } => self.clock(ahead.ms()).await.map(|()| vec![]),
        }
    }

    /// Heals what the case left broken, starts what it left dead, and waits for what it left open.
    pub(super) async fn end(mut self) -> Result<(), StepError> {
        self.stage.stripe.release_all(self.stage.provider_time());
        for label in self.faults.keys().cloned().collect::<Vec<_>>() {
            self.heal(&label).await?;
        }
        self.start().await.or_else(forgive)?;
        for label in self.begun.keys().cloned().collect::<Vec<_>>() {
            self.await_begun(&label).await.map(drop).or_else(forgive)?;
        }
        Ok(())
    }

    fn process(&self) -> Process {
        self.stage.process(self.client.clone())
    }

    fn fill(&self, operation: &Operation, n: usize) -> Result<Operation, StepError> {
        self.known.operation(operation, n).map_err(StepError::Impossible)
    }

    async fn ask(&mut self, operation: &Operation, count: usize, label: Option<&str>) -> Result<Vec<u64>, StepError> {
        let mut process = self.process();
        let mut asked = Vec::new();
        for n in 1..=count {
            let (op, told) = process.ask(self.fill(operation, n)?).await?;
            if let Some(label) = label {
                self.known.learn(&numbered(label, n), &told);
            }
            asked.push(op);
        }
        Ok(asked)
    }

    /// Everybody through a process of its own; who stands where in line is drawn.
    async fn race(
        &mut self,
        operations: &[Operation],
        count: usize,
        label: Option<&str>,
        loose: bool,
    ) -> Result<Vec<u64>, StepError> {
        let mut filled = Vec::new();
        for n in 1..=count {
            for operation in operations {
                filled.push((n, self.fill(operation, n)?));
            }
        }
        self.races += 1;
        let name = format!("{}, race {}", self.scenario, self.races);
        filled.shuffle(&mut draw::generator(self.seed, &[&self.scenario, &name]));
        let rendezvous = Rendezvous::new(name, filled.len(), self.stage.target.service.races);
        let racers = filled.into_iter().map(|(n, operation)| {
            let (mut process, rendezvous) = (self.process(), &rendezvous);
            async move {
                let raced = match loose {
                    true => Some(process.ask(operation).await?),
                    false => process.race(rendezvous, operation).await?,
                };
                Ok::<_, StageError>((n, raced))
            }
        });
        let finished = try_join_all(racers).await?;
        let mut asked = Vec::new();
        for (n, raced) in finished {
            let Some((op, told)) = raced else { continue };
            if let Some(label) = label {
                self.known.learn(&numbered(label, n), &told);
            }
            asked.push(op);
        }
        asked.sort_unstable();
        Ok(asked)
    }

    fn begin(&mut self, operation: &Operation, label: &str) -> Result<Vec<u64>, StepError> {
        let (mut process, operation) = (self.process(), self.fill(operation, 1)?);
        self.begun.insert(label.to_owned(), tokio::spawn(async move { process.ask(operation).await }));
        Ok(vec![])
    }

    async fn await_begun(&mut self, label: &str) -> Result<u64, StepError> {
        let Some(asking) = self.begun.remove(label) else {
            return Err(StepError::Impossible(format!("nothing was begun as {label}")));
        };
        let asked = asking.await.map_err(|error| StepError::Impossible(error.to_string()))?;
        let (op, told) = asked?;
        self.known.learn(label, &told);
        Ok(op)
    }

    /// Each round strikes one statement further on. The rounds end when one passes without a strike: then no
    /// statement is left that was not struck.
    async fn cut_every_statement(
        &mut self,
        operation: &Operation,
        cut: Cut,
        most: usize,
    ) -> Result<Vec<u64>, StepError> {
        let mut asked = Vec::new();
        for round in 1..=most {
            let fault = StatementFault {
                matching: Some(format!("{{statement.{}}}", operation.mapping().unwrap_or_default())),
                skip: u32::try_from(round - 1).unwrap_or(u32::MAX),
                times: Some(1),
                ..StatementFault::every(match cut {
                    Cut::Before => StatementAction::CutBefore {},
                    Cut::After => StatementAction::CutAfter {},
                })
            };
            let fault = Fault::Statement(fault);
            let held = nemesis::inject(&self.stage, &fault, &self.turns).await.map_err(StepError::Impossible)?;
            let operation = self.fill(operation, round)?;
            let mut process = self.process();
            asked.push(process.ask(operation.clone()).await?.0);
            let struck = held.heal().await.map_err(StepError::Impossible)?;
            if struck == 0 {
                return Ok(asked);
            }
            self.act(format!("round {round}: the connection was cut at statement {round} of {operation}")).await?;
            asked.push(process.ask(operation).await?.0);
        }
        Err(StepError::Impossible(format!("every one of {most} rounds was cut: there are more statements than that")))
    }

    fn session(&self, template: &str) -> Result<String, StepError> {
        self.known.text(template).map_err(|unknown| StepError::Impossible(unknown.to_string()))
    }

    async fn release(&self, session: &str, order: &[String]) -> Result<Vec<u64>, StepError> {
        deliveries::in_order(&self.stage, &self.client, &self.session(session)?, order).await
    }

    /// As many sessions as there are labels; the k-th gets the k-th permutation.
    async fn release_every_order(&self, of: &str, events: &[String]) -> Result<Vec<u64>, StepError> {
        let sessions: Vec<String> =
            (1..).map_while(|n| self.known.text(&format!("{{{}.session}}", numbered(of, n))).ok()).collect();
        deliveries::every_order(&self.stage, &self.client, &sessions, events).await
    }

    async fn redeliver(
        &mut self,
        session: &str,
        event: &str,
        copies: usize,
        at_once: bool,
    ) -> Result<Vec<u64>, StepError> {
        let session = self.session(session)?;
        let outgoing = self.stage.stripe.again(&session, event, copies, self.stage.provider_time());
        if outgoing.is_empty() {
            return Err(StepError::Impossible(format!("the provider has no {event} of {session}")));
        }
        if at_once {
            self.races += 1;
            let name = format!("{}, race {}", self.scenario, self.races);
            return Ok(webhooks::deliver_at_once(&self.stage, &name, outgoing).await?);
        }
        let mut asked = Vec::new();
        for outgoing in outgoing {
            asked.extend(webhooks::deliver(&self.stage, &self.client, outgoing).await?);
        }
        Ok(asked)
    }

    /// The pump posts it with the next tick; what it did is seen in the end.
    fn forge(&self, session: &str, forgery: Forgery) -> Result<(), StepError> {
        let forged = self.stage.stripe.forge(&self.session(session)?, forgery, self.stage.provider_time());
        forged.map(drop).map_err(|problem| StepError::Impossible(problem.to_string()))
    }

    fn mail(&mut self, of: &str, label: &str) -> Result<(), StepError> {
        let accepted = self.stage.email.ledger().accepted;
        let last = accepted.into_iter().rfind(|email| email.recipient == of);
        let link = last.and_then(|email| email.link);
        let link = link.ok_or_else(|| StepError::Impossible(format!("no email with a link was accepted for {of}")))?;
        let path = link.splitn(4, '/').nth(3).unwrap_or_default();
        self.known.insert(&format!("{label}.path"), path.into());
        self.known.insert(&format!("{label}.link"), link.into());
        Ok(())
    }

    async fn inject(&mut self, fault: &Fault, label: &str) -> Result<(), StepError> {
        let number = self.injected;
        self.injected += 1;
        let held = nemesis::inject(&self.stage, fault, &self.turns).await;
        let held = held.map_err(|why| StepError::Impossible(format!("{} cannot be injected: {why}", fault.name())))?;
        self.stage.recorder.mark(Body::Inject { fault: number, what: fault.clone() }).await?;
        self.faults.insert(label.to_owned(), (number, held));
        Ok(())
    }

    async fn struck(&mut self, label: &str, times: u64) -> Result<(), StepError> {
        let Some((_, held)) = self.faults.get(label) else {
            return Err(StepError::Impossible(format!("no fault is in place as {label}")));
        };
        let wait = async {
            while held.effects() < times {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| {
            StepError::Impossible(format!("{label} struck {} times within {} s", held.effects(), PATIENCE.as_secs()))
        })
    }

    async fn heal(&mut self, label: &str) -> Result<(), StepError> {
        let Some((fault, held)) = self.faults.remove(label) else {
            return Err(StepError::Impossible(format!("no fault is in place as {label}")));
        };
        let effects = held.heal().await.map_err(StepError::Impossible)?;
        Ok(self.stage.recorder.mark(Body::Heal { fault, effects }).await?)
    }

    async fn kill(&self) -> Result<(), StepError> {
        let killed = self.stage.fleet.kill_all().await;
        if killed == 0 {
            return Err(StepError::Impossible("there is no instance of ours to kill".into()));
        }
        self.act(format!("{killed} instances were killed")).await
    }

    async fn start(&self) -> Result<(), StepError> {
        self.stage.fleet.start_missing().await.map_err(|error| StepError::Impossible(error.to_string()))
    }

    async fn settle(&self) -> Result<(), StepError> {
        let settled = settle::until_quiet(&self.stage, PATIENCE).await;
        let settled = settled.map_err(|error| StepError::Impossible(error.to_string()))?;
        if settled.quiescent {
            return Ok(());
        }
        let waiting: Vec<String> = settled.outstanding.iter().map(|(name, n)| format!("{n} {name}")).collect();
        Err(StepError::Impossible(format!("still outstanding after {} s: {}", PATIENCE.as_secs(), waiting.join(", "))))
    }

    async fn clock(&self, ahead_ms: u64) -> Result<(), StepError> {
        self.stage.move_clocks(&self.client, ahead_ms).await.map_err(StepError::Impossible)?;
        self.act(format!("every instance's clock was put {} s ahead", ahead_ms / 1_000)).await
    }

    async fn act(&self, what: String) -> Result<(), StepError> {
        Ok(self.stage.recorder.mark(Body::Act { what }).await?)
    }
}

/// At the end of a case that is over anyway, only the harness's own trouble matters.
fn forgive(error: StepError) -> Result<(), StepError> {
    match error {
        StepError::Impossible(_) => Ok(()),
        other => Err(other),
    }
}
