//! Signing deliveries: with which secrets, by which clock, and wrongly where that is the point.
//!
//! Rolling a secret may leave the old one valid for a while: then each delivery carries a signature by each,
//! the new one's first, as Stripe does for up to 24 hours.

use overdraft_model::operation::Forgery;

use super::{Outgoing, StripeSim, signature};
use crate::{draw::Draw, guard::locked};

/// How much older than the target's tolerance a stale forgery is.
const STALE_BEYOND: i64 = 300;

/// The endpoint's signing secrets.
pub(super) struct Secrets {
    current: String,
    /// The one before the last roll.
    former: Option<String>,
    /// Whether the former one signs too.
    overlapping: bool,
}

impl Secrets {
    pub(super) fn of(secret: &str) -> Self {
        Self { current: secret.to_owned(), former: None, overlapping: false }
    }

    fn active(&self) -> Vec<&str> {
        let former = self.former.as_deref().filter(|_| self.overlapping);
        [Some(self.current.as_str()), former].into_iter().flatten().collect()
    }
}

impl StripeSim {
    /// Rolls the endpoint's secret. With an overlap both secrets sign until [`StripeSim::end_overlap`] or the
    /// next roll; without one the old secret is void at once.
    pub fn roll_secret(&self, new: &str, overlap: bool) {
        let mut secrets = locked(&self.room.secrets);
        let former = std::mem::replace(&mut secrets.current, new.to_owned());
        secrets.former = Some(former);
        secrets.overlapping = overlap;
    }

    /// The old secret is void from now on.
    pub fn end_overlap(&self) {
        locked(&self.room.secrets).overlapping = false;
    }

    /// The value of the `Stripe-Signature` header at this time of day (Unix seconds); none for a delivery
    /// that is forged without one.
    #[must_use]
    pub fn sign(&self, outgoing: &Outgoing, unix_now: i64) -> Option<String> {
        let secrets = locked(&self.room.secrets);
        let body = outgoing.original.as_ref().unwrap_or(&outgoing.body);
        let Some(forgery) = outgoing.forgery else { return Some(self.sign_truly(&secrets, outgoing, unix_now)) };
        match forgery {
            Forgery::Unsigned => None,
            Forgery::EmptySignature => Some(format!("t={unix_now},v1=")),
            Forgery::WrongSecret => {
                let foreign = format!("{}_of_somebody_else", secrets.current);
                Some(signature::header(&[&foreign], unix_now, body))
            }
            Forgery::Stale => {
                let tolerance = i64::try_from(self.room.settings.tolerance.as_secs()).unwrap_or(i64::MAX);
                let long_ago = unix_now.saturating_sub(tolerance).saturating_sub(STALE_BEYOND);
                Some(signature::header(&secrets.active(), long_ago, body))
            }
            Forgery::Altered | Forgery::WrongMode | Forgery::Truncated => {
                Some(signature::header(&secrets.active(), unix_now, body))
            }
        }
    }

    /// As the provider signs, unless a fault has its clock or its secret wrong.
    fn sign_truly(&self, secrets: &Secrets, outgoing: &Outgoing, unix_now: i64) -> String {
        let faults = &self.room.faults;
        let skew = faults.skew.get().filter(|skew| *skew.value() != 0);
        let time = skew.as_ref().map_or(unix_now, |skew| unix_now.saturating_add(*skew.value()));
        let old = faults.old_secret.get().filter(|old| {
            let attempt = outgoing.attempt.to_string();
            let name = ["old secret", &outgoing.event, &attempt];
            Draw::of(self.room.settings.seed, &name).chance(*old.value())
        });
        if skew.is_some() || old.is_some() {
            locked(&self.room.book).misled.insert(outgoing.id);
        }
        if let Some(skew) = skew {
            skew.hit();
        }
        match old {
            Some(old) => {
                old.hit();
                // An endpoint that was never rolled here was before we came.
                let before = || format!("{}_before_the_roll", secrets.current);
                let former = secrets.former.clone().unwrap_or_else(before);
                signature::header(&[&former], time, &outgoing.body)
            }
            None => signature::header(&secrets.active(), time, &outgoing.body),
        }
    }
}
