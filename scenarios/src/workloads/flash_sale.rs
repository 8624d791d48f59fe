//! Everybody buys the same lead at the same instant, round after round.

use overdraft_model::{manifest::World, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance, read_lead};
use crate::{
    draw::{WorldBuilder, generator},
    steps::{Script, Step},
};

pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, balance: i64, max_sales: &[i64]) -> (World, Script) {
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    let buyers = world.buyers(scenario.load.users, balance);
    for round in 0..scenario.load.rounds {
        let sales = max_sales.get(round % max_sales.len().max(1)).copied().unwrap_or(1);
        world.lead(&lead(round), "partner-1", price, sales);
    }
    let users = buyers.iter().map(|buyer| {
        let mut rng = generator(seed, &[&scenario.id, buyer]);
        (0..scenario.load.rounds)
            .flat_map(|round| {
                let key = format!("{buyer}-sale-{}-{:08x}", round + 1, rng.random::<u32>());
                let race = Step::Race { name: lead(round), operation: buy(buyer, &lead(round), key) };
                let look = if rng.random() { read_balance(buyer) } else { read_lead(buyer, &lead(round)) };
                [race, Step::Call(look)]
            })
            .collect()
    });
    let users = users.collect();
    (world.finish(), Script { users, flow: None })
}

fn lead(round: usize) -> String {
    format!("flash-{}", round + 1)
}
