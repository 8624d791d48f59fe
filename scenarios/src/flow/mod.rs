//! Flows: cases that read as given, when, then. The world is drawn here, the steps are performed by
//! [`driver::FlowDriver`], and whether they went as promised is the checkers' business.

mod deliveries;
pub mod driver;
mod steps;
mod told;

use overdraft_model::{
    flow::{Flow, numbered},
    manifest::World,
    scenario::Scenario,
};

use crate::{draw::WorldBuilder, steps::Script};

/// Draws a case's world. Its steps are the case itself, so the script has no users.
pub(crate) fn draw(scenario: &Scenario, seed: u64, flow: &Flow) -> (World, Script) {
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.limited(flow.given.limited);
    for workspace in &flow.given.workspaces {
        for n in 1..=workspace.count {
            world.workspace(&numbered(&workspace.name, n), &workspace.role, workspace.credits);
        }
    }
    for lead in &flow.given.leads {
        for n in 1..=lead.count {
            world.lead(&numbered(&lead.name, n), &lead.partner, lead.price, lead.max_sales);
        }
    }
    (world.finish(), Script { users: Vec::new(), flow: Some(flow.clone()) })
}
