//! What can be left out of a scenario, so that what is left can be run: its faults, its users, their steps, the steps
//! of a case, the operations that are struck. Pure; whether a smaller scenario still shows a violation is tried
//! elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use overdraft_model::{
    flow::Action,
    operation::Operation,
    scenario::{Kept, Scenario, Workload},
};

use crate::{kept::named_leads, script::draw_all, steps::Step};

/// One way to make a scenario smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Fewer faults.
    Faults,
    /// Fewer users.
    Users,
    /// Fewer of a user's steps.
    Steps,
    /// Fewer steps of a case.
    Case,
    /// Fewer operations that are struck at their boundaries.
    Struck,
}

/// Something that is left out or kept as a whole: places in a list, or steps as user and step, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part(Vec<(usize, usize)>);

impl Cut {
    /// The ways to make this scenario smaller, those that leave out most first.
    #[must_use]
    pub const fn of(scenario: &Scenario) -> &'static [Self] {
        match scenario.workload {
            Workload::Flow(_) => &[Self::Case],
            Workload::EveryBoundary { .. } => &[Self::Struck],
            Workload::PairOffsets { .. } => &[Self::Faults],
            _ => &[Self::Faults, Self::Users, Self::Steps],
        }
    }

    /// The parts of which some may be left out.
    #[must_use]
    pub fn parts(self, scenario: &Scenario, seed: u64) -> Vec<Part> {
        let list = |length: usize| (0..length).map(|at| Part(vec![(at, 0)])).collect();
        match (self, &scenario.workload) {
            (Self::Faults, _) => list(scenario.faults.len()),
            (Self::Case, Workload::Flow(flow)) => list(flow.when.len()),
            (Self::Struck, Workload::EveryBoundary { operations, .. }) => list(operations.len()),
            (Self::Users, _) => steps(scenario, seed).into_values().map(Part).collect(),
            (Self::Steps, _) => steps(scenario, seed).into_values().flatten().map(|step| Part(vec![step])).collect(),
            (Self::Case | Self::Struck, _) => Vec::new(),
        }
    }

    /// The scenario with these parts of it alone; none where nothing would be left to do.
    #[must_use]
    pub fn keep(self, scenario: &Scenario, parts: &[Part]) -> Option<Scenario> {
        let places: BTreeSet<(usize, usize)> = parts.iter().flat_map(|part| part.0.iter().copied()).collect();
        let mut smaller = scenario.clone();
        match (self, &mut smaller.workload) {
            (Self::Faults, _) => retain(&mut smaller.faults, &places),
            (_, _) if places.is_empty() => return None,
            (Self::Case, Workload::Flow(flow)) => retain(&mut flow.when, &places),
            (Self::Struck, Workload::EveryBoundary { operations, .. }) => retain(operations, &places),
            (Self::Users | Self::Steps, _) => smaller.load.keep = kept(places),
            (Self::Case | Self::Struck, _) => return None,
        }
        Some(smaller)
    }
}

fn retain<T>(list: &mut Vec<T>, places: &BTreeSet<(usize, usize)>) {
    let mut at = 0;
    list.retain(|_| {
        at += 1;
        places.contains(&(at - 1, 0))
    });
}

/// The steps that a scenario takes of all that is drawn, by user.
fn steps(scenario: &Scenario, seed: u64) -> BTreeMap<usize, Vec<(usize, usize)>> {
    let user = |user: usize, steps: &mut dyn Iterator<Item = usize>| (user, steps.map(|step| (user, step)).collect());
    if scenario.load.keep.is_empty() {
        let drawn = draw_all(scenario, seed).1.users;
        return drawn.iter().enumerate().map(|(at, steps)| user(at, &mut (0..steps.len()))).collect();
    }
    let keep = scenario.load.keep.iter();
    keep.map(|kept| user(kept.user - 1, &mut kept.steps.iter().map(|step| step - 1))).collect()
}

fn kept(places: BTreeSet<(usize, usize)>) -> Vec<Kept> {
    let mut users: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (user, step) in places {
        users.entry(user + 1).or_default().push(step + 1);
    }
    users.into_iter().map(|(user, steps)| Kept { user, steps }).collect()
}

