//! Deliveries: what is due when, what is in flight, what is tried again.
//!
//! Stripe states that live mode retries for up to three days with exponential backoff, and publishes no
//! intervals (<https://docs.stripe.com/webhooks>, as reported by webhookadmin.com on 2026-09-27). Assumed
//! here: one minute after the first failure, doubled each time, no jitter, as long as it stays within three
//! days. That makes 12 retries. All of it is divided by the simulator's compression.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use overdraft_model::operation::Forgery;

use super::chaos::Chaos;
use crate::{draw::Draw, guard::Active};

const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The number of the last retry within that time.
const LAST_RETRY: u32 = 12;
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
    /// Its place among what is handed out one after the other: released deliveries have one.
    pub sequence: Option<u64>,
    /// The exact bytes to post.
    pub body: Bytes,
    /// When it fell due, since the simulator's start.
    pub due: Duration,
    /// What was signed, where that is not what is posted.
    pub(super) original: Option<Bytes>,
}

/// On which way a delivery waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By its time, as the provider would; a hold stops it.
    Queue,
    /// By its time, past a hold.
    Cleared,
    /// One after the other, past a hold.
    InTurn,
}

/// What is in the air between the provider and the target.
#[derive(Default)]
pub(super) struct Weather {
    pub(super) seed: u64,
    /// Nothing of the provider's gets through.
    pub(super) outage: Option<Active<()>>,
    /// A share of first attempts gets lost.
    pub(super) drops: Option<Active<f64>>,
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
    /// Whether the present outage counted it.
    kept_back: bool,
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
    holding: bool,
    waiting: BTreeMap<(Duration, u64), Pending>,
    /// What waits past a hold.
    cleared: BTreeMap<(Duration, u64), Pending>,
    /// What goes one after the other.
    in_turn: VecDeque<Pending>,
    /// Which of those is in flight.
    walking: Option<u64>,
    sequences: u64,
    flying: BTreeMap<u64, Pending>,
}

impl Deliveries {
    pub(super) fn new(compression: u32) -> Self {
        Self {
            compression: compression.max(1),
            ids: 0,
            places: 0,
            holding: false,
            waiting: BTreeMap::new(),
            cleared: BTreeMap::new(),
            in_turn: VecDeque::new(),
            walking: None,
            sequences: 0,
            flying: BTreeMap::new(),
        }
    }

    /// A number that no delivery has had.
    pub(super) fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Schedules a first attempt.
    pub(super) fn add(&mut self, outgoing: Outgoing, loses: Option<Active<Chaos>>, way: Way) {
        self.wait(Pending { outgoing, loses, used: 0, hurried: false, kept_back: false }, way);
    }

    /// Hands out what is due, earliest first; equals in the order in which they were scheduled.
    pub(super) fn take_due(&mut self, now: Duration, weather: &Weather) -> Vec<Outgoing> {
        if let Some(outage) = &weather.outage {
            self.keep_back(now, outage);
        }
        let mut due = self.due_of(now, weather);
        if self.walking.is_none() && weather.outage.is_none() {
            while let Some(pending) = self.in_turn.pop_front() {
                let id = pending.outgoing.id;
                if self.fly(pending, now, weather, &mut due) {
                    self.walking = Some(id);
                    break;
                }
            }
        }
        due
    }

    fn due_of(&mut self, now: Duration, weather: &Weather) -> Vec<Outgoing> {
        let mut due = Vec::new();
        let ready = |queue: &BTreeMap<(Duration, u64), Pending>| {
            let times = queue.range(..=(now, u64::MAX));
            let free = times.filter(|(_, pending)| weather.outage.is_none() || pending.outgoing.forgery.is_some());
            free.map(|(place, _)| *place).collect::<Vec<_>>()
        };
        let mut places: Vec<_> = ready(&self.cleared).into_iter().map(|place| (place, true)).collect();
        if !self.holding {
            places.extend(ready(&self.waiting).into_iter().map(|place| (place, false)));
        }
        places.sort_unstable();
        for (place, cleared) in places {
            let queue = if cleared { &mut self.cleared } else { &mut self.waiting };
            if let Some(pending) = queue.remove(&place) {
                self.fly(pending, now, weather, &mut due);
            }
        }
        due
    }

