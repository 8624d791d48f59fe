//! Verdicts, findings and measurements: all that the reports print, and the published `verdict.json`.
//!
//! Nothing here depends on when or where the judging was done, so judging a saved run again gives the
//! same bytes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{evidence::Memory, manifest::Provenance, release::Release};

/// The answer of a check. Worst wins: invalid over unknown over valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Validity {
    /// It was tried and it held.
    Valid,
    /// It was not tried, or not enough is known.
    Unknown,
    /// It was broken.
    Invalid,
}

impl Validity {
    /// The worse of two.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        self.max(other)
    }

    /// The word as reports print it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        }
    }
}

/// `verdict.json`: the verdict of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Version of this file's shape.
    pub format: u32,
    /// The worst of the scenarios.
    pub validity: Validity,
    /// The process exit code that it stands for: 0 valid, 1 invalid, 3 unknown.
    pub exit_code: u8,
    /// One sentence: what decided it.
    pub cause: String,
    /// The headline in money, summed over the scenarios.
    pub money: Vec<Stake>,
    /// The three ledgers held against each other, summed over the scenarios; none where one of them has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciliation: Option<Reconciliation>,
    /// Where the run came from.
    pub provenance: Provenance,
    /// One per scenario, in order.
    pub scenarios: Vec<ScenarioVerdict>,
}

/// An amount at stake, such as `0 credits from nothing`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stake {
    /// Stable id, such as `credits-from-nothing`.
    pub id: String,
    /// How many; zero is good news.
    pub amount: i64,
    /// What is counted, such as `credits from nothing`.
    pub what: String,
}

/// What the target's database, the payment provider and the email sink do not account for among each other.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Reconciliation {
    /// Credits unexplained, in either direction.
    pub credits: i64,
    /// Credits that were given, earned, spent or taken back.
    pub credits_of: i64,
    /// Money, by currency.
    pub money: Vec<MoneySum>,
    /// Emails promised and not sent, or sent twice.
    pub emails: i64,
    /// Emails that the provider accepted.
    pub emails_of: u64,
    /// Unclear answers of which the ledgers tell what became.
    pub resolved: u64,
    /// Unclear answers of which they do not.
    pub unresolved: u64,
    /// The first of those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unresolved_calls: Vec<String>,
}

/// Money of one currency, in its smallest unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoneySum {
    /// Three letters, lower case.
    pub currency: String,
    /// Unexplained, in either direction.
    pub unexplained: i64,
    /// Paid at the provider.
    pub of: i64,
}

/// The verdict of one scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioVerdict {
    /// The scenario's id.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The worst of its checks.
    pub validity: Validity,
    /// The amounts at stake in this scenario.
    pub money: Vec<Stake>,
    /// The three ledgers held against each other; none where a table is missing or the target was busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciliation: Option<Reconciliation>,
    /// One per check, in catalogue order.
    pub checks: Vec<CheckVerdict>,
    /// What was measured.
    pub measured: Measurements,
}

impl ScenarioVerdict {
    /// Why the target leaves this scenario out, if it does: nothing was tried, every check is skipped, and it does not
    /// count for the run.
    #[must_use]
    pub fn left_out(&self) -> Option<&str> {
        let all = self.checks.iter().all(|check| check.skipped.is_some());
        self.checks.first().filter(|_| all)?.skipped.as_deref()
    }
}

/// The verdict of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckVerdict {
    /// The check's stable id.
    pub id: String,
    /// Its answer. A skipped check is `unknown` and does not count.
    pub validity: Validity,
    /// Why the target does not promise it, if it is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// What should hold, in one line.
    pub expected: String,
    /// What was seen, in one line.
    pub observed: String,
    /// How many pieces of evidence it rests on.
    pub evidence: u64,
    /// Every violation found, worst first.
    pub findings: Vec<Finding>,
}

/// One violation, told as a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// One sentence in money: who paid what and got what.
    pub summary: String,
    /// The amount at stake, where it can be counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stake: Option<Stake>,
    /// The few operations that show it, in order.
    pub story: Vec<StoryLine>,
    /// Rows and ledger lines that show it, as text.
    pub rows: Vec<String>,
}

/// One operation of a story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StoryLine {
    /// The operation's number in the history.
    pub op: u64,
    /// The process that asked.
    pub process: u64,
    /// Microseconds from the scenario's beginning to the question.
    pub start_us: u64,
    /// Microseconds from the scenario's beginning to the answer; none if it never came.
    pub end_us: Option<u64>,
    /// What was asked.
    pub asked: String,
    /// How it ended: `ok`, `fail` or `info`.
    pub outcome: String,
    /// What was answered.
    pub answered: String,
}

