//! What changed against an earlier run, and whether the change is more than noise.
//!
//! The rule, which every report repeats: a change counts only beyond the noise band, which is the larger
//! of 10 % of the baseline and twice the standard error of the difference. The error of a percentile is
//! estimated from the number of operations and the distance to its neighbouring percentiles, that of a
//! throughput from its count. With fewer than five operations beyond a percentile nothing is said.

use overdraft_model::verdict::{Measurements, OperationStats, ScenarioVerdict, Verdict};

use crate::status::Status;

/// The rule in one sentence, for the reader.
pub const RULE: &str = "A change counts only beyond the noise band: the larger of 10 % of the baseline and twice \
    the standard error of the difference, estimated from the number of operations and the distance between \
    neighbouring percentiles. With fewer than 5 operations beyond a percentile in either run, nothing is said.";

/// Smallest share of the baseline that counts as a change: machines are not quieter than this.
const FLOOR: f64 = 0.10;
/// Operations that must lie beyond a percentile in each run before two values are compared.
const BEYOND: f64 = 5.0;

/// How to read a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Beyond the band, for the better.
    Better,
    /// Beyond the band, for the worse.
    Worse,
    /// Within the band.
    Noise,
    /// Too few operations to say.
    TooFew,
}

impl Reading {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Noise => "within noise",
            Self::TooFew => "too few",
        }
    }
}

/// One measured value, then and now. Latencies in microseconds, throughput per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// The value of the baseline.
    pub before: f64,
    /// The value of this run.
    pub after: f64,
    /// Half the width of the noise band, in the same unit.
    pub band: f64,
    /// What to make of it.
    pub reading: Reading,
}

/// One operation's changes.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationChange {
    /// The operation's name.
    pub operation: String,
    /// p50, p95 and p99.
    pub latency: [Change; 3],
    /// Operations that ended ok, per second of driving.
    pub throughput: Change,
}

/// The scenario of the same id in the baseline.
pub fn counterpart<'a>(baseline: &'a Verdict, scenario: &ScenarioVerdict) -> Option<&'a ScenarioVerdict> {
    baseline.scenarios.iter().find(|other| other.scenario == scenario.scenario)
}

/// Changes of every operation that both runs know.
pub fn changes(before: &Measurements, after: &Measurements) -> Vec<OperationChange> {
    after
        .by_operation
        .iter()
        .filter_map(|now| {
            let then = before.by_operation.iter().find(|other| other.operation == now.operation)?;
            Some(OperationChange {
                operation: now.operation.clone(),
                latency: [0.50, 0.95, 0.99].map(|p| latency(p, then, now)),
                throughput: throughput(then.ok, before.drive_ms, now.ok, after.drive_ms),
            })
        })
        .collect()
}

/// Checks whose status is another than in the baseline: id, then, now.
pub fn turned(before: &ScenarioVerdict, after: &ScenarioVerdict) -> Vec<(String, Status, Status)> {
    after
        .checks
        .iter()
        .filter_map(|check| {
            let then = Status::of(before.checks.iter().find(|other| other.id == check.id)?);
            let now = Status::of(check);
            (then != now).then(|| (check.id.clone(), then, now))
        })
        .collect()
}

/// What makes two runs hard to compare.
pub fn reservations(baseline: &Verdict, verdict: &Verdict) -> Vec<&'static str> {
    let (then, now) = (&baseline.provenance, &verdict.provenance);
    [
        (then.target != now.target, "another target"),
        (then.configuration != now.configuration, "another configuration"),
        (then.host != now.host, "another host"),
        (then.postgresql != now.postgresql, "another PostgreSQL"),
        (then.instances != now.instances, "another number of instances"),
        (then.overdraft != now.overdraft, "another version of Overdraft"),
    ]
    .into_iter()
    .filter_map(|(differs, words)| differs.then_some(words))
    .collect()
}

fn total(stats: &OperationStats) -> f64 {
    (stats.ok + stats.fail + stats.info) as f64
}