    /// Hands one out, unless it gets lost on the way: then it is scheduled again.
    fn fly(&mut self, pending: Pending, now: Duration, weather: &Weather, due: &mut Vec<Outgoing>) -> bool {
        let outgoing = &pending.outgoing;
        let first = outgoing.attempt == 1 && outgoing.forgery.is_none();
        if let Some(drops) = weather.drops.as_ref().filter(|_| first)
            && Draw::of(weather.seed, &["dropped", &outgoing.event]).chance(*drops.value())
        {
            drops.hit();
            let Pending { outgoing, loses, used, hurried, .. } = pending;
            self.retry(Answered { outgoing, loses, used, hurried }, now, true);
            return false;
        }
        due.push(outgoing.clone());
        self.flying.insert(outgoing.id, pending);
        true
    }

    /// Counts what an outage keeps from being handed out, each once.
    fn keep_back(&mut self, now: Duration, outage: &Active<()>) {
        let holding = self.holding;
        let queued = self.waiting.values_mut().filter(|_| !holding).chain(self.cleared.values_mut());
        let due = queued.filter(|pending| pending.outgoing.due <= now && pending.outgoing.forgery.is_none());
        for pending in due.chain(self.in_turn.iter_mut()).filter(|pending| !pending.kept_back) {
            pending.kept_back = true;
            outage.hit();
        }
    }

    /// When the next one falls due.
    pub(super) fn next_due(&self) -> Option<Duration> {
        let first = |queue: &BTreeMap<(Duration, u64), Pending>| queue.first_key_value().map(|((due, _), _)| *due);
        let waiting = first(&self.waiting).filter(|_| !self.holding);
        let turn = self.in_turn.front().filter(|_| self.walking.is_none()).map(|pending| pending.outgoing.due);
        [waiting, first(&self.cleared), turn].into_iter().flatten().min()
    }

    /// Takes an answered delivery out of the air; none if it is not there.
    pub(super) fn land(&mut self, id: u64) -> Option<Answered> {
        let Pending { outgoing, loses, used, hurried, .. } = self.flying.remove(&id)?;
        if self.walking == Some(id) {
            self.walking = None;
        }
        Some(Answered { outgoing, loses, used, hurried })
    }

    /// Schedules the next attempt; false where the provider gives up. It never does where it is itself to
    /// blame, as a fault makes it: then the last wait of the schedule comes again.
    pub(super) fn retry(&mut self, answered: Answered, now: Duration, to_blame: bool) -> bool {
        let used = if answered.hurried { answered.used } else { answered.used + 1 };
        let used = if to_blame { used.min(LAST_RETRY) } else { used };
        let Some(wait) = backoff(used.max(1)) else { return false };
        let outgoing = Outgoing {
            id: self.next_id(),
            attempt: answered.outgoing.attempt + 1,
            burst: None,
            sequence: None,
            due: now + wait / self.compression,
            ..answered.outgoing
        };
        self.wait(Pending { outgoing, loses: None, used, hurried: false, kept_back: false }, Way::Queue);
        true
    }

    /// Stops what is queued.
    pub(super) fn hold(&mut self) {
        self.holding = true;
    }

    /// What a hold stops, in the order of its time; nothing without one.
    pub(super) fn held(&self) -> impl Iterator<Item = &Outgoing> {
        self.waiting.values().filter(|_| self.holding).map(|pending| &pending.outgoing)
    }

    /// Lines these up, to go one after the other. Returns how many of them were queued.
    pub(super) fn release(&mut self, ids: &[u64], now: Duration) -> usize {
        let mut released = 0;
        for id in ids {
            let place = self.waiting.iter().find(|(_, pending)| pending.outgoing.id == *id).map(|(place, _)| *place);
            let Some(mut pending) = place.and_then(|place| self.waiting.remove(&place)) else { continue };
            pending.outgoing.due = now;
            self.wait(pending, Way::InTurn);
            released += 1;
        }
        released
    }