/// What was measured in one scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Measurements {
    /// Operations asked.
    pub operations: u64,
    /// Milliseconds of driving.
    pub drive_ms: u64,
    /// Milliseconds from heal to quiescence.
    pub settle_ms: u64,
    /// Most operations in flight at once.
    pub in_flight: u64,
    /// By operation name.
    pub by_operation: Vec<OperationStats>,
    /// Over time, in equal buckets.
    pub timeline: Vec<Bucket>,
    /// Requests released together.
    pub races: Vec<RaceStats>,
    /// Pairs of requests released a chosen time apart, by that time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub offsets: Vec<OffsetStats>,
    /// Faults planned against faults observed.
    pub faults: Vec<FaultStats>,
    /// Answers that were not ok, grouped.
    pub errors: Vec<ErrorGroup>,
    /// Webhook deliveries: authentic, repeated, forged.
    pub deliveries: DeliveryStats,
    /// Protocol boundaries of operations, and what struck them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boundaries: Vec<BoundaryStats>,
    /// Peak memory; none where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
}

/// Latency and outcomes of one operation name. Latencies are in microseconds, from the intended start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct OperationStats {
    /// The operation's name.
    pub operation: String,
    /// Ended ok.
    pub ok: u64,
    /// Ended fail.
    pub fail: u64,
    /// Ended info.
    pub info: u64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 95th percentile.
    pub p95_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Longest.
    pub max_us: u64,
}

/// One slice of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Bucket {
    /// Its start, in milliseconds from the scenario's beginning.
    pub at_ms: u64,
    /// Operations that ended ok in it.
    pub ok: u64,
    /// Operations that ended fail in it.
    pub fail: u64,
    /// Operations that ended info in it.
    pub info: u64,
    /// Median latency of those that ended in it, microseconds.
    pub p50_us: u64,
    /// 99th percentile, microseconds.
    pub p99_us: u64,
}

/// One race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RaceStats {
    /// What they raced for.
    pub name: String,
    /// Requests that were meant to take part.
    pub planned: u64,
    /// Requests that did.
    pub took_part: u64,
    /// Microseconds between the first and the last release.
    pub spread_us: u64,
    /// What was held back of each request until then.
    #[serde(default)]
    pub release: Release,
    /// Requests that were all in flight at one moment.
    pub overlapped: u64,
    /// Requests that ended ok.
    pub won: u64,
}

/// Pairs of requests of which only one may win, released so far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OffsetStats {
    /// Microseconds between the two.
    pub apart_us: u64,
    /// Pairs that left so, and of which both were answered.
    pub pairs: u64,
    /// Pairs of which both won.
    pub both_won: u64,
    /// Lower end of Wilson's interval, in thousandths: with a confidence of 95 % both win at least so often.
    pub low_permille: u64,
    /// Its upper end: at most so often.
    pub high_permille: u64,
}

/// One fault of the timetable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStats {
    /// Its name.
    pub fault: String,
    /// When it was injected, in milliseconds from the scenario's beginning; none if it never was.
    pub from_ms: Option<u64>,
    /// When it was healed.
    pub to_ms: Option<u64>,
    /// How often it took effect.
    pub effects: u64,
    /// Whether the instances were ready before each injection; none if they were not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_before: Option<bool>,
    /// The longest time from healing until the instances were ready, in milliseconds; none if that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_ms: Option<u64>,
}

/// One operation that was struck at its protocol boundaries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BoundaryStats {
    /// Its name.
    pub operation: String,
    /// Why it was left out, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
    /// Boundaries counted.
    pub boundaries: u64,
    /// Boundaries at which all that was planned was struck.
    pub covered: u64,
    /// By kind of boundary and by what was done there.
    pub blows: Vec<BlowStats>,
}

/// What was done at the boundaries of one kind, by one blow.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BlowStats {
    /// `statement`, `commit`, `provider-call` or `answer`.
    pub kind: String,
    /// `kill-before`, `kill-after`, `reset-before` or `lose-answer`.
    pub blow: String,
    /// How many of them were to be struck so.
    pub planned: u64,
    /// How many were.
    pub struck: u64,
    /// Passes in which they were: more than one per boundary where a client may ask again or go away.
    pub passes: u64,
    /// Passes that ended with an acknowledgement.
    pub acknowledged: u64,
    /// Passes that ended with a refusal.
    pub refused: u64,
    /// Passes whose client was not told, and which the evidence shows to have happened.
    pub found_done: u64,
    /// Passes whose client was not told, and which the evidence shows not to have happened.
    pub found_not_done: u64,
}

/// Answers that were not ok, alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ErrorGroup {
    /// The operation's name.
    pub operation: String,
    /// `fail` or `info`.
    pub outcome: String,
    /// HTTP status, where there was an answer.
    pub status: Option<u16>,
    /// The target's code, or what happened on the wire.
    pub code: String,
    /// How many.
    pub count: u64,
}

/// Webhook deliveries of one scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryStats {
    /// Events that the provider created.
    pub events: u64,
    /// Authentic delivery attempts.
    pub authentic: u64,
    /// Those of them beyond each event's first.
    pub repeated: u64,
    /// Deliveries that must change nothing.
    pub forged: u64,
}
