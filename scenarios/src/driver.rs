//! The goose driver: one goose user per script, all started at once, each step through a recorded process.
//!
//! goose brings the users and their clients; what is asked, when, and what it means is ours. Attacks run one
//! after another in one process, because goose's kill switch is global: it is thrown when the last script
//! is done, and goose itself puts it back when the next attack begins. (Its `--iterations` would end the
//! attack too, but prints a line to standard output that nothing can silence.)

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use goose::{
    GooseAttack,
    config::GooseConfiguration,
    goose::{GooseUser, Scenario as GooseScenario, Transaction, TransactionResult},
};
use overdraft_engine::{
    http::Told,
    race::Rendezvous,
    run::{DriveError, Driver},
    stage::{Process, Stage, StageError},
};
use overdraft_model::{
    manifest::Planned,
    operation::{Answer, Operation, Outcome, PayBy},
    promises::StatusOrder,
};
use serde_json::Value;

use crate::{
    script,
    steps::{Script, Step},
};

/// How long a user whose script is done waits before it looks up again.
const IDLE: Duration = Duration::from_millis(50);
/// How often a user asks who gets no answer.
const ATTEMPTS: u32 = 6;
/// How long it waits before it asks again; each time twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Drives with goose.
#[derive(Debug, Clone, Copy)]
pub struct GooseDriver {
    /// The run's seed.
    pub seed: u64,
}

impl Driver for GooseDriver {
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>> {
        async move {
            let script = script::draw(&planned.scenario, self.seed).1;
            let attack = Attack::new(stage, script);
            attack.run().await
        }
        .boxed()
    }
}

/// One attack: what its users share.
struct Attack {
    stage: Arc<Stage>,
    script: Script,
    races: HashMap<String, Rendezvous>,
    /// Which users have begun their script: goose calls each again and again.
    begun: Vec<AtomicBool>,
    /// How many have ended it.
    ended: AtomicUsize,
    /// The first reason why a user could not go on.
    failed: Mutex<Option<StageError>>,
}

impl Attack {
    fn new(stage: Arc<Stage>, script: Script) -> Arc<Self> {
        let release = stage.target.service.races;
        let races = script.races().into_iter();
        let races = races.map(|(name, size)| (name.clone(), Rendezvous::new(name, size, release)));
        let races = races.collect();
        let begun = script.users.iter().map(|_| AtomicBool::new(false)).collect();
        Arc::new(Self { stage, script, races, begun, ended: AtomicUsize::new(0), failed: Mutex::new(None) })
    }

    async fn run(self: Arc<Self>) -> Result<(), DriveError> {
        let users = self.script.users.len().to_string();
        let configuration = GooseConfiguration::parse_args_default(&[
            "--host",
            &self.stage.base_urls[0],
            "--users",
            &users,
            "--increase-rate",
            "2000",
            "--no-telnet",
            "--no-websocket",
            "--no-print-metrics",
            "-q",
        ]);
        let broken = |error: &dyn std::fmt::Display| DriveError::Generator(error.to_string());
        let shared = Arc::clone(&self);
        let transaction = Transaction::new(Arc::new(move |user: &mut GooseUser| {
            let shared = Arc::clone(&shared);
            Box::pin(async move { shared.user(user).await })
        }));
        let scenario = GooseScenario::new("script").register_transaction(transaction);
        GooseAttack::initialize_with_config(configuration.map_err(|error| broken(&error))?)
            .map_err(|error| broken(&error))?
            .register_scenario(scenario)
            .execute()
            .await
            .map_err(|error| broken(&error))?;
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    async fn user(&self, user: &mut GooseUser) -> TransactionResult {
        let number = user.weighted_users_index;
        if self.begun.get(number).is_none_or(|begun| begun.swap(true, Ordering::Relaxed)) {
            tokio::time::sleep(IDLE).await;
            return Ok(());
        }
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        user.set_client_builder(client).await?;
        self.perform(user, &self.script.users[number]).await;
        if self.ended.fetch_add(1, Ordering::Relaxed) + 1 == self.begun.len() {
            goose::trigger_killswitch("every script is done");
        }
        Ok(())
    }

    async fn perform(&self, user: &GooseUser, steps: &[Step]) {
        let mut process = self.stage.process(user.client.clone());
        let mut orders = Vec::new();
        for step in steps {
            if self.stage.stop.is_cancelled() {
                break;
            }
            if let Err(error) = self.step(&mut process, step, &mut orders).await {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.stage.stop.cancel();
                break;
            }
        }
    }

    /// Takes one step; `orders` are the reads that tell the status of what was ordered so far.
    async fn step(&self, process: &mut Process, step: &Step, orders: &mut Vec<Operation>) -> Result<(), StageError> {
        match step {
            Step::Call(operation) => {
                process.call(operation.clone()).await?;
            }
            Step::Insist(operation) => {
                self.insist(process, operation).await?;
            }
            Step::Race { name, operation } => {
                process.race(&self.races[name], operation.clone()).await?;
            }
            Step::Order { operation, pays } => {
                let told = self.insist(process, operation).await?;
                orders.extend(self.reads_of(operation, &told.answer));
                let session = told.answer.text("session");
                if let (Outcome::Ok, true, Some(session)) = (told.outcome, *pays, session) {
                    let workspace = operation.workspace().unwrap_or_default().to_owned();
                    let session = session.to_owned();
                    process.call(Operation::Pay { workspace, session, by: PayBy::Card }).await?;
                }
            }
            Step::Statuses => {
                for read in orders.iter() {
                    process.call(read.clone()).await?;
                }
            }
            Step::Pause(ms) => {
                let pause = tokio::time::sleep(Duration::from_millis(*ms));
                self.stage.stop.run_until_cancelled(pause).await;
            }
        }
        Ok(())
    }

    /// The reads that tell the status of an order that was answered so.
    fn reads_of(&self, order: &Operation, answer: &Answer) -> Vec<Operation> {
        let statuses = self.stage.target.statuses.values();
        let named = statuses.filter_map(|status| Some((status, answer.fields.get(status.captured_as.as_deref()?)?)));
        let read = |(status, id): (&StatusOrder, &Value)| Operation::Custom {
            name: status.operation.clone(),
            workspace: order.workspace().map(str::to_owned),
            with: [(status.of.clone(), id.clone())].into(),
        };
        named.map(read).collect()
    }

    /// Asks again, a little later each time, while nobody says yes or no.
    async fn insist(&self, process: &mut Process, operation: &Operation) -> Result<Told, StageError> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            let told = process.call(operation.clone()).await?;
            let refused = told.outcome == Outcome::Fail && told.answer.status.is_some();
            if told.outcome == Outcome::Ok || refused || self.stage.stop.is_cancelled() {
                return Ok(told);
            }
            self.stage.stop.run_until_cancelled(tokio::time::sleep(pause)).await;
            pause *= 2;
        }
        process.call(operation.clone()).await
    }
}
