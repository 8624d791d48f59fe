//! Arguments and files become a plan with no options left open: the last place where bad input can fail.

use std::path::Path;

use overdraft_engine::{
    chaos_toolkit::{self, Experiment},
    provision::postgres::Way,
};
use overdraft_model::{
    manifest::Planned,
    scenario::{Scenario, Workload},
    span::Span,
    target::Target,
};
use overdraft_reference::Defect;
use overdraft_scenarios::{
    catalogue::{self, SUITES},
    script,
};
use sha2::{Digest, Sha256};

use crate::{
    args::{Common, Format, RunOptions},
    exit::Failure,
    faults, flow, nearest,
    target::{self, Loaded, Need},
};

/// More rounds than this are not drawn: each is in memory before anything starts.
const MOST_ROUNDS: usize = 100_000;
/// More passes than this are not drawn: each has a buyer and a lead.
const MOST_PASSES: usize = 2_000;
/// A round is not over sooner than this, as `--duration` reckons.
const ROUND_MS: u64 = 250;

/// Everything that a run needs to know.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) target: Loaded,
    pub(crate) defect: Option<String>,
    pub(crate) scenarios: Vec<Planned>,
    pub(crate) common: Common,
    pub(crate) way: Way,
    pub(crate) format: Format,
    /// SHA-256 of everything above that decides what is done.
    pub(crate) configuration: String,
    /// The command that repeats it.
    pub(crate) replay: String,
    /// The experiment whose method is the timetable, if one was given.
    pub(crate) experiment: Option<Experiment>,
}

/// Resolves `run`'s arguments.
pub(crate) fn plan(options: &RunOptions) -> Result<Plan, Failure> {
    let mut scenarios = choose(&options.scenarios)?;
    let duration = options.duration.as_deref().map(str::parse::<Span>).transpose();
    let duration = duration.map_err(|error| Failure::usage(format!("--duration: {error}")))?;
    if let Some(long) = duration.filter(|duration| duration.ms() / ROUND_MS > MOST_ROUNDS as u64) {
        let most = Span::from_ms(MOST_ROUNDS as u64 * ROUND_MS);
        return Err(Failure::usage(format!("--duration: {long} is longer than {most}")));
    }
    if let (Some(scenario), true) =
        (scenarios.iter().find(|one| !one.load.keep.is_empty()), options.users.is_some() || duration.is_some())
    {
        return Err(Failure::usage(format!(
            "{} keeps steps of what is drawn for its own load: --users and --duration would draw others",
            scenario.id
        )));
    }
    for scenario in &mut scenarios {
        if let Some(users) = options.users {
            scenario.load.users = users as usize;
        }
        if let Some(duration) = duration {
            fill_duration(scenario, duration);
        }
    }
    let experiment = options.experiment.as_deref().map(|file| experiment(file, &mut scenarios)).transpose()?;
    let seed = seed(options.seed, &scenarios)?;
    let plan = resolve(scenarios, seed, options.defect.clone(), options.common.clone(), replay_line(options, seed))?;
    Ok(Plan { experiment, ..plan })
}

/// The command line's, else the one that the scenarios are of, else a new one.
fn seed(given: Option<u64>, scenarios: &[Scenario]) -> Result<u64, Failure> {
    if let Some(seed) = given {
        return Ok(seed);
    }
    let mut of_files = scenarios.iter().filter_map(|scenario| Some((scenario.seed?, &scenario.id)));
    let Some((seed, id)) = of_files.next() else { return Ok(new_seed()) };
    match of_files.find(|(other, _)| *other != seed) {
        None => Ok(seed),
        Some((other, of)) => Err(Failure::usage(format!(
            "{id} is of seed {seed} and {of} of seed {other}: run them one after the other, or give --seed"
        ))),
    }
}

