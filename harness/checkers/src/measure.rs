//! What was measured: latencies, concurrency, races, faults, errors. No judgement here.
//!
//! Latency counts from the moment the client meant to ask, so a slow target cannot hide behind clients that
//! wait for it. It is taken from operations asked while driving; counts cover every phase. A call that was
//! never answered took at least until the record ends.

use std::collections::{BTreeMap, HashMap};

use hdrhistogram::Histogram;
use overdraft_model::{
    evidence::{Evidence, Provider},
    history::{Call, History, Phase, Race},
    manifest::Planned,
    operation::{Operation, Outcome},
    verdict::{Bucket, DeliveryStats, ErrorGroup, FaultStats, Measurements, OperationStats, RaceStats},
};

use crate::{
    coverage,
    offsets::{self, Pairs},
};

/// Slices of the timeline.
const BUCKETS: u64 = 60;

/// Latencies of one operation name.
pub(crate) struct Latency {
    histogram: Histogram<u64>,
    shortest_us: u64,
    longest_us: u64,
    sum_us: u128,
}

impl Latency {
    fn new() -> Option<Self> {
        Histogram::new(3).ok().map(|histogram| Self { histogram, shortest_us: u64::MAX, longest_us: 0, sum_us: 0 })
    }

    fn record(&mut self, us: u64) {
        // It grows with its values; should it ever refuse one, the nearest it can hold is better than none.
        if self.histogram.record(us).is_err() {
            self.histogram.saturating_record(us);
        }
        self.shortest_us = self.shortest_us.min(us);
        self.longest_us = self.longest_us.max(us);
        self.sum_us += u128::from(us);
    }

    /// The latency that so many percent did not exceed, in microseconds, within 0.1 %.
    pub(crate) fn percentile_us(&self, percent: f64) -> u64 {
        self.histogram.value_at_quantile(percent / 100.0).min(self.longest_us)
    }

    /// The longest, in microseconds.
    pub(crate) fn longest_us(&self) -> u64 {
        self.longest_us
    }

    /// The shortest, in microseconds; of a latency that has samples.
    pub(crate) fn shortest_us(&self) -> u64 {
        self.shortest_us
    }

    /// The mean, in microseconds.
    pub(crate) fn mean_us(&self) -> f64 {
        self.sum_us as f64 / self.samples().max(1) as f64
    }

    /// How many samples.
    pub(crate) fn samples(&self) -> u64 {
        self.histogram.len()
    }
}

/// Latencies by operation name.
pub(crate) type Latencies = BTreeMap<&'static str, Latency>;

/// Sorts every latency of a scenario.
pub(crate) fn latencies(history: &History) -> Latencies {
    let released = offsets::released(history);
    let mut by_operation = Latencies::new();
    for call in history.calls.iter().filter(|call| call.phase == Phase::Drive) {
        let name = call.operation.name();
        if !by_operation.contains_key(name) {
            by_operation.extend(Latency::new().map(|latency| (name, latency)));
        }
        if let Some(latency) = by_operation.get_mut(name) {
            latency.record(latency_us(call, history.end, &released));
        }
    }
    by_operation
}

/// What was held back on purpose counts from its release.
fn latency_us(call: &Call, history_end: u64, released: &HashMap<u64, u64>) -> u64 {
    let from = released.get(&call.op).map_or(call.intended, |released| call.intended.max(*released));
    call.end.unwrap_or(history_end).saturating_sub(from) / 1_000
}

