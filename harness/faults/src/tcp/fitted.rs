//! A toxic as one direction of one connection has it: whether it hits, when it begins, what it did.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use overdraft_model::fault::toxic::{After, Toxic, ToxicAction};
use tokio::time::Instant;

use super::{
    bandwidth::Bandwidth,
    blackhole::Blackhole,
    latency::Latency,
    limit_data::LimitData,
    piece::{Effect, Piece, What, later},
    slicer::Slicer,
    slow_close::SlowClose,
};
use crate::{draw::Draw, guard::Active, listener::End};

/// A toxic in place.
pub(super) struct Injected {
    pub(super) toxic: Toxic,
    /// Which injection of its proxy it is.
    pub(super) number: u64,
    /// HTTP requests that went through the proxy before it.
    pub(super) requests_before: u64,
    /// Connections hit so far.
    pub(super) hit: AtomicU32,
}

impl Injected {
    /// Whether it may hit this connection, by its toxicity.
    pub(super) fn chooses(&self, seed: u64, connection: u64) -> bool {
        let (number, connection) = (self.number.to_string(), connection.to_string());
        Draw::of(seed, &["tcp", "toxicity", &number, &connection]).chance(self.toxic.toxicity)
    }

    /// Claims one of the connections that it may hit.
    pub(super) fn claims(&self) -> bool {
        let most = self.toxic.times.unwrap_or(u32::MAX);
        let claim = |hit: u32| (hit < most).then(|| hit.saturating_add(1));
        self.hit.fetch_update(Ordering::SeqCst, Ordering::SeqCst, claim).is_ok()
    }
}

pub(super) struct Fitted {
    pub(super) active: Active<Injected>,
    effect: Box<dyn Effect>,
    chosen: bool,
    begun: Option<Instant>,
    /// Bytes or messages that passed before it began.
    passed: u64,
}

impl Fitted {
    pub(super) fn new(active: Active<Injected>, seed: u64, connection: u64, now: Instant) -> Self {
        let injected = active.value();
        let names = (injected.number.to_string(), connection.to_string());
        let draw = Draw::of(seed, &["tcp", "effect", &names.0, &names.1]);
        let effect = effect(injected.toxic.action, draw);
        let chosen = injected.chooses(seed, connection);
        let at_once = injected.toxic.after.is_none();
        let mut fitted = Self { active, effect, chosen, begun: None, passed: 0 };
        if at_once {
            fitted.begin(now);
        }
        fitted
    }

    /// Begins if the connection has carried the request that it waits for.
    pub(super) fn carried(&mut self, last_request: u64, now: Instant) {
        let injected = self.active.value();
        let Some(After::Requests(n)) = injected.toxic.after else { return };
        if last_request.saturating_sub(injected.requests_before) >= n && self.begun.is_none() {
            self.begin(now);
        }
    }

    /// When it ends the connection and how.
    pub(super) fn ends(&self) -> Option<(Instant, End)> {
        let begun = self.begun.filter(|_| self.chosen)?;
        self.effect.ends().map(|(after, end)| (later(begun, after), end))
    }

    /// Counts the end that it brought, unless the connection is counted already.
    pub(super) fn ended(&self) {
        if !self.effect.counted() {
            self.active.hit();
        }
    }

    pub(super) fn pass(&mut self, mut piece: Piece, out: &mut Vec<Piece>) {
        if !self.chosen {
            return out.push(piece);
        }
        if self.begun.is_none() {
            let What::Data(data) = &mut piece.what else { return out.push(piece) };
            let after = self.active.value().toxic.after;
            match after {
                Some(After::Bytes(n)) => {
                    let left = usize::try_from(n - self.passed).unwrap_or(usize::MAX).min(data.len());
                    let before = data.split_to(left);
                    let more = !data.is_empty();
                    self.passed += before.len() as u64;
                    if self.passed == n {
                        self.begin(piece.at);
                    }
                    if !before.is_empty() {
                        out.push(Piece { at: piece.at, what: What::Data(before) });
                    }
                    if !more {
                        return;
                    }
                    if !self.chosen {
                        return out.push(piece);
                    }
                }
                Some(After::Messages(n)) if self.passed >= n => self.begin(piece.at),
                Some(After::Messages(n)) => {
                    self.passed += 1;
                    if self.passed == n {
                        self.begin(piece.at);
                    }
                    return out.push(piece);
                }
                Some(After::Requests(_)) | None => return out.push(piece),
            }
            if !self.chosen {
                return out.push(piece);
            }
        }
        if self.effect.pass(piece, out) {
            self.active.hit();
        }
    }

    fn begin(&mut self, now: Instant) {
        self.begun = Some(now);
        self.chosen = self.chosen && self.active.value().claims();
    }
}

fn effect(action: ToxicAction, draw: Draw) -> Box<dyn Effect> {
    let hole = |ms, end| Blackhole { after: Some(Duration::from_millis(ms)), end, held: false };
    match action {
        ToxicAction::Latency { latency, jitter } => Box::new(Latency { latency, jitter, draw, last: None }),
        ToxicAction::Bandwidth { rate } => Box::new(Bandwidth { rate, busy_until: None }),
        ToxicAction::SlowClose { delay } => Box::new(SlowClose { delay }),
        ToxicAction::Timeout { timeout: 0 } => Box::new(Blackhole { after: None, end: End::Close, held: false }),
        ToxicAction::Timeout { timeout } => Box::new(hole(timeout, End::Close)),
        ToxicAction::ResetPeer { timeout } => Box::new(hole(timeout, End::Reset)),
        ToxicAction::Slicer { average_size, size_variation, delay } => {
            Box::new(Slicer { average_size, size_variation, delay, draw })
        }
        ToxicAction::LimitData { bytes } => Box::new(LimitData { bytes }),
        ToxicAction::Down {} => Box::new(hole(0, End::Reset)),
    }
}
