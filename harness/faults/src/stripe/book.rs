//! The provider's books: every object it keeps, under one lock, and the steps that change several at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use bytes::Bytes;
use overdraft_model::evidence;
use serde_json::Value;

use super::{
    chaos::{Chaos, Fate},
    claims::{Dispute, Refund},
    deliveries::{Deliveries, Outgoing, Way},
    events::{self, Envelopes, Event, Origin},
    intents::{Charge, Intent},
    objects::{Checkout, Stage},
    packed::Packed,
};
use crate::{draw::Draw, guard::Active};

/// What may be needed in any step: settings, the time of day, the fault that shapes deliveries.
pub(super) struct Moment<'a> {
    pub(super) seed: u64,
    pub(super) api_version: &'a str,
    /// Unix seconds.
    pub(super) created: i64,
    /// Since the simulator's start.
    pub(super) now: Duration,
    pub(super) chaos: Option<Active<Chaos>>,
}

/// An event about to be issued.
pub(super) struct News<'a> {
    /// The stable name of what brings it: the payment's, the refund's. Its events are counted under it.
    pub(super) label: &'a str,
    pub(super) event_type: &'static str,
    pub(super) session: Option<&'a str>,
    pub(super) object: Value,
    pub(super) origin: Origin,
}

/// An answer that an idempotency key remembers, or will once it was given.
pub(super) struct Remembered {
    pub(super) fingerprint: String,
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) body: Packed,
    /// When the answer of the request that did it will have been given: before, the key is in use.
    pub(super) answered_at: Option<Instant>,
}

/// The books.
pub(super) struct Book {
    pub(super) checkouts: Vec<Checkout>,
    pub(super) checkout_at: BTreeMap<String, usize>,
    pub(super) intents: BTreeMap<String, Intent>,
    pub(super) charges: BTreeMap<String, Charge>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
    /// In which envelopes events are issued.
    pub(super) envelopes: Envelopes,
    pub(super) events: Vec<Event>,
    pub(super) event_at: BTreeMap<String, usize>,
    pub(super) deliveries: Deliveries,
    pub(super) attempts: Vec<evidence::Delivery>,
    /// Deliveries in flight that a fault signed wrongly.
    pub(super) misled: BTreeSet<u64>,
    pub(super) requests: BTreeMap<String, u64>,
    pub(super) memory: BTreeMap<String, Remembered>,
    /// Every id that was ever used, forged ones included.
    issued: BTreeSet<String>,
    /// How often each name was used.
    uses: BTreeMap<String, u64>,
    /// The latest time that a caller named. What the API is asked for happens then.
    pub(super) latest: Duration,
}

impl Book {
    pub(super) fn new(compression: u32) -> Self {
        Self {
            checkouts: Vec::new(),
            checkout_at: BTreeMap::new(),
            intents: BTreeMap::new(),
            charges: BTreeMap::new(),
            refunds: Vec::new(),
            disputes: Vec::new(),
            envelopes: Envelopes::default(),
            events: Vec::new(),
            event_at: BTreeMap::new(),
            deliveries: Deliveries::new(compression),
            attempts: Vec::new(),
            misled: BTreeSet::new(),
            requests: BTreeMap::new(),
            memory: BTreeMap::new(),
            issued: BTreeSet::new(),
            uses: BTreeMap::new(),
            latest: Duration::ZERO,
        }
    }

    /// How often a name was used before, this time not counted.
    pub(super) fn uses_of(&mut self, name: &str) -> u64 {
        let uses = self.uses.entry(name.to_owned()).or_default();
        *uses += 1;
        *uses - 1
    }

    /// A new id, drawn from a name.
    pub(super) fn fresh(&mut self, seed: u64, prefix: &str, length: usize, name: &[&str]) -> String {
        let mut parts = vec!["id", prefix];
        parts.extend(name);
        let mut draw = Draw::of(seed, &parts);
        loop {
            let id = format!("{prefix}{}", draw.word(length));
            if self.issued.insert(id.clone()) {
                return id;
            }
        }
    }

    /// The checkout session of an id.
    pub(super) fn checkout(&self, id: &str) -> Option<&Checkout> {
        self.checkouts.get(*self.checkout_at.get(id)?)
    }

    /// The same, to change it.
    pub(super) fn checkout_mut(&mut self, id: &str) -> Option<&mut Checkout> {
        self.checkouts.get_mut(*self.checkout_at.get(id)?)
    }

    /// Keeps a session as it is now.
    pub(super) fn put_checkout(&mut self, checkout: &Checkout) {
        if let Some(kept) = self.checkout_mut(&checkout.id) {
            kept.clone_from(checkout);
        }
    }

