//! Latency and completions over time, with the windows of the faults shaded.

use maud::{Markup, PreEscaped, html};
use overdraft_model::verdict::{Bucket, FaultStats, Measurements};

use super::scale::{Latency, px, round_marks};
use crate::words::{self, clip};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 78.0;
const STRIP: f64 = 18.0;
const LATENCY: f64 = 190.0;
const COUNTS: f64 = 70.0;
const GAP: f64 = 30.0;
/// Most points of a line; more slices than this are joined.
const POINTS: usize = 160;
/// A fault in place for this share of the time has nothing to be told apart from, so it is not shaded.
const WHOLE: f64 = 0.95;
/// Most faults that are drawn.
const FAULTS: usize = 8;

/// Slices of time as they are drawn: joined where there are too many, and how many make one.
pub fn slices(timeline: &[Bucket]) -> (Vec<Bucket>, usize) {
    let each = timeline.len().div_ceil(POINTS).max(1);
    let joined = timeline.chunks(each).filter_map(|chunk| chunk.iter().cloned().reduce(join)).collect();
    (joined, each)
}

fn join(a: Bucket, b: Bucket) -> Bucket {
    Bucket {
        at_ms: a.at_ms.min(b.at_ms),
        ok: a.ok + b.ok,
        fail: a.fail + b.fail,
        info: a.info + b.info,
        p50_us: a.p50_us.max(b.p50_us),
        p99_us: a.p99_us.max(b.p99_us),
    }
}

fn completions(bucket: &Bucket) -> u64 {
    bucket.ok + bucket.fail + bucket.info
}

/// The picture of one scenario.
pub fn svg(id: &str, measured: &Measurements, slices: &[Bucket]) -> Markup {
    let drawn: Vec<&FaultStats> = measured.faults.iter().filter(|fault| fault.from_ms.is_some()).take(FAULTS).collect();
    let frame = Frame::new(slices, &drawn);
    let height = frame.counts_bottom() + 26.0;
    html! {
        svg.chart viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(format!("{id}t {id}d")) {
            title id=(format!("{id}t")) { "Latency and completions over time" }
            desc id=(format!("{id}d")) { (description(slices, &drawn)) }
            (faults(&frame, &drawn))
            (latency(&frame, slices))
            (counts(&frame, slices))
            (time_axis(&frame))
        }
    }
}

fn description(slices: &[Bucket], faults: &[&FaultStats]) -> String {
    let worst = slices.iter().max_by_key(|slice| slice.p99_us);
    let worst = worst.map_or_else(String::new, |slice| {
        let (p99, at) = (words::micros(slice.p99_us), words::millis(slice.at_ms));
        format!("The 99th percentile was highest at {at}, with {p99}.")
    });
    let names: Vec<String> = faults.iter().map(|fault| clip(&fault.fault, 40)).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    format!("{worst} Faults shaded: {names}. The table below holds the same data.")
}

/// Where everything lies.
struct Frame {
    top: f64,
    start: u64,
    slice: u64,
    end: u64,
    latency: Latency,
    most: u64,
}

impl Frame {
    fn new(slices: &[Bucket], faults: &[&FaultStats]) -> Self {
        let start = slices.first().map_or(0, |slice| slice.at_ms);
        let gap = slices.windows(2).map(|pair| pair[1].at_ms.saturating_sub(pair[0].at_ms)).min();
        let slice = gap.unwrap_or(1_000).max(1);
        let last = slices.last().map_or(start, |slice| slice.at_ms);
        let busy = || slices.iter().filter(|slice| completions(slice) > 0);
        let least = busy().map(|slice| slice.p50_us).min().unwrap_or(1);
        let most = busy().map(|slice| slice.p99_us).max().unwrap_or(1);
        Self {
            top: 10.0 + STRIP * faults.len() as f64,
            start,
            slice,
            end: last.saturating_add(slice),
            latency: Latency::new(least, most),
            most: slices.iter().map(completions).max().unwrap_or(0).max(1),
        }
    }

    fn x(&self, ms: u64) -> f64 {
        let span = (self.end - self.start).max(1) as f64;
        let share = ms.clamp(self.start, self.end) - self.start;
        LEFT + (WIDTH - LEFT - RIGHT) * share as f64 / span
    }

    fn middle(&self, slice: &Bucket) -> f64 {
        self.x(slice.at_ms + self.slice / 2)
    }

    fn latency_y(&self, us: f64) -> f64 {
        self.top + LATENCY * (1.0 - self.latency.share(us))
    }

    const fn latency_bottom(&self) -> f64 {
        self.top + LATENCY
    }

    const fn counts_bottom(&self) -> f64 {
        self.latency_bottom() + GAP + COUNTS
    }
}

fn faults(frame: &Frame, faults: &[&FaultStats]) -> Markup {
    html! {
        @for (number, fault) in faults.iter().enumerate() {
            @let from = frame.x(fault.from_ms.unwrap_or(frame.start));
            @let to = fault.to_ms.map_or(WIDTH - RIGHT, |to| frame.x(to)).max(from + 3.0);
            @let y = 4.0 + STRIP * number as f64;
            @let name = clip(&fault.fault, 40);
            @let wide = name.chars().count() as f64 * 6.7;
            @if to - from < WHOLE * (WIDTH - LEFT - RIGHT) {
                rect.window x=(px(from)) y=(px(y)) width=(px(to - from)) height=(px(frame.counts_bottom() - y)) {}
            }
            rect.strip x=(px(from)) y=(px(y)) width=(px(to - from)) height="3" {}
            text.fault x=(px((from + 3.0).min(WIDTH - wide - 4.0))) y=(px(y + 14.0)) { (name) }
        }
    }
}

