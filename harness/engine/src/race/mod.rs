//! Requests released together: each is on the wire but for its last byte, then all last bytes leave at once.
//!
//! After a barrier, each ordinary request still has to be written whole, routed and parsed. Here the server holds all
//! of them complete but for one byte. Over HTTP/1.1 each has a connection (`last_byte`); over HTTP/2 those to one
//! instance share one, and one write completes them all (`single_write`). Both techniques are James Kettle's
//! ("Smashing the state machine", 2023).
//!
//! Two requests may also be released a chosen time apart, to find the moment at which the second hurts.

mod frames;
mod gate;
mod last_byte;
mod single_write;
mod wire;

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use overdraft_model::{history::Body, release::Release};
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use self::{gate::Gate, last_byte::LastByte, single_write::Lanes};
use crate::{
    http::{Reply, Request},
    recorder::{Recorder, RecorderError},
};

/// How long the first to arrive waits for the last.
const GATHER_WITHIN: Duration = Duration::from_secs(10);
/// Between the last request's arrival and the release, so that servers have read what is there.
const SETTLE: Duration = Duration::from_millis(50);
/// How exactly the operating system is trusted to wake us; the rest of a wait is spent looking at the clock.
const WAKES_WITHIN: Duration = Duration::from_micros(300);

/// Whether races can be released so at an instance.
///
/// # Errors
/// Says what the instance lacks.
pub async fn possible(release: Release, base_url: &str) -> Result<(), String> {
    match release {
        Release::LastByte => Ok(()),
        Release::SingleWrite => single_write::spoken(base_url).await,
    }
}

/// Where the requests of one race meet.
#[derive(Debug)]
pub struct Rendezvous {
    name: String,
    planned: usize,
    release: Release,
    /// What is to lie between one release and the next.
    apart: Option<Duration>,
    lanes: Lanes,
    line: Mutex<Line>,
    sealed: watch::Sender<bool>,
    /// How many of those who fell in were let go.
    released: watch::Sender<usize>,
    /// Nanoseconds between the first and the last release.
    spread: OnceLock<u64>,
}

/// Who takes part is settled once, when the race is sealed: everybody is ready, or gathering took too long.
/// From then on all who are in it will fall in, and the last one to do so releases all.
#[derive(Debug, Default)]
struct Line {
    /// Who came before it was sealed.
    arrived: usize,
    /// Whose request is on the wire.
    ready: usize,
    sealed: bool,
    fallen_in: Vec<(u64, Option<Held>)>,
}

/// What completes a request.
#[derive(Debug)]
enum Held {
    Byte(LastByte),
    Gate(Arc<Gate>),
}

/// A request on its way but for what completes it.
#[derive(Debug)]
pub struct Ready {
    /// What was lost if it could not be brought that far.
    flight: Result<Flight, Lost>,
    joined: bool,
}

#[derive(Debug)]
struct Flight {
    held: Held,
    answer: AbortOnDropHandle<Result<Reply, String>>,
}

/// No answer came.
#[derive(Debug)]
pub struct Lost {
    /// Whether the request had left.
    pub sent: bool,
    /// What happened on the wire.
    pub problem: String,
}

impl Lost {
    const fn unsent(problem: String) -> Self {
        Self { sent: false, problem }
    }
}

impl Rendezvous {
    /// A meeting place for `planned` requests.
    #[must_use]
    pub fn new(name: impl Into<String>, planned: usize, release: Release) -> Self {
        Self {
            name: name.into(),
            planned,
            release,
            apart: None,
            lanes: Lanes::default(),
            line: Mutex::default(),
            sealed: watch::channel(false).0,
            released: watch::channel(0).0,
            spread: OnceLock::new(),
        }
    }

    /// Lets this time lie between one release and the next, as exactly as the machine can.
    #[must_use]
    pub fn apart(self, apart: Duration) -> Self {
        Self { apart: Some(apart), ..self }
    }

    /// Nanoseconds between the first and the last release, once all were released.
    #[must_use]
    pub fn spread(&self) -> Option<u64> {
        self.spread.get().copied()
    }

