//! Takes from a verdict's texts what no format may carry: control characters, which drive terminals and
//! break XML, marks that reverse the direction of text, and sheer length.
//!
//! Every shape is taken apart field by field, so a new text field does not compile until it is cleaned.

use overdraft_model::{
    manifest::Provenance,
    verdict::{
        BlowStats, BoundaryStats, CheckVerdict, ErrorGroup, FaultStats, Finding, Measurements, MoneySum,
        OperationStats, RaceStats, Reconciliation, ScenarioVerdict, Stake, StoryLine, Verdict,
    },
};

use crate::words::clip;

/// Longest text that any report shows, in characters.
const LONGEST: usize = 2_000;

/// One text: white space becomes a space, what cannot be shown goes, what is too long is cut.
pub fn text(text: &str) -> String {
    let shown: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_unprintable(*c))
        .take(LONGEST + 1)
        .collect();
    clip(&shown, LONGEST)
}

/// Control characters, direction marks, the byte order mark and what Unicode calls no character.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || (u32::from(c) & 0xfffe) == 0xfffe
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
}

fn option(value: &Option<String>) -> Option<String> {
    value.as_deref().map(text)
}

/// A whole verdict.
pub fn verdict(value: &Verdict) -> Verdict {
    let Verdict { format, validity, exit_code, cause, money, reconciliation, provenance, scenarios } = value;
    Verdict {
        format: *format,
        validity: *validity,
        exit_code: *exit_code,
        cause: text(cause),
        money: money.iter().map(stake).collect(),
        reconciliation: reconciliation.as_ref().map(reconciled),
        provenance: self::provenance(provenance),
        scenarios: scenarios.iter().map(scenario).collect(),
    }
}

fn reconciled(value: &Reconciliation) -> Reconciliation {
    let Reconciliation { money, unresolved_calls, .. } = value;
    let sum = |sum: &MoneySum| MoneySum { currency: text(&sum.currency), unexplained: sum.unexplained, of: sum.of };
    Reconciliation {
        money: money.iter().map(sum).collect(),
        unresolved_calls: unresolved_calls.iter().map(|call| text(call)).collect(),
        ..value.clone()
    }
}

fn stake(value: &Stake) -> Stake {
    let Stake { id, amount, what } = value;
    Stake { id: text(id), amount: *amount, what: text(what) }
}

fn provenance(value: &Provenance) -> Provenance {
    let Provenance {
        run,
        seed,
        target,
        configuration,
        defect,
        started,
        overdraft,
        postgresql,
        instances,
        host,
        replay,
    } = value;
    Provenance {
        run: text(run),
        seed: *seed,
        target: text(target),
        configuration: text(configuration),
        defect: option(defect),
        started: text(started),
        overdraft: text(overdraft),
        postgresql: text(postgresql),
        instances: *instances,
        host: text(host),
        replay: text(replay),
    }
}

fn scenario(value: &ScenarioVerdict) -> ScenarioVerdict {
    let ScenarioVerdict { scenario, title, validity, money, reconciliation, checks, measured } = value;
    ScenarioVerdict {
        scenario: text(scenario),
        title: text(title),
        validity: *validity,
        money: money.iter().map(stake).collect(),
        reconciliation: reconciliation.as_ref().map(reconciled),
        checks: checks.iter().map(check).collect(),
        measured: measurements(measured),
    }
}

fn check(value: &CheckVerdict) -> CheckVerdict {
    let CheckVerdict { id, validity, skipped, expected, observed, evidence, findings } = value;
    CheckVerdict {
        id: text(id),
        validity: *validity,
        skipped: option(skipped),
        expected: text(expected),
        observed: text(observed),
        evidence: *evidence,
        findings: findings.iter().map(finding).collect(),
    }
}

fn finding(value: &Finding) -> Finding {
    let Finding { summary, stake: at_stake, story, rows } = value;
    Finding {
        summary: text(summary),
        stake: at_stake.as_ref().map(stake),
        story: story.iter().map(story_line).collect(),
        rows: rows.iter().map(|row| text(row)).collect(),
    }
}

fn story_line(value: &StoryLine) -> StoryLine {
    let StoryLine { op, process, start_us, end_us, asked, outcome, answered } = value;
    StoryLine {
        op: *op,
        process: *process,
        start_us: *start_us,
        end_us: *end_us,
        asked: text(asked),
        outcome: text(outcome),
        answered: text(answered),
    }
}

fn boundary(value: &BoundaryStats) -> BoundaryStats {
    let BoundaryStats { operation, skipped, boundaries, covered, blows } = value;
    let blow = |blow: &BlowStats| BlowStats { kind: text(&blow.kind), blow: text(&blow.blow), ..blow.clone() };
    BoundaryStats {
        operation: text(operation),
        skipped: option(skipped),
        boundaries: *boundaries,
        covered: *covered,
        blows: blows.iter().map(blow).collect(),
    }
}

fn measurements(value: &Measurements) -> Measurements {
    let Measurements {
        operations,
        drive_ms,
        settle_ms,
        in_flight,
        by_operation,
        timeline,
        races,
        offsets,
        faults,
        errors,
        deliveries,
        boundaries,
        memory,
    } = value;
    Measurements {
        operations: *operations,
        drive_ms: *drive_ms,
        settle_ms: *settle_ms,
        in_flight: *in_flight,
        by_operation: by_operation
            .iter()
            .map(|stats| OperationStats { operation: text(&stats.operation), ..stats.clone() })
            .collect(),
        timeline: timeline.clone(),
        races: races.iter().map(|race| RaceStats { name: text(&race.name), ..race.clone() }).collect(),
        offsets: offsets.clone(),
        faults: faults.iter().map(|fault| FaultStats { fault: text(&fault.fault), ..fault.clone() }).collect(),
        errors: errors.iter().map(error).collect(),
        deliveries: deliveries.clone(),
        boundaries: boundaries.iter().map(boundary).collect(),
        memory: *memory,
    }
}

fn error(value: &ErrorGroup) -> ErrorGroup {
    let ErrorGroup { operation, outcome, status, code, count } = value;
    ErrorGroup { operation: text(operation), outcome: text(outcome), status: *status, code: text(code), count: *count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_or_breaks_xml_is_gone() {
        assert_eq!(text("a\u{1b}[31mb\u{0}c\u{9b}d\u{202e}e\u{ffff}f\ng\th"), "a[31mbcdef g h");
        assert_eq!(text("Käufer – 100 €"), "Käufer – 100 €");
    }

    #[test]
    fn no_text_is_endless() {
        assert_eq!(text(&"x".repeat(1_000_000)).chars().count(), LONGEST);
    }
}
