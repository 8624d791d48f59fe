//! The goose driver: one goose user per script, all started at once, each step through a recorded process.
//!
//! goose brings the users, their clients and the end of the attack; what is asked, when, and what it means
//! is ours. Attacks run one after another in one process: goose's kill switch is global, and is not used.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use goose::{
    GooseAttack,
    config::GooseConfiguration,
    goose::{GooseUser, Scenario as GooseScenario, Transaction, TransactionResult},
};
use overdraft_engine::{
    race::Rendezvous,
    run::{DriveError, Driver},
    stage::{Process, Stage, StageError},
};
use overdraft_model::{
    manifest::Planned,
    operation::{Operation, Outcome},
};

use crate::script::{self, Script, Step};

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
    /// The first reason why a user could not go on.
    failed: Mutex<Option<StageError>>,
}

impl Attack {
    fn new(stage: Arc<Stage>, script: Script) -> Arc<Self> {
        let races = script.races().into_iter().map(|(name, size)| (name.clone(), Rendezvous::new(name, size)));
        let races = races.collect();
        Arc::new(Self { stage, script, races, failed: Mutex::new(None) })
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
            "--iterations",
            "1",
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
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        user.set_client_builder(client).await?;
        let Some(steps) = self.script.users.get(user.weighted_users_index) else { return Ok(()) };
        let mut process = self.stage.process(user.client.clone());
        for step in steps {
            if self.stage.stop.is_cancelled() {
                break;
            }
            if let Err(error) = self.step(&mut process, step).await {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                self.stage.stop.cancel();
                break;
            }
        }
        Ok(())
    }

    async fn step(&self, process: &mut Process, step: &Step) -> Result<(), StageError> {
        match step {
            Step::Call(operation) => {
                process.call(operation.clone()).await?;
            }
            Step::Race { name, operation } => {
                process.race(&self.races[name], operation.clone()).await?;
            }
            Step::Order { operation, pays } => {
                let told = process.call(operation.clone()).await?;
                let session = told.answer.text("session");
                if let (Outcome::Ok, true, Some(session)) = (told.outcome, *pays, session) {
                    let workspace = operation.workspace().unwrap_or_default().to_owned();
                    process.call(Operation::Pay { workspace, session: session.to_owned() }).await?;
                }
            }
            Step::Pause(ms) => {
                let pause = tokio::time::sleep(Duration::from_millis(*ms));
                self.stage.stop.run_until_cancelled(pause).await;
            }
        }
        Ok(())
    }
}
