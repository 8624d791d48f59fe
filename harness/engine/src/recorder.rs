//! The recorder: every event of a run through one bounded channel onto one file, none dropped.
//!
//! A full channel makes the caller wait; a write error ends the run. The writer flushes whenever it has
//! caught up, so a killed harness loses at most what was in flight in the channel.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
};

use overdraft_model::{
    codec::{self, CodecError},
    history::{Body, Event},
    operation::{Answer, Operation, Outcome},
};
use tokio::sync::mpsc;

use crate::{clock::Clock, progress::Progress};

/// Events that may wait for the writer.
const CAPACITY: usize = 16_384;

/// Why events can no longer be recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// The file cannot be opened or written.
    #[error("cannot write the history {path}: {problem}")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        problem: CodecError,
    },
    /// The writer has stopped; its own error says why.
    #[error("the history's writer has stopped")]
    Stopped,
}

/// The handle that everything records through. Clones share one file.
#[derive(Debug, Clone)]
pub struct Recorder {
    sender: mpsc::Sender<(u64, Body)>,
    clock: Clock,
    next_op: Arc<AtomicU64>,
    next_process: Arc<AtomicU64>,
    progress: Progress,
}

/// The writing side; joined at the end of the run.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<Result<Vec<Event>, CodecError>>,
    path: String,
    failed: Arc<Mutex<Option<String>>>,
}

/// Opens the history file and starts its writer. With `keep`, the events are also kept for judging.
///
/// # Errors
/// Fails if the file cannot be created.
pub fn open(path: &Path, clock: Clock, progress: Progress) -> Result<(Recorder, Writer), RecorderError> {
    let name = path.display().to_string();
    let file = File::create_new(path)
        .map_err(|problem| RecorderError::Write { path: name.clone(), problem: problem.into() })?;
    let (sender, receiver) = mpsc::channel(CAPACITY);
    let failed = Arc::new(Mutex::new(None));
    let told = Arc::clone(&failed);
    let thread = std::thread::spawn(move || {
        let written = write_all(receiver, BufWriter::with_capacity(1 << 16, file));
        if let Err(error) = &written {
            *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
        }
        written
    });
    let recorder = Recorder {
        sender,
        clock,
        next_op: Arc::new(AtomicU64::new(0)),
        next_process: Arc::new(AtomicU64::new(0)),
        progress,
    };
    Ok((recorder, Writer { thread, path: name, failed }))
}

fn write_all(mut receiver: mpsc::Receiver<(u64, Body)>, mut file: impl Write) -> Result<Vec<Event>, CodecError> {
    let mut events = Vec::new();
    while let Some((time, body)) = receiver.blocking_recv() {
        let event = Event { index: events.len() as u64, time, body };
        codec::write_event(&mut file, &event)?;
        events.push(event);
        if receiver.is_empty() {
            file.flush()?;
        }
    }
    file.flush()?;
    Ok(events)
}

impl Writer {
    /// Why writing failed, while the run still goes on.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the last event to be written and returns all. Every [`Recorder`] must be gone by then.
    ///
    /// # Errors
    /// Fails if some event could not be written.
    pub fn finish(self) -> Result<Vec<Event>, RecorderError> {
        match self.thread.join() {
            Ok(written) => written.map_err(|problem| RecorderError::Write { path: self.path, problem }),
            Err(_) => Err(RecorderError::Stopped),
        }
    }
}

impl Recorder {
    /// The clock that times are read from.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The live counters.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A process number that was never used.
    #[must_use]
    pub fn new_process(&self) -> u64 {
        self.next_process.fetch_add(1, Ordering::Relaxed)
    }

    /// Records that a process asks, stamped now, and returns the operation's number.
    ///
    /// # Errors
    /// Fails if the writer has stopped.
    pub async fn invoke(&self, process: u64, intended: u64, operation: Operation) -> Result<u64, RecorderError> {
        let op = self.next_op.fetch_add(1, Ordering::Relaxed);
        self.progress.asked();
        let time = self.clock.ns();
        self.send(time, Body::Invoke { op, process, intended: intended.min(time), operation }).await?;
        Ok(op)
    }

    /// Records how an operation ended, stamped now.
    ///
    /// # Errors
    /// Fails if the writer has stopped.
    pub async fn complete(&self, op: u64, outcome: Outcome, answer: Answer) -> Result<(), RecorderError> {
        let time = self.clock.ns();
        self.progress.answered();
        self.send(time, Body::Return { op, outcome, answer }).await
    }

    /// Records anything else, stamped now.
    ///
    /// # Errors
    /// Fails if the writer has stopped.
    pub async fn mark(&self, body: Body) -> Result<(), RecorderError> {
        match &body {
            Body::Inject { .. } => self.progress.injected(),
            Body::Heal { .. } => self.progress.healed(),
            Body::Scenario { .. }
            | Body::Phase { .. }
            | Body::Invoke { .. }
            | Body::Return { .. }
            | Body::Race { .. }
            | Body::Step { .. }
            | Body::Act { .. }
            | Body::Health { .. }
            | Body::Counted { .. }
            | Body::Struck(_) => {}
        }
        self.send(self.clock.ns(), body).await
    }

    async fn send(&self, time: u64, body: Body) -> Result<(), RecorderError> {
        self.sender.send((time, body)).await.map_err(|_| RecorderError::Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Operation {
        Operation::ReadBalance { workspace: "buyer-1".into() }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nothing_is_lost_however_many_write_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let (recorder, writer) = open(&path, Clock::start(), Progress::default()).unwrap();
        recorder.mark(Body::Scenario { name: "s".into() }).await.unwrap();
        let many = (0..50).map(|_| {
            let recorder = recorder.clone();
            tokio::spawn(async move {
                let process = recorder.new_process();
                for _ in 0..400 {
                    let op = recorder.invoke(process, 0, read()).await.unwrap();
                    recorder.complete(op, Outcome::Ok, Answer::default()).await.unwrap();
                }
            })
        });
        futures::future::join_all(many).await;
        assert_eq!(recorder.progress().snapshot().operations, 20_000);
        drop(recorder);
        let events = writer.finish().unwrap();
        let saved = codec::read_events(std::io::BufReader::new(File::open(&path).unwrap())).unwrap();
        assert_eq!(saved.events, events);
        let histories = overdraft_model::history::History::from_events(events).unwrap();
        assert_eq!(histories[0].calls.len(), 20_000);
        assert!(histories[0].calls.iter().all(|call| call.outcome == Outcome::Ok));
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_stops_the_run() {
        let Ok(full) = File::options().write(true).open("/dev/full") else { return };
        let (sender, receiver) = mpsc::channel(4);
        let writer = std::thread::spawn(move || write_all(receiver, BufWriter::new(full)));
        let scenario = Body::Scenario { name: "s".into() };
        let mut refused = false;
        for _ in 0..1000 {
            refused |= sender.send((0, scenario.clone())).await.is_err();
        }
        drop(sender);
        assert!(writer.join().unwrap().is_err());
        assert!(refused, "the recorder went on after its disk was full");
    }

    #[test]
    fn an_existing_history_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, "precious").unwrap();
        assert!(open(&path, Clock::start(), Progress::default()).is_err());
        assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
    }
}
