//! The target's instances as something that can be struck: killed, frozen, ended in order, and started again on
//! the same ports; and one more beside them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::join_all;
use overdraft_model::fault::outage::Which;
use tokio::sync::Mutex;

use super::instances::{Instance, InstanceError, Launcher};

/// All instances of one scenario. Clones share them; they stop when the last clone drops.
#[derive(Debug, Clone)]
pub struct Fleet {
    launcher: Arc<Launcher>,
    instances: Arc<Mutex<Vec<Instance>>>,
}

/// An instance that ended without our doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Counted from 0.
    pub number: usize,
    /// Its exit status.
    pub status: String,
    /// The end of its log.
    pub last_words: String,
}

impl Fleet {
    /// Starts every instance and waits until all are ready.
    ///
    /// # Errors
    /// Fails if one does not become ready.
    pub async fn start(launcher: Launcher) -> Result<Self, InstanceError> {
        let instances = launcher.start().await?;
        Ok(Self { launcher: Arc::new(launcher), instances: Arc::new(Mutex::new(instances)) })
    }

    /// Where the instances answer.
    pub async fn base_urls(&self) -> Vec<String> {
        self.instances.lock().await.iter().map(|instance| instance.base_url.clone()).collect()
    }

    /// Kills every instance; how many there were to kill.
    pub async fn kill_all(&self) -> usize {
        self.instances.lock().await.iter_mut().map(Instance::kill).filter(|killed| *killed).count()
    }

    /// The numbers of the instances that a fault hits; `turn` counts the faults that hit one.
    pub async fn chosen(&self, which: Which, turn: usize) -> Vec<usize> {
        let count = self.instances.lock().await.len();
        match which {
            Which::All => (0..count).collect(),
            Which::One => (0..count).skip(turn % count.max(1)).take(1).collect(),
        }
    }

    /// Kills these; how many were running.
    pub async fn kill(&self, these: &[usize]) -> usize {
        let mut instances = self.instances.lock().await;
        these.iter().filter(|number| instances.get_mut(**number).is_some_and(Instance::kill)).count()
    }

    /// Lets these stand still; how many were running.
    pub async fn freeze(&self, these: &[usize]) -> usize {
        let instances = self.instances.lock().await;
        these.iter().filter(|number| instances.get(**number).is_some_and(Instance::freeze)).count()
    }

    /// Lets these go on.
    pub async fn thaw(&self, these: &[usize]) {
        let instances = self.instances.lock().await;
        these.iter().filter_map(|number| instances.get(*number)).for_each(Instance::thaw);
    }

    /// Ends one in order and starts it again; whether it ended by itself when asked to. None for one that is not
    /// ours, or not running.
    ///
    /// # Errors
    /// Fails if it does not become ready again.
    pub async fn restart(&self, number: usize) -> Result<Option<bool>, InstanceError> {
        let ended = match self.instances.lock().await.get_mut(number) {
            Some(instance) => instance.end().await,
            None => None,
        };
        if ended.is_some() {
            self.start_missing().await?;
        }
        Ok(ended)
    }

    /// Ends these in order, all at once; they are not running then, by our doing.
    pub async fn end(&self, these: &[usize]) {
        let mut instances = self.instances.lock().await;
        let ending = instances.iter_mut().enumerate().filter(|(number, _)| these.contains(number));
        join_all(ending.map(|(_, instance)| instance.end())).await;
    }

    /// Starts one more and waits until it is ready; where it answers. None where the instances are not ours.
    ///
    /// # Errors
    /// Fails if it does not become ready.
    pub async fn add(&self) -> Result<Option<String>, InstanceError> {
        let number = {
            let instances = self.instances.lock().await;
            if instances.iter().all(|instance| instance.pid().is_none()) {
                return Ok(None);
            }
            instances.len()
        };
        let mut instance = self.launcher.launch(number)?;
        self.launcher.wait_first_ready(&mut instance).await?;
        let base_url = instance.base_url.clone();
        self.instances.lock().await.push(instance);
        Ok(Some(base_url))
    }

    /// Ends the one that was added there, in order.
    pub async fn take_away(&self, base_url: &str) {
        let mut instances = self.instances.lock().await;
        if let Some(at) = instances.iter().position(|instance| instance.base_url == base_url) {
            let mut instance = instances.remove(at);
            instance.end().await;
        }
    }

    /// Waits until every instance says that it is ready, at most so long; whether all did, and how long it took.
    /// Nothing is locked meanwhile.
    pub async fn wait_healthy(&self, at_most: Duration) -> (bool, Duration) {
        let began = Instant::now();
        loop {
            let urls = self.base_urls().await;
            let ready =
                join_all(urls.iter().map(|url| self.launcher.is_ready(url))).await.into_iter().all(|ready| ready);
            if ready || began.elapsed() >= at_most {
                return (ready, began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The process ids of those that are ours and running.
    pub async fn pids(&self) -> Vec<u32> {
        self.instances.lock().await.iter().filter_map(Instance::pid).collect()
    }

    /// Starts whatever is not running, and waits until that is ready. Nothing is locked while it waits: another may
    /// be frozen meanwhile, and has to be thawed.
    ///
    /// # Errors
    /// Fails if one does not become ready.
    pub async fn start_missing(&self) -> Result<(), InstanceError> {
        let mut started = Vec::new();
        for instance in self.instances.lock().await.iter_mut() {
            if self.launcher.start_again(instance)? {
                started.push(instance.base_url.clone());
            }
        }
        let deadline = Instant::now() + self.launcher.ready_within();
        for base_url in started {
            while !self.launcher.is_ready(&base_url).await {
                let mut instances = self.instances.lock().await;
                // Killed meanwhile, by our own doing: whoever did that starts it again.
                let Some(instance) = instances.iter_mut().find(|one| one.base_url == base_url && one.pid().is_some())
                else {
                    break;
                };
                self.launcher.not_ready(instance, deadline)?;
                drop(instances);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }

    /// An instance that ended without our doing, if one has.
    pub async fn ended(&self) -> Option<Ended> {
        self.instances.lock().await.iter_mut().enumerate().find_map(|(number, instance)| {
            let status = instance.ended()?.to_string();
            Some(Ended { number, status, last_words: instance.last_words() })
        })
    }

    /// Stops the instances in order and waits for their end.
    pub async fn stop(&self) {
        let mut instances = self.instances.lock().await;
        for instance in instances.iter() {
            instance.terminate();
        }
        instances.clear();
    }
}