/// Everything measured in one scenario.
pub(crate) fn measure(
    planned: &Planned,
    history: Option<&History>,
    evidence: Option<&Evidence>,
    latencies: &Latencies,
) -> Measurements {
    let empty = History::empty(planned.scenario.id.clone(), 0);
    let history = history.unwrap_or(&empty);
    let drive = began(history, Phase::Drive).unwrap_or(history.start);
    let settle = began(history, Phase::Settle).unwrap_or(history.end);
    Measurements {
        operations: history.calls.len() as u64,
        drive_ms: settle.saturating_sub(drive) / 1_000_000,
        settle_ms: evidence.map_or(0, |evidence| evidence.settled.waited_ms),
        in_flight: in_flight(history.end, &history.calls),
        by_operation: by_operation(history, latencies),
        timeline: timeline(history),
        races: races(history),
        offsets: Pairs::of(history).stats(),
        faults: faults(planned, history),
        boundaries: coverage::stats(history, &planned.world, evidence),
        errors: errors(history),
        memory: evidence.and_then(|evidence| evidence.memory),
        deliveries: evidence.map_or_else(|| deliveries_asked(history), |evidence| deliveries(&evidence.provider)),
    }
}

fn began(history: &History, phase: Phase) -> Option<u64> {
    history.phases.iter().find(|(reached, _)| *reached == phase).map(|(_, time)| *time)
}

/// Most operations in flight at one moment. One that was never answered is in flight to the end.
pub(crate) fn in_flight<'a>(end: u64, calls: impl IntoIterator<Item = &'a Call>) -> u64 {
    let mut steps = Vec::new();
    for call in calls {
        steps.push((call.start, 1_i64));
        steps.push((call.end.unwrap_or(end.saturating_add(1)), -1));
    }
    // At one and the same instant, answers come before questions: touching is not overlapping.
    steps.sort_unstable();
    let (mut now, mut most) = (0_i64, 0_i64);
    for (_, step) in steps {
        now += step;
        most = most.max(now);
    }
    most.unsigned_abs()
}

fn by_operation(history: &History, latencies: &Latencies) -> Vec<OperationStats> {
    let mut stats: BTreeMap<&str, OperationStats> = BTreeMap::new();
    for call in &history.calls {
        let name = call.operation.name();
        let fresh = || OperationStats { operation: name.into(), ..OperationStats::default() };
        let stats = stats.entry(name).or_insert_with(fresh);
        match call.outcome {
            Outcome::Ok => stats.ok += 1,
            Outcome::Fail => stats.fail += 1,
            Outcome::Info => stats.info += 1,
        }
    }
    for (name, latency) in latencies {
        if let Some(stats) = stats.get_mut(name) {
            stats.p50_us = latency.percentile_us(50.0);
            stats.p90_us = latency.percentile_us(90.0);
            stats.p95_us = latency.percentile_us(95.0);
            stats.p99_us = latency.percentile_us(99.0);
            stats.max_us = latency.longest_us();
        }
    }
    stats.into_values().collect()
}

fn timeline(history: &History) -> Vec<Bucket> {
    let released = offsets::released(history);
    let total_ms = history.end.saturating_sub(history.start).div_ceil(1_000_000);
    let width_ms = total_ms.div_ceil(BUCKETS).max(1);
    let mut buckets: BTreeMap<u64, (Bucket, Option<Latency>)> = BTreeMap::new();
    for index in 0..total_ms.div_ceil(width_ms) {
        let bucket = Bucket { at_ms: index * width_ms, ..Bucket::default() };
        buckets.insert(index, (bucket, Latency::new()));
    }
    let last = buckets.len().saturating_sub(1) as u64;
    for call in &history.calls {
        let Some(end) = call.end else { continue };
        let index = end.saturating_sub(history.start) / 1_000_000 / width_ms;
        let Some((bucket, latency)) = buckets.get_mut(&index.min(last)) else { continue };
        match call.outcome {
            Outcome::Ok => bucket.ok += 1,
            Outcome::Fail => bucket.fail += 1,
            Outcome::Info => bucket.info += 1,
        }
        if let Some(latency) = latency {
            latency.record(latency_us(call, history.end, &released));
        }
    }
    let filled = |(mut bucket, latency): (Bucket, Option<Latency>)| {
        if let Some(latency) = latency.filter(|latency| latency.samples() > 0) {
            bucket.p50_us = latency.percentile_us(50.0);
            bucket.p99_us = latency.percentile_us(99.0);
        }
        bucket
    };
    buckets.into_values().map(filled).collect()
}

