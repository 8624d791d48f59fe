//! The requests to a provider, one by one: which came, and a blow at a chosen one.
//!
//! A blow differs from the providers' faults in that it is aimed: at the n-th request of a kind, before it is worked
//! on or after. One that stalls leaves the connection open without an answer, so that whoever asked can be killed
//! while it waits.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::{
    guard::{Active, Guard, locked},
    row::Row,
    server::{Reply, Request, Response},
};

/// How long an answer stalls at most. Whoever waits is killed long before.
const STALL: Duration = Duration::from_secs(60);
/// A record is complete up to here, so that a forgotten mark does not fill the memory.
const MOST_CALLS: usize = 100_000;
/// Longer parts of a path are ids.
const LONGEST_WORD: usize = 24;

/// One request to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method and path, ids left out: `GET /v1/refunds/{id}`.
    pub what: String,
    /// When it came.
    pub at: Instant,
}

/// Which request is struck, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallBlow {
    /// [`Call::what`] of those that it may strike.
    pub what: String,
    /// So many of them pass first; one is struck.
    pub skip: u32,
    /// Whether it is worked on: then only the answer is missing.
    pub done: bool,
    /// Whether the connection stays open without an answer; else it is reset.
    pub stalls: bool,
}

struct Rule {
    blow: CallBlow,
    seen: AtomicU32,
    told: watch::Sender<bool>,
}

#[derive(Default)]
struct Record {
    open: bool,
    calls: Vec<Call>,
}

/// The requests of one provider. Clones are the same.
#[derive(Clone, Default)]
pub struct Calls {
    row: Arc<Row<Rule>>,
    record: Arc<Mutex<Record>>,
}

/// Tells when the blow it belongs to has fallen.
pub struct Fallen(watch::Receiver<bool>);

impl std::fmt::Debug for Calls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Fallen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fallen").finish_non_exhaustive()
    }
}

impl Fallen {
    /// Waits until it has fallen. False if it was taken back before.
    pub async fn wait(&mut self) -> bool {
        self.0.wait_for(|fallen| *fallen).await.is_ok()
    }
}

impl Calls {
    /// Begins to record.
    pub fn mark(&self) {
        *locked(&self.record) = Record { open: true, calls: Vec::new() };
    }

    /// The requests since the mark.
    #[must_use]
    pub fn since_mark(&self) -> Vec<Call> {
        locked(&self.record).calls.clone()
    }

    /// Aims a blow. It is taken back when the guard drops; its effects are 0 or 1.
    pub fn aim(&self, blow: CallBlow) -> (Guard, Fallen) {
        let (told, fallen) = watch::channel(false);
        (self.row.put(Rule { blow, seen: AtomicU32::new(0), told }), Fallen(fallen))
    }

    /// Works on a request by `work`, unless a blow falls on it.
    pub(crate) fn meet(&self, request: &Request, work: impl FnOnce() -> Reply) -> Reply {
        let what = format!("{} {}", request.method, without_ids(request.uri.path()));
        {
            let mut record = locked(&self.record);
            if record.open && record.calls.len() < MOST_CALLS {
                record.calls.push(Call { what: what.clone(), at: Instant::now() });
            }
        }
        let Some(rule) = self.row.all().into_iter().find(|rule| rule.value().takes(&what)) else { return work() };
        let blow = &rule.value().blow;
        if blow.done {
            work();
        }
        strike(&rule);
        if blow.stalls { Reply::Answer(Response::new(503).after(STALL)) } else { Reply::Lost }
    }
}

fn strike(rule: &Active<Rule>) {
    rule.hit();
    rule.value().told.send_replace(true);
}

impl Rule {
    fn takes(&self, what: &str) -> bool {
        self.blow.what == what && self.seen.fetch_add(1, Ordering::SeqCst) == self.blow.skip
    }
}

fn without_ids(path: &str) -> String {
    let part = |part: &str| {
        let id = part.len() > LONGEST_WORD || (part.len() > 3 && part.contains(|c: char| c.is_ascii_digit()));
        if id { "{id}".to_owned() } else { part.to_owned() }
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_without_its_ids() {
        for (path, told) in [
            ("/v1/checkout/sessions", "/v1/checkout/sessions"),
            ("/v1/checkout/sessions/cs_test_a1B2", "/v1/checkout/sessions/{id}"),
            ("/v1/payment_intents/pi_abcdefghijklmnopqrstuvwx/confirm", "/v1/payment_intents/{id}/confirm"),
            ("/emails", "/emails"),
        ] {
            assert_eq!(without_ids(path), told);
        }
    }
}
