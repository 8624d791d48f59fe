//! Markdown for a GitHub step summary, which GitHub drops silently above 1 MiB.
//!
//! What does not fit is left out and said to be left out; the verdict, the money and the replay line
//! always fit.

use overdraft_model::verdict::{CheckVerdict, Finding, ScenarioVerdict, Verdict};

use crate::{
    budget::Budget,
    clean, explain,
    status::{Status, exit_meaning, findings_of, headline, stake_word, tally},
    words,
};

/// Well below GitHub's 1 MiB: other steps write into the same summary.
const LIMIT: usize = 900 * 1024;
/// Room for the line that says what was left out.
const RESERVE: usize = 1024;
/// Findings told per check.
const TOLD: usize = 5;
/// Operations and rows shown per finding.
const LINES: usize = 24;

/// The verdict as a GitHub step summary.
#[must_use]
pub fn markdown(verdict: &Verdict) -> String {
    let verdict = clean::verdict(verdict);
    let mut text = head(&verdict);
    let mut budget = Budget::new(LIMIT.saturating_sub(text.len() + RESERVE));
    let mut left_out = 0_usize;
    for scenario in &verdict.scenarios {
        let table = scenario_head(scenario);
        if budget.take(table.len()) {
            text.push_str(&table);
        } else {
            left_out += 1;
        }
    }
    let mut findings_left_out = 0;
    for scenario in &verdict.scenarios {
        findings_left_out += findings(scenario, &mut text, &mut budget);
    }
    if left_out + findings_left_out > 0 {
        text.push_str(&format!(
            "\n_Left out of this summary: {} and {}; all of it is in `verdict.json`._\n",
            words::counted(findings_left_out as u64, "finding"),
            words::counted(left_out as u64, "scenario table"),
        ));
    }
    text
}

fn head(verdict: &Verdict) -> String {
    let status = Status::from(verdict.validity);
    let provenance = &verdict.provenance;
    let mut text = format!(
        "## {} Overdraft: {}\n\n{}\n\nExit code **{}** ({}) · {} · target {} · seed `{}`\n",
        status.symbol(),
        headline(verdict),
        escape(&verdict.cause, 600),
        verdict.exit_code,
        exit_meaning(verdict.exit_code),
        tally(&verdict.scenarios),
        escape(&provenance.target, 80),
        provenance.seed,
    );
    if !verdict.money.is_empty() {
        text.push_str("\n| | at stake | |\n|---|---:|---|\n");
        for stake in verdict.money.iter().take(50) {
            let status = Status::of_stake(stake, verdict.validity);
            text.push_str(&format!(
                "| {} {} | {} | {} |\n",
                status.symbol(),
                stake_word(status),
                strong(&words::signed(stake.amount), status == Status::Invalid),
                escape(&stake.what, 120)
            ));
        }
    }
    if let Some(sum) = &verdict.reconciliation {
        text.push_str(&format!("\nBooks: {}.\n", escape(&words::reconciled(sum), 300)));
    }
    text.push_str(&format!("\nRun it again:\n\n{}\n", fenced(&provenance.replay)));
    text
}

fn scenario_head(scenario: &ScenarioVerdict) -> String {
    let status = Status::of_scenario(scenario);
    let measured = &scenario.measured;
    let mut text = format!(
        "\n### {} {} ({}): {}\n\n{} in {}, {} in flight at most, {} until quiet\n\n| | check | expected | observed | evidence |\n|---|---|---|---|---:|\n",
        status.symbol(),
        escape(&scenario.title, 120),
        escape(&scenario.scenario, 60),
        status.word(),
        words::counted(measured.operations, "operation"),
        words::millis(measured.drive_ms),
        words::count(measured.in_flight),
        words::millis(measured.settle_ms),
    );
    for check in scenario.checks.iter().take(60) {
        text.push_str(&check_row(check));
    }
    if scenario.checks.len() > 60 {
        text.push_str(&format!("\n{} more checks in `verdict.json`\n", scenario.checks.len() - 60));
    }
    text.push_str(&boundaries(scenario));
    text
}

