//! Stripe, simulated: an API that the official clients accept, payments, and webhooks as Stripe sends them.
//!
//! The simulator never calls the target. It hands out what is due ([`StripeSim::take_due`]), signs it
//! ([`StripeSim::sign`]) and is told the answer ([`StripeSim::delivered`]); whoever posts it records it. It
//! has no clock for deliveries: the caller says what time it is, as time since the simulator's start.
//!
//! | file | holds |
//! |---|---|
//! | `api` | requests: authentication, idempotency, the faults that spoil answers |
//! | `resources` | what each endpoint does |
//! | `form` | bodies nested by brackets |
//! | `objects` | sessions, payment intents, charges and their shapes |
//! | `events` | the envelope, and forgeries of it |
//! | `book` | the books: what is kept, and steps that change several things at once |
//! | `deliveries` | the queue, retries |
//! | `chaos` | fates under `WebhookChaos` |
//! | `signature` | the signature header |

mod api;
mod book;
mod chaos;
mod deliveries;
mod events;
mod form;
mod objects;
mod resources;
mod signature;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use overdraft_model::{evidence, fault::Fault, operation::Forgery};
use wiremock::MockServer;

use self::{
    book::{Book, Moment, News},
    chaos::Chaos,
    events::Origin,
    objects::{Intent, Stage},
};
use crate::{
    guard::{Guard, Slot, locked},
    server,
};

pub use deliveries::Outgoing;

/// How much older than the target's tolerance a stale forgery is.
const STALE_BEYOND: i64 = 300;

/// What a simulator needs to know.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// From which ids and fates are drawn.
    pub seed: u64,
    /// The endpoint's signing secret, `whsec_…`.
    pub webhook_secret: String,
    /// What the API answers in `Stripe-Version` where the request names none, and what events carry.
    pub api_version: String,
    /// By how much Stripe's retry schedule of three days is squeezed. 0 counts as 1.
    pub retry_compression: u32,
    /// How old a signature the target accepts; Stripe's own libraries say 300 s.
    pub tolerance: Duration,
}

/// What a payment made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// `cs_…`.
    pub session: String,
    /// `pi_…`.
    pub payment_intent: String,
    /// `ch_…`.
    pub charge: String,
    /// What was paid, in the currency's smallest unit.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
}

/// Why a session cannot be paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// The provider has no such session.
    #[error("no checkout session {0} was ever opened at the provider")]
    Unknown(String),
    /// It was paid before.
    #[error("checkout session {0} is already paid")]
    AlreadyPaid(String),
    /// Its time is over, or the target expired it.
    #[error("checkout session {0} has expired")]
    Expired(String),
}

/// The faults in place.
#[derive(Default)]
struct Faults {
    errors: Slot<f64>,
    loses_answers: Slot<f64>,
    chaos: Slot<Chaos>,
}

/// What the server and its handle share.
struct Room {
    settings: StripeSettings,
    /// Unix seconds, for `created`.
    clock: fn() -> i64,
    faults: Faults,
    book: Mutex<Book>,
}

/// The simulator. Clones share everything; the server stops when the last one drops.
#[derive(Clone)]
pub struct StripeSim {
    room: Arc<Room>,
    server: Arc<MockServer>,
}

impl std::fmt::Debug for StripeSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeSim").finish_non_exhaustive()
    }
}