    /// Hands out one that is held; none if it is not.
    pub(super) fn take_held(&mut self, id: u64) -> Option<Outgoing> {
        let place = self.waiting.iter().find(|(_, pending)| pending.outgoing.id == id).map(|(place, _)| *place)?;
        let pending = self.waiting.remove(&place)?;
        let outgoing = pending.outgoing.clone();
        self.flying.insert(id, pending);
        Some(outgoing)
    }

    /// Hands out one that was never scheduled.
    pub(super) fn hand_out(&mut self, outgoing: Outgoing) -> Outgoing {
        let pending = Pending { outgoing: outgoing.clone(), loses: None, used: 0, hurried: false, kept_back: false };
        self.flying.insert(outgoing.id, pending);
        outgoing
    }

    /// Ends the hold: what it stopped is due now.
    pub(super) fn release_all(&mut self, now: Duration) {
        if std::mem::take(&mut self.holding) {
            self.expedite(now);
        }
    }

    /// Makes everything that waits due now, in the order in which it would have fallen due. Hurrying is the
    /// harness's doing, so a hurried attempt that fails uses up none of the schedule's retries.
    pub(super) fn expedite(&mut self, now: Duration) {
        let later = self.waiting.split_off(&(now, u64::MAX));
        for mut pending in later.into_values() {
            pending.outgoing.due = now;
            pending.hurried = true;
            self.wait(pending, Way::Queue);
        }
    }

    /// Authentic deliveries that wait or are in flight.
    pub(super) fn outstanding(&self) -> usize {
        let queued = self.waiting.values().chain(self.cleared.values()).chain(&self.in_turn);
        let all = queued.chain(self.flying.values());
        all.filter(|pending| pending.outgoing.forgery.is_none()).count()
    }

    fn wait(&mut self, mut pending: Pending, way: Way) {
        self.places += 1;
        let place = (pending.outgoing.due, self.places);
        match way {
            Way::Queue => drop(self.waiting.insert(place, pending)),
            Way::Cleared => drop(self.cleared.insert(place, pending)),
            Way::InTurn => {
                self.sequences += 1;
                pending.outgoing.sequence = Some(self.sequences);
                self.in_turn.push_back(pending);
            }
        }
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
            sequence: None,
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
        assert_eq!(u32::try_from(waits.len()), Ok(LAST_RETRY));
    }

    #[test]
    fn gives_up_after_the_schedule_but_never_while_hurried() {
        let mut deliveries = Deliveries::new(60_000);
        let id = deliveries.next_id();
        deliveries.add(outgoing(id, Duration::ZERO), None, Way::Queue);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            deliveries.expedite(now);
            let Some(taken) = deliveries.take_due(now, &Weather::default()).pop() else {
                panic!("nothing due at {now:?}")
            };
            let answered = deliveries.land(taken.id).unwrap();
            assert!(deliveries.retry(answered, now, false), "gave up while hurried");
        }
        let mut attempts = 0;
        while let Some(due) = deliveries.next_due() {
            now = due;
            for taken in deliveries.take_due(now, &Weather::default()) {
                attempts += 1;
                assert_eq!(taken.burst, None);
                let answered = deliveries.land(taken.id).unwrap();
                deliveries.retry(answered, now, false);
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
            deliveries.add(outgoing(id, Duration::from_millis(due)), None, Way::Queue);
        }
        let ids = |taken: Vec<Outgoing>| taken.into_iter().map(|outgoing| outgoing.id).collect::<Vec<_>>();
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(9), &Weather::default())), [0_u64; 0]);
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(10), &Weather::default())), [2, 4]);
        deliveries.expedite(Duration::from_millis(11));
        assert_eq!(ids(deliveries.take_due(Duration::from_millis(11), &Weather::default())), [3, 1]);
        assert_eq!(deliveries.outstanding(), 4);
        assert!(deliveries.land(3).is_some());
        assert!(deliveries.land(3).is_none(), "answered twice");
    }
}
