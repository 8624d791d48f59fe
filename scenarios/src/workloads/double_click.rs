//! Impatient customers. Two users act for one customer: they send the same purchase at the same instant,
//! with one key or with two; then one of them replays it, and reuses its key for another lead.

use overdraft_model::{manifest::World, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance};
use crate::{
    draw::{WorldBuilder, chance, generator},
    steps::{Script, Step},
};

/// Share of the double clicks in which both requests carry the same key; the others are two tabs.
const SAME_KEY: f64 = 0.6;

pub(crate) fn draw(scenario: &Scenario, seed: u64, price: i64, balance: i64) -> (World, Script) {
    let (count, rounds) = (scenario.load.users, scenario.load.rounds);
    let customers = count.div_ceil(2);
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    for customer in 0..customers {
        world.buyer(&name(customer), balance);
    }
    for round in 0..rounds {
        // Enough for everybody: what is tested here is the double click, not the capacity.
        let sales = i64::try_from(customers).unwrap_or(i64::MAX);
        world.lead(&lead(round), "partner-1", price, sales);
        world.lead(&other(round), "partner-1", price, sales);
    }
    let mut users: Vec<Vec<Step>> = vec![Vec::new(); count];
    for customer in 0..customers {
        let mut rng = generator(seed, &[&scenario.id, &name(customer)]);
        for round in 0..rounds {
            let who = name(customer);
            let first = format!("{who}-click-{}-{:08x}", round + 1, rng.random::<u32>());
            let second = if chance(&mut rng, SAME_KEY) { first.clone() } else { format!("{first}-tab2") };
            let race = |key: &String| Step::Race {
                name: format!("clicks-{}", round + 1),
                operation: buy(&who, &lead(round), key.clone()),
            };
            users[2 * customer].push(race(&first));
            users[2 * customer].push(Step::Call(buy(&who, &lead(round), first.clone())));
            users[2 * customer].push(Step::Call(buy(&who, &other(round), first.clone())));
            users[2 * customer].push(Step::Call(read_balance(&who)));
            if let Some(user) = users.get_mut(2 * customer + 1) {
                user.push(race(&second));
                user.push(Step::Call(read_balance(&who)));
            }
        }
    }
    (world.finish(), Script { users, flow: None })
}

fn name(customer: usize) -> String {
    format!("customer-{:03}", customer + 1)
}

fn lead(round: usize) -> String {
    format!("wanted-{}", round + 1)
}

fn other(round: usize) -> String {
    format!("other-{}", round + 1)
}
