//! A market day. Customers buy leads, order credits and pay, and look; whatever was not answered they ask again
//! under the same key, as a client does that was made for a world in which servers end.

use overdraft_model::{manifest::World, operation::Operation, scenario::Scenario};
use rand::Rng;

use super::{buy, read_balance, read_lead};
use crate::{
    draw::{WorldBuilder, chance, generator},
    steps::{Script, Step},
};

/// Of a hundred rounds, those in which a lead is bought.
const BUYS: u32 = 60;
/// Those in which credits are ordered; in the rest a customer looks.
const ORDERS: u32 = 25;
/// Share of the customers who pay what they ordered.
const PAYS: f64 = 0.85;
/// Milliseconds between two rounds of a customer, at least and at most.
const PAUSE: std::ops::Range<u64> = 100..400;

pub(crate) fn draw(scenario: &Scenario, seed: u64, credits: i64, price: i64, balance: i64) -> (World, Script) {
    let (count, rounds) = (scenario.load.users, scenario.load.rounds);
    let mut world = WorldBuilder::new(seed, &scenario.id);
    world.partner("partner-1");
    let buyers = world.buyers(count, balance);
    for round in 0..rounds {
        // Half of those who are there can have it, so that the last copies are fought for.
        world.lead(&lead(round), "partner-1", price, i64::try_from(count.div_ceil(2)).unwrap_or(i64::MAX));
    }
    let users = buyers.iter().map(|buyer| {
        let mut rng = generator(seed, &[&scenario.id, buyer]);
        (0..rounds)
            .flat_map(|round| {
                let (draw, nonce) = (rng.random_range(0..100), rng.random::<u32>());
                let key = |what: &str| format!("{buyer}-{what}-{}-{nonce:08x}", round + 1);
                let step = match draw {
                    _ if draw < BUYS => Step::Insist(buy(buyer, &lead(round), key("buy"))),
                    _ if draw < BUYS + ORDERS => Step::Order {
                        operation: Operation::BuyCredits { workspace: buyer.clone(), credits, key: key("order") },
                        pays: chance(&mut rng, PAYS),
                    },
                    _ if nonce % 2 == 0 => Step::Call(read_lead(buyer, &lead(round))),
                    _ => Step::Call(read_balance(buyer)),
                };
                [step, Step::Pause(rng.random_range(PAUSE))]
            })
            .collect()
    });
    let users = users.collect();
    (world.finish(), Script { users, flow: None })
}

fn lead(round: usize) -> String {
    format!("stall-{}", round + 1)
}
