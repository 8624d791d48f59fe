//! One scenario from plan to evidence: provision, drive with the nemesis, settle, read, collect.

use std::{
    sync::{Arc, RwLock},
    time::Duration,
};

use futures::future::BoxFuture;
use overdraft_model::{
    evidence::Evidence,
    history::{Body, Phase},
    manifest::Planned,
    scenario::Workload,
};
use tokio_util::sync::CancellationToken;

use crate::{
    collect::{self, CollectError},
    memory, nemesis,
    provision::{self, Ended, Environment, ProvisionError, Site, WorldError, postgres::Postgres},
    recorder::{Recorder, RecorderError},
    settle::{self, SettleError},
    stage::{Stage, StageError},
    webhooks,
};

/// Who applies the load. The goose driver is one; a test may be another.
pub trait Driver: Send + Sync {
    /// Drives one scenario to its end, or until the stage is stopped.
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>>;
}

/// Why driving failed; never because of what the target does.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A process could not go on.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// The load generator failed.
    #[error("the load generator failed: {0}")]
    Generator(String),
}

/// Why a scenario has no evidence.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its environment could not be made.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// It could not be driven.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// It could not be recorded.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// It could not be settled.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The evidence session could not be opened.
    #[error(transparent)]
    Session(#[from] WorldError),
    /// The evidence could not be read.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// PostgreSQL ended by itself.
    #[error("{0}")]
    PostgresDied(String),
    /// An instance of the target ended by itself.
    #[error("instance {} of the target ended by itself ({}); its last lines:\n{}", .0.number, .0.status, .0.last_words)]
    InstanceEnded(Ended),
    /// Somebody asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// What one scenario needs.
pub struct Runner<'a> {
    /// What stays the same for every scenario.
    pub site: Site<'a>,
    /// Where everything is recorded.
    pub recorder: Recorder,
    /// Who applies the load.
    pub driver: &'a dyn Driver,
    /// Cancelled by Ctrl-C.
    pub interrupt: CancellationToken,
}

