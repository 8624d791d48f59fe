//! The verdict for a terminal: the answer first, then the money, each check, what went wrong, and the
//! line that repeats the run.
//!
//! Must not know where it is printed: colour and width are given. The caller adds the paths of files.

use overdraft_model::{
    flow::EXPECTED,
    verdict::{BlowStats, BoundaryStats, CheckVerdict, Finding, ScenarioVerdict, StoryLine, Verdict},
};

use crate::{
    clean, explain,
    status::{Status, exit_meaning, headline, stake_word, tally},
    words,
};

/// Findings told per check.
const TOLD: usize = 3;
/// Findings told per run: more than this nobody reads in a terminal.
const TOLD_IN_ALL: usize = 10;
/// Characters shown of a row of evidence.
const ROW: usize = 300;
/// Operations and rows shown per finding.
const LINES: usize = 12;

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether to use ANSI colours; words and symbols say the same without them.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// The verdict as text for a terminal, ending in a newline.
#[must_use]
pub fn console(verdict: &Verdict, style: Style) -> String {
    let verdict = clean::verdict(verdict);
    let mut page = Page { text: String::new(), told: 0, style: Style { width: style.width.clamp(40, 200), ..style } };
    page.head(&verdict);
    let mut after = None;
    for scenario in &verdict.scenarios {
        page.scenario(scenario, after);
        after = Some(scenario);
    }
    page.blank();
    page.plain(&format!("{}  {}", page.bold("replay"), verdict.provenance.replay));
    page.text
}

/// Whether a scenario is a case, and held, or is left out.
fn one_line(scenario: &ScenarioVerdict) -> bool {
    if scenario.left_out().is_some() {
        return true;
    }
    let case = scenario.checks.iter().any(|check| check.id == EXPECTED);
    case && scenario.checks.iter().all(|check| Status::of(check) == Status::Valid)
}

struct Page {
    text: String,
    /// Findings told so far.
    told: usize,
    style: Style,
}

impl Page {
    fn head(&mut self, verdict: &Verdict) {
        let status = Status::from(verdict.validity);
        let answer = format!("{} {}", status.symbol(), headline(verdict));
        let meaning = format!("exit code {}: {}", verdict.exit_code, exit_meaning(verdict.exit_code));
        self.plain(&format!("{}  {}", self.paint(status, &answer), self.dim(&meaning)));
        self.wrapped("  ", &verdict.cause);
        self.blank();
        let widest = verdict.money.iter().map(|stake| words::signed(stake.amount).len()).max().unwrap_or_default();
        for stake in &verdict.money {
            let status = Status::of_stake(stake, verdict.validity);
            let amount = format!("{} {:>widest$} {}", status.symbol(), words::signed(stake.amount), stake.what);
            self.plain(&format!("  {}  {}", self.paint(status, &amount), self.dim(stake_word(status))));
        }
        if !verdict.money.is_empty() {
            self.blank();
        }
        if let Some(sum) = &verdict.reconciliation {
            self.wrapped("  ", &format!("books: {}", words::reconciled(sum)));
        }
        self.plain(&format!("  {}; seed {}", tally(&verdict.scenarios), verdict.provenance.seed));
    }

    fn scenario(&mut self, scenario: &ScenarioVerdict, after: Option<&ScenarioVerdict>) {
        let status = Status::from(scenario.validity);
        if one_line(scenario) {
            if after.is_none_or(|after| !one_line(after)) {
                self.blank();
            }
            return self.line(scenario);
        }
        self.blank();
        self.plain(&format!(
            "{}  {}  {}",
            self.paint(status, &format!("{} {}", status.symbol(), scenario.scenario)),
            self.bold(&scenario.title),
            self.paint(status, status.word())
        ));
        let measured = &scenario.measured;
        let figures = format!(
            "{} in {}, {} in flight at most, quiet after {}",
            words::counted(measured.operations, "operation"),
            words::millis(measured.drive_ms),
            words::count(measured.in_flight),
            words::millis(measured.settle_ms)
        );
        self.wrapped("  ", &figures);
        self.boundaries(&measured.boundaries);
        let widest = scenario.checks.iter().map(|check| check.id.chars().count()).max().unwrap_or(0).min(32);
        for check in &scenario.checks {
            self.check(check, widest);
        }
        for check in &scenario.checks {
            self.findings(check);
        }
    }

    /// A line per operation that was struck at its protocol boundaries.
    fn boundaries(&mut self, all: &[BoundaryStats]) {
        for stats in all {
            if let Some(why) = &stats.skipped {
                self.wrapped("    ", &format!("{}: skipped: {why}", stats.operation));
                continue;
            }
            let sum = |of: fn(&BlowStats) -> u64| words::count(stats.blows.iter().map(of).sum());
            let line = format!(
                "{}: {} of {} boundaries, {} of {} blows; {} acknowledged, {} refused, unknown: {} done, {} not done",
                stats.operation,
                words::count(stats.covered),
                words::count(stats.boundaries),
                sum(|blow| blow.struck),
                sum(|blow| blow.planned),
                sum(|blow| blow.acknowledged),
                sum(|blow| blow.refused),
                sum(|blow| blow.found_done),
                sum(|blow| blow.found_not_done)
            );
            self.wrapped("    ", &line);
        }
    }

