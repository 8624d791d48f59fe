//! The email provider, simulated: Resend's `POST /emails`, and the hook that alerts go to.
//!
//! A message is told apart by its recipient and by what it is about ([`EmailRule`]). Its fate under
//! `EmailFlaky` is drawn from the seed, the recipient and its number among the distinct messages to that
//! recipient. A target that sends two different messages to one recipient at the same instant decides by
//! their order which is the first; all else repeats.
//!
//! A message refused for good stays refused after the fault is healed: it is the address that is bad, not
//! the provider. Attempts under one fault never count under another.

mod api;
mod fates;
mod message;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use overdraft_model::{evidence::EmailSink, fault::Fault, target::EmailRule};

use self::fates::Flaky;
use crate::{
    calls::Calls,
    guard::{Guard, Slot, locked},
    server::Server,
};

/// Path of the alert hook.
const ALERTS: &str = "/hooks/alerts";

/// What the server and its handle share.
struct Room {
    seed: u64,
    rule: EmailRule,
    down: Slot<()>,
    flaky: Slot<Flaky>,
    calls: Calls,
    sink: Mutex<Sink>,
}

/// What arrived and what is remembered of it.
#[derive(Default)]
struct Sink {
    ledger: EmailSink,
    /// Idempotency keys: the SHA-256 of the body they came with and the id that was answered.
    memory: BTreeMap<String, ([u8; 32], String)>,
    /// Distinct messages by recipient, in the order of their first attempts.
    messages: BTreeMap<String, Vec<String>>,
    /// Attempts under the present `EmailFlaky`, by recipient and event.
    attempts: BTreeMap<(String, String), u32>,
    refused_for_good: BTreeSet<(String, String)>,
    /// Attempts that fail on demand, by recipient: how many are left, and their status.
    demanded: BTreeMap<String, (u32, u16)>,
    /// Messages whose answer was lost already.
    lost: BTreeSet<(Vec<String>, String)>,
    ids: u64,
}

impl Sink {
    /// Which distinct message to this recipient it is, from 0.
    fn number(&mut self, recipient: &str, event: &str) -> usize {
        let messages = self.messages.entry(recipient.to_owned()).or_default();
        messages.iter().position(|known| known == event).unwrap_or_else(|| {
            messages.push(event.to_owned());
            messages.len() - 1
        })
    }

    /// The status with which an attempt fails on demand, if it does: it is used up.
    fn demanded(&mut self, recipients: &[String]) -> Option<u16> {
        let recipient = recipients.iter().find(|recipient| self.demanded.contains_key(*recipient))?;
        let (left, status) = self.demanded.get_mut(recipient)?;
        let status = *status;
        *left -= 1;
        if *left == 0 {
            self.demanded.remove(recipient);
        }
        Some(status)
    }

    /// Counts an attempt, from 1.
    fn attempt(&mut self, recipient: &str, event: &str) -> u32 {
        let attempts = self.attempts.entry((recipient.to_owned(), event.to_owned())).or_default();
        *attempts = attempts.saturating_add(1);
        *attempts
    }
}

/// The simulator. Clones share everything; the server stops when the last one drops.
#[derive(Clone)]
pub struct EmailSim {
    room: Arc<Room>,
    server: Arc<Server>,
}

impl std::fmt::Debug for EmailSim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmailSim").finish_non_exhaustive()
    }
}

impl EmailSim {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// Fails where no port is free.
    pub async fn start(seed: u64, rule: EmailRule) -> io::Result<Self> {
        let (down, flaky, calls, sink) = (Slot::default(), Slot::default(), Calls::default(), Mutex::default());
        let room = Arc::new(Room { seed, rule, down, flaky, calls, sink });
        let server = Arc::new(Server::start(Arc::clone(&room)).await?);
        Ok(Self { room, server })
    }

    /// Where the API is, without a trailing slash and without `/emails`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// A Slack-compatible hook for alerts. No fault of the email provider touches it.
    #[must_use]
    pub fn alert_url(&self) -> String {
        format!("{}{ALERTS}", self.server.uri())
    }

    /// The requests to it and to the alert hook, one by one.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.room.calls
    }

    /// What was accepted, what was refused, which alerts came, each in order.
    #[must_use]
    pub fn ledger(&self) -> EmailSink {
        locked(&self.room.sink).ledger.clone()
    }

    /// The next attempts to this recipient, so many, are answered with this status, whatever fault is in place
    /// but an outage. None ends that. A key that was accepted before is answered from memory all the same.
    pub fn fail_next(&self, recipient: &str, attempts: u32, status: u16) {
        let mut sink = locked(&self.room.sink);
        if attempts == 0 {
            sink.demanded.remove(recipient);
        } else {
            sink.demanded.insert(recipient.to_owned(), (attempts, status));
        }
    }

    /// Puts a fault in place; none if it is not a fault of this provider. A second one of the same kind
    /// replaces the first, and healing it does not bring the first back. An outage goes before flakiness.
    #[must_use]
    pub fn inject(&self, fault: &Fault) -> Option<Guard> {
        match *fault {
            Fault::EmailDown {} => Some(self.room.down.put(())),
            Fault::EmailFlaky { fail_attempts, for_good, rate_limited, lose_answer, slow, slow_by } => {
                let slow_by = slow_by.duration();
                // Locked across both steps: no request sees the new fault with the old one's attempts.
                let mut sink = locked(&self.room.sink);
                sink.attempts.clear();
                let flaky = Flaky { fail_attempts, for_good, rate_limited, lose_answer, slow, slow_by };
                Some(self.room.flaky.put(flaky))
            }
            // Everything else is somebody else's.
            _ => None,
        }
    }
}
