//! A counterexample as a picture in Jepsen's manner: a lane per process, a bar per operation, blue for
//! ok, orange and open-ended for info, pink for fail. The word stands on every bar as well.

use maud::{Markup, PreEscaped, html};
use overdraft_model::verdict::StoryLine;

use super::scale::px;
use crate::words::{self, clip};

const WIDTH: f64 = 1000.0;
const LEFT: f64 = 104.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const ROW: f64 = 42.0;
/// Width of one character of the labels, which are set in a monospaced face at 12 px.
const CHARACTER: f64 = 7.23;
/// Room for the arrow of bars that never end.
const OPEN: f64 = 40.0;

/// When the story begins, in microseconds from the scenario's beginning.
pub fn zero(lines: &[StoryLine]) -> u64 {
    lines.iter().map(|line| line.start_us).min().unwrap_or(0)
}

/// The style of an outcome.
pub fn class(outcome: &str) -> &'static str {
    match outcome {
        "ok" => "ok",
        "fail" => "fail",
        _ => "info",
    }
}

/// The picture.
pub fn svg(id: &str, lines: &[StoryLine]) -> Markup {
    let lanes = lanes(lines);
    let axis = Axis::new(lines);
    let height = TOP + ROW * lines.len() as f64 + 8.0;
    let (mut below, mut above) = (String::new(), String::new());
    let mut y = TOP;
    for (number, (process, members)) in lanes.iter().enumerate() {
        let deep = ROW * members.len() as f64;
        below.push_str(&lane(*process, y, deep, number % 2 == 0));
        for line in members {
            above.push_str(&bar(line, &axis, y).0);
            y += ROW;
        }
    }
    html! {
        svg.timeline viewBox=(format!("0 0 {WIDTH} {height}")) role="img" aria-labelledby=(format!("{id}t {id}d")) {
            title id=(format!("{id}t")) { "Timeline of " (words::counted(lines.len() as u64, "operation")) }
            desc id=(format!("{id}d")) { (description(lines)) }
            (PreEscaped(below))
            (ticks(&axis, height))
            (PreEscaped(above))
        }
        p.note {
            "Time 0 is " (words::micros(zero(lines))) " into the scenario."
            @if axis.bent { " Distances are stretched and shortened so that all can be seen; the times are true." }
        }
    }
}

fn description(lines: &[StoryLine]) -> String {
    let zero = zero(lines);
    let told = lines.iter().take(12).map(|line| {
        let at = words::micros(line.start_us.saturating_sub(zero));
        format!("At {at} process {}: {}, {}.", line.process, clip(&line.asked, 80), clip(&line.outcome, 20))
    });
    let told: Vec<String> = told.collect();
    format!("{} The table below says the same.", told.join(" "))
}

/// Processes in order of appearance, each with its operations.
fn lanes(lines: &[StoryLine]) -> Vec<(u64, Vec<&StoryLine>)> {
    let mut lanes: Vec<(u64, Vec<&StoryLine>)> = Vec::new();
    for line in lines {
        match lanes.iter_mut().find(|(process, _)| *process == line.process) {
            Some((_, members)) => members.push(line),
            None => lanes.push((line.process, vec![line])),
        }
    }
    lanes
}

fn lane(process: u64, y: f64, deep: f64, even: bool) -> String {
    let class = if even { "lane even" } else { "lane" };
    let lane = html! {
        rect class=(class) x="0" y=(px(y)) width=(px(WIDTH)) height=(px(deep)) {}
        text.process x="10" y=(px(y + 25.0)) { "process " (process) }
    };
    lane.into_string()
}

fn bar(line: &StoryLine, axis: &Axis, y: f64) -> Markup {
    let style = class(&line.outcome);
    let open = style == "info";
    let x = axis.x(line.start_us);
    let end = match (open, line.end_us) {
        (false, Some(end)) => axis.x(end).max(x + 5.0),
        _ => WIDTH - RIGHT,
    };
    let outcome = clip(&line.outcome, 12);
    let room = ((WIDTH - RIGHT - LEFT) / CHARACTER) as usize - outcome.chars().count() - 1;
    let label = clip(&format!("{} → {}", line.asked, line.answered), room);
    let width = (outcome.chars().count() + 1 + label.chars().count()) as f64 * CHARACTER;
    let at = x.min(WIDTH - RIGHT - width).max(LEFT);
    html! {
        g {
            title { "#" (line.op) " " (clip(&line.asked, 200)) " → " (clip(&line.answered, 200)) }
            @if open {
                path class=(format!("bar {style}")) d=(open_bar(x, end, y + 25.0)) {}
            } @else {
                rect class=(format!("bar {style}")) x=(px(x)) y=(px(y + 25.0)) width=(px(end - x)) height="11" rx="2" {}
            }
            text.op x=(px(at)) y=(px(y + 18.0)) { tspan.word { (outcome) } " " (label) }
        }
    }
}

