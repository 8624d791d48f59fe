//! What every user will do, drawn before anything starts: the same scenario and seed give the same scripts.

use overdraft_model::{
    manifest::{Planned, World},
    scenario::{Scenario, Workload},
};

use crate::{boundary, flow, kept, steps::Script, timetable, workloads};

/// Draws a scenario's world and scripts, and keeps of them what it says.
#[must_use]
pub fn draw(scenario: &Scenario, seed: u64) -> (World, Script) {
    let (world, script) = draw_all(scenario, seed);
    if scenario.load.keep.is_empty() { (world, script) } else { kept::only(&scenario.load.keep, world, script) }
}

/// Refuses a scenario that keeps what is not drawn, or of which nothing can be left out.
///
/// # Errors
/// Says which user or step.
pub fn check_kept(scenario: &Scenario, seed: u64) -> Result<(), String> {
    match scenario.workload {
        _ if scenario.load.keep.is_empty() => Ok(()),
        Workload::Flow(_) | Workload::PairOffsets { .. } | Workload::EveryBoundary { .. } => {
            Err(format!("the steps of the workload {} belong together", scenario.workload.name()))
        }
        _ => kept::check(&scenario.load.keep, &draw_all(scenario, seed).1),
    }
}

/// Draws them whole.
pub(crate) fn draw_all(scenario: &Scenario, seed: u64) -> (World, Script) {
    match &scenario.workload {
        Workload::FlashSale { price, balance, max_sales } => {
            workloads::flash_sale::draw(scenario, seed, *price, *balance, max_sales)
        }
        Workload::WalletDrain { price, affordable } => {
            workloads::wallet_drain::draw(scenario, seed, *price, *affordable)
        }
        Workload::DoubleClick { price, balance } => workloads::double_click::draw(scenario, seed, *price, *balance),
        Workload::WebhookStorm { credits, price } => workloads::webhook_storm::draw(scenario, seed, *credits, *price),
        Workload::Market { credits, price, balance } => {
            workloads::market::draw(scenario, seed, *credits, *price, *balance)
        }
        Workload::EveryBoundary { price, credits, most, .. } => boundary::draw(scenario, seed, *price, *credits, *most),
        Workload::Flow(flow) => flow::draw(scenario, seed, flow),
        Workload::PairOffsets { price, scarce, .. } => workloads::pair_offsets::draw(scenario, seed, *price, *scarce),
        Workload::EmailOutage { price, balance } => workloads::email_outage::draw(scenario, seed, *price, *balance),
    }
}

/// A scenario with everything that the seed decides for it.
#[must_use]
pub fn plan(mut scenario: Scenario, seed: u64) -> Planned {
    if let Some(random) = scenario.random.take() {
        scenario.faults.extend(timetable::windows(&random, &scenario.id, scenario.load.at_most, seed));
    }
    let (world, script) = draw(&scenario, seed);
    Planned { scenario, world, script: script.hash() }
}

#[cfg(test)]
mod tests {
    use overdraft_model::operation::Operation;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{catalogue, steps::Step};

    #[test]
    fn the_same_seed_gives_the_same_scripts_and_another_seed_others() {
        for scenario in catalogue::scenarios().unwrap() {
            let (one, again, other) = (plan(scenario.clone(), 7), plan(scenario.clone(), 7), plan(scenario, 8));
            assert_eq!(one, again);
            assert_ne!(one.world, other.world);
            // A case asks what its file says; the seed decides who exists and who stands where in line.
            let drawn = !matches!(one.scenario.workload, Workload::Flow(_));
            assert_eq!(one.script != other.script, drawn, "{}", one.scenario.id);
        }
    }

    #[test]
    fn a_plan_repeats_itself_to_the_last_fault() {
        let planned = |seed| {
            let all = catalogue::scenarios().unwrap().into_iter().map(|scenario| plan(scenario, seed));
            serde_json::to_vec(&all.collect::<Vec<_>>()).unwrap()
        };
        assert_eq!(Sha256::digest(planned(7)), Sha256::digest(planned(7)));
        assert_ne!(Sha256::digest(planned(7)), Sha256::digest(planned(8)));
        // What is saved of a run is planned again by `replay`, and must come out the same.
        for scenario in catalogue::scenarios().unwrap() {
            let once = plan(scenario, 7);
            assert!(once.scenario.random.is_none(), "{}", once.scenario.id);
            assert_eq!(plan(once.scenario.clone(), 7), once);
        }
    }

    #[test]
    fn scripts_speak_of_what_exists_and_never_reuse_a_key_for_two_workspaces() {
        for scenario in catalogue::scenarios().unwrap() {
            let (world, script) = draw(&scenario, 1);
            if script.flow.is_some() {
                continue;
            }
            assert_eq!(script.users.len(), scenario.load.users, "{}", scenario.id);
            let mut owners = std::collections::HashMap::new();
            for operation in script.users.iter().flatten().filter_map(Step::operation) {
                let workspace = operation.workspace().expect("every scripted operation has a workspace");
                assert!(world.workspace(workspace).is_some(), "{workspace}");
                if let Operation::Purchase { leads, key, .. } = operation {
                    assert!(leads.iter().all(|lead| world.lead(lead).is_some()), "{leads:?}");
                    assert_eq!(*owners.entry(key.clone()).or_insert(workspace), workspace);
                }
            }
        }
    }

    #[test]
    fn a_race_counts_everybody_who_takes_part() {
        let scenarios = catalogue::scenarios().unwrap();
        let flash = scenarios.iter().find(|scenario| scenario.id == "flash-sale").unwrap();
        let races = draw(flash, 3).1.races();
        assert_eq!(races.len(), flash.load.rounds);
        assert!(races.iter().all(|(_, size)| *size == flash.load.users));
    }
}