fn latency(frame: &Frame, slices: &[Bucket]) -> Markup {
    let line = |value: fn(&Bucket) -> u64| PreEscaped(path(frame, slices, value));
    html! {
        @for mark in &frame.latency.marks {
            @let y = frame.latency_y(*mark);
            line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y)) y2=(px(y)) {}
            text.tick.end x=(px(LEFT - 8.0)) y=(px(y + 4.0)) { (words::micros(mark.round() as u64)) }
        }
        path.p99 d=(line(|slice| slice.p99_us)) {}
        path.p50 d=(line(|slice| slice.p50_us)) {}
        @for (name, y) in ends(frame, slices) {
            text.name x=(px(WIDTH - RIGHT + 8.0)) y=(px(y)) { (name) }
        }
    }
}

/// A line that is interrupted where nothing ended; a slice alone is a short stroke.
fn path(frame: &Frame, slices: &[Bucket], value: fn(&Bucket) -> u64) -> String {
    let mut path = String::new();
    let mut drawing = false;
    for (number, slice) in slices.iter().enumerate() {
        if completions(slice) == 0 {
            drawing = false;
            continue;
        }
        let (x, y) = (frame.middle(slice), frame.latency_y(value(slice) as f64));
        let alone = !drawing && slices.get(number + 1).is_none_or(|next| completions(next) == 0);
        match (drawing, alone) {
            (true, _) => path.push_str(&format!("L{x:.1} {y:.1}")),
            (false, true) => path.push_str(&format!("M{:.1} {y:.1}H{:.1}", x - 3.0, x + 3.0)),
            (false, false) => path.push_str(&format!("M{x:.1} {y:.1}")),
        }
        drawing = true;
    }
    path
}

/// The names of the lines, beside their ends and apart from each other.
fn ends(frame: &Frame, slices: &[Bucket]) -> Vec<(&'static str, f64)> {
    let Some(last) = slices.iter().rev().find(|slice| completions(slice) > 0) else {
        return Vec::new();
    };
    let upper = frame.latency_y(last.p99_us as f64) + 4.0;
    let lower = (frame.latency_y(last.p50_us as f64) + 4.0).max(upper + 14.0);
    vec![("p99", upper), ("p50", lower)]
}

fn counts(frame: &Frame, slices: &[Bucket]) -> Markup {
    let bottom = frame.counts_bottom();
    let top_mark = round_marks(frame.most as f64, 2).last().copied().unwrap_or(1.0);
    let wide = (frame.x(frame.start + frame.slice) - frame.x(frame.start) - 1.0).max(0.8);
    let mut bars = String::new();
    for slice in slices {
        let mut y = bottom;
        for (class, number) in [("ok", slice.ok), ("info", slice.info), ("fail", slice.fail)] {
            let high = COUNTS * number as f64 / top_mark;
            if number > 0 {
                y -= high;
                let x = frame.x(slice.at_ms);
                bars.push_str(&format!(
                    r#"<rect class="bar {class}" x="{x:.1}" y="{y:.1}" width="{wide:.1}" height="{high:.1}"/>"#
                ));
            }
        }
    }
    html! {
        @for mark in [0.0, top_mark] {
            @let y = bottom - COUNTS * mark / top_mark;
            line.grid x1=(px(LEFT)) x2=(px(WIDTH - RIGHT)) y1=(px(y)) y2=(px(y)) {}
            text.tick.end x=(px(LEFT - 8.0)) y=(px(y + 4.0)) { (words::count(mark.round() as u64)) }
        }
        text.tick x=(px(WIDTH - RIGHT + 8.0)) y=(px(bottom - COUNTS / 2.0 - 3.0)) { "ended per" }
        text.tick x=(px(WIDTH - RIGHT + 8.0)) y=(px(bottom - COUNTS / 2.0 + 11.0)) { (seconds(frame.slice)) }
        (PreEscaped(bars))
    }
}

fn time_axis(frame: &Frame) -> Markup {
    let y = frame.counts_bottom() + 18.0;
    let span = (frame.end - frame.start) as f64;
    let marks = round_marks(span, 8);
    html! {
        @for mark in marks.into_iter().filter(|mark| *mark <= span) {
            @let ms = frame.start + mark.round() as u64;
            @let x = frame.x(ms);
            text.tick.mid x=(px(x)) y=(px(y)) { @if ms == 0 { "0" } @else { (seconds(ms)) } }
        }
    }
}

fn seconds(ms: u64) -> String {
    if ms < 1_000 { format!("{ms} ms") } else { format!("{} s", words::decimal(ms as f64 / 1_000.0)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(at_ms: u64, ok: u64) -> Bucket {
        Bucket { at_ms, ok, p50_us: 10, p99_us: at_ms, ..Bucket::default() }
    }

    #[test]
    fn many_slices_are_joined_by_their_worst() {
        let timeline: Vec<Bucket> = (0..1_000).map(|n| bucket(n * 100, 1)).collect();
        let (joined, each) = slices(&timeline);
        assert_eq!((joined.len(), each), (143, 7));
        assert_eq!((joined[0].ok, joined[0].p99_us, joined[1].at_ms), (7, 600, 700));
    }

    #[test]
    fn odd_timelines_are_drawn_without_nonsense() {
        for timeline in [vec![], vec![bucket(0, 0)], vec![bucket(5, 1)], vec![bucket(0, 1), bucket(0, 1)]] {
            let picture = svg("x", &Measurements::default(), &timeline).into_string();
            assert!(!picture.contains("NaN") && !picture.contains("inf\""), "{picture}");
        }
    }
}