/// A line per operation that was struck at its protocol boundaries, kind and blow.
fn boundaries(scenario: &ScenarioVerdict) -> String {
    let all = &scenario.measured.boundaries;
    if all.is_empty() {
        return String::new();
    }
    let mut text =
        "\n| operation | boundary | blow | struck | passes | acknowledged | refused | unknown, found done | \
                    unknown, found not done |\n|---|---|---|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for stats in all {
        let name = escape(&stats.operation, 40);
        if let Some(why) = &stats.skipped {
            text.push_str(&format!("| {name} | skipped: {} | | | | | | | |\n", escape(why, 200)));
        }
        let covered = format!("{name} {} of {}", stats.covered, stats.boundaries);
        for blow in &stats.blows {
            let struck = strong(&format!("{} of {}", blow.struck, blow.planned), blow.struck < blow.planned);
            text.push_str(&format!(
                "| {covered} | {} | {} | {struck} | {} | {} | {} | {} | {} |\n",
                escape(&blow.kind, 40),
                escape(&blow.blow, 40),
                blow.passes,
                blow.acknowledged,
                blow.refused,
                blow.found_done,
                blow.found_not_done
            ));
        }
    }
    text
}

fn check_row(check: &CheckVerdict) -> String {
    let status = Status::of(check);
    let expected = explain::limits_in_words(check).unwrap_or_else(|| check.expected.clone());
    let observed = match &check.skipped {
        Some(reason) => format!("skipped: {reason}"),
        None => check.observed.clone(),
    };
    let evidence = if check.evidence == 0 { "0, not tried".to_owned() } else { words::count(check.evidence) };
    format!(
        "| {} {} | {}<br>{} | {} | {} | {} |\n",
        status.symbol(),
        strong(status.word(), status == Status::Invalid),
        escape(&explain::question(&check.id), 120),
        code(&words::clip(&check.id, 80)),
        escape(&expected, 300),
        escape(&observed, 300),
        evidence
    )
}

/// Tells the findings that fit; returns how many were left out.
fn findings(scenario: &ScenarioVerdict, text: &mut String, budget: &mut Budget) -> usize {
    let mut told = 0;
    for check in &scenario.checks {
        for finding in check.findings.iter().take(TOLD) {
            let story = story(scenario, check, finding);
            if budget.take(story.len()) {
                text.push_str(&story);
                told += 1;
            }
        }
    }
    findings_of(scenario) - told
}

fn story(scenario: &ScenarioVerdict, check: &CheckVerdict, finding: &Finding) -> String {
    let mut text = format!(
        "\n<details open>\n<summary>✗ <b>{}</b> in {}: {}</summary>\n",
        raw(&check.id, 80),
        raw(&scenario.scenario, 60),
        raw(&finding.summary, 600)
    );
    if !finding.story.is_empty() {
        text.push_str("\n| at | process | # | asked | ended | answered |\n|---:|---:|---:|---|---|---|\n");
        for line in finding.story.iter().take(LINES) {
            text.push_str(&format!(
                "| {} | {} | {} | {} | {} | {} |\n",
                words::micros(line.start_us),
                line.process,
                line.op,
                escape(&line.asked, 300),
                escape(&line.outcome, 20),
                escape(&line.answered, 300)
            ));
        }
    }
    let rows: Vec<String> = finding.rows.iter().take(LINES).map(|row| words::clip(row, 400)).collect();
    if !rows.is_empty() {
        text.push_str(&format!("\n{}", fenced(&rows.join("\n"))));
    }
    let hidden = finding.story.len().saturating_sub(LINES) + finding.rows.len().saturating_sub(LINES);
    if hidden > 0 {
        text.push_str(&format!("\n{} more lines in `verdict.json`\n", words::count(hidden as u64)));
    }
    text.push_str("\n</details>\n");
    text
}

fn strong(text: &str, strong: bool) -> String {
    if strong { format!("**{text}**") } else { text.to_owned() }
}

/// A text that cannot leave its table cell, start markup or become a link.
fn escape(text: &str, limit: usize) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in words::clip(text, limit).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '|' => escaped.push_str("&#124;"),
            ':' => escaped.push_str("&#58;"),
            '@' => escaped.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            c => escaped.push(c),
        }
    }
    escaped.replace("&#58; ", ": ")
}

/// A text inside an HTML tag, where GitHub reads no Markdown.
fn raw(text: &str, limit: usize) -> String {
    words::clip(text, limit).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace("://", "&#58;//")
}

/// A text as inline code, in which neither a backtick nor a pipe may stand.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'").replace('|', "/"))
}

/// A text as a block of code, its fence longer than any run of backticks in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_its_cell() {
        assert_eq!(
            escape("a|b<script>`c` [x](http://e) no: yes", 99),
            "a&#124;b&lt;script&gt;\\`c\\` \\[x\\](http&#58;//e) no: yes"
        );
        assert_eq!(escape("2:", 99), "2&#58;");
    }

    #[test]
    fn a_fence_outgrows_its_content() {
        assert!(fenced("a ```` b").starts_with("`````text\n"));
        assert_eq!(fenced("x"), "```text\nx\n```\n");
    }
}
