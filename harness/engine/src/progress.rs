//! What a display may show while a run goes on: counters that the recorder keeps, read at leisure.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Live counters. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    what: Mutex<(String, String)>,
    operations: AtomicU64,
    in_flight: AtomicU64,
    faults_open: AtomicU64,
    findings: AtomicU64,
}

/// One look at the counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// The scenario that runs.
    pub scenario: String,
    /// Its phase.
    pub phase: String,
    /// Operations completed in the run.
    pub operations: u64,
    /// Operations in flight.
    pub in_flight: u64,
    /// Faults in place.
    pub faults_open: u64,
    /// Violations found so far.
    pub findings: u64,
}

impl Progress {
    /// Names the scenario and phase.
    pub fn enter(&self, scenario: &str, phase: &str) {
        *self.0.what.lock().unwrap_or_else(PoisonError::into_inner) = (scenario.to_owned(), phase.to_owned());
    }

    /// An operation was asked.
    pub(crate) fn asked(&self) {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// An operation was answered.
    pub(crate) fn answered(&self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.operations.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault was injected.
    pub(crate) fn injected(&self) {
        self.0.faults_open.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault was healed.
    pub(crate) fn healed(&self) {
        self.0.faults_open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Violations were found.
    pub fn found(&self, findings: u64) {
        self.0.findings.fetch_add(findings, Ordering::Relaxed);
    }

    /// One look.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (scenario, phase) = self.0.what.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Snapshot {
            scenario,
            phase,
            operations: self.0.operations.load(Ordering::Relaxed),
            in_flight: self.0.in_flight.load(Ordering::Relaxed),
            faults_open: self.0.faults_open.load(Ordering::Relaxed),
            findings: self.0.findings.load(Ordering::Relaxed),
        }
    }
}