/// Guesses at what is enough, the smallest first, from operations that showed a violation: their own steps; all steps
/// about the same leads, the same workspaces, both. Empty where the workload draws no steps of users, or nothing would be
/// left out.
#[must_use]
pub fn about(scenario: &Scenario, seed: u64, told: &[Operation]) -> Vec<Scenario> {
    if !Cut::of(scenario).contains(&Cut::Steps) {
        return Vec::new();
    }
    let script = draw_all(scenario, seed).1;
    let workspaces: BTreeSet<&str> = told.iter().filter_map(Operation::workspace).collect();
    let leads: BTreeSet<&str> = told.iter().flat_map(named_leads).collect();
    // Who pays what was ordered does so in the step of the order.
    let told_of = |step: &Step, operation: &Operation| {
        told.contains(operation)
            || matches!(step, Step::Order { .. })
                && told
                    .iter()
                    .any(|told| matches!(told, Operation::Pay { .. }) && told.workspace() == operation.workspace())
    };
    let same_lead = |operation: &Operation| named_leads(operation).any(|lead| leads.contains(lead));
    let same_workspace = |operation: &Operation| operation.workspace().is_some_and(|name| workspaces.contains(name));
    let all: Vec<(usize, usize)> = steps(scenario, seed).into_values().flatten().collect();
    let of = |wanted: &dyn Fn(&Step, &Operation) -> bool| -> Vec<Part> {
        let wanted = |step: &Step| step.operation().is_some_and(|operation| wanted(step, operation));
        let drawn = all
            .iter()
            .filter(|(user, step)| script.users.get(*user).and_then(|steps| steps.get(*step)).is_some_and(wanted));
        drawn.map(|place| Part(vec![*place])).collect()
    };
    let mut guesses = vec![
        of(&told_of),
        of(&|_, operation| same_lead(operation)),
        of(&|_, operation| same_workspace(operation)),
        of(&|_, operation| same_workspace(operation) || same_lead(operation)),
    ];
    guesses.retain(|parts| !parts.is_empty() && parts.len() < all.len());
    guesses.sort_by_key(Vec::len);
    guesses.dedup();
    guesses.iter().filter_map(|parts| Cut::Steps.keep(scenario, parts)).collect()
}

/// A scenario with one of its numbers halved, for each of them: copies of a case's step, pairs of a search.
#[must_use]
pub fn halves(scenario: &Scenario) -> Vec<Scenario> {
    let numbers = match &scenario.workload {
        Workload::Flow(flow) => flow.when.len(),
        Workload::PairOffsets { .. } => 1,
        _ => 0,
    };
    let halved = |at: usize| {
        let mut smaller = scenario.clone();
        let number = match &mut smaller.workload {
            Workload::Flow(flow) => match &mut flow.when.get_mut(at)?.action {
                Action::Ask { count, .. } | Action::Race { count, .. } => count,
                Action::Redeliver { copies, .. } => copies,
                _ => return None,
            },
            _ => &mut smaller.load.rounds,
        };
        let fewer = number.div_ceil(2);
        (std::mem::replace(number, fewer) > fewer).then_some(smaller)
    };
    (0..numbers).filter_map(halved).collect()
}

/// The scenario as a test of one check: it claims to prove nothing else, and what its own case expects of steps that
/// may be gone is not asked for.
#[must_use]
pub fn focused(scenario: &Scenario, check: &str) -> Scenario {
    let mut scenario = scenario.clone();
    scenario.proves = vec![check.to_owned()];
    scenario.thresholds.clear();
    if let Workload::Flow(flow) = &mut scenario.workload {
        flow.then.clear();
        for step in &mut flow.when {
            match &mut step.action {
                Action::Ask { answer, .. } | Action::End { answer, .. } | Action::Redeliver { answer, .. } => {
                    *answer = None;
                }
                Action::Race { answers, .. } => answers.clear(),
                _ => {}
            }
        }
    }
    scenario
}

/// How much a scenario does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Users who have something to do.
    pub users: usize,
    /// Steps of all of them, or of the case, or operations that are struck.
    pub steps: usize,
    /// Faults.
    pub faults: usize,
}

impl Size {
    /// How much it is.
    #[must_use]
    pub fn of(scenario: &Scenario, seed: u64) -> Self {
        let (users, steps) = match &scenario.workload {
            Workload::Flow(flow) => (1, flow.when.len()),
            Workload::EveryBoundary { operations, .. } => (1, operations.len()),
            _ => {
                let steps = steps(scenario, seed);
                (steps.len(), steps.values().map(Vec::len).sum())
            }
        };
        Self { users, steps, faults: scenario.planned_faults().len() }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "users {}, steps {}, faults {}", self.users, self.steps, self.faults)
    }
}

#[cfg(test)]
mod tests {
    use overdraft_model::codec;

