//! A counterexample as text.

use std::fmt::Write;

use super::Counterexample;

/// Operations of the prefix that are told; those before them are only counted.
const LAST: usize = 10;

/// Tells a counterexample, with a line per operation in the words of `describe` and the state in those of `state`.
pub fn tell<State>(
    counterexample: &Counterexample<State>,
    describe: impl Fn(usize) -> String,
    state: impl Fn(&State) -> String,
) -> String {
    let Counterexample { prefix, state: reached, stuck, out_of_reach, beside } = counterexample;
    let mut text = match prefix.len() {
        1 if *out_of_reach => "after this operation:\n".to_owned(),
        number if *out_of_reach => format!("after these {number} operations in order:\n"),
        0 => "no operation can come first\n".to_owned(),
        1 => "only 1 operation can be put in order:\n".to_owned(),
        number => format!("at most {number} operations can be put in order:\n"),
    };
    let left_out = prefix.len().saturating_sub(LAST);
    let mut line = |sign: &str, what: &str| {
        let _ = writeln!(text, "  {sign} {what}");
    };
    if left_out > 0 {
        line(" ", &format!("({left_out} before)"));
    }
    prefix[left_out..].iter().for_each(|at| line("+", &describe(*at)));
    line("=", &state(reached));
    let why =
        if *out_of_reach { "is not possible any more, whatever comes next" } else { "must come next, and cannot" };
    line("!", &format!("{} {why}", describe(*stuck)));
    beside.iter().take(LAST).for_each(|at| line("?", &format!("{} does not fit either", describe(*at))));
    if beside.len() > LAST {
        line("?", &format!("and {} more that overlap it", beside.len() - LAST));
    }
    text
}
