//! The provider's books: every object it keeps, under one lock, and the steps that change several at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use overdraft_model::{evidence, operation::Forgery};
use serde_json::{Value, json};

use super::{
    chaos::{Chaos, Fate},
    deliveries::{Deliveries, Outgoing},
    events::{self, Event, Origin},
    objects::{Charge, Checkout, Intent, Stage},
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
    /// The payment's stable name.
    pub(super) label: &'a str,
    /// Its place in the payment's sequence, from 0.
    pub(super) ordinal: usize,
    pub(super) event_type: &'static str,
    pub(super) session: Option<&'a str>,
    pub(super) object: Value,
    pub(super) origin: Origin,
}

/// An answer that an idempotency key remembers.
pub(super) struct Remembered {
    pub(super) fingerprint: String,
    pub(super) request: String,
    pub(super) status: u16,
    pub(super) body: Value,
}

/// The books.
pub(super) struct Book {
    pub(super) checkouts: Vec<Checkout>,
    pub(super) checkout_at: BTreeMap<String, usize>,
    pub(super) intents: BTreeMap<String, Intent>,
    pub(super) charges: BTreeMap<String, Charge>,
    pub(super) events: Vec<Event>,
    pub(super) event_at: BTreeMap<String, usize>,
    pub(super) deliveries: Deliveries,
    pub(super) attempts: Vec<evidence::Delivery>,
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
            events: Vec::new(),
            event_at: BTreeMap::new(),
            deliveries: Deliveries::new(compression),
            attempts: Vec::new(),
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

    /// The oldest session that can still be paid: the likeliest never to be.
    fn unpaid(&self, created: i64) -> Option<&Checkout> {
        self.checkouts.iter().find(|checkout| checkout.stage == Stage::Open && checkout.expires_at > created)
    }

    /// Opens a payment intent and says so.
    pub(super) fn open_intent(&mut self, intent: Intent, session: Option<&str>, origin: &Origin, moment: &Moment<'_>) {
        let created = Intent { payment_method: None, ..intent.clone() };
        self.issue(
            News {
                label: &intent.label,
                ordinal: 0,
                event_type: "payment_intent.created",
                session,
                object: created.to_json(),
                origin: origin.clone(),
            },
            moment,
        );
        self.intents.insert(intent.id.clone(), intent);
    }

    /// Charges a card for a payment intent, which succeeds, and says so.
    pub(super) fn charge(
        &mut self,
        intent: &str,
        payment_method: Option<String>,
        session: Option<&str>,
        origin: &Origin,
        moment: &Moment<'_>,
    ) -> Option<Charge> {
        let label = self.intents.get(intent)?.label.clone();
        let id = self.fresh(moment.seed, "ch_3", 23, &[&label]);
        let method = self.fresh(moment.seed, "pm_1", 23, &[&label]);
        let intent = self.intents.get_mut(intent)?;
        intent.charge = Some(id.clone());
        intent.payment_method = Some(payment_method.or(intent.payment_method.take()).unwrap_or(method));
        let intent = intent.clone();
        let charge = Charge { id: id.clone(), created: moment.created, intent: intent.clone() };
        for (ordinal, event_type, object) in
            [(1, "charge.succeeded", charge.to_json()), (2, "payment_intent.succeeded", intent.to_json())]
        {
            self.issue(News { label: &label, ordinal, event_type, session, object, origin: origin.clone() }, moment);
        }
        self.charges.insert(id, charge.clone());
        Some(charge)
    }

    /// Issues an event and schedules its deliveries.
    pub(super) fn issue(&mut self, news: News<'_>, moment: &Moment<'_>) -> String {
        let fates = match &moment.chaos {
            Some(chaos) => chaos.value().copies(moment.seed, news.label, news.ordinal),
            None => vec![Fate::default()],
        };
        let together = moment.chaos.as_ref().is_some_and(|chaos| chaos.value().at_once) && fates.len() > 1;
        let burst = together.then(|| self.deliveries.next_id());
        let event = self.register(&news, moment, "");
        for (copy, fate) in fates.into_iter().enumerate() {
            let carried = if fate.twin { self.register(&news, moment, &copy.to_string()) } else { event };
            let envelope = &self.events[carried];
            let outgoing = Outgoing {
                id: self.deliveries.next_id(),
                event: envelope.id.clone(),
                event_type: news.event_type.to_owned(),
                session: news.session.map(str::to_owned),
                attempt: 1,
                forgery: None,
                burst,
                body: events::body(&envelope.envelope),
                due: moment.now + fate.delay,
                original: None,
            };
            if let Some(chaos) = moment.chaos.as_ref().filter(|_| copy > 0 || !fate.delay.is_zero()) {
                chaos.hit();
            }
            self.deliveries.add(outgoing, moment.chaos.clone().filter(|_| fate.lose_answer));
        }
        self.events[event].id.clone()
    }

