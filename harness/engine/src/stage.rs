//! What a driver works with during one scenario: processes that ask and are recorded.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use overdraft_faults::{email::EmailSim, stripe::StripeSim};
use overdraft_model::{
    manifest::World,
    operation::{Answer, Operation, Outcome},
    target::Target,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    customer,
    http::{self, PrepareError, Told},
    provision::{Fleet, Wires, postgres::SharedServer},
    race::Rendezvous,
    recorder::{Recorder, RecorderError},
};

/// Why a process cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Nothing can be recorded any more.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
    /// An operation cannot be sent.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
}

/// One scenario's stage. Shared by all of its processes.
#[derive(Debug)]
pub struct Stage {
    /// The target file.
    pub target: Target,
    /// Who and what exists.
    pub world: World,
    /// Where the instances answer that are there from the beginning.
    pub base_urls: Vec<String>,
    /// Where those answer that were added meanwhile.
    pub added: RwLock<Vec<String>>,
    /// Where customers pay.
    pub stripe: StripeSim,
    /// Where emails and alerts go.
    pub email: EmailSim,
    /// The instances, to kill and start them.
    pub fleet: Fleet,
    /// The target's database, for asking what is outstanding.
    pub database_url: String,
    /// The database server, where we started one.
    pub server: Option<SharedServer>,
    /// The proxies in the wires that are to be spoilt.
    pub wires: Wires,
    /// Where everything is recorded.
    pub recorder: Recorder,
    /// Cancelled when driving must end early.
    pub stop: CancellationToken,
    /// When the providers started, so that they can be told the time.
    pub began: Duration,
}

/// A logical client: one operation in flight, a new number after each `info`.
#[derive(Debug)]
pub struct Process {
    stage: Arc<Stage>,
    client: reqwest::Client,
    number: u64,
    /// Which instance is asked next; processes start at different ones and take turns.
    turn: usize,
}

impl Stage {
    /// Time since the scenario's providers started.
    #[must_use]
    pub fn provider_time(&self) -> Duration {
        self.recorder.clock().elapsed().saturating_sub(self.began)
    }

    /// A new process that asks through a client of its own or a shared one.
    #[must_use]
    pub fn process(self: &Arc<Self>, client: reqwest::Client) -> Process {
        let number = self.recorder.new_process();
        let turn = usize::try_from(number).unwrap_or(0);
        Process { stage: Arc::clone(self), client, number, turn }
    }

    /// The instance whose turn it is, and where it answers.
    #[must_use]
    pub fn instance(&self, turn: usize) -> (usize, String) {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        let number = turn % (self.base_urls.len() + added.len());
        (number, self.base_urls.get(number).unwrap_or_else(|| &added[number - self.base_urls.len()]).clone())
    }

    /// From now on an instance that was added is asked in its turn.
    pub(crate) fn also_ask(&self, base_url: String) {
        self.added.write().unwrap_or_else(PoisonError::into_inner).push(base_url);
    }

    /// From now on it is not.
    pub(crate) fn ask_no_more(&self, base_url: &str) {
        self.added.write().unwrap_or_else(PoisonError::into_inner).retain(|url| url != base_url);
    }

    /// Puts the clock of every instance so far ahead of the computer's, by the target file's request.
    ///
    /// # Errors
    /// Fails, in words, if the target maps none or an instance refuses.
    pub async fn move_clocks(&self, client: &reqwest::Client, ahead_ms: u64) -> Result<(), String> {
        let all: Vec<usize> = (0..self.base_urls.len()).collect();
        self.move_clocks_of(client, &all, ahead_ms).await
    }

    /// The same for these instances.
    ///
    /// # Errors
    /// As [`Stage::move_clocks`].
    pub async fn move_clocks_of(&self, client: &reqwest::Client, these: &[usize], ahead_ms: u64) -> Result<(), String> {
        let map = self.target.clock.as_ref().ok_or("the target file maps no `clock`")?;
        for instance in these {
            let values = [("ahead_ms".to_owned(), json!(ahead_ms))].into();
            let base_url = self.base_urls.get(*instance).ok_or("there is no such instance")?;
            let request = http::prepare(map, &values, base_url).map_err(|error| error.to_string())?;
            let told = http::send(client, &request, map, *instance, self.answer_within()).await;
            if told.outcome != Outcome::Ok {
                return Err(format!("instance {instance} did not move its clock: {}", told.answer));
            }
        }
        Ok(())
    }

