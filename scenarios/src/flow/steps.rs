//! What each kind of step does. Returns the operations that it asked, in order.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::try_join_all;
use overdraft_engine::{
    http::Told,
    nemesis::{self, Guard},
    race::Rendezvous,
    recorder::RecorderError,
    run::DriveError,
    settle,
    stage::{Process, Stage, StageError},
};
use overdraft_model::{
    flow::{Action, numbered},
    history::Body,
    operation::Operation,
};
use rand::seq::SliceRandom;
use tokio::task::JoinHandle;

use super::told::Known;
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
    faults: BTreeMap<String, (usize, Guard)>,
    injected: usize,
}

impl Conductor {
    pub(super) fn new(stage: Arc<Stage>, scenario: &str, seed: u64) -> Result<Self, DriveError> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| DriveError::Generator(error.to_string()))?;
        let known = Known::of(&stage.world);
        Ok(Self {
            stage,
            client,
            scenario: scenario.to_owned(),
            seed,
            known,
            races: 0,
            begun: BTreeMap::new(),
            faults: BTreeMap::new(),
            injected: 0,
        })
    }

    /// Performs one step.
    pub(super) async fn perform(&mut self, action: &Action) -> Result<Vec<u64>, StepError> {
        match action {
            Action::Ask { operation, count, label, .. } => self.ask(operation, *count, label.as_deref()).await,
            Action::Race { operations, count, label, .. } => self.race(operations, *count, label.as_deref()).await,
            Action::Begin { operation, label } => self.begin(operation, label),
            Action::End { of, .. } => self.await_begun(of).await.map(|op| vec![op]),
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
        let rendezvous = Rendezvous::new(name, filled.len());
        let racers = filled.into_iter().map(|(n, operation)| {
            let (mut process, rendezvous) = (self.process(), &rendezvous);
            async move { Ok::<_, StageError>((n, process.race(rendezvous, operation).await?)) }
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

    async fn inject(&mut self, fault: &overdraft_model::fault::Fault, label: &str) -> Result<(), StepError> {
        let number = self.injected;
        self.injected += 1;
        let Some(guard) = nemesis::inject(&self.stage, fault) else {
            return Err(StepError::Impossible(format!("nobody here can inject {}", fault.name())));
        };
        self.stage.recorder.mark(Body::Inject { fault: number, what: fault.clone() }).await?;
        self.faults.insert(label.to_owned(), (number, guard));
        Ok(())
    }

    async fn struck(&mut self, label: &str, times: u64) -> Result<(), StepError> {
        let Some((_, guard)) = self.faults.get(label) else {
            return Err(StepError::Impossible(format!("no fault is in place as {label}")));
        };
        let wait = async {
            while guard.effects() < times {
                tokio::time::sleep(TICK).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.map_err(|_| {
            StepError::Impossible(format!("{label} struck {} times within {} s", guard.effects(), PATIENCE.as_secs()))
        })
    }

    async fn heal(&mut self, label: &str) -> Result<(), StepError> {
        let Some((fault, guard)) = self.faults.remove(label) else {
            return Err(StepError::Impossible(format!("no fault is in place as {label}")));
        };
        let effects = guard.heal();
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
