//! Checks in plain words: the question that each answers, and limits spelled out. What a check does and
//! why is the catalogue's to say.

use overdraft_checkers::catalogue::{self, CheckInfo};
use overdraft_model::{
    threshold::{Aggregate, Comparison, Threshold},
    verdict::CheckVerdict,
};

use crate::words;

/// The question that a check answers, as a reviewer would ask it.
pub fn question(id: &str) -> String {
    let text = match id {
        "credits.conserved" => "Is every credit accounted for?",
        "credits.never-negative" => "Does every balance stay at zero or above?",
        "leads.capacity" => "Is no lead sold more often than allowed?",
        "purchase.atomic" => "Is every purchase all or nothing?",
        "effects.at-most-once" => "Does everything happen at most once?",
        "acknowledged.durable" => "Is what was confirmed still true at the end?",
        "paid.delivered" => "Did everything that was paid for arrive?",
        "status.never-regresses" => "Do statuses only move forward?",
        "webhooks.order-free" => "Does every order of webhooks end the same?",
        "webhooks.authentic" => "Do forged webhooks change nothing?",
        "history.linearizable" => "Do all answers fit one order of events?",
        "tenants.isolated" => "Does each workspace see only its own?",
        "races.serial" => "Does every small race end as if one had come after the other?",
        "target.recovers" => "Does the target work again once everything is healed?",
        "flow.expected" => "Did the case go as it says?",
        "sessions.consistent" => "Does each client see its own past?",
        "limits.enforced" => "Are the limits enforced?",
        "run.exercised" => "Was it really put under stress?",
        _ => return threshold_question(id),
    };
    text.to_owned()
}

fn threshold_question(id: &str) -> String {
    match id.split_once('.') {
        Some(("latency", operation)) => format!("Is {operation} fast enough?"),
        Some(("invariant", name)) => format!("Does the target's own invariant {name} hold?"),
        Some(("errors", operation)) => format!("Are errors of {operation} rare enough?"),
        _ if id == "latency" => "Is it fast enough?".to_owned(),
        _ if id == "errors" => "Are errors rare enough?".to_owned(),
        _ => id.to_owned(),
    }
}

/// Whether a check is a limit from the scenario file.
pub fn is_threshold(id: &str) -> bool {
    matches!(id.split('.').next(), Some("latency" | "errors"))
}

/// What the catalogue of checks says of a check: promise, method, incident, remedy.
pub fn find(id: &str) -> Option<&'static CheckInfo> {
    catalogue::find(id)
}

/// A limit from the scenario file, as it was written and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// In k6's spelling.
    pub spelling: String,
    /// As a person would say it.
    pub words: String,
}

/// The limits that a check is about: what it observed begins with each, in k6's spelling.
pub fn limits(check: &CheckVerdict) -> Vec<Limit> {
    if !is_threshold(&check.id) || check.skipped.is_some() {
        return Vec::new();
    }
    let of = check.id.split_once('.').map(|(_, operation)| format!("{operation} ")).unwrap_or_default();
    let spelled = |part: &str| part.split_whitespace().next()?.trim_end_matches(':').parse().ok();
    check.observed.split(';').filter_map(spelled).map(|threshold| in_words(threshold, &of)).collect()
}

/// The limits in words, one after the other; none if the check is not about any.
pub fn limits_in_words(check: &CheckVerdict) -> Option<String> {
    let words: Vec<String> = limits(check).into_iter().map(|limit| limit.words).collect();
    (!words.is_empty()).then(|| words.join(", and "))
}

fn in_words(threshold: Threshold, of: &str) -> Limit {
    let compared = compared(threshold.comparison);
    let ms = || words::micros((threshold.limit.max(0.0) * 1_000.0).round() as u64);
    let words = match threshold.aggregate {
        Aggregate::Percentile(50.0) => format!("half of all {of}answers take {compared} {}", ms()),
        Aggregate::Percentile(p) => format!("{} % of all {of}answers take {compared} {}", words::decimal(p), ms()),
        Aggregate::Average => format!("{of}answers take {compared} {} on average", ms()),
        Aggregate::Min => format!("the fastest {of}answer takes {compared} {}", ms()),
        Aggregate::Max => format!("the slowest {of}answer takes {compared} {}", ms()),
        Aggregate::Rate => {
            format!("{compared} {} % of all {of}answers are unexpected", words::decimal(threshold.limit * 100.0))
        }
        Aggregate::Count => {
            format!("{compared} {} of all {of}answers are unexpected", words::decimal(threshold.limit))
        }
    };
    Limit { spelling: threshold.to_string(), words }
}

const fn compared(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Less => "less than",
        Comparison::LessOrEqual => "at most",
        Comparison::Greater => "more than",
        Comparison::GreaterOrEqual => "at least",
        Comparison::Equal => "exactly",
        Comparison::NotEqual => "anything but",
    }
}

#[cfg(test)]
mod tests {
    use overdraft_model::verdict::Validity;

    use super::*;

    fn said(id: &str, observed: &str) -> Option<String> {
        let check = CheckVerdict {
            id: id.into(),
            validity: Validity::Valid,
            skipped: None,
            expected: "as the catalogue says, such as p(95)<500".into(),
            observed: observed.into(),
            evidence: 1,
            findings: vec![],
        };
        limits_in_words(&check)
    }

    #[test]
    fn limits_are_spelled_out() {
        let cases = [
            ("latency.purchase", "p(99)<2000 ms: it was 3.0 ms", "99 % of all purchase answers take less than 2.0 s"),
            ("latency.pay", "med<=150 ms: it was 3.0 ms", "half of all pay answers take at most 150 ms"),
            (
                "errors",
                "rate<0.01: 3 unexpected answers in 900 operations",
                "less than 1 % of all answers are unexpected",
            ),
            (
                "latency.pay",
                "1 violation; p(99)<10 ms: it was 11.0 ms over 5 samples; max<20 ms: it was 12.0 ms over 5 samples",
                "99 % of all pay answers take less than 10 ms, and the slowest pay answer takes less than 20 ms",
            ),
        ];
        for (id, observed, words) in cases {
            assert_eq!(said(id, observed).as_deref(), Some(words));
        }
        assert_eq!(said("latency.purchase", "it was"), None);
        assert_eq!(said("leads.capacity", "count<5"), None);
    }

    #[test]
    fn a_check_nobody_knows_keeps_its_id() {
        assert_eq!(question("moon.phase"), "moon.phase");
        assert_eq!(question("latency.pay"), "Is pay fast enough?");
    }

    #[test]
    fn every_check_of_the_catalogue_is_a_question() {
        for check in catalogue::CHECKS {
            assert!(question(check.id).ends_with('?'), "give {} a question in reports/src/explain.rs", check.id);
        }
    }
}
