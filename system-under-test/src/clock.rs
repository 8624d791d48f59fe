//! The time of day, as the service sees it. Whatever depends on the date (a signature's age, an expiry, a
//! step that falls due) asks here and hands the answer on, to SQL as a parameter; nothing else reads a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// The computer's clock, or one that a test has moved. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// How far it is ahead of the computer's, in milliseconds.
    ahead_ms: Arc<AtomicI64>,
}

impl Clock {
    /// Now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        Utc::now() + TimeDelta::milliseconds(self.ahead_ms.load(Ordering::Relaxed))
    }

    /// Puts it so far ahead of the computer's clock; negative is behind.
    pub(crate) fn set_ahead(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }
}