    use super::*;
    use crate::{catalogue, script};

    fn scenario(id: &str) -> Scenario {
        catalogue::scenarios().unwrap().into_iter().find(|scenario| scenario.id == id).unwrap()
    }

    #[test]
    fn what_is_kept_is_what_it_was_in_the_whole() {
        let flash = scenario("flash-sale");
        let (world, whole) = script::draw(&flash, 7);
        let users = Cut::Users.parts(&flash, 7);
        let two = Cut::Users.keep(&flash, &[users[4].clone(), users[9].clone()]).unwrap();
        assert_eq!(script::check_kept(&two, 7), Ok(()));
        let (fewer, script) = script::draw(&two, 7);
        assert_eq!(script.users, [whole.users[4].clone(), whole.users[9].clone()]);
        assert!(script.races().iter().all(|(_, size)| *size == 2));
        let names: Vec<&str> = fewer.workspaces.iter().map(|workspace| workspace.name.as_str()).collect();
        assert_eq!(names, ["partner-1", "buyer-005", "buyer-010"]);
        assert_eq!(fewer.workspaces[1], *world.workspace("buyer-005").unwrap());
        assert_eq!(fewer.leads, world.leads);

        let steps = Cut::Steps.parts(&two, 7);
        let one = Cut::Steps.keep(&two, &steps[..1]).unwrap();
        let (world, script) = script::draw(&one, 7);
        let Step::Race { operation, .. } = &whole.users[4][0] else { panic!("a race") };
        assert_eq!(script.users, [vec![Step::Call(operation.clone())]], "a race of one is an ordinary request");
        assert_eq!((world.workspaces.len(), world.leads.len()), (2, 1));
        assert_eq!(Size::of(&one, 7), Size { users: 1, steps: 1, faults: 0 });
        assert_eq!(Cut::Steps.keep(&two, &[]), None, "a scenario in which nobody does anything");
    }

    #[test]
    fn a_smaller_scenario_reads_back_from_its_file() {
        for scenario in catalogue::scenarios().unwrap() {
            let mut whole = script::plan(focused(&scenario, "credits.conserved"), 3).scenario;
            whole.seed = Some(3);
            for cut in Cut::of(&whole) {
                let parts = cut.parts(&whole, 3);
                let Some(smaller) = cut.keep(&whole, &parts[..parts.len().div_ceil(2)]) else { continue };
                let text = codec::write_toml(&smaller).unwrap();
                let read = catalogue::read(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", scenario.id));
                assert_eq!(read, smaller, "{text}");
            }
        }
    }

    #[test]
    fn guesses_are_about_what_was_told_and_smaller_than_the_whole() {
        let market = scenario("market");
        let script = script::draw(&market, 7).1;
        let told = script.users[2].iter().find_map(Step::operation).unwrap();
        let guesses = about(&market, 7, std::slice::from_ref(told));
        let sizes: Vec<usize> = guesses.iter().map(|guess| Size::of(guess, 7).steps).collect();
        assert_eq!(sizes[0], 1);
        assert!(sizes.is_sorted() && sizes.len() > 1, "{sizes:?}");
        let (_, script) = script::draw(&guesses[0], 7);
        assert_eq!(script.users.concat()[0].operation(), Some(told));
        assert_eq!(about(&scenario("CF-01"), 7, std::slice::from_ref(told)), []);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_reason() {
        let kept = |scenario: &str, user, steps: &[usize]| {
            let mut scenario = self::scenario(scenario);
            scenario.load.keep = vec![Kept { user, steps: steps.to_vec() }];
            script::check_kept(&scenario, 7).unwrap_err()
        };
        for (problem, expected) in [
            (kept("flash-sale", 0, &[1]), "no user 0 of 120"),
            (kept("flash-sale", 121, &[1]), "no user 121 of 120"),
            (kept("flash-sale", 1, &[]), "must be some"),
            (kept("flash-sale", 1, &[2, 1]), "in order"),
            (kept("flash-sale", 1, &[9_999]), "no step 9999"),
            (kept("CF-01", 1, &[1]), "belong together"),
        ] {
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn numbers_are_halved_one_at_a_time() {
        let case = scenario("CF-03");
        let halved = halves(&case);
        assert!(!halved.is_empty() && halved.iter().all(|smaller| *smaller != case));
        assert_eq!(halves(&scenario("lead-offsets"))[0].load.rounds, scenario("lead-offsets").load.rounds.div_ceil(2));
        assert_eq!(halves(&scenario("flash-sale")), []);
    }
}
