//! The faults of the payment provider, each in a slot of its own.

use std::time::Duration;

use overdraft_model::fault::Fault;

use super::{StripeSim, chaos::Chaos};
use crate::guard::{Guard, Slot};

/// The faults in place.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) errors: Slot<f64>,
    pub(super) loses_answers: Slot<f64>,
    /// Whether connections are closed instead of answered.
    pub(super) down: Slot<bool>,
    pub(super) slow: Slot<(Duration, f64)>,
    pub(super) rate_limited: Slot<f64>,
    pub(super) key_in_use: Slot<f64>,
    pub(super) chaos: Slot<Chaos>,
    pub(super) outage: Slot<()>,
    pub(super) drops: Slot<f64>,
    /// Seconds that are added to the time of signing.
    pub(super) skew: Slot<i64>,
    pub(super) old_secret: Slot<f64>,
}

impl StripeSim {
    /// Puts a fault in place; none if it is not a fault of this provider. A second one of the same kind
    /// replaces the first, and healing it does not bring the first back.
    #[must_use]
    pub fn inject(&self, fault: &Fault) -> Option<Guard> {
        let faults = &self.room.faults;
        Some(match *fault {
            Fault::StripeErrors { share } => faults.errors.put(share),
            Fault::StripeLosesAnswers { share } => faults.loses_answers.put(share),
            Fault::StripeDown { refuses } => faults.down.put(refuses),
            Fault::StripeSlow { by, share } => faults.slow.put((by.duration(), share)),
            Fault::StripeRateLimited { share } => faults.rate_limited.put(share),
            Fault::StripeKeyInUse { share } => faults.key_in_use.put(share),
            Fault::WebhookChaos { duplicates, delay, at_once, forged, lose_answer } => {
                let delay = delay.duration();
                faults.chaos.put(Chaos { duplicates, delay, at_once, forged, lose_answer })
            }
            Fault::WebhookOutage {} => faults.outage.put(()),
            Fault::WebhookDrops { share } => faults.drops.put(share),
            Fault::WebhookClockSkew { ahead, behind } => {
                let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                faults.skew.put(seconds(ahead.duration()).saturating_sub(seconds(behind.duration())))
            }
            Fault::WebhookOldSecret { share } => faults.old_secret.put(share),
            // Everything else is somebody else's.
            _ => return None,
        })
    }
}
