//! A smaller scenario as a file that says where it comes from.

use std::path::Path;

use overdraft_model::{codec, scenario::Scenario};

use super::subject::Subject;
use crate::exit::Failure;

/// A scenario file of one seed.
pub(super) struct Regression<'a> {
    pub(super) subject: &'a Subject,
    pub(super) scenario: &'a Scenario,
    /// What the last run that showed the violation says.
    pub(super) finding: Option<&'a str>,
    /// In how many of how many runs it was seen again.
    pub(super) shown: (u32, u32),
}

impl Regression<'_> {
    /// The file.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let Subject { run, check, seed, .. } = self.subject;
        let scenario = Scenario { seed: Some(*seed), ..self.scenario.clone() };
        let text = codec::write_toml(&scenario).map_err(Failure::harness)?;
        Ok(format!(
            "# A regression of {check}, made by `overdraft shrink` from the run {run}.\n# {}\n# Shown {}.\n\n{text}",
            one_line(self.story()),
            self.how_often()
        ))
    }

    /// What it shows.
    pub(super) fn story(&self) -> &str {
        self.finding.unwrap_or(&self.subject.summary)
    }

    /// How often it was seen again.
    pub(super) fn how_often(&self) -> String {
        match self.shown {
            (_, 0) => "once; it was not repeated yet".to_owned(),
            (shown, of) => format!("in {shown} of {of} runs of it"),
        }
    }

    /// The command that runs it.
    pub(super) fn command(&self, file: &Path, target: &str) -> String {
        let mut command = format!("overdraft run {}", file.display());
        if target != "reference" {
            command.push_str(&format!(" --target {target}"));
        }
        if let Some(defect) = &self.subject.defect {
            command.push_str(&format!(" --defect {defect}"));
        }
        command
    }
}

/// What a target answered is in it, and must not end the comment.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