    /// Brings a request onto the wire but for its last byte, and waits until everybody has. None if `stop` came
    /// first: the request was then never completed.
    pub async fn get_ready(&self, request: &Request, stop: &CancellationToken) -> Option<Ready> {
        let joined = self.arrive();
        let flight = match (self.release, joined && self.apart.is_none()) {
            (Release::LastByte, _) => last_byte::take_off(request).await,
            (Release::SingleWrite, true) => self.lanes.take_off(request).await,
            // What is not released with the others must not share a write with them.
            (Release::SingleWrite, false) => single_write::take_off_alone(request).await,
        };
        if joined {
            self.ready();
            let mut sealed = self.sealed.subscribe();
            tokio::select! {
                biased;
                _ = sealed.wait_for(|sealed| *sealed) => {}
                () = stop.cancelled() => if self.leave() { return None },
                () = tokio::time::sleep(GATHER_WITHIN) => self.seal(),
            }
        }
        tokio::time::sleep(SETTLE).await;
        Some(Ready { flight, joined })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request is part of the race.
    fn arrive(&self) -> bool {
        let mut line = self.line();
        if !line.sealed {
            line.arrived += 1;
        }
        !line.sealed
    }

    fn ready(&self) {
        let mut line = self.line();
        line.ready += 1;
        if line.ready >= self.planned {
            line.sealed = true;
            self.sealed.send_replace(true);
        }
    }

    /// Whether leaving was still possible.
    fn leave(&self) -> bool {
        let mut line = self.line();
        if !line.sealed {
            line.arrived -= 1;
            line.ready -= 1;
        }
        !line.sealed
    }

    fn seal(&self) {
        self.line().sealed = true;
        self.sealed.send_replace(true);
    }

    /// Waits until everybody else is recorded too, lets the request go, and waits for the answer.
    ///
    /// # Errors
    /// Fails if the race cannot be recorded. A lost answer is not an error.
    pub async fn release(
        &self,
        ready: Ready,
        op: u64,
        recorder: &Recorder,
        within: Duration,
    ) -> Result<Result<Reply, Lost>, RecorderError> {
        let (held, answer) = match ready.flight {
            Ok(flight) => (Some(flight.held), Ok(flight.answer)),
            Err(lost) => (None, Err(lost)),
        };
        if ready.joined {
            self.fall_in(op, held, recorder).await?;
        } else if let Some(held) = held {
            // Too late for the race: an ordinary request, not counted among the racers.
            let _ = held.let_go();
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(lost) => return Ok(Err(lost)),
        };
        Ok(match tokio::time::timeout(within, answer).await {
            Ok(Ok(Ok(answered))) => Ok(answered),
            Ok(Ok(Err(problem))) => Err(Lost { sent: true, problem }),
            Ok(Err(join)) => Err(Lost { sent: true, problem: join.to_string() }),
            Err(_) => Err(Lost { sent: true, problem: "timed out".into() }),
        })
    }

    /// The last one to fall in releases all.
    async fn fall_in(&self, op: u64, held: Option<Held>, recorder: &Recorder) -> Result<(), RecorderError> {
        let (place, everybody) = {
            let mut line = self.line();
            line.fallen_in.push((op, held));
            let everybody = line.fallen_in.len() >= line.arrived;
            (line.fallen_in.len(), everybody.then(|| std::mem::take(&mut line.fallen_in)))
        };
        let Some(everybody) = everybody else {
            let _ = self.released.subscribe().wait_for(|released| *released >= place).await;
            return Ok(());
        };
        let (operations, spread) = match self.apart {
            None => self.all_at_once(&everybody, recorder),
            Some(apart) => self.one_by_one(everybody, apart, recorder).await,
        };
        let spread = *self.spread.get_or_init(|| spread);
        self.lanes.close().await;
        let (name, planned, release) = (self.name.clone(), self.planned, self.release);
        let apart = self.apart.map(|apart| u64::try_from(apart.as_nanos()).unwrap_or(u64::MAX));
        recorder.mark(Body::Race { name, operations, planned, spread, release, apart }).await
    }

    /// Which operations were let go, and the nanoseconds from the first to the last.
    fn all_at_once(&self, everybody: &[(u64, Option<Held>)], recorder: &Recorder) -> (Vec<u64>, u64) {
        let before = recorder.clock().ns();
        let mut last = before;
        let mut operations = Vec::with_capacity(everybody.len());
        let mut gates: Vec<(&Arc<Gate>, bool)> = Vec::new();
        for (op, held) in everybody {
            let gone = match held {
                None => continue,
                Some(Held::Byte(byte)) => byte.let_go().is_ok(),
                Some(Held::Gate(gate)) => match gates.iter().find(|(open, _)| Arc::ptr_eq(open, gate)) {
                    Some((_, gone)) => *gone,
                    None => {
                        let gone = gate.let_go().is_ok();
                        gates.push((gate, gone));
                        gone
                    }
                },
            };
            if gone {
                operations.push(*op);
                last = recorder.clock().ns();
            }
        }
        self.released.send_replace(everybody.len());
        (operations, last - before)
    }

    /// The same, some time apart. A thread of its own watches the clock: the runtime's timers are milliseconds wide.
    async fn one_by_one(
        &self,
        everybody: Vec<(u64, Option<Held>)>,
        apart: Duration,
        recorder: &Recorder,
    ) -> (Vec<u64>, u64) {
        let clock = recorder.clock();
        let (tell, mut gone) = mpsc::unbounded_channel();
        tokio::task::spawn_blocking(move || {
            let mut due = Instant::now();
            for (op, held) in &everybody {
                wait_until(due);
                let now = clock.ns();
                due = Instant::now() + apart;
                let left = held.as_ref().is_some_and(|held| held.let_go().is_ok());
                // Nobody listens any more only if the run is over.
                let _ = tell.send(left.then_some((*op, now)));
            }
        });
        let (mut operations, mut times) = (Vec::new(), Vec::new());
        while let Some(left) = gone.recv().await {
            if let Some((op, at)) = left {
                operations.push(op);
                times.push(at);
            }
            self.released.send_modify(|released| *released += 1);
        }
        (operations, times.last().zip(times.first()).map_or(0, |(last, first): (&u64, &u64)| last - first))
    }
}

impl Held {
    fn let_go(&self) -> std::io::Result<()> {
        match self {
            Self::Byte(byte) => byte.let_go(),
            Self::Gate(gate) => gate.let_go(),
        }
    }
}

fn wait_until(due: Instant) {
    if let Some(doze) = due.saturating_duration_since(Instant::now()).checked_sub(WAKES_WITHIN) {
        std::thread::sleep(doze);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests;
