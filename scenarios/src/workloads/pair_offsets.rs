//! Pairs of purchases of which only one may win: of one exclusive lead, or of two leads from a wallet that can
//! pay for one. Each pair has a lead or a wallet of its own, so that each is a fresh try.

use overdraft_model::{
    manifest::World,
    scenario::{Scarce, Scenario},
};
use rand::Rng;

use super::buy;
use crate::{
    draw::{WorldBuilder, generator},
    steps::{Script, Step},
};

pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, scarce: Scarce) -> (World, Script) {
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    let mut rng = generator(seed, &[&scenario.id, "keys"]);
    let mut users = vec![Vec::new(), Vec::new()];
    for pair in 1..=scenario.load.rounds {
        let name = format!("pair-{pair:03}");
        for (user, steps) in users.iter_mut().enumerate() {
            let own = format!("{name}-{}", user + 1);
            let (wallet, lead) = match scarce {
                Scarce::Lead => (own.clone(), name.clone()),
                Scarce::Wallet => (name.clone(), own.clone()),
            };
            if user == 0 || scarce == Scarce::Lead {
                world.buyer(&wallet, price);
            }
            if user == 0 || scarce == Scarce::Wallet {
                world.lead(&lead, "partner-1", price, 1);
            }
            let operation = buy(&wallet, &lead, format!("{own}-{:08x}", rng.random::<u32>()));
            steps.push(Step::Race { name: name.clone(), operation });
        }
    }
    (world.finish(), Script { users, flow: None })
}
