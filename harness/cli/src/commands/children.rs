//! Runs as processes of their own, each the very one that `overdraft run` is: waited for, ended when their time is
//! up, and asked for nothing but the verdict that they leave.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use overdraft_model::verdict::Verdict;
use tokio_util::sync::CancellationToken;

use crate::exit::Failure;

/// Longer than any scenario takes, settling included.
pub(super) const LONGEST: Duration = Duration::from_secs(600);
/// How often it is looked whether a run has ended.
const TICK: Duration = Duration::from_millis(50);
/// Time for a run to put away what it started, once it was told to stop.
const GRACE: Duration = Duration::from_secs(20);
/// Characters of what a run said before it ended without a verdict.
const LAST_WORDS: usize = 400;

/// Starts runs.
pub(super) struct Children {
    overdraft: PathBuf,
    common: Vec<OsString>,
    pub(super) stop: CancellationToken,
}

/// How a run ended.
pub(super) enum Ended {
    /// With a verdict that the program stood by to its end.
    Judged(Box<Verdict>),
    /// By itself, without one: its last words.
    Failed(String),
    /// We ended it: its time was up, or we are not wanted any more.
    CutShort,
}

impl Children {
    /// `common` are arguments that every run gets.
    pub(super) fn new(common: Vec<OsString>, stop: CancellationToken) -> Result<Self, Failure> {
        let overdraft = std::env::current_exe().map_err(Failure::harness)?;
        Ok(Self { overdraft, common, stop })
    }

    /// Makes one run with its record in a folder, which is made anew; what it said is beside it ([`words`]).
    pub(super) fn run(&self, arguments: &[OsString], folder: &Path, within: Duration) -> Result<Ended, Failure> {
        let troubled = |error: std::io::Error| Failure::harness(format!("{}: {error}", folder.display()));
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(troubled)?;
        }
        let said = words(folder);
        let mut command = Command::new(&self.overdraft);
        command.arg("run").args(arguments).args(&self.common).arg("--out").arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).map_err(troubled)?);
        let mut child = command.spawn().map_err(troubled)?;
        let ended = self.wait(&mut child, Instant::now() + within).map_err(troubled)?;
        Ok(match (ended, read(folder)) {
            (None, _) => Ended::CutShort,
            // After trouble of its own there may be part of a verdict.
            (Some(status), Some(verdict)) if status.code() == Some(i32::from(verdict.exit_code)) => {
                Ended::Judged(Box::new(verdict))
            }
            (Some(_), _) if self.stop.is_cancelled() => Ended::CutShort,
            (Some(status), _) => Ended::Failed(last_words(&said, status)),
        })
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

/// Removes a run's record and what it said. What cannot be removed does no harm.
pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
    let _ = fs::remove_file(words(folder));
}

/// Where what a run said on standard error is kept.
fn words(folder: &Path) -> PathBuf {
    let mut name = folder.as_os_str().to_owned();
    name.push(".log");
    name.into()
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