/// An experiment's method in place of the scenario's own faults.
fn experiment(file: &Path, scenarios: &mut [Scenario]) -> Result<Experiment, Failure> {
    let shown = file.display();
    let [scenario] = scenarios else {
        return Err(Failure::usage("--experiment needs exactly one scenario, such as `market`".to_owned()));
    };
    if matches!(scenario.workload, Workload::Flow(_)) {
        return Err(Failure::usage(format!("--experiment: the case {} has faults of its own", scenario.id)));
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read the experiment {shown}: {error}")))?;
    let experiment = chaos_toolkit::read(&text).map_err(|error| Failure::usage(format!("{shown}: {error}")))?;
    scenario.faults.clone_from(&experiment.windows);
    scenario.random = None;
    Ok(experiment)
}

/// Checks scenarios against a target and draws what the seed decides.
pub(crate) fn resolve(
    scenarios: Vec<Scenario>,
    seed: u64,
    defect: Option<String>,
    common: Common,
    replay: String,
) -> Result<Plan, Failure> {
    let target = target::load(&common.target)?;
    target::check_network(&target.target, common.server.database_url.as_deref(), common.allow_remote)?;
    let way = common.server.postgres.parse().map_err(|error| Failure::usage(format!("--postgres: {error}")))?;
    if let Some(defect) = &defect {
        check_defect(defect, &target)?;
    }
    let skip = &target.target.skip;
    if let Some(scenario) = scenarios.first().filter(|_| scenarios.iter().all(|one| skip.contains_key(&one.id))) {
        let (id, name, reason) = (&scenario.id, &target.name, &skip[&scenario.id]);
        return Err(Failure::usage(format!(
            "{name} leaves out {id} and all else that was asked for ([skip]): {reason}"
        )));
    }
    for scenario in scenarios.iter().filter(|scenario| !skip.contains_key(&scenario.id)) {
        check_scenario(scenario)
            .and_then(|()| script::check_kept(scenario, seed).map_err(|problem| format!("load.keep: {problem}")))
            .map_err(|problem| Failure::usage(format!("scenario {}: {problem}", scenario.id)))?;
        for fault in faults::all(scenario) {
            faults::injectable(fault, &target.target, common.server.database_url.as_deref()).map_err(|problem| {
                Failure::usage(format!("scenario {} plans {}: {problem}", scenario.id, fault.name()))
            })?;
        }
        if let Some(id) = scenario.proves.iter().find(|id| is_invariant(id) && !states(&target.target, id)) {
            return Err(Failure::usage(format!(
                "scenario {}: proves: {} states no {id} ([[invariants]])",
                scenario.id, target.name
            )));
        }
        let missing: Vec<_> = target::missing(&target.target, &needs(&scenario.workload)).into_iter().collect();
        if !missing.is_empty() {
            return Err(Failure::usage(format!(
                "scenario {} needs {} of the target, and {} does not map it (docs/target-file.md); to leave it out, say \
                 why: [skip] \"{}\" = \"…\"",
                scenario.id,
                missing.join(", "),
                target.name,
                scenario.id
            )));
        }
    }
    let scenarios: Vec<Planned> = scenarios.into_iter().map(|scenario| script::plan(scenario, seed)).collect();
    let configuration = hash(&target.text, &scenarios, seed, defect.as_deref());
    let format = common.format;
    Ok(Plan { seed, target, defect, scenarios, common, way, format, configuration, replay, experiment: None })
}

/// Scenarios by name, suite or path, in the order given, each once.
fn choose(names: &[String]) -> Result<Vec<Scenario>, Failure> {
    let known =
        catalogue::scenarios().map_err(|(file, error)| Failure::harness(format!("built-in {file}: {error}")))?;
    let gate = [SUITES[0].id.to_owned()];
    let names = if names.is_empty() { &gate } else { names };
    let mut chosen: Vec<Scenario> = Vec::new();
    for name in names {
        for scenario in one_or_suite(name, &known)? {
            match chosen.iter().find(|already| already.id == scenario.id) {
                None => chosen.push(scenario),
                Some(already) if *already == scenario => {}
                Some(_) => {
                    return Err(Failure::usage(format!(
                        "{name}: another scenario of this run is called {} too, and is not the same: run them one \
                         after the other",
                        scenario.id
                    )));
                }
            }
        }
    }
    Ok(chosen)
}

fn one_or_suite(name: &str, known: &[Scenario]) -> Result<Vec<Scenario>, Failure> {
    if let Some(suite) = SUITES.iter().find(|suite| suite.id == name) {
        let of_suite = known.iter().filter(|scenario| suite.scenarios.contains(&scenario.id.as_str()));
        return Ok(of_suite.cloned().collect());
    }
    if let Some(scenario) = known.iter().find(|scenario| scenario.id == name) {
        return Ok(vec![scenario.clone()]);
    }
    if Path::new(name).extension().is_some_and(|extension| extension == "toml") {
        let text = std::fs::read_to_string(name)
            .map_err(|error| Failure::usage(format!("cannot read the scenario file {name}: {error}")))?;
        let scenario = catalogue::read(&text).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        return Ok(vec![scenario]);
    }
    let names: Vec<&str> =
        SUITES.iter().map(|suite| suite.id).chain(known.iter().map(|scenario| scenario.id.as_str())).collect();
    Err(Failure::usage(nearest::suggest("scenario", name, &names)))
}

/// Enough rounds to fill the time: driving ends when it is over, so too many do no harm.
fn fill_duration(scenario: &mut Scenario, duration: Span) {
    let rounds = usize::try_from(duration.ms() / ROUND_MS).unwrap_or(usize::MAX);
    scenario.load.rounds = scenario.load.rounds.max(rounds);
    scenario.load.at_most = duration;
}

fn check_defect(defect: &str, target: &Loaded) -> Result<(), Failure> {
    if target.target.service.defect_args.is_empty() {
        return Err(Failure::usage(format!("--defect: the target {} has no planted defects", target.name)));
    }
    let names: Vec<&str> = Defect::all().map(Defect::name).collect();
    if target.name == "reference" && !names.contains(&defect) {
        return Err(Failure::usage(nearest::suggest("defect", defect, &names)));
    }
    Ok(())
}

fn check_scenario(scenario: &Scenario) -> Result<(), String> {
    let load = &scenario.load;
    if scenario.id.is_empty() || !scenario.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err("id: use letters, digits, - and _".into());
    }
    if let Workload::Flow(flow) = &scenario.workload {
        return flow::check(&scenario.id, flow).and_then(|()| known_checks(&scenario.proves));
    }
    if !(2..=2000).contains(&load.users) {
        return Err(format!("load.users: {} is not between 2 and 2000", load.users));
    }
    if !(1..=MOST_ROUNDS).contains(&load.rounds) {
        return Err(format!("load.rounds: {} is not between 1 and {MOST_ROUNDS}", load.rounds));
    }
    known_checks(&scenario.proves)?;
    for (metric, limits) in &scenario.thresholds {
        overdraft_checkers::validate_threshold(metric, limits)
            .map_err(|error| format!("thresholds.\"{metric}\": {error}"))?;
    }
    if matches!(scenario.workload, Workload::PairOffsets { .. }) && load.users != 2 {
        return Err(format!("load.users: a pair is 2 users, not {}", load.users));
    }
    faults::check(scenario)?;
    amounts(&scenario.workload)
}

