//! One run of the proof: a process that is waited for, and what it left.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use overdraft_model::verdict::{Validity, Verdict};
use overdraft_reports::proof::{ProofRun, Subject};
use tokio_util::sync::CancellationToken;

use super::LONGEST;
use crate::{args::ProveOptions, exit::Failure};

/// How often it is looked whether a run has ended.
const TICK: Duration = Duration::from_millis(50);
/// Time for a run to put away what it started, once it was told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// Characters of what a run said before it ended without a verdict.
const LAST_WORDS: usize = 400;

/// Starts runs.
pub(super) struct Children {
    overdraft: PathBuf,
    folder: PathBuf,
    server: Vec<String>,
    stop: CancellationToken,
}

impl Children {
    pub(super) fn new(options: &ProveOptions, stop: CancellationToken) -> Result<Self, Failure> {
        let overdraft = std::env::current_exe().map_err(Failure::harness)?;
        let mut server = vec!["--postgres".to_owned(), options.postgres.clone()];
        if let Some(url) = &options.database_url {
            server.extend(["--database-url".to_owned(), url.clone()]);
        }
        let folder = options.out.join("runs");
        fs::create_dir_all(&folder).map_err(|error| Failure::harness(format!("{}: {error}", folder.display())))?;
        Ok(Self { overdraft, folder, server, stop })
    }

    /// Makes one run. None if it was cut short, by us or by the time that is left: then nothing is known.
    pub(super) fn run(&self, subject: &Subject, left: Option<Duration>) -> Result<Option<ProofRun>, Failure> {
        let name = format!("{}-{}-{}", subject.defect.as_deref().unwrap_or("correct"), subject.scenario, subject.seed);
        let folder = self.folder.join(&name);
        let words = self.folder.join(format!("{name}.log"));
        let troubled = |error: std::io::Error| Failure::harness(format!("{}: {error}", folder.display()));
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(troubled)?;
        }
        let began = Instant::now();
        let mut child = self.start(subject, &folder, &words).map_err(troubled)?;
        let within = left.map_or(LONGEST, |left| left.min(LONGEST));
        let ended = self.wait(&mut child, began + within).map_err(troubled)?;
        let took_s = began.elapsed().as_secs_f64();
        let run = match (ended, read(&folder)) {
            (None, _) if self.stop.is_cancelled() || left.is_some_and(|left| left <= LONGEST) => None,
            (None, _) => {
                Some(ProofRun::failed(subject.clone(), format!("no end within {} s", LONGEST.as_secs()), took_s))
            }
            // Only a verdict that the program stood by to its end: after trouble of its own there may be part of one.
            (Some(status), Some(verdict)) if status.code() == Some(i32::from(verdict.exit_code)) => {
                Some(ProofRun::of(subject.clone(), &verdict, took_s))
            }
            (Some(_), _) if self.stop.is_cancelled() => None,
            (Some(status), _) => Some(ProofRun::failed(subject.clone(), last_words(&words, status), took_s)),
        };
        let dull = run.as_ref().is_none_or(|run| {
            run.problem.is_none()
                && run.validity != Validity::Unknown
                && run.invalid.is_empty() == subject.defect.is_none()
        });
        if dull {
            // Nothing to look into. What cannot be removed does no harm.
            let _ = fs::remove_dir_all(&folder);
            let _ = fs::remove_file(&words);
        }
        Ok(run)
    }

    fn start(&self, subject: &Subject, folder: &Path, words: &Path) -> std::io::Result<Child> {
        let mut command = Command::new(&self.overdraft);
        command.args(["run", &subject.scenario, "--seed", &subject.seed.to_string()]).arg("--out").arg(folder);
        if let Some(defect) = &subject.defect {
            command.args(["--defect", defect]);
        }
        command.args(&self.server).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(words)?).spawn()
    }

    /// Waits for its end until then, and no longer than we are wanted. None: it had to be ended.
    fn wait(&self, child: &mut Child, until: Instant) -> std::io::Result<Option<ExitStatus>> {
        let mut until = until;
        let mut told = false;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            if self.stop.is_cancelled() && !told {
                // A terminal has told it too; if not, it is ended after a while.
                told = true;
                until = until.min(Instant::now() + GRACE);
            }
            if Instant::now() >= until {
                // Its keeper, a process of its own, puts away what it started.
                child.kill()?;
                child.wait()?;
                return Ok(None);
            }
            std::thread::sleep(TICK);
        }
    }
}

fn read(folder: &Path) -> Option<Verdict> {
    serde_json::from_str(&fs::read_to_string(folder.join("verdict.json")).ok()?).ok()
}

fn last_words(words: &Path, status: ExitStatus) -> String {
    let said = fs::read_to_string(words).unwrap_or_default();
    let said = said.trim();
    let from = said.char_indices().rev().nth(LAST_WORDS).map_or(0, |(at, _)| at);
    format!("{status}: {}", &said[from..])
}
