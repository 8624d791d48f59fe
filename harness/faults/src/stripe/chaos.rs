//! The fates of deliveries under `WebhookChaos`: how often, how late, answered in vain, among forgeries.
//!
//! Pure: seed and names in, fates out. A fate is named by the payment's label and the event's place in its
//! sequence, so it does not depend on who pays first.

use std::time::Duration;

use overdraft_model::operation::Forgery;

use crate::draw::Draw;

/// Share of the extra copies that come in Stripe's second form: a second Event for the same object and type.
const TWINS: f64 = 0.25;

/// The fault's settings, as in [`overdraft_model::fault::Fault::WebhookChaos`].
#[derive(Debug, Clone)]
pub(super) struct Chaos {
    pub(super) duplicates: u32,
    pub(super) delay: Duration,
    pub(super) at_once: bool,
    pub(super) forged: f64,
    pub(super) lose_answer: f64,
}

/// The fate of one copy of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fate {
    /// How long it is held back.
    pub(super) delay: Duration,
    /// Whether it carries an Event id of its own.
    pub(super) twin: bool,
    /// Whether its first 2xx is lost.
    pub(super) lose_answer: bool,
}

impl Chaos {
    /// The fates of an event's copies: at least one, the first never a twin.
    pub(super) fn copies(&self, seed: u64, label: &str, ordinal: usize) -> Vec<Fate> {
        let mut draw = Draw::of(seed, &["chaos", label, &ordinal.to_string()]);
        let count = 1 + draw.up_to(self.duplicates.into());
        let mut fates: Vec<Fate> = (0..count)
            .map(|copy| Fate {
                delay: self.delay_from(&mut draw),
                twin: draw.chance(TWINS) && copy > 0,
                lose_answer: draw.chance(self.lose_answer),
            })
            .collect();
        if self.at_once {
            let together = fates.iter().map(|fate| fate.delay).min().unwrap_or_default();
            fates.iter_mut().for_each(|fate| fate.delay = together);
        }
        fates
    }

    /// The forgeries that this payment provokes and how long each is held back: one of each kind or none.
    pub(super) fn forgeries(&self, seed: u64, label: &str) -> Vec<(Forgery, Duration)> {
        let mut draw = Draw::of(seed, &["forged", label]);
        if !draw.chance(self.forged) {
            return Vec::new();
        }
        Forgery::ALL.map(|kind| (kind, self.delay_from(&mut draw))).into()
    }

    fn delay_from(&self, draw: &mut Draw) -> Duration {
        Duration::from_millis(draw.up_to(u64::try_from(self.delay.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chaos() -> Chaos {
        Chaos { duplicates: 3, delay: Duration::from_secs(1), at_once: false, forged: 0.5, lose_answer: 0.3 }
    }

    #[test]
    fn every_fate_occurs_and_none_depends_on_the_order_of_asking() {
        let all: Vec<_> = (0..200).map(|n| chaos().copies(1, &format!("buyer-{n}"), n % 4)).collect();
        let again: Vec<_> = (0..200).rev().map(|n| chaos().copies(1, &format!("buyer-{n}"), n % 4)).rev().collect();
        assert_eq!(all, again);
        let counts: Vec<usize> = all.iter().map(Vec::len).collect();
        assert_eq!((counts.iter().min(), counts.iter().max()), (Some(&1), Some(&4)));
        assert!(all.iter().all(|copies| !copies[0].twin));
        assert!(all.iter().flatten().any(|fate| fate.twin));
        assert!(all.iter().flatten().any(|fate| fate.lose_answer));
        assert!(all.iter().flatten().all(|fate| fate.delay <= Duration::from_secs(1)));
    }

    #[test]
    fn copies_that_come_at_once_share_their_delay() {
        let chaos = Chaos { at_once: true, ..chaos() };
        for copies in (0..50).map(|n| chaos.copies(1, &format!("buyer-{n}"), 0)) {
            assert!(copies.iter().all(|fate| fate.delay == copies[0].delay));
        }
    }

    #[test]
    fn a_share_of_payments_provokes_one_forgery_of_each_kind() {
        let provoked = (0..400).map(|n| chaos().forgeries(1, &format!("buyer-{n}"))).filter(|kinds| !kinds.is_empty());
        let provoked: Vec<_> = provoked.collect();
        assert!((150..250).contains(&provoked.len()), "{}", provoked.len());
        for kinds in provoked {
            assert_eq!(kinds.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), Forgery::ALL);
        }
    }
}
