//! Whether a smaller scenario still shows the violation: it is run, a few times if need be.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
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

use super::{argument, subject::Subject};
use crate::{
    args::ShrinkOptions,
    commands::children::{Children, Ended, LONGEST, forget},
    exit::Failure,
    output,
};

/// Runs smaller scenarios until the time is up.
pub(super) struct Trials {
    children: Children,
    out: PathBuf,
    check: String,
    seed: u64,
    tries: u32,
    deadline: Instant,
    /// What is known, by the scenario as text: the same is not tried twice.
    known: HashMap<String, bool>,
    made: usize,
    /// What the last run that showed it says.
    finding: Option<String>,
    /// Why the last run ended without a verdict.
    problem: Option<String>,
    given_up: bool,
}

impl Trials {
    pub(super) fn new(
        options: &ShrinkOptions,
        subject: &Subject,
        out: &Path,
        deadline: Instant,
        stop: CancellationToken,
    ) -> Result<Self, Failure> {
        let mut common = options.server.arguments();
        common.extend([
            "--seed".into(),
            subject.seed.to_string().into(),
            "--target".into(),
            options.target.clone().into(),
        ]);
        if let Some(defect) = &subject.defect {
            common.extend(["--defect".into(), defect.into()]);
        }
        if options.allow_remote {
            common.push("--allow-remote".into());
        }
        Ok(Self {
            children: Children::new(common, stop)?,
            out: out.to_owned(),
            check: subject.check.clone(),
            seed: subject.seed,
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
        let file = self.out.join("candidate.toml");
        fs::write(&file, &text).map_err(|error| Failure::harness(format!("{}: {error}", file.display())))?;
        let (mut shown, mut run) = (false, 0);
        while run < self.tries && !shown {
            let Some(showed) = self.once(&file)? else { return Ok(None) };
            (shown, run) = (showed, run + 1);
        }
        output::note(&format!(
            "[{}] {}: {}",
            self.made,
            Size::of(scenario, self.seed),
            if shown { format!("shows it, in run {run}") } else { format!("does not show it in {run}") }
        ));
        self.known.insert(text, shown);
        Ok(Some(shown))
    }

    /// In how many of how many runs a scenario shows the violation.
    pub(super) fn count(&mut self, scenario: &Scenario, runs: u32) -> Result<(u32, u32), Failure> {
        let file = self.out.join("candidate.toml");
        let text = codec::write_toml(scenario).map_err(Failure::harness)?;
        fs::write(&file, text).map_err(|error| Failure::harness(format!("{}: {error}", file.display())))?;
        let (mut shown, mut made) = (0, 0);
        while made < runs {
            let Some(showed) = self.once(&file)? else { break };
            (shown, made) = (shown + u32::from(showed), made + 1);
        }
        // It is in the regression now.
        let _ = fs::remove_file(&file);
        Ok((shown, made))
    }

    /// One run. The record of the last one that showed it is kept.
    fn once(&mut self, file: &Path) -> Result<Option<bool>, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) || self.children.stop.is_cancelled() {
            self.given_up = true;
            return Ok(None);
        }
        let folder = self.out.join("run");
        let arguments: [OsString; 1] = [argument(file)];
        let ended = self.children.run(&arguments, &folder, left.min(LONGEST))?;
        let showed = match ended {
            Ended::CutShort => {
                self.given_up = true;
                forget(&folder);
                return Ok(None);
            }
            Ended::Judged(verdict) => self.finding_of(&verdict),
            Ended::Failed(words) => {
                self.problem = Some(words);
                None
            }
        };
        self.made += 1;
        if let Some(finding) = showed {
            self.finding = Some(finding);
            let record = self.record();
            let kept = match fs::remove_dir_all(&record) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => fs::rename(&folder, &record),
            };
            kept.map_err(|error| Failure::harness(format!("{}: {error}", record.display())))?;
            forget(&folder);
            return Ok(Some(true));
        }
        forget(&folder);
        Ok(Some(false))
    }

    /// What a verdict says of the check, if it calls it violated.
    fn finding_of(&self, verdict: &Verdict) -> Option<String> {
        let checks = verdict.scenarios.iter().flat_map(|scenario| &scenario.checks);
        let check = checks.into_iter().find(|check| check.id == self.check && check.validity == Validity::Invalid)?;
        Some(check.findings.first().map_or(&check.observed, |finding| &finding.summary).clone())
    }

    /// Where the record of the last run that showed it is.
    pub(super) fn record(&self) -> PathBuf {
        self.out.join("smallest")
    }

    /// What that run says.
    pub(super) fn finding(&self) -> Option<&str> {
        self.finding.as_deref()
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
    pub(super) fn unfinished(&self) -> &'static str {
        if self.given_up {
            "        the time was up before every smaller one was tried: give a longer --budget\n"
        } else {
            "        leaving out anything more of it did not show it\n"
        }
    }
}