impl std::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Runner<'_> {
    /// Runs one scenario. The plan's world is completed with what the setup captured.
    ///
    /// # Errors
    /// Fails if the harness cannot do its work; the history written so far stays.
    pub async fn scenario(
        &self,
        postgres: &Postgres,
        database: &str,
        planned: &mut Planned,
    ) -> Result<Evidence, RunError> {
        let id = planned.scenario.id.clone();
        self.enter(&id, "provision");
        self.recorder.mark(Body::Scenario { name: id.clone() }).await?;
        let provisioned = Environment::provision(&self.site, postgres, database, planned);
        let environment = match self.interrupt.run_until_cancelled(provisioned).await {
            Some(provisioned) => provisioned.map_err(|error| died(postgres).unwrap_or(error.into()))?,
            None => return Err(RunError::Interrupted),
        };
        let outcome = self.in_environment(&environment, planned).await;
        let outcome = outcome.map_err(|error| died(postgres).unwrap_or(error));
        self.enter(&id, "clean up");
        if let Err(error) = environment.remove().await
            && outcome.is_ok()
        {
            return Err(died(postgres).unwrap_or(RunError::Provision(error.into())));
        }
        outcome
    }

    async fn in_environment(&self, environment: &Environment, planned: &Planned) -> Result<Evidence, RunError> {
        let scenario = &planned.scenario;
        let stage = Arc::new(Stage {
            target: self.site.target.clone(),
            world: planned.world.clone(),
            base_urls: environment.base_urls.clone(),
            stripe: environment.stripe.clone(),
            email: environment.email.clone(),
            fleet: environment.fleet.clone(),
            database_url: environment.database_url.clone(),
            server: environment.server.clone(),
            wires: environment.wires.clone(),
            added: RwLock::default(),
            recorder: self.recorder.clone(),
            stop: self.interrupt.child_token(),
            began: self.recorder.clock().elapsed(),
        });
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|error| DriveError::Generator(error.to_string()))?;
        let (heal, end_pump) = (CancellationToken::new(), CancellationToken::new());
        let _on_the_way_out = (heal.clone().drop_guard(), end_pump.clone().drop_guard());
        let memory = tokio::spawn(memory::watch(environment.fleet.clone(), end_pump.clone()));
        let faults = nemesis::run(Arc::clone(&stage), scenario.faults.clone(), heal.clone());
        let faults = tokio::spawn(faults);
        let pump = tokio::spawn(webhooks::pump(Arc::clone(&stage), client.clone(), end_pump.clone()));

        self.phase(&scenario.id, Phase::Drive).await?;
        self.drive(&stage, planned).await?;
        heal.cancel();
        faults.await.unwrap_or(Err(RecorderError::Stopped))?;
        self.not_interrupted()?;
        let settle_within = scenario.settle_within.duration();
        let (ready, waited) = environment.fleet.wait_healthy(settle_within).await;
        self.recorder.mark(nemesis::health(None, ready, waited)).await?;
        if let Some(ended) = environment.fleet.ended().await {
            return Err(RunError::InstanceEnded(ended));
        }

        self.phase(&scenario.id, Phase::Settle).await?;
        let queries = &self.site.target.evidence;
        let mut session =
            provision::open_session(&environment.database_url, &queries.session, "evidence.session").await?;
        let settling = settle::wait_until_quiet(&stage, &mut session, settle_within);
        let settled = self.interrupt.run_until_cancelled(settling).await.ok_or(RunError::Interrupted)??;
        end_pump.cancel();
        pump.await.unwrap_or(Err(RecorderError::Stopped))?;

        self.phase(&scenario.id, Phase::FinalReads).await?;
        settle::final_reads(&stage, &client).await.map_err(SettleError::Stage)?;
        self.not_interrupted()?;
        let mut evidence =
            collect::collect(&scenario.id, environment, queries, &stage.world, &mut session, settled).await?;
        evidence.invariants = collect::invariants(&self.site.target.invariants, &mut session).await;
        if matches!(&scenario.workload, Workload::Flow(flow) if flow.given.tenancy) {
            evidence.tenancy = Some(collect::tenancy(&environment.database_url, &self.site.target.tenancy).await);
        }
        evidence.memory = memory.await.unwrap_or_default();
        self.phase(&scenario.id, Phase::Done).await?;
        Ok(evidence)
    }

    async fn drive(&self, stage: &Arc<Stage>, planned: &Planned) -> Result<(), RunError> {
        let limit = planned.scenario.load.at_most.duration();
        let driving = self.driver.drive(Arc::clone(stage), planned);
        tokio::pin!(driving);
        tokio::select! {
            driven = &mut driving => return Ok(driven?),
            () = tokio::time::sleep(limit) => stage.stop.cancel(),
            () = self.interrupt.cancelled() => {}
        }
        // Users finish the operation in flight; one that hangs is given up on.
        let grace = self.site.target.service.answer_within.duration() + Duration::from_secs(5);
        match tokio::time::timeout(grace, driving).await {
            Ok(driven) => Ok(driven?),
            Err(_) => Err(DriveError::Generator("users did not stop when asked to".into()).into()),
        }
    }

    fn not_interrupted(&self) -> Result<(), RunError> {
        if self.interrupt.is_cancelled() { Err(RunError::Interrupted) } else { Ok(()) }
    }

    fn enter(&self, scenario: &str, phase: &str) {
        self.recorder.progress().enter(scenario, phase);
    }

    async fn phase(&self, scenario: &str, phase: Phase) -> Result<(), RecorderError> {
        self.enter(
            scenario,
            match phase {
                Phase::Drive => "drive",
                Phase::Settle => "settle",
                Phase::FinalReads => "final reads",
                Phase::Done => "check",
            },
        );
        self.recorder.mark(Body::Phase { phase }).await
    }
}

/// A dead server explains every other error.
fn died(postgres: &Postgres) -> Option<RunError> {
    postgres.died().map(RunError::PostgresDied)
}