/// A bar whose right end is an arrow: its effect may still come.
fn open_bar(x: f64, end: f64, y: f64) -> String {
    let neck = end - 9.0;
    let (bottom, middle) = (y + 11.0, y + 5.5);
    format!("M{x:.1} {y:.1}H{neck:.1}L{end:.1} {middle:.1}L{neck:.1} {bottom:.1}H{x:.1}Z")
}

fn ticks(axis: &Axis, height: f64) -> Markup {
    let mut last = f64::NEG_INFINITY;
    let shown: Vec<(f64, String)> = axis
        .points
        .iter()
        .filter_map(|(us, x)| {
            let label = format!("+{}", words::micros(us - axis.points[0].0));
            let fits = x - last >= 66.0 && *x <= WIDTH - 50.0;
            if fits {
                last = *x;
            }
            fits.then_some((*x, label))
        })
        .collect();
    html! {
        @for (x, label) in shown {
            line.grid x1=(px(x)) x2=(px(x)) y1="22" y2=(px(height - 4.0)) {}
            text.tick x=(px(x + 3.0)) y="16" { (label) }
        }
    }
}

/// Where each moment of the story lies. Gaps are kept in proportion between a smallest and a largest
/// width, so that neither a race of microseconds nor a pause of seconds makes the rest unreadable.
struct Axis {
    points: Vec<(u64, f64)>,
    bent: bool,
}

impl Axis {
    fn new(lines: &[StoryLine]) -> Self {
        let mut moments: Vec<u64> =
            lines.iter().flat_map(|line| [Some(line.start_us), line.end_us]).flatten().collect();
        moments.sort_unstable();
        moments.dedup();
        let total = moments.last().zip(moments.first()).map_or(0, |(last, first)| last - first).max(1) as f64;
        let gaps: Vec<f64> = moments.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / total).collect();
        let most = 2.5 / gaps.len().max(1) as f64;
        let bounded: Vec<f64> =
            gaps.iter().map(|gap| gap.clamp(0.25 / gaps.len().max(1) as f64, most.max(0.02))).collect();
        let bent = gaps.iter().zip(&bounded).any(|(gap, shown)| (gap - shown).abs() > 1e-9);
        let open = lines.iter().any(|line| class(&line.outcome) == "info" || line.end_us.is_none());
        let width = WIDTH - LEFT - RIGHT - if open { OPEN } else { 0.0 };
        let scale = width / bounded.iter().sum::<f64>().max(f64::EPSILON);
        let mut x = LEFT;
        let mut points = Vec::with_capacity(moments.len());
        for (number, moment) in moments.into_iter().enumerate() {
            if number > 0 {
                x += bounded[number - 1] * scale;
            }
            points.push((moment, x));
        }
        Self { points, bent }
    }

    fn x(&self, us: u64) -> f64 {
        let at = self.points.partition_point(|(moment, _)| *moment < us);
        self.points.get(at).map_or(LEFT, |(_, x)| *x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(process: u64, start_us: u64, end_us: Option<u64>, outcome: &str) -> StoryLine {
        StoryLine { op: 1, process, start_us, end_us, asked: "a".into(), outcome: outcome.into(), answered: "b".into() }
    }

    #[test]
    fn moments_keep_their_order_and_stay_inside() {
        let lines = [line(1, 0, Some(5), "ok"), line(2, 3, None, "info"), line(1, 9_000_000, Some(9_000_001), "fail")];
        let axis = Axis::new(&lines);
        assert!(axis.bent);
        assert!(axis.points.windows(2).all(|pair| pair[0].1 + 4.0 < pair[1].1));
        assert!(axis.points.iter().all(|(_, x)| (LEFT..=WIDTH - RIGHT - OPEN + 0.01).contains(x)));
    }

    #[test]
    fn a_single_moment_is_drawn() {
        let picture = svg("x", &[line(1, 7, None, "info")]).into_string();
        assert!(picture.contains("process 1") && !picture.contains("NaN"), "{picture}");
    }
}
