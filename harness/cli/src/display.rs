//! What a person sees while a run goes on: one live line on a terminal, plain lines elsewhere.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use overdraft_engine::progress::{Progress, Snapshot};

use crate::output;

/// How often the counters are looked at.
const TICK: Duration = Duration::from_millis(100);

/// A display on standard error, until dropped.
#[derive(Debug)]
pub(crate) struct Display {
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Display {
    pub(crate) fn start(progress: Progress, scenarios: usize) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let live = std::io::stderr().is_terminal();
        let thread = std::thread::spawn(move || {
            if live { show_live(&progress, &told) } else { show_lines(&progress, &told, scenarios) }
        });
        Self { end, thread: Some(thread) }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show_live(progress: &Progress, end: &AtomicBool) {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed_precise}] {msg}") {
        bar.set_style(style);
    }
    while !end.load(Ordering::Relaxed) {
        bar.set_message(line(&progress.snapshot()));
        bar.tick();
        std::thread::sleep(TICK);
    }
    bar.finish_and_clear();
}

fn show_lines(progress: &Progress, end: &AtomicBool, scenarios: usize) {
    let mut last = String::new();
    let mut number = 0;
    while !end.load(Ordering::Relaxed) {
        let now = progress.snapshot();
        if !now.scenario.is_empty() && now.scenario != last {
            number += 1;
            output::note(&format!("[{number}/{scenarios}] {}", now.scenario));
            last = now.scenario;
        }
        std::thread::sleep(TICK);
    }
}

fn line(now: &Snapshot) -> String {
    format!(
        "{}: {} | {} operations, {} in flight, {} faults open, {} findings",
        now.scenario, now.phase, now.operations, now.in_flight, now.faults_open, now.findings
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_phase_operations_flight_faults_and_findings() {
        let now = Snapshot {
            scenario: "flash-sale".into(),
            phase: "drive".into(),
            operations: 7,
            in_flight: 3,
            faults_open: 1,
            findings: 0,
        };
        assert_eq!(line(&now), "flash-sale: drive | 7 operations, 3 in flight, 1 faults open, 0 findings");
    }
}