impl StripeSim {
    /// Starts on a free loopback port. `created` of its objects is the computer's time of day.
    pub async fn start(settings: StripeSettings) -> Self {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        };
        Self::start_with_clock(settings, clock).await
    }

    /// The same with a time of day of the caller's choice, in Unix seconds: then the bytes of events repeat.
    pub async fn start_with_clock(settings: StripeSettings, clock: fn() -> i64) -> Self {
        let book = Mutex::new(Book::new(settings.retry_compression));
        let room = Arc::new(Room { settings, clock, faults: Faults::default(), book });
        let server = Arc::new(server::serve(Arc::clone(&room)).await);
        Self { room, server }
    }

    /// Where the API is, without a trailing slash and without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// The customer pays a session by card, which succeeds.
    ///
    /// `label` is a stable name: it seeds the fates of this payment's deliveries, so that the same seed gives
    /// the same fates whatever the scheduler does. A label that comes again is told apart by how often it
    /// came. `now` is the time since the simulator's start, as the caller's clock says.
    ///
    /// # Errors
    /// Fails, with nothing done, where the session cannot be paid.
    pub fn pay(&self, session: &str, label: &str, now: Duration) -> Result<Paid, PayError> {
        let mut book = locked(&self.room.book);
        let moment = self.room.moment(now);
        book.latest = book.latest.max(now);
        let unknown = || PayError::Unknown(session.to_owned());
        let checkout = book.checkout(session).ok_or_else(unknown)?;
        match &checkout.stage {
            Stage::Paid { .. } => return Err(PayError::AlreadyPaid(session.to_owned())),
            Stage::Open if checkout.expires_at > moment.created => {}
            Stage::Open | Stage::Expired => return Err(PayError::Expired(session.to_owned())),
        }
        let mut paid = checkout.clone();
        let label = match book.uses_of(&format!("pay {label}")) {
            0 => label.to_owned(),
            again => format!("{label}#{again}"),
        };
        let intent = book.fresh(moment.seed, "pi_3", 23, &[&label]);
        paid.stage = Stage::Paid { intent: intent.clone() };
        if let Some(checkout) = book.checkout_mut(session) {
            checkout.stage = paid.stage.clone();
        }
        book.forge(&label, &paid, &moment);
        let opened = Intent {
            id: intent.clone(),
            created: moment.created,
            amount: paid.amount,
            currency: paid.currency.clone(),
            metadata: paid.intent_metadata.clone(),
            description: None,
            payment_method: None,
            charge: None,
            label: label.clone(),
        };
        let origin = Origin::default();
        book.open_intent(opened, Some(session), &origin, &moment);
        let charge = book.charge(&intent, None, Some(session), &origin, &moment).ok_or_else(unknown)?;
        let event_type = "checkout.session.completed";
        let object = paid.to_json();
        book.issue(News { label: &label, ordinal: 3, event_type, session: Some(session), object, origin }, &moment);
        Ok(Paid {
            session: session.to_owned(),
            payment_intent: intent,
            charge: charge.id,
            amount: paid.amount,
            currency: paid.currency,
        })
    }

    /// Hands out the deliveries that are due, each once, earliest first.
    #[must_use]
    pub fn take_due(&self, now: Duration) -> Vec<Outgoing> {
        let mut book = locked(&self.room.book);
        book.latest = book.latest.max(now);
        book.deliveries.take_due(now)
    }

    /// When the next delivery falls due, as time since the simulator's start.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        locked(&self.room.book).deliveries.next_due()
    }

    /// The value of the `Stripe-Signature` header at this time of day (Unix seconds); none for a delivery
    /// that is forged without one.
    #[must_use]
    pub fn sign(&self, outgoing: &Outgoing, unix_now: i64) -> Option<String> {
        let secret = &self.room.settings.webhook_secret;
        let body = outgoing.original.as_ref().unwrap_or(&outgoing.body);
        match outgoing.forgery {
            Some(Forgery::Unsigned) => None,
            Some(Forgery::WrongSecret) => {
                Some(signature::header(&format!("{secret}_of_somebody_else"), unix_now, body))
            }
            Some(Forgery::Stale) => {
                let tolerance = i64::try_from(self.room.settings.tolerance.as_secs()).unwrap_or(i64::MAX);
                let long_ago = unix_now.saturating_sub(tolerance).saturating_sub(STALE_BEYOND);
                Some(signature::header(secret, long_ago, body))
            }
            None | Some(Forgery::Altered | Forgery::WrongMode) => Some(signature::header(secret, unix_now, body)),
        }
    }

    /// The result of a delivery: its status, none where no answer came, and its operation in the history. An
    /// authentic one that was not answered 2xx is scheduled again. A delivery that is not in flight is
    /// ignored.
    ///
    /// A 2xx that chaos loses is in the ledger as no answer: that is what the provider saw.
    pub fn delivered(&self, id: u64, status: Option<u16>, op: u64, now: Duration) {
        let mut book = locked(&self.room.book);
        book.latest = book.latest.max(now);
        let Some(answered) = book.deliveries.land(id) else { return };
        let taken = status.is_some_and(|status| (200..300).contains(&status));
        let chaos = self.room.faults.chaos.get();
        let lost = answered.loses.as_ref().filter(|loses| taken && chaos.is_some_and(|chaos| chaos.is(loses)));
        if let Some(chaos) = lost {
            chaos.hit();
        }
        let (status, taken) = if lost.is_some() { (None, false) } else { (status, taken) };
        let outgoing = &answered.outgoing;
        let (event, forgery) = (outgoing.event.clone(), outgoing.forgery);
        book.attempts.push(evidence::Delivery { event: event.clone(), attempt: outgoing.attempt, forgery, status, op });
        match (forgery, taken) {
            (Some(_), _) => {}
            (None, true) => book.acknowledge(&event),
            (None, false) => {
                book.deliveries.retry(answered, now);
            }
        }
    }

    /// Makes everything that is scheduled due now. Attempts that were hurried so use up none of the retries
    /// after which the provider gives up, hence this may be called as often as is convenient.
    pub fn expedite(&self, now: Duration) {
        let mut book = locked(&self.room.book);
        book.latest = book.latest.max(now);
        book.deliveries.expedite(now);
    }

    /// Authentic deliveries that are scheduled or in flight. Those that the provider gave up are not: their
    /// events stay unacknowledged in the ledger.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        locked(&self.room.book).deliveries.outstanding()
    }

    /// The provider's books, in the order in which things happened.
    #[must_use]
    pub fn ledger(&self) -> evidence::Provider {
        locked(&self.room.book).ledger()
    }

    /// Puts a fault in place; none if it is not a fault of this provider. A second one of the same kind
    /// replaces the first, and healing it does not bring the first back.
    #[must_use]
    pub fn inject(&self, fault: &Fault) -> Option<Guard> {
        let faults = &self.room.faults;
        match *fault {
            Fault::StripeErrors { share } => Some(faults.errors.put(share)),
            Fault::StripeLosesAnswers { share } => Some(faults.loses_answers.put(share)),
            Fault::WebhookChaos { duplicates, delay, at_once, forged, lose_answer } => {
                let delay = delay.duration();
                Some(faults.chaos.put(Chaos { duplicates, delay, at_once, forged, lose_answer }))
            }
            Fault::EmailDown {} | Fault::EmailFlaky { .. } | Fault::Statement(_) => None,
        }
    }
}

impl Room {
    fn moment(&self, now: Duration) -> Moment<'_> {
        Moment {
            seed: self.settings.seed,
            api_version: &self.settings.api_version,
            created: (self.clock)(),
            now,
            chaos: self.faults.chaos.get(),
        }
    }
}
