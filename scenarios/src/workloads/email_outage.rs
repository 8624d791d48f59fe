//! Customers buy leads; each purchase owes one confirmation, whatever the email provider does.

use overdraft_model::{manifest::World, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance};
use crate::{
    draw::{WorldBuilder, generator},
    steps::{Script, Step},
};

pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, balance: i64) -> (World, Script) {
    let (count, rounds) = (scenario.load.users, scenario.load.rounds);
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    let buyers = world.buyers(count, balance);
    for round in 0..rounds {
        world.lead(&lead(round), "partner-1", price, i64::try_from(count).unwrap_or(i64::MAX));
    }
    let users = buyers.iter().map(|buyer| {
        let mut rng = generator(seed, &[&scenario.id, buyer]);
        (0..rounds)
            .flat_map(|round| {
                let key = format!("{buyer}-mail-{}-{:08x}", round + 1, rng.random::<u32>());
                [
                    Step::Call(buy(buyer, &lead(round), key)),
                    Step::Pause(rng.random_range(0..200)),
                    Step::Call(read_balance(buyer)),
                ]
            })
            .collect()
    });
    let users = users.collect();
    (world.finish(), Script { users, flow: None })
}

fn lead(round: usize) -> String {
    format!("mail-{}", round + 1)
}
