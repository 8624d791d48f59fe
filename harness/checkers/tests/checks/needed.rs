//! On which answers the golden violations rest.

use std::collections::BTreeMap;

use overdraft_checkers::answers_needed;
use overdraft_model::history::History;

use crate::{shop::Shop, stories};

fn needed(shop: &Shop, check: &str) -> Option<Vec<u64>> {
    let history = &History::from_events(shop.events.clone()).unwrap()[0];
    answers_needed(&shop.manifest, &shop.manifest.scenarios[0], history, &shop.evidence, check, || true)
}

#[test]
fn every_golden_violation_rests_on_few_answers_and_none_is_made_of_good_ones() {
    let mut fewest = BTreeMap::new();
    for story in stories::all() {
        assert_eq!(needed(&story.good, story.check), None, "{}", story.check);
        if let Some(ops) = needed(&story.bad, story.check) {
            let asked = &History::from_events(story.bad.events.clone()).unwrap()[0].calls;
            assert!(ops.iter().all(|op| asked.iter().any(|call| call.op == *op)), "{}: {ops:?}", story.check);
            fewest.insert(story.check, ops.len());
        }
    }
    // 0: the evidence alone contradicts itself. 2: what two clients were told cannot both be.
    assert_eq!(
        fewest,
        BTreeMap::from([
            ("acknowledged.durable", 1),
            ("credits.conserved", 1),
            ("credits.never-negative", 0),
            ("effects.at-most-once", 0),
            ("flow.expected", 1),
            ("history.linearizable", 2),
            ("invariant.orders-have-their-money", 0),
            ("leads.capacity", 0),
            ("limits.enforced", 6),
            ("paid.delivered", 0),
            ("purchase.atomic", 0),
            ("races.serial", 1),
            ("sessions.consistent", 2),
            ("status.never-regresses", 2),
            ("target.recovers", 0),
            ("tenants.isolated", 0),
            ("webhooks.authentic", 0),
            ("webhooks.order-free", 3),
        ])
    );
}