    /// A name of something that has no natural one: its kind, its label, and how often that came before.
    pub(super) fn told_apart(&mut self, kind: &str, label: &str) -> String {
        let name = format!("{kind} {label}");
        match self.uses_of(&format!("label {name}")) {
            0 => name,
            again => format!("{name}#{again}"),
        }
    }

    /// Issues an event and schedules its deliveries. Told in two envelopes it is two; the first's id is returned.
    pub(super) fn issue(&mut self, news: News<'_>, moment: &Moment<'_>) -> String {
        let ordinal = usize::try_from(self.uses_of(&format!("event {}", news.label))).unwrap_or(usize::MAX);
        let fates = match &moment.chaos {
            Some(chaos) => chaos.value().copies(moment.seed, news.label, ordinal),
            None => vec![Fate::default()],
        };
        let together = moment.chaos.as_ref().is_some_and(|chaos| chaos.value().at_once) && fates.len() > 1;
        let mut first = None;
        for thin in self.envelopes.forms() {
            let burst = together.then(|| self.deliveries.next_id());
            let (event, body) = self.register(&news, ordinal, *thin, "", moment);
            first.get_or_insert(event);
            for (copy, fate) in fates.iter().enumerate() {
                let (carried, body) = match fate.twin {
                    true => self.register(&news, ordinal, *thin, &copy.to_string(), moment),
                    false => (event, body.clone()),
                };
                let carried = &self.events[carried];
                let outgoing = Outgoing {
                    id: self.deliveries.next_id(),
                    event: carried.id.clone(),
                    event_type: carried.event_type.clone(),
                    session: carried.session.clone(),
                    attempt: 1,
                    forgery: None,
                    burst,
                    sequence: None,
                    body,
                    due: moment.now + fate.delay,
                    original: None,
                };
                if let Some(chaos) = moment.chaos.as_ref().filter(|_| copy > 0 || !fate.delay.is_zero()) {
                    chaos.hit();
                }
                self.deliveries.add(outgoing, moment.chaos.clone().filter(|_| fate.lose_answer), Way::Queue);
            }
        }
        first.and_then(|event| self.events.get(event)).map(|event| event.id.clone()).unwrap_or_default()
    }

    /// Keeps a new event. Its place, and what is posted of it.
    fn register(
        &mut self,
        news: &News<'_>,
        ordinal: usize,
        thin: bool,
        twin: &str,
        moment: &Moment<'_>,
    ) -> (usize, Bytes) {
        let ordinal = ordinal.to_string();
        let (id, event_type, envelope) = if thin {
            let id = self.fresh(moment.seed, "evt_test_65", 32, &[news.label, &ordinal, twin]);
            let envelope = events::thin(&id, moment.created, news.event_type, &news.object, &news.origin);
            (id, format!("v1.{}", news.event_type), envelope)
        } else {
            let id = self.fresh(moment.seed, "evt_1", 23, &[news.label, &ordinal, twin]);
            let (version, created, object) = (moment.api_version, moment.created, news.object.clone());
            let envelope = events::envelope(&id, version, created, news.event_type, object, &news.origin);
            (id, news.event_type.to_owned(), envelope)
        };
        self.event_at.insert(id.clone(), self.events.len());
        self.events.push(Event {
            id,
            event_type,
            session: news.session.map(str::to_owned),
            object: news.object["id"].as_str().map(str::to_owned),
            envelope: Packed::of(&envelope),
            thin,
            acknowledged: false,
        });
        (self.events.len() - 1, events::body(&envelope))
    }

    /// The books as evidence.
    pub(super) fn ledger(&self) -> evidence::Provider {
        let session = |checkout: &Checkout| evidence::Session {
            session: checkout.id.clone(),
            paid: if checkout.stage == Stage::Paid { checkout.amount } else { 0 },
            payment_intent: checkout.intent.clone(),
            reference: checkout.reference.clone(),
            amount: checkout.amount,
            currency: checkout.currency.clone(),
            idempotency_key: checkout.idempotency_key.clone(),
        };
        let event = |event: &Event| evidence::ProviderEvent {
            event: event.id.clone(),
            event_type: event.event_type.clone(),
            session: event.session.clone(),
            object: event.object.clone(),
            acknowledged: event.acknowledged,
        };
        evidence::Provider {
            sessions: self.checkouts.iter().map(session).collect(),
            events: self.events.iter().map(event).collect(),
            deliveries: self.attempts.clone(),
            requests: self.requests.clone(),
            refunds: self.refunds.iter().map(Refund::evidence).collect(),
            disputes: self.disputes.iter().map(Dispute::evidence).collect(),
        }
    }

    /// Notes that an authentic delivery of an event was answered 2xx.
    pub(super) fn acknowledge(&mut self, event: &str) {
        if let Some(event) = self.event_at.get(event).and_then(|at| self.events.get_mut(*at)) {
            event.acknowledged = true;
        }
    }
}
