//! One wallet with credits for a few leads; everybody buys another lead from it at the same instant.

use overdraft_model::{manifest::World, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance};
use crate::{
    draw::{WorldBuilder, generator},
    steps::{Script, Step},
};

pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, affordable: i64) -> (World, Script) {
    let (users, rounds) = (scenario.load.users, scenario.load.rounds);
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    for round in 0..rounds {
        world.buyer(&wallet(round), price * affordable);
    }
    for (round, user) in (0..rounds).flat_map(|round| (0..users).map(move |user| (round, user))) {
        world.lead(&lead(round, user), "partner-1", price, 1);
    }
    let scripts = (0..users).map(|user| {
        let mut rng = generator(seed, &[&scenario.id, &user.to_string()]);
        (0..rounds)
            .flat_map(|round| {
                let (wallet, lead) = (wallet(round), lead(round, user));
                let key = format!("{lead}-{:08x}", rng.random::<u32>());
                let race = Step::Race { name: wallet.clone(), operation: buy(&wallet, &lead, key) };
                [race, Step::Call(read_balance(&wallet))]
            })
            .collect()
    });
    let users = scripts.collect();
    (world.finish(), Script { users, flow: None })
}

fn wallet(round: usize) -> String {
    format!("wallet-{}", round + 1)
}

fn lead(round: usize, user: usize) -> String {
    format!("drain-{}-{:03}", round + 1, user + 1)
}
