//! Customers buy credits, most of them pay, and all spend while the webhooks come in.

use overdraft_model::{manifest::World, operation::Operation, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance};
use crate::{
    draw::{WorldBuilder, chance, generator},
    steps::{Script, Step},
};

/// Share of the customers who pay; the sessions of the others stay open, and forged events name them.
const PAYS: f64 = 0.85;

pub(crate) fn draw(scenario: &Scenario, seed: u64, credits: i64, price: i64) -> (World, Script) {
    let (count, rounds) = (scenario.load.users, scenario.load.rounds);
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    // Enough for one lead, so that spending and granting meet on the same account from the start.
    let buyers = world.buyers(count, price);
    for round in 0..rounds {
        world.lead(&lead(round), "partner-1", price, i64::try_from(count).unwrap_or(i64::MAX));
    }
    let users = buyers.iter().map(|buyer| {
        let mut rng = generator(seed, &[&scenario.id, buyer]);
        (0..rounds)
            .flat_map(|round| {
                let draw = rng.random::<u32>();
                let key = |what: &str| format!("{buyer}-{what}-{}-{draw:08x}", round + 1);
                let order = Operation::BuyCredits { workspace: buyer.clone(), credits, key: key("order") };
                [
                    Step::Order { operation: order, pays: chance(&mut rng, PAYS) },
                    Step::Pause(rng.random_range(0..300)),
                    Step::Statuses,
                    Step::Call(buy(buyer, &lead(round), key("buy"))),
                    Step::Call(read_balance(buyer)),
                    Step::Statuses,
                ]
            })
            .collect()
    });
    let users = users.collect();
    (world.finish(), Script { users, flow: None })
}

fn lead(round: usize) -> String {
    format!("storm-{}", round + 1)
}