fn latency(p: f64, then: &OperationStats, now: &OperationStats) -> Change {
    let (before, error_before) = percentile(p, then);
    let (after, error_after) = percentile(p, now);
    let enough = total(then).min(total(now)) * (1.0 - p) >= BEYOND;
    change(before, after, error_before.hypot(error_after), enough, after < before)
}

/// A percentile and its standard error: `sqrt(p(1-p)/n)` over the density of operations around it.
fn percentile(p: f64, stats: &OperationStats) -> (f64, f64) {
    let at = |us: u64| us as f64;
    let (value, mass, low, high) = if p < 0.9 {
        (stats.p50_us, 0.40, stats.p50_us, stats.p90_us)
    } else if p < 0.99 {
        (stats.p95_us, 0.09, stats.p90_us, stats.p99_us)
    } else {
        (stats.p99_us, 0.04, stats.p95_us, stats.p99_us)
    };
    let error = (p * (1.0 - p) / total(stats).max(1.0)).sqrt() * (at(high) - at(low)).max(0.0) / mass;
    (at(value), error)
}

fn throughput(ok_before: u64, ms_before: u64, ok_after: u64, ms_after: u64) -> Change {
    let rate = |ok: u64, ms: u64| ok as f64 * 1_000.0 / ms.max(1) as f64;
    let error = |ok: u64, ms: u64| (ok as f64).sqrt() * 1_000.0 / ms.max(1) as f64;
    let (before, after) = (rate(ok_before, ms_before), rate(ok_after, ms_after));
    let enough = ok_before.min(ok_after) as f64 >= BEYOND && ms_before.min(ms_after) > 0;
    change(before, after, error(ok_before, ms_before).hypot(error(ok_after, ms_after)), enough, after > before)
}

fn change(before: f64, after: f64, error: f64, enough: bool, improved: bool) -> Change {
    let band = (2.0 * error).max(FLOOR * before);
    let reading = match (enough, (after - before).abs() <= band, improved) {
        (false, _, _) => Reading::TooFew,
        (true, true, _) => Reading::Noise,
        (true, false, true) => Reading::Better,
        (true, false, false) => Reading::Worse,
    };
    Change { before, after, band, reading }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(ok: u64, factor: u64) -> OperationStats {
        OperationStats {
            operation: "purchase".into(),
            ok,
            p50_us: 10_000 * factor / 10,
            p90_us: 12_000 * factor / 10,
            p95_us: 13_000 * factor / 10,
            p99_us: 15_000 * factor / 10,
            max_us: 20_000 * factor / 10,
            ..OperationStats::default()
        }
    }

    fn measured(ok: u64, factor: u64) -> Measurements {
        Measurements { drive_ms: 1_000, by_operation: vec![stats(ok, factor)], ..Measurements::default() }
    }

    #[test]
    fn a_tenth_is_noise_and_a_half_is_not() {
        let readings = |factor| {
            let all = changes(&measured(10_000, 10), &measured(10_000, factor));
            all[0].latency.map(|change| change.reading)
        };
        assert_eq!(readings(11), [Reading::Noise; 3]);
        assert_eq!(readings(15), [Reading::Worse; 3]);
        assert_eq!(readings(6), [Reading::Better; 3]);
    }

    #[test]
    fn few_operations_say_nothing_of_the_tail() {
        let all = changes(&measured(120, 10), &measured(120, 30));
        assert_eq!(all[0].latency.map(|c| c.reading), [Reading::Worse, Reading::Worse, Reading::TooFew]);
    }

    #[test]
    fn throughput_has_the_noise_of_its_count() {
        let reading = |before, after| changes(&measured(before, 10), &measured(after, 10))[0].throughput.reading;
        assert_eq!(reading(25, 35), Reading::Noise);
        assert_eq!(reading(2_500, 3_500), Reading::Better);
        assert_eq!(reading(3_500, 2_500), Reading::Worse);
        assert_eq!(reading(3, 4), Reading::TooFew);
    }
}
