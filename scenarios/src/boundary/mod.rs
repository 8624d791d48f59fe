//! Five operations, each struck at each of its protocol boundaries in turn.
//!
//! The world is drawn here: a buyer, a lead and the words of two requests for each pass. [`driver::BoundaryDriver`]
//! counts the boundaries in dry passes and then strikes them; whether each was struck is the checkers' business.
//!
//! | file | holds |
//! |---|---|
//! | `driver` | the order of passes, and what is recorded |
//! | `pass` | one pass over one operation |
//! | `blows` | aiming a blow, and what happens when it falls |
//! | `trace` | which boundaries a pass went by, and which belong to the operation |
//! | `shape` | statements without their values |

mod blows;
pub mod driver;
mod pass;
mod shape;
mod trace;

use overdraft_model::{manifest::World, operation::Operation, scenario::Scenario};
use rand::Rng;

use crate::{
    draw::{WorldBuilder, generator},
    steps::{Script, Step},
};

/// Draws a buyer and a lead for each pass, and what is asked in it: the first user's steps are the purchases, the
/// second's the orders.
pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, credits: i64, most: usize) -> (World, Script) {
    let mut world = WorldBuilder::new(seed, &scenario.id);
    let mut rng = generator(seed, &[&scenario.id, "keys"]);
    world.partner("partner-1");
    for pass in 0..most {
        world.buyer(&buyer(pass), price);
    }
    let (mut purchases, mut orders) = (Vec::new(), Vec::new());
    for pass in 0..most {
        let lead = format!("lead-{:03}", pass + 1);
        world.lead(&lead, "partner-1", price, 1);
        let (workspace, draw) = (buyer(pass), rng.random::<u32>());
        let key = |what: &str| format!("{workspace}-{what}-{draw:08x}");
        purchases.push(Step::Call(Operation::Purchase {
            workspace: workspace.clone(),
            leads: vec![lead],
            key: key("buy"),
        }));
        orders.push(Step::Call(Operation::BuyCredits { workspace: workspace.clone(), credits, key: key("order") }));
    }
    (world.finish(), Script { users: vec![purchases, orders], flow: None })
}

fn buyer(pass: usize) -> String {
    format!("buyer-{:03}", pass + 1)
}
