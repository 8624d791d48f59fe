//! Delivery under control, for scripted cases: hold everything, release it in an order, send it again.

use std::time::Duration;

use overdraft_model::evidence;

use super::{
    StripeSim,
    deliveries::{Deliveries, Outgoing, Way},
    events::{self, Envelopes},
};

/// A delivery that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The delivery's id, by which it is released.
    pub id: u64,
    /// `evt_…`.
    pub event: String,
    /// Such as `charge.succeeded`.
    pub event_type: String,
    /// The checkout session that it is about.
    pub session: Option<String>,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl StripeSim {
    /// From now on nothing is handed out but what is released, sent again or forged on demand. Events are
    /// issued, and failed deliveries scheduled again, as always: they join what is held.
    pub fn hold(&self, now: Duration) {
        self.open(now).0.deliveries.hold();
    }

    /// What is held, in the order in which it would fall due.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let book = crate::guard::locked(&self.room.book);
        let held = book.deliveries.held().map(|outgoing| Held {
            id: outgoing.id,
            event: outgoing.event.clone(),
            event_type: outgoing.event_type.clone(),
            session: outgoing.session.clone(),
            attempt: outgoing.attempt,
        });
        held.collect()
    }

    /// Releases held deliveries, due now, strictly in this order: each is handed out once the answer of the
    /// former was told by [`StripeSim::delivered`]. Ids that are not held are left out of the count returned.
    pub fn release(&self, ids: &[u64], now: Duration) -> usize {
        self.open(now).0.deliveries.release(ids, now)
    }

    /// Ends the hold. What was held is due now, and is handed out together.
    pub fn release_all(&self, now: Duration) {
        self.open(now).0.deliveries.release_all(now);
    }

    /// Sends an event again, so many times, under its own id; none if it was never issued. At once: the copies
    /// are handed out together, as one burst; otherwise one after the other. A hold does not keep them.
    pub fn redeliver(&self, event: &str, copies: u32, at_once: bool, now: Duration) -> Option<Vec<u64>> {
        let (mut book, _) = self.open(now);
        let book = &mut *book;
        let found = book.event_at.get(event).and_then(|at| book.events.get(*at))?;
        let burst = (at_once && copies > 1).then(|| book.deliveries.next_id());
        let way = if at_once { Way::Cleared } else { Way::InTurn };
        let send = |_| {
            let outgoing = copy(&mut book.deliveries, found, burst, now);
            let id = outgoing.id;
            book.deliveries.add(outgoing, None, way);
            id
        };
        Some((0..copies).map(send).collect())
    }

    /// Hands out one that is held, for whoever posts it itself; none if it is not held any more.
    #[must_use]
    pub fn take_held(&self, id: u64, now: Duration) -> Option<Outgoing> {
        self.open(now).0.deliveries.take_held(id)
    }

    /// Hands out so many more deliveries of a session's event of a type, under its own id, for whoever posts them
    /// itself. Empty if the session has no such event.
    #[must_use]
    pub fn again(&self, session: &str, event_type: &str, copies: usize, now: Duration) -> Vec<Outgoing> {
        let (mut book, _) = self.open(now);
        let book = &mut *book;
        let about =
            |event: &&events::Event| event.event_type == event_type && event.session.as_deref() == Some(session);
        let Some(found) = book.events.iter().find(about) else { return vec![] };
        let deliveries = &mut book.deliveries;
        let send = |_| {
            let copy = copy(deliveries, found, None, now);
            deliveries.hand_out(copy)
        };
        (0..copies).map(send).collect()
    }

    /// The events about a session, of one type or of all, in the order in which they were issued.
    #[must_use]
    pub fn events_of(&self, session: &str, event_type: Option<&str>) -> Vec<evidence::ProviderEvent> {
        let events = crate::guard::locked(&self.room.book).ledger().events.into_iter();
        let about = events.filter(|event| event.session.as_deref() == Some(session));
        about.filter(|event| event_type.is_none_or(|wanted| event.event_type == wanted)).collect()
    }

    /// In which envelopes facts are told from now on.
    pub fn tell_in(&self, envelopes: Envelopes) {
        crate::guard::locked(&self.room.book).envelopes = envelopes;
    }
}

/// One more delivery of an event.
fn copy(deliveries: &mut Deliveries, event: &events::Event, burst: Option<u64>, now: Duration) -> Outgoing {
    Outgoing {
        id: deliveries.next_id(),
        event: event.id.clone(),
        event_type: event.event_type.clone(),
        session: event.session.clone(),
        attempt: 1,
        forgery: None,
        burst,
        sequence: None,
        body: events::body(&event.envelope()),
        due: now,
        original: None,
    }
}