fn known_checks(proves: &[String]) -> Result<(), String> {
    let known: Vec<&str> = overdraft_checkers::catalogue::CHECKS.iter().map(|check| check.id).collect();
    match proves.iter().find(|id| !known.contains(&id.as_str()) && !is_invariant(id)) {
        Some(id) => Err(format!("proves: {}", nearest::suggest("check", id, &known))),
        None => Ok(()),
    }
}

/// Whether a check is one of a target's own, which only its file knows.
fn is_invariant(id: &str) -> bool {
    id.starts_with("invariant.") && id != "invariant.*"
}

fn states(target: &Target, id: &str) -> bool {
    target.invariants.iter().any(|invariant| id.strip_prefix("invariant.") == Some(invariant.name.as_str()))
}

fn amounts(workload: &Workload) -> Result<(), String> {
    let amounts: Vec<(&str, i64)> = match workload {
        Workload::FlashSale { price, balance, max_sales } => {
            if max_sales.is_empty() {
                return Err("workload.max_sales: give at least one number".into());
            }
            let sales = max_sales.iter().map(|sales| ("max_sales", *sales));
            [("price", *price), ("balance", *balance)].into_iter().chain(sales).collect()
        }
        Workload::WalletDrain { price, affordable } => vec![("price", *price), ("affordable", *affordable)],
        Workload::DoubleClick { price, balance } | Workload::EmailOutage { price, balance } => {
            vec![("price", *price), ("balance", *balance)]
        }
        Workload::Flow(_) => vec![],
        Workload::PairOffsets { price, .. } => vec![("price", *price)],
        Workload::EveryBoundary { price, credits, most, .. } => {
            if !(1..=MOST_PASSES).contains(most) {
                return Err(format!("workload.most: {most} is not between 1 and {MOST_PASSES}"));
            }
            vec![("price", *price), ("credits", *credits)]
        }
        Workload::WebhookStorm { credits, price } => vec![("credits", *credits), ("price", *price)],
        Workload::Market { credits, price, balance } => {
            vec![("credits", *credits), ("price", *price), ("balance", *balance)]
        }
    };
    match amounts.into_iter().find(|(_, amount)| !(1..=1_000_000).contains(amount)) {
        Some((name, amount)) => Err(format!("workload.{name}: {amount} is not between 1 and 1000000")),
        None => Ok(()),
    }
}

