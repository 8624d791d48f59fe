//! The smallest scenario as a file that says where it comes from.

use std::path::Path;

use overdraft_model::{codec, scenario::Scenario};

use super::subject::Subject;
use crate::exit::Failure;

/// A scenario file of one seed.
pub(super) struct Regression<'a> {
    pub(super) subject: &'a Subject,
    pub(super) smallest: &'a Scenario,
    /// In how many of how many runs it showed the violation.
    pub(super) shown: (u32, u32),
    pub(super) finding: Option<&'a str>,
}

impl Regression<'_> {
    /// The file.
    pub(super) fn text(&self) -> Result<String, Failure> {
        let Subject { run, check, seed, summary, .. } = self.subject;
        let scenario = Scenario { seed: Some(*seed), ..self.smallest.clone() };
        let text = codec::write_toml(&scenario).map_err(Failure::harness)?;
        let story = one_line(self.finding.unwrap_or(summary));
        Ok(format!(
            "# A regression of {check}, made by `overdraft shrink` from the run {run}.\n# {story}\n# Shown {}.\n\n{text}",
            self.how_often()
        ))
    }

    /// How often it was seen again.
    pub(super) fn how_often(&self) -> String {
        match self.shown {
            (_, 0) => "once; there was no time to repeat it".to_owned(),
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