/// Every race that was to leave at once, as it took place.
fn races(history: &History) -> Vec<RaceStats> {
    let calls: HashMap<u64, &Call> = history.calls.iter().map(|call| (call.op, call)).collect();
    history
        .races
        .iter()
        .filter(|race| race.apart.is_none())
        .map(|race| race_stats(race, history.end, |op| calls.get(&op).copied()))
        .collect()
}

/// One race as it took place: only operations that were really asked took part.
pub(crate) fn race_stats<'a>(race: &Race, end: u64, call: impl Fn(u64) -> Option<&'a Call>) -> RaceStats {
    let calls: BTreeMap<u64, &Call> = race.operations.iter().filter_map(|op| Some((*op, call(*op)?))).collect();
    RaceStats {
        name: race.name.clone(),
        planned: race.planned as u64,
        took_part: calls.len() as u64,
        spread_us: race.spread / 1_000,
        release: race.release,
        overlapped: in_flight(end, calls.values().copied()),
        won: calls.values().filter(|call| call.outcome == Outcome::Ok).count() as u64,
    }
}

/// Every planned fault, with what became of it.
pub(crate) fn faults(planned: &Planned, history: &History) -> Vec<FaultStats> {
    let ms = |time: u64| time.saturating_sub(history.start) / 1_000_000;
    let stats = |(number, fault): (usize, &overdraft_model::fault::Fault)| {
        let times: Vec<_> = history.faults.iter().filter(|injected| injected.fault == number).collect();
        let healed = times.iter().all(|injected| injected.to.is_some());
        FaultStats {
            fault: fault.name().into(),
            from_ms: times.iter().map(|injected| ms(injected.from)).min(),
            to_ms: times.iter().filter_map(|injected| injected.to).max().filter(|_| healed).map(ms),
            effects: times.iter().map(|injected| injected.effects).sum(),
            ready_before: times.iter().filter_map(|injected| injected.ready_before).reduce(|one, other| one && other),
            recovered_ms: times.iter().filter_map(|injected| injected.recovered_ms).max(),
        }
    };
    planned.scenario.planned_faults().into_iter().enumerate().map(stats).collect()
}

fn errors(history: &History) -> Vec<ErrorGroup> {
    let mut groups: BTreeMap<(&str, Outcome, Option<u16>, &str), u64> = BTreeMap::new();
    for call in history.calls.iter().filter(|call| call.outcome != Outcome::Ok) {
        let answer = &call.answer;
        let code = answer.code.as_deref().or(answer.error.as_deref()).unwrap_or_default();
        *groups.entry((call.operation.name(), call.outcome, answer.status, code)).or_default() += 1;
    }
    let mut groups: Vec<_> = groups
        .into_iter()
        .map(|((operation, outcome, status, code), count)| ErrorGroup {
            operation: operation.into(),
            outcome: outcome.to_string(),
            status,
            code: code.into(),
            count,
        })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups
}

fn deliveries(provider: &Provider) -> DeliveryStats {
    let mut by_event: BTreeMap<&str, u64> = BTreeMap::new();
    let mut forged = 0;
    for delivery in &provider.deliveries {
        match delivery.forgery {
            Some(_) => forged += 1,
            None => *by_event.entry(&delivery.event).or_default() += 1,
        }
    }
    tallied(provider.events.len() as u64, &by_event, forged)
}

fn deliveries_asked(history: &History) -> DeliveryStats {
    let mut by_event: BTreeMap<&str, u64> = BTreeMap::new();
    let mut forged = 0;
    for call in &history.calls {
        match &call.operation {
            Operation::DeliverWebhook { forgery: Some(_), .. } => forged += 1,
            Operation::DeliverWebhook { event, .. } => *by_event.entry(event).or_default() += 1,
            _ => {}
        }
    }
    tallied(by_event.len() as u64, &by_event, forged)
}

fn tallied(events: u64, by_event: &BTreeMap<&str, u64>, forged: u64) -> DeliveryStats {
    let authentic: u64 = by_event.values().sum();
    DeliveryStats { events, authentic, repeated: authentic - by_event.len() as u64, forged }
}