/// What a workload needs of a target.
fn needs(workload: &Workload) -> Vec<Need<'_>> {
    let operations = |names: &[&'static str]| names.iter().map(|name| Need::Operation(name)).collect::<Vec<_>>();
    match workload {
        Workload::FlashSale { .. } => operations(&["purchase", "read-balance", "read-lead"]),
        Workload::WalletDrain { .. } | Workload::DoubleClick { .. } | Workload::EmailOutage { .. } => {
            operations(&["purchase", "read-balance"])
        }
        Workload::PairOffsets { .. } => operations(&["purchase"]),
        Workload::WebhookStorm { .. } => {
            let mut needs = operations(&["purchase", "buy-credits", "read-balance"]);
            needs.push(Need::Webhook);
            needs
        }
        Workload::Market { .. } => {
            let mut needs = operations(&["purchase", "buy-credits", "read-balance", "read-lead"]);
            needs.push(Need::Webhook);
            needs
        }
        // What is not mapped is left out, and said to be.
        Workload::EveryBoundary { .. } => vec![],
        Workload::Flow(flow) => flow::needs(flow),
    }
}

fn hash(target: &str, scenarios: &[Planned], seed: u64, defect: Option<&str>) -> String {
    let mut hash = Sha256::new();
    for planned in scenarios {
        hash.update(serde_json::to_vec(&planned.scenario).unwrap_or_default());
        hash.update(&planned.script);
    }
    hash.update(target);
    hash.update(seed.to_le_bytes());
    hash.update(defect.unwrap_or_default());
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Short enough to be typed, and different every time.
fn new_seed() -> u64 {
    let now = chrono::Utc::now();
    let mixed = Sha256::digest(format!("{}-{}", now.timestamp_nanos_opt().unwrap_or_default(), std::process::id()));
    u64::from(u32::from_le_bytes([mixed[0], mixed[1], mixed[2], mixed[3]]))
}

fn replay_line(options: &RunOptions, seed: u64) -> String {
    let mut line = vec!["overdraft".to_owned(), "run".to_owned()];
    line.extend(options.scenarios.iter().cloned());
    line.extend(["--seed".to_owned(), seed.to_string()]);
    if options.common.target != "reference" {
        line.extend(["--target".to_owned(), options.common.target.clone()]);
    }
    if let Some(users) = options.users {
        line.extend(["--users".to_owned(), users.to_string()]);
    }
    if let Some(duration) = &options.duration {
        line.extend(["--duration".to_owned(), duration.clone()]);
    }
    if let Some(experiment) = &options.experiment {
        line.extend(["--experiment".to_owned(), experiment.display().to_string()]);
    }
    if let Some(defect) = &options.defect {
        line.extend(["--defect".to_owned(), defect.clone()]);
    }
    if options.common.allow_remote {
        line.push("--allow-remote".to_owned());
    }
    line.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_the_gate_suite_and_nothing_runs_twice() {
        let gate = choose(&[]).unwrap();
        assert_eq!(gate.len(), SUITES[0].scenarios.len());
        assert_eq!(choose(&["gate".into(), "flash-sale".into()]).unwrap(), gate);
    }

    #[test]
    fn two_different_scenarios_of_one_name_are_not_taken_for_one() {
        let folder = std::env::temp_dir().join(format!("overdraft-names-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("flash-sale.toml");
        let flash = catalogue::scenarios().unwrap().into_iter().find(|one| one.id == "flash-sale").unwrap();
        let written = |scenario: &Scenario| {
            std::fs::write(&file, overdraft_model::codec::write_toml(scenario).unwrap()).unwrap();
            choose(&["flash-sale".into(), file.display().to_string()])
        };
        assert_eq!(written(&flash).unwrap(), std::slice::from_ref(&flash));
        let smaller = Scenario { seed: Some(7), ..flash };
        let refused = written(&smaller).unwrap_err();
        assert!(refused.message.contains("another scenario of this run is called flash-sale"), "{}", refused.message);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_unknown_scenario_gets_the_nearest() {
        let failure = choose(&["walet-drain".into()]).unwrap_err();
        assert_eq!(failure.message, "no scenario `walet-drain`; did you mean wallet-drain?");
    }

    #[test]
    fn a_file_of_one_seed_is_run_with_it_and_two_of_different_seeds_are_refused() {
        let of = |seed| Scenario { seed, ..catalogue::scenarios().unwrap().remove(0) };
        assert_eq!(seed(None, &[of(Some(7)), of(None), of(Some(7))]).unwrap(), 7);
        assert_eq!(seed(Some(8), &[of(Some(7))]).unwrap(), 8);
        let refused = seed(None, &[of(Some(7)), of(Some(9))]).unwrap_err();
        assert!(refused.message.contains("of seed 7") && refused.message.contains("of seed 9"), "{}", refused.message);
    }

    #[test]
    fn bad_numbers_are_refused_with_their_place() {
        let scenario = || catalogue::scenarios().unwrap().remove(0);
        for (change, expected) in [
            ((|s: &mut Scenario| s.load.users = 1) as fn(&mut Scenario), "load.users: 1"),
            (|s| s.load.rounds = 0, "load.rounds: 0"),
            (|s| s.proves.push("leads.capacty".into()), "did you mean leads.capacity"),
            (
                |s| drop(s.thresholds.insert("latency.purchase".into(), "fast".into())),
                "thresholds.\"latency.purchase\":",
            ),
            (|s| drop(s.thresholds.insert("latencee".into(), "max<5".into())), "thresholds.\"latencee\":"),
            (|s| s.workload = Workload::FlashSale { price: 0, balance: 1, max_sales: vec![1] }, "workload.price: 0"),
        ] {
            let mut changed = scenario();
            change(&mut changed);
            let problem = check_scenario(&changed).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
        assert_eq!(check_scenario(&scenario()), Ok(()));
    }
}
