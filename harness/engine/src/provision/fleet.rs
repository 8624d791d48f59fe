//! The target's instances as something that can be struck: killed, and started again on the same ports.

use std::sync::Arc;

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

    /// Starts whatever is not running, and waits until all are ready.
    ///
    /// # Errors
    /// Fails if one does not become ready.
    pub async fn start_missing(&self) -> Result<(), InstanceError> {
        for instance in self.instances.lock().await.iter_mut() {
            self.launcher.start_again(instance).await?;
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
