//! A fault in place that takes time to heal: a process must start, a server must recover.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use futures::future::{BoxFuture, FutureExt};
use overdraft_faults::guard::{Effects, Guard};

/// A fault in place. Dropping it heals what can be healed at once; a process that it ended stays ended then.
#[must_use = "a fault that is dropped at once is healed at once"]
pub struct Held {
    effects: Effects,
    /// Locked by nobody: a future alone could not be looked at from two threads.
    heal: Mutex<BoxFuture<'static, Result<(), String>>>,
}

impl Held {
    /// A fault whose effects are counted by `effects` and which is healed by `heal`.
    pub(super) fn new(effects: Effects, heal: impl Future<Output = Result<(), String>> + Send + 'static) -> Self {
        Self { effects, heal: Mutex::new(heal.boxed()) }
    }

    /// How often it took effect so far.
    #[must_use]
    pub fn effects(&self) -> u64 {
        self.effects.count()
    }

    /// Heals it and returns its effects.
    ///
    /// # Errors
    /// Fails, in words, if it cannot be healed.
    pub async fn heal(self) -> Result<u64, String> {
        self.heal.into_inner().unwrap_or_else(PoisonError::into_inner).await?;
        Ok(self.effects.count())
    }
}

impl From<Guard> for Held {
    fn from(guard: Guard) -> Self {
        Self::new(guard.counter(), async move {
            guard.heal();
            Ok(())
        })
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("effects", &self.effects()).finish_non_exhaustive()
    }
}
