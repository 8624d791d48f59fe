//! A random timetable becomes windows, drawn from the seed before anything starts.

use overdraft_model::{
    fault::{
        Window,
        timetable::{Choice, Random},
    },
    span::Span,
};
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::draw::generator;

/// The last fault is healed so long before driving ends, so that the end sees the target recover under load.
const BEFORE_THE_END: u64 = 1_000;

/// Windows until a scenario's driving ends, one after another. Each choice comes as often as its weight says before
/// any comes again, so that a long enough run sees all of them.
pub(crate) fn windows(random: &Random, scenario: &str, until: Span, seed: u64) -> Vec<Window> {
    let mut rng = generator(seed, &[scenario, "timetable"]);
    let end = until.ms().saturating_sub(BEFORE_THE_END);
    let mut bag: Vec<&Choice> = Vec::new();
    let mut windows = Vec::new();
    let mut at = between(&mut rng, random.pause);
    loop {
        if bag.is_empty() {
            bag = random.faults.iter().flat_map(|choice| std::iter::repeat_n(choice, choice.weight as usize)).collect();
            bag.shuffle(&mut rng);
        }
        let (Some(choice), length) = (bag.pop(), between(&mut rng, random.lasts)) else { return windows };
        if at + length > end {
            return windows;
        }
        windows.push(Window {
            at: Span::from_ms(at),
            length: Some(Span::from_ms(length)),
            every: None,
            alone: true,
            fault: choice.fault.clone(),
        });
        at += length + between(&mut rng, random.pause).max(1);
    }
}

fn between(rng: &mut ChaCha8Rng, [least, most]: [Span; 2]) -> u64 {
    rng.random_range(least.ms()..=most.ms().max(least.ms()))
}

#[cfg(test)]
mod tests {
    use overdraft_model::fault::Fault;

    use super::*;

    fn random() -> Random {
        let seconds = |from: u64, to: u64| [Span::from_ms(from * 1_000), Span::from_ms(to * 1_000)];
        let choice = |weight, fault| Choice { weight, fault };
        let faults = vec![choice(2, Fault::EmailDown {}), choice(1, Fault::WebhookOutage {})];
        Random { lasts: seconds(1, 2), pause: seconds(1, 3), faults }
    }

    #[test]
    fn windows_follow_each_other_and_end_in_time() {
        let until = Span::from_ms(120_000);
        let windows = windows(&random(), "soak", until, 7);
        assert!(windows.len() > 20, "{}", windows.len());
        let ends: Vec<u64> = windows.iter().map(|window| window.at.ms() + window.length.unwrap().ms()).collect();
        assert!(windows.iter().skip(1).zip(&ends).all(|(next, end)| next.at.ms() > *end));
        assert!(ends.last().unwrap() + BEFORE_THE_END <= until.ms());
        let down = windows.iter().filter(|window| window.fault == Fault::EmailDown {}).count();
        assert!((down * 3).abs_diff(windows.len() * 2) <= 6, "{down} of {}", windows.len());
    }

    #[test]
    fn the_seed_decides_and_a_choice_that_weighs_nothing_never_comes() {
        let until = Span::from_ms(60_000);
        assert_eq!(windows(&random(), "soak", until, 7), windows(&random(), "soak", until, 7));
        assert_ne!(windows(&random(), "soak", until, 7), windows(&random(), "soak", until, 8));
        let none = Random { faults: vec![Choice { weight: 0, fault: Fault::EmailDown {} }], ..random() };
        assert_eq!(windows(&none, "soak", until, 7), []);
    }
}