    fn answer_within(&self) -> Duration {
        self.target.service.answer_within.duration()
    }
}

impl Process {
    /// Asks, waits for the answer, and records both.
    ///
    /// # Errors
    /// Fails if it cannot be sent or recorded, never because of what the target does.
    pub async fn call(&mut self, operation: Operation) -> Result<Told, StageError> {
        self.ask(operation).await.map(|(_, told)| told)
    }

    /// The same, with the operation's number in the history.
    ///
    /// # Errors
    /// As [`Process::call`].
    pub async fn ask(&mut self, operation: Operation) -> Result<(u64, Told), StageError> {
        let intended = self.stage.recorder.clock().ns();
        if operation.mapping().is_none() {
            return self.at_the_provider(operation, intended).await;
        }
        let (instance, url) = self.next_instance();
        self.ask_at(operation, instance, &url).await
    }

    /// Asks a certain instance, at the address under which it is to be reached.
    ///
    /// # Errors
    /// As [`Process::call`].
    pub async fn ask_at(
        &mut self,
        operation: Operation,
        instance: usize,
        url: &str,
    ) -> Result<(u64, Told), StageError> {
        let intended = self.stage.recorder.clock().ns();
        let stage = Arc::clone(&self.stage);
        let (map, request) = http::request_for(&stage.target, &stage.world, &operation, url)?;
        let op = stage.recorder.invoke(self.number, intended, operation).await?;
        let told = http::send(&self.client, &request, map, instance, stage.answer_within()).await;
        self.finish(op, told).await
    }

    /// Asks at the same instant as everybody else at the rendezvous. None if the stage was stopped before
    /// everybody was there: nothing was asked then.
    ///
    /// # Errors
    /// As [`Process::call`].
    pub async fn race(
        &mut self,
        rendezvous: &Rendezvous,
        operation: Operation,
    ) -> Result<Option<(u64, Told)>, StageError> {
        let stage = Arc::clone(&self.stage);
        let (instance, base_url) = self.next_instance();
        let (map, request) = http::request_for(&stage.target, &stage.world, &operation, &base_url)?;
        let Some(ready) = rendezvous.get_ready(&request, &stage.stop).await else { return Ok(None) };
        let intended = stage.recorder.clock().ns();
        let op = stage.recorder.invoke(self.number, intended, operation).await?;
        let answered = rendezvous.release(ready, op, &stage.recorder, stage.answer_within()).await?;
        let told = match answered {
            Ok(reply) => http::judge(map, &reply, instance),
            Err(lost) => http::lost(lost.sent, lost.problem, instance),
        };
        self.finish(op, told).await.map(Some)
    }

    /// Moves money at the provider, which is ours: recorded as an operation all the same.
    async fn at_the_provider(&mut self, operation: Operation, intended: u64) -> Result<(u64, Told), StageError> {
        let stage = Arc::clone(&self.stage);
        let label = format!("{}/{}", operation.workspace().unwrap_or_default(), self.number);
        let op = stage.recorder.invoke(self.number, intended, operation.clone()).await?;
        let told = match customer::act(&stage.stripe, &operation, &label, stage.provider_time()) {
            Ok(fields) => {
                Told { outcome: Outcome::Ok, answer: Answer { status: Some(200), fields, ..Answer::default() } }
            }
            Err(problem) => {
                Told { outcome: Outcome::Fail, answer: Answer { error: Some(problem), ..Answer::default() } }
            }
        };
        self.finish(op, told).await
    }

    async fn finish(&mut self, op: u64, told: Told) -> Result<(u64, Told), StageError> {
        self.stage.recorder.complete(op, told.outcome, told.answer.clone()).await?;
        if told.outcome == Outcome::Info {
            self.number = self.stage.recorder.new_process();
        }
        Ok((op, told))
    }

    fn next_instance(&mut self) -> (usize, String) {
        self.turn += 1;
        self.stage.instance(self.turn)
    }
}
