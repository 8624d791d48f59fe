//! Deliveries: what is due when, what is in flight, what is tried again.
//!
//! Stripe states that live mode retries for up to three days with exponential backoff, and publishes no
//! intervals (<https://docs.stripe.com/webhooks>, as reported by webhookadmin.com on 2026-09-27). Assumed
//! here: one minute after the first failure, doubled each time, no jitter, as long as it stays within three
//! days. That makes 12 retries. All of it is divided by the simulator's compression.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use overdraft_model::operation::Forgery;

use super::chaos::Chaos;
use crate::guard::Active;

const FIRST_RETRY: Duration = Duration::from_secs(60);
const GIVE_UP: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// One delivery to make: post [`Outgoing::body`] with the header that `StripeSim::sign` returns, then tell
/// `StripeSim::delivered`.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Names this attempt. A retry has another.
    pub id: u64,
    /// `evt_…`.
    pub event: String,
    /// Such as `charge.succeeded`.
    pub event_type: String,
    /// The checkout session that it is about.
    pub session: Option<String>,
    /// 1 for the first attempt of this copy, counted up by retries.
    pub attempt: u32,
    /// What is wrong with it on purpose.
    pub forgery: Option<Forgery>,
    /// Copies with the same number are to be released together.
    pub burst: Option<u64>,
    /// The exact bytes to post.
    pub body: Bytes,
    /// When it fell due, since the simulator's start.
    pub due: Duration,
    /// What was signed, where that is not what is posted.
    pub(super) original: Option<Bytes>,
}

/// A delivery that was not handed out yet, or not answered.
struct Pending {
    outgoing: Outgoing,
    /// The chaos that wants its first 2xx lost.
    loses: Option<Active<Chaos>>,
    /// Retries of the schedule that were used up.
    used: u32,
    /// Whether it was hurried: then it uses up no retry.
    hurried: bool,
}

/// What is known of an answered delivery.
pub(super) struct Answered {
    pub(super) outgoing: Outgoing,
    pub(super) loses: Option<Active<Chaos>>,
    used: u32,
    hurried: bool,
}

/// All deliveries that are not done.
pub(super) struct Deliveries {
    compression: u32,
    ids: u64,
    places: u64,
    waiting: BTreeMap<(Duration, u64), Pending>,
    flying: BTreeMap<u64, Pending>,
}

impl Deliveries {
    pub(super) fn new(compression: u32) -> Self {
        Self { compression: compression.max(1), ids: 0, places: 0, waiting: BTreeMap::new(), flying: BTreeMap::new() }
    }

    /// A number that no delivery has had.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Schedules a first attempt.
    pub(super) fn add(&mut self, outgoing: Outgoing, loses: Option<Active<Chaos>>) {
        self.wait(Pending { outgoing, loses, used: 0, hurried: false });
    }

    /// Hands out what is due, earliest first; equals in the order in which they were scheduled.
    pub(super) fn take_due(&mut self, now: Duration) -> Vec<Outgoing> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            let pending = first.remove();
            due.push(pending.outgoing.clone());
            self.flying.insert(pending.outgoing.id, pending);
        }
        due
    }

    /// When the next one falls due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes an answered delivery out of the air; none if it is not there.
    pub(super) fn land(&mut self, id: u64) -> Option<Answered> {
        let Pending { outgoing, loses, used, hurried } = self.flying.remove(&id)?;
        Some(Answered { outgoing, loses, used, hurried })
    }

    /// Schedules the next attempt; false where the provider gives up.
    pub(super) fn retry(&mut self, answered: Answered, now: Duration) -> bool {
        let used = if answered.hurried { answered.used } else { answered.used + 1 };
        let Some(wait) = backoff(used.max(1)) else { return false };
        let outgoing = Outgoing {
            id: self.next_id(),
            attempt: answered.outgoing.attempt + 1,
            burst: None,
            due: now + wait / self.compression,
            ..answered.outgoing
        };
        self.wait(Pending { outgoing, loses: None, used, hurried: false });
        true
    }

    /// Makes everything that waits due now, in the order in which it would have fallen due. Hurrying is the
    /// harness's doing, so a hurried attempt that fails uses up none of the schedule's retries.
    pub(super) fn expedite(&mut self, now: Duration) {
        let later = self.waiting.split_off(&(now, u64::MAX));
        for mut pending in later.into_values() {
            pending.outgoing.due = now;
            pending.hurried = true;
            self.wait(pending);
        }
    }

    /// Authentic deliveries that wait or are in flight.
    pub(super) fn outstanding(&self) -> usize {
        let all = self.waiting.values().chain(self.flying.values());
        all.filter(|pending| pending.outgoing.forgery.is_none()).count()
    }

    fn wait(&mut self, pending: Pending) {
        self.places += 1;
        self.waiting.insert((pending.outgoing.due, self.places), pending);
    }
}

/// How long before the n-th retry (from 1), uncompressed; none once three days would have passed.
fn backoff(retry: u32) -> Option<Duration> {
    let doublings = 2_u32.checked_pow(retry)?;
    let since_first = FIRST_RETRY.checked_mul(doublings - 1)?;
    (since_first <= GIVE_UP).then(|| FIRST_RETRY * (doublings / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(id: u64, due: Duration) -> Outgoing {
        Outgoing {
            id,
            event: format!("evt_{id}"),
            event_type: "charge.succeeded".into(),
            session: None,
            attempt: 1,
            forgery: None,
            burst: Some(1),
            body: Bytes::new(),
            due,
            original: None,
        }
    }

    #[test]
    fn the_schedule_doubles_from_a_minute_and_ends_within_three_days() {
        let waits: Vec<u64> = (1..).map_while(backoff).map(|wait| wait.as_secs() / 60).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]);
        assert!(waits.iter().sum::<u64>() <= 3 * 24 * 60);
    }

    #[test]
    fn gives_up_after_the_schedule_but_never_while_hurried() {
        let mut deliveries = Deliveries::new(60_000);
        let id = deliveries.next_id();
        deliveries.add(outgoing(id, Duration::ZERO), None);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            deliveries.expedite(now);
            let Some(taken) = deliveries.take_due(now).pop() else { panic!("nothing due at {now:?}") };
            let answered = deliveries.land(taken.id).unwrap();
            assert!(deliveries.retry(answered, now), "gave up while hurried");
        }
        let mut attempts = 0;
        while let Some(due) = deliveries.next_due() {
            now = due;
            for taken in deliveries.take_due(now) {
                attempts += 1;
                assert_eq!(taken.burst, None);
                let answered = deliveries.land(taken.id).unwrap();
                deliveries.retry(answered, now);
            }
        }
        assert_eq!(attempts, 12);
        assert_eq!(deliveries.outstanding(), 0);
    }

    #[test]
    fn hands_out_once_and_in_order_even_when_hurried() {
        let mut deliveries = Deliveries::new(1);
        for due in [30, 10, 20, 10] {
            let id = deliveries.next_id();
            deliveries.add(outgoing(id, Duration::from_millis(due)), None);
        }
        let ids = |taken: Vec<Outgoing>| taken.into_iter().map(|outgoing| outgoing.id).collect::<Vec<_>>();
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(9))), [0_u64; 0]);
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(10))), [2, 4]);
        deliveries.expedite(Duration::from_millis(11));
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(11))), [3, 1]);
        assert_eq!(deliveries.outstanding(), 4);
        assert!(deliveries.land(3).is_some());
        assert!(deliveries.land(3).is_none(), "answered twice");
    }
}
