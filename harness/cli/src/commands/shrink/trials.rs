//! Whether a smaller scenario still shows the violation: it is run, a few times if need be. The smallest that does is
//! written down at once, so that nothing that happens later can lose it.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use overdraft_model::{
    codec,
    scenario::Scenario,
    verdict::{Validity, Verdict},
};
use overdraft_scenarios::reduce::Size;
use tokio_util::sync::CancellationToken;

use super::{regression::Regression, subject::Subject};
use crate::{
    args::ShrinkOptions,
    commands::children::{Children, Ended, LONGEST, forget},
    exit::Failure,
    output,
};

/// Runs smaller scenarios until the time is up.
pub(super) struct Trials<'a> {
    children: Children,
    subject: &'a Subject,
    out: PathBuf,
    tries: u32,
    /// No smaller scenario is tried after this.
    deadline: Instant,
    /// What is known, by the scenario as text: the same is not tried twice.
    known: HashMap<String, bool>,
    made: usize,
    /// What the last run that showed it says.
    finding: Option<String>,
    /// Why the last run without a verdict had none.
    problem: Option<String>,
    given_up: bool,
}

impl<'a> Trials<'a> {
    pub(super) fn new(
        options: &ShrinkOptions,
        subject: &'a Subject,
        out: &Path,
        deadline: Instant,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let mut common = options.server.arguments();
        common.extend(["--target".into(), options.target.clone().into()]);
        if let Some(defect) = &subject.defect {
            common.extend(["--defect".into(), defect.into()]);
        }
        if options.allow_remote {
            common.push("--allow-remote".into());
        }
        Ok(Self {
            children: Children::new(common, stop)?,
            subject,
            out: out.to_owned(),
            tries: options.tries,
            deadline,
            known: HashMap::new(),
            made: 0,
            finding: None,
            problem: None,
            given_up: false,
        })
    }

    /// Whether a scenario shows the violation in one of so many runs; none where there is no time left to know.
    pub(super) fn shows(&mut self, scenario: &Scenario) -> Result<Option<bool>, Failure> {
        let text = codec::write_toml(scenario).map_err(Failure::harness)?;
        if let Some(known) = self.known.get(&text) {
            return Ok(Some(*known));
        }
        let file = self.candidate();
        write(&file, &Regression { subject: self.subject, scenario, finding: None, shown: (0, 0) }.text()?)?;
        let (mut shown, mut run) = (false, 0);
        while run < self.tries && !shown {
            let Some(ended) = self.once(&file, self.deadline)? else {
                self.given_up = true;
                return Ok(None);
            };
            run += 1;
            shown = match ended {
                Showed::It => true,
                Showed::Nothing => false,
                // It is refused, or the machine is in trouble: again would come to the same.
                Showed::NoVerdict => break,
            };
        }
        output::note(&format!(
            "[{}] {}: {}",
            self.made,
            Size::of(scenario, self.subject.seed),
            if shown { format!("shows it, in run {run}") } else { format!("does not show it in {run}") }
        ));
        if shown {
            self.write_down(scenario, (0, 0))?;
        }
        self.known.insert(text, shown);
        Ok(Some(shown))
    }

    /// Runs the regression again, at most so often and until then, and writes into it how often it showed the
    /// violation.
    pub(super) fn confirm<'s>(
        &'s mut self,
        scenario: &'s Scenario,
        runs: u32,
        until: Instant,
    ) -> Result<Regression<'s>, Failure> {
        let (mut shown, mut made) = (0, 0);
        while made < runs {
            let Some(showed) = self.once(&self.regression(), until)? else { break };
            (shown, made) = (shown + u32::from(matches!(showed, Showed::It)), made + 1);
        }
        self.write_down(scenario, (shown, made))
    }

    fn write_down<'s>(&'s self, scenario: &'s Scenario, shown: (u32, u32)) -> Result<Regression<'s>, Failure> {
        let finding = self.finding.as_deref();
        let regression = Regression { subject: self.subject, scenario, finding, shown };
        write(&self.regression(), &regression.text()?)?;
        Ok(regression)
    }

    /// One run; none if it could not come to its end. The record of the last one that showed the violation is kept.
    fn once(&mut self, file: &Path, until: Instant) -> Result<Option<Showed>, Failure> {
        let left = until.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) || self.children.stop.is_cancelled() {
            return Ok(None);
        }
        let folder = self.out.join("run");
        let ended = self.children.run(&[file.as_os_str().to_owned()], &folder, left.min(LONGEST));
        let ended = ended.inspect_err(|_| forget(&folder))?;
        let showed = match ended {
            Ended::CutShort if self.children.stop.is_cancelled() || left <= LONGEST => {
                forget(&folder);
                return Ok(None);
            }
            Ended::CutShort => self.no_verdict(format!("no end within {} s", LONGEST.as_secs())),
            Ended::Failed(words) => self.no_verdict(words),
            Ended::Judged(verdict) => match self.finding_of(&verdict) {
                None => Showed::Nothing,
                Some(finding) => {
                    self.finding = Some(finding);
                    replace(&folder, &self.record())?;
                    Showed::It
                }
            },
        };
        self.made += 1;
        forget(&folder);
        Ok(Some(showed))
    }

    fn no_verdict(&mut self, why: String) -> Showed {
        self.problem = Some(why);
        Showed::NoVerdict
    }

    /// What a verdict says of the check, if it calls it violated.
    fn finding_of(&self, verdict: &Verdict) -> Option<String> {
        let mut checks = verdict.scenarios.iter().flat_map(|scenario| &scenario.checks);
        let check = checks.find(|check| check.id == self.subject.check && check.validity == Validity::Invalid)?;
        Some(check.findings.first().map_or(&check.observed, |finding| &finding.summary).clone())
    }

    fn candidate(&self) -> PathBuf {
        self.out.join("candidate.toml")
    }

    /// Where the smallest scenario so far is.
    pub(super) fn regression(&self) -> PathBuf {
        self.out.join("regression.toml")
    }

    /// Where the record of the last run that showed it is.
    pub(super) fn record(&self) -> PathBuf {
        self.out.join("smallest")
    }

    /// How many runs were made, in words.
    pub(super) fn made(&self) -> String {
        format!("{} run{}", self.made, if self.made == 1 { "" } else { "s" })
    }

    /// Why the last run without a verdict had none.
    pub(super) fn last_problem(&self) -> String {
        self.problem.as_ref().map(|problem| format!("\nthe last run without a verdict: {problem}")).unwrap_or_default()
    }

    /// Whether more could have been tried.
    pub(super) const fn given_up(&self) -> bool {
        self.given_up
    }
}

impl Drop for Trials<'_> {
    fn drop(&mut self) {
        // Whatever it held that is worth keeping is in the regression.
        let _ = fs::remove_file(self.candidate());
    }
}

/// What a run came to.
enum Showed {
    It,
    Nothing,
    NoVerdict,
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::harness(format!("{}: {error}", file.display())))
}

/// Moves a folder to where another may be.
fn replace(from: &Path, to: &Path) -> Result<(), Failure> {
    let moved = match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::rename(from, to),
    };
    moved.map_err(|error| Failure::harness(format!("{}: {error}", to.display())))
}