    fn register(&mut self, news: &News<'_>, moment: &Moment<'_>, twin: &str) -> usize {
        let id = self.fresh(moment.seed, "evt_1", 23, &[news.label, &news.ordinal.to_string(), twin]);
        let object = news.object.clone();
        let envelope = events::envelope(&id, moment.api_version, moment.created, news.event_type, object, &news.origin);
        self.event_at.insert(id.clone(), self.events.len());
        self.events.push(Event {
            id,
            event_type: news.event_type,
            session: news.session.map(str::to_owned),
            envelope,
            acknowledged: false,
        });
        self.events.len() - 1
    }

    /// Schedules the forgeries that a payment provokes, ahead of its true events. Each claims that a checkout
    /// was completed and paid: the oldest one that was not, or else the one just paid. Whether and when they
    /// come is fate; which session is open just then is not.
    pub(super) fn forge(&mut self, label: &str, paid: &Checkout, moment: &Moment<'_>) {
        let Some(chaos) = &moment.chaos else { return };
        for (kind, delay) in chaos.value().forgeries(moment.seed, label) {
            let name = kind_name(kind);
            let mut claimed = self.unpaid(moment.created).unwrap_or(paid).clone();
            if claimed.stage == Stage::Open {
                claimed.stage = Stage::Paid { intent: self.fresh(moment.seed, "pi_3", 23, &[label, name]) };
            }
            let event = self.fresh(moment.seed, "evt_1", 23, &[label, "forged", name]);
            let event_type = "checkout.session.completed";
            let envelope = events::envelope(
                &event,
                moment.api_version,
                moment.created,
                event_type,
                claimed.to_json(),
                &Origin::default(),
            );
            let (body, original) = events::forge(envelope, kind);
            let outgoing = Outgoing {
                id: self.deliveries.next_id(),
                event,
                event_type: event_type.to_owned(),
                session: Some(claimed.id),
                attempt: 1,
                forgery: Some(kind),
                burst: None,
                body,
                due: moment.now + delay,
                original,
            };
            chaos.hit();
            self.deliveries.add(outgoing, None);
        }
    }

    /// The books as evidence.
    pub(super) fn ledger(&self) -> evidence::Provider {
        let session = |checkout: &Checkout| {
            let intent = match &checkout.stage {
                Stage::Paid { intent } => Some(intent.clone()),
                Stage::Open | Stage::Expired => None,
            };
            evidence::Session {
                session: checkout.id.clone(),
                paid: if intent.is_some() { checkout.amount } else { 0 },
                payment_intent: intent,
                reference: checkout.reference.clone(),
                amount: checkout.amount,
                currency: checkout.currency.clone(),
                idempotency_key: checkout.idempotency_key.clone(),
            }
        };
        let event = |event: &Event| evidence::ProviderEvent {
            event: event.id.clone(),
            event_type: event.event_type.to_owned(),
            session: event.session.clone(),
            acknowledged: event.acknowledged,
        };
        evidence::Provider {
            sessions: self.checkouts.iter().map(session).collect(),
            events: self.events.iter().map(event).collect(),
            deliveries: self.attempts.clone(),
            requests: self.requests.clone(),
        }
    }

    /// Notes that an authentic delivery of an event was answered 2xx.
    pub(super) fn acknowledge(&mut self, event: &str) {
        if let Some(event) = self.event_at.get(event).and_then(|at| self.events.get_mut(*at)) {
            event.acknowledged = true;
            event.envelope["pending_webhooks"] = json!(0);
        }
    }
}

const fn kind_name(kind: Forgery) -> &'static str {
    match kind {
        Forgery::Unsigned => "unsigned",
        Forgery::WrongSecret => "wrong-secret",
        Forgery::Altered => "altered",
        Forgery::Stale => "stale",
        Forgery::WrongMode => "wrong-mode",
    }
}
