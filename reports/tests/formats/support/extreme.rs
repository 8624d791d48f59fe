//! Verdicts that no run should give: far too much of everything, and hostile in every text.

use overdraft_model::verdict::*;

use super::{
    check,
    measured::timeline,
    realistic::{credited_twice, realistic},
};

/// What nobody should be able to do to a report: markup, XML, terminal and Markdown in one text.
pub const HOSTILE: &str = "<script>alert(1)</script> \u{1b}[31m\u{0}\u{8}\u{ffff}\u{202e} ]]> | `x` **b** [l](http://evil.example/) \" ' & <img src=//e>\nnew";

/// Far more than any report can show: `findings` for each of `checks` in each of `scenarios`.
pub fn huge(scenarios: usize, checks: usize, findings: usize) -> Verdict {
    let mut verdict = realistic();
    let long = "a long tale of credits that went astray ".repeat(11);
    let mut finding = credited_twice();
    finding.story = finding.story.iter().cycle().take(30).cloned().collect();
    finding.rows = vec![long.clone(); 26];
    let mut bad = check("credits.conserved", Validity::Invalid, &long, &long, 1);
    bad.findings = vec![finding; findings];
    let mut scenario = verdict.scenarios.remove(0);
    scenario.checks = vec![bad; checks];
    scenario.measured.timeline = timeline(1_000, 0..9);
    verdict.scenarios = vec![scenario; scenarios];
    verdict
}

/// Words that only the program itself puts there.
const OWN: [&str; 5] = ["valid", "invalid", "unknown", "last-byte", "single-write"];

/// Every text of a verdict replaced by [`HOSTILE`].
pub fn hostile() -> Verdict {
    let mut value = serde_json::to_value(realistic()).unwrap();
    poison(&mut value);
    let mut verdict: Verdict = serde_json::from_value(value).unwrap();
    verdict.provenance.started = "2026-03-14T09:26:53Z".into();
    verdict
}

fn poison(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if !OWN.contains(&text.as_str()) => {
            *text = format!("{HOSTILE} {text}");
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
        serde_json::Value::Object(object) => object.values_mut().for_each(poison),
        _ => {}
    }
}
