//! Stripe, simulated: an API that the official clients accept, payments, and webhooks as Stripe sends them.
//!
//! The simulator never calls the target. It hands out what is due ([`StripeSim::take_due`]), signs it
//! ([`StripeSim::sign`]) and is told the answer ([`StripeSim::delivered`]); whoever posts it records it. It
//! has no clock for deliveries: the caller says what time it is, as time since the simulator's start.
//!
//! | file | holds |
//! |---|---|
//! | `api` | requests: authentication, idempotency, endpoints |
//! | `paying`, `claiming` | what customers and their banks do: payments, refunds, disputes |
//! | `control` | deliveries held, released, sent again |
//! | `forgeries` | what strangers post |
//! | `objects`, `intents`, `claims` | sessions; intents and charges; refunds and disputes |
//! | `events` | the envelopes, and forgeries of them |
//! | `book` | the books: what is kept, and how an event is issued |
//! | `deliveries` | the queue, retries |
//! | `chaos` | fates under `WebhookChaos` |
//! | `signing`, `signature` | which secrets and which clock; the header |
//! | `breaking` | the faults |

mod api;
mod book;
mod breaking;
mod chaos;
mod claiming;
mod claims;
mod control;
mod deliveries;
mod events;
mod forgeries;
mod intents;
mod objects;
mod packed;
mod paying;
mod signature;
mod signing;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use overdraft_model::evidence;

use self::{
    book::{Book, Moment},
    breaking::Faults,
    deliveries::Weather,
    signing::Secrets,
};
use crate::{calls::Calls, guard::locked, server::Server};

pub use claiming::{ClaimError, Ruling};
pub use control::Held;
pub use deliveries::Outgoing;
pub use events::Envelopes;
pub use paying::{Came, Method, Paid, PayError};

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

/// What the server and its handle share.
struct Room {
    settings: StripeSettings,
    /// Unix seconds, for `created`.
    clock: fn() -> i64,
    faults: Faults,
    calls: Calls,
    secrets: Mutex<Secrets>,
    book: Mutex<Book>,
}

/// The simulator. Clones share everything; the server stops when the last one drops.
#[derive(Clone)]
pub struct StripeSim {
    room: Arc<Room>,
    server: Arc<Server>,
}

impl std::fmt::Debug for StripeSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StripeSim").finish_non_exhaustive()
    }
}

impl StripeSim {
    /// Starts on a free loopback port. `created` of its objects is the computer's time of day.
    ///
    /// # Errors
    /// Fails where no port is free.
    pub async fn start(settings: StripeSettings) -> io::Result<Self> {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
        };
        Self::start_with_clock(settings, clock).await
    }

    /// The same with a time of day of the caller's choice, in Unix seconds: then the bytes of events repeat.
    ///
    /// # Errors
    /// Fails where no port is free.
    pub async fn start_with_clock(settings: StripeSettings, clock: fn() -> i64) -> io::Result<Self> {
        let book = Mutex::new(Book::new(settings.retry_compression));
        let secrets = Mutex::new(Secrets::of(&settings.webhook_secret));
        let room =
            Arc::new(Room { settings, clock, faults: Faults::default(), calls: Calls::default(), secrets, book });
        let server = Arc::new(Server::start(Arc::clone(&room)).await?);
        Ok(Self { room, server })
    }

    /// Where the API is, without a trailing slash and without `/v1`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// The requests to its API, one by one.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.room.calls
    }

    /// Hands out the deliveries that are due, each once, earliest first.
    #[must_use]
    pub fn take_due(&self, now: Duration) -> Vec<Outgoing> {
        let faults = &self.room.faults;
        let (outage, drops) = (faults.outage.get(), faults.drops.get());
        let weather = Weather { seed: self.room.settings.seed, outage, drops };
        self.open(now).0.deliveries.take_due(now, &weather)
    }

    /// When the next delivery falls due, as time since the simulator's start.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        locked(&self.room.book).deliveries.next_due()
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
        let misled = book.misled.remove(&id);
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
                book.deliveries.retry(answered, now, misled);
            }
        }
    }

    /// Makes everything that is scheduled due now. Attempts that were hurried so use up none of the retries
    /// after which the provider gives up, hence this may be called as often as is convenient.
    pub fn expedite(&self, now: Duration) {
        self.open(now).0.deliveries.expedite(now);
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

    /// The books, locked, at a time that the caller names.
    fn open(&self, now: Duration) -> (MutexGuard<'_, Book>, Moment<'_>) {
        let mut book = locked(&self.room.book);
        book.latest = book.latest.max(now);
        (book, self.room.moment(now))
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