    /// A case that went as it says needs no more than its line, nor does what was not tried.
    fn line(&mut self, scenario: &ScenarioVerdict) {
        let status = Status::of_scenario(scenario);
        let told = match scenario.left_out() {
            Some(reason) => reason.to_owned(),
            None => {
                let checks = words::counted(scenario.checks.len() as u64, "check");
                format!("{checks}, {}", words::millis(scenario.measured.drive_ms))
            }
        };
        self.plain(&format!(
            "{}  {}  {}",
            self.paint(status, &format!("{} {} {}", status.symbol(), scenario.scenario, status.word())),
            self.bold(&scenario.title),
            self.dim(&told)
        ));
    }

    fn check(&mut self, check: &CheckVerdict, widest: usize) {
        let status = Status::of(check);
        let told = match (status, &check.skipped) {
            (Status::Skipped, Some(reason)) => format!("not promised: {reason}"),
            (Status::Invalid | Status::Unknown, _) => {
                let expected = explain::limits_in_words(check).unwrap_or_else(|| check.expected.clone());
                format!("{} (expected: {expected})", check.observed)
            }
            _ => check.observed.clone(),
        };
        let evidence = match check.evidence {
            0 if status == Status::Skipped => String::new(),
            0 => " [not tried]".to_owned(),
            number => format!(" [evidence: {}]", words::count(number)),
        };
        let label = format!("{} {:<7} {:<widest$}", status.symbol(), status.word(), words::clip(&check.id, 32));
        let indent = 4 + label.chars().count();
        let told = format!("{told}{evidence}");
        let lines = words::wrap(&told, self.style.width.saturating_sub(indent));
        if self.style.width < indent + 24 {
            self.plain(&format!("  {}", self.paint(status, label.trim_end())));
            self.wrapped("      ", &told);
            return;
        }
        for (number, line) in lines.iter().enumerate() {
            let start = if number == 0 { self.paint(status, &label) } else { " ".repeat(indent - 4) };
            self.plain(&format!("  {start}  {line}"));
        }
    }

    fn findings(&mut self, check: &CheckVerdict) {
        let told = check.findings.len().min(TOLD).min(TOLD_IN_ALL - self.told);
        self.told += told;
        for finding in &check.findings[..told] {
            self.finding(&check.id, finding);
        }
        let left = check.findings.len() - told;
        if left > 0 {
            self.blank();
            let more = words::counted(left as u64, if told > 0 { "more finding" } else { "finding" });
            self.wrapped("  ", &format!("{}: {more} in verdict.json", check.id));
        }
    }

    fn finding(&mut self, id: &str, finding: &Finding) {
        self.blank();
        self.plain(&format!("  {}", self.paint(Status::Invalid, &format!("✗ {id}"))));
        self.wrapped("    ", &finding.summary);
        let zero = finding.story.iter().map(|line| line.start_us).min().unwrap_or(0);
        for line in finding.story.iter().take(LINES) {
            self.story_line(line, zero);
        }
        for row in finding.rows.iter().take(LINES) {
            self.hanging("      row  ", &words::clip(row, ROW));
        }
        let hidden = finding.story.len().saturating_sub(LINES) + finding.rows.len().saturating_sub(LINES);
        if hidden > 0 {
            self.plain(&format!("      {} in verdict.json", words::counted(hidden as u64, "more line")));
        }
    }

    fn story_line(&mut self, line: &StoryLine, zero: u64) {
        let at = format!("+{}", words::micros(line.start_us.saturating_sub(zero)));
        let start = format!("      {at:>9}  p{:<4} ", line.process);
        self.hanging(&start, &format!("{} → {} {} #{}", line.asked, line.outcome, line.answered, line.op));
    }

    /// A text that begins after `start` and goes on below itself.
    fn hanging(&mut self, start: &str, text: &str) {
        let indent = start.chars().count();
        let lines = words::wrap(text, self.style.width.saturating_sub(indent));
        for (number, line) in lines.iter().enumerate() {
            let start = if number == 0 { start.to_owned() } else { " ".repeat(indent) };
            self.plain(&format!("{start}{line}"));
        }
    }

    fn wrapped(&mut self, indent: &str, text: &str) {
        for line in words::wrap(text, self.style.width.saturating_sub(indent.len())) {
            self.plain(&format!("{indent}{line}"));
        }
    }

    fn plain(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn blank(&mut self) {
        self.text.push('\n');
    }

    fn paint(&self, status: Status, text: &str) -> String {
        let code = match status {
            Status::Valid => "32",
            Status::Invalid => "1;31",
            Status::Unknown => "1;33",
            Status::Skipped => "2",
        };
        self.ansi(code, text)
    }

    fn bold(&self, text: &str) -> String {
        self.ansi("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.ansi("2", text)
    }

    fn ansi(&self, code: &str, text: &str) -> String {
        if self.style.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
