//! `history.linearizable` and `sessions.consistent`: what they must tell, and above all what they must not.

use overdraft_model::{
    history::Body,
    operation::{Operation, Outcome},
    target::Freshness,
    verdict::Validity,
};
use serde_json::json;

use crate::asserted::{closed, is, says};
use crate::shop::{Shop, buy, of, told};

const LINEARIZABLE: &str = "history.linearizable";
const SESSIONS: &str = "sessions.consistent";

fn read_balance(shop: &mut Shop, process: u64, workspace: &str, balance: i64) {
    let op = shop.ask(process, Operation::ReadBalance { workspace: workspace.into() });
    shop.answer(op, Outcome::Ok, told(200, json!({ "balance": balance })));
}

fn read_lead(shop: &mut Shop, lead: &str, count: i64) {
    let op = shop.ask(2, Operation::ReadLead { workspace: "buyer-2".into(), lead: lead.into() });
    shop.answer(op, Outcome::Ok, told(200, json!({ "sold_count": count })));
}

#[test]
fn a_lost_update_has_no_order_even_if_the_target_maps_no_accounts() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let first = shop.ask(2, buy("buyer-2", &["lead-2"], "first"));
    let second = shop.ask(22, buy("buyer-2", &["lead-3"], "second"));
    for (op, lead, key) in [(first, "lead-2", "first"), (second, "lead-3", "second")] {
        shop.sell("buyer-2", lead, key);
        shop.answer(op, Outcome::Ok, told(201, json!({ "purchase": format!("p-{key}"), "balance": 400 })));
    }
    shop.evidence.database.accounts = None;
    says(&closed(shop), LINEARIZABLE, "buyer-2 was told a balance of");
}

#[test]
fn an_unclear_purchase_may_show_at_any_time_and_must_show_in_the_end() {
    for seen in [500, 400] {
        let mut shop = Shop::open(&[LINEARIZABLE]);
        let op = shop.ask(2, buy("buyer-2", &["lead-2"], "lost"));
        shop.lost(op);
        read_balance(&mut shop, 12, "buyer-2", seen);
        shop.sell("buyer-2", "lead-2", "lost");
        assert_eq!(closed(shop).validity, Validity::Valid, "seen as {seen}");
    }
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2"], "lost"));
    shop.lost(op);
    read_balance(&mut shop, 12, "buyer-2", 400);
    read_balance(&mut shop, 12, "buyer-2", 500);
    shop.sell("buyer-2", "lead-2", "lost");
    let verdict = closed(shop);
    says(&verdict, LINEARIZABLE, "told a balance of 500");
    says(&verdict, SESSIONS, "older than what the same client");
}

#[test]
fn an_effect_before_its_question_has_no_order() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    read_balance(&mut shop, 12, "buyer-2", 400);
    shop.buys("buyer-2", "lead-2", "later");
    says(&closed(shop), LINEARIZABLE, "told a balance of 400");
}

#[test]
fn a_replay_may_answer_from_memory_or_from_the_present() {
    for balance in [400, 300] {
        let mut shop = Shop::open(&[LINEARIZABLE, SESSIONS]);
        shop.buys("buyer-2", "lead-2", "click");
        shop.buys("buyer-2", "lead-3", "other");
        let replay = shop.ask(2, buy("buyer-2", &["lead-2"], "click"));
        shop.answer(replay, Outcome::Ok, told(201, json!({ "purchase": "p-click", "balance": balance })));
        assert_eq!(closed(shop).validity, Validity::Valid, "replayed with {balance}");
    }
}

#[test]
fn a_replayed_refusal_says_what_was_true_then() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    for number in 1..=5 {
        let lead = format!("more-{number}");
        let mut offered = shop.manifest.scenarios[0].world.leads[1].clone();
        let mut stored = shop.evidence.database.leads.as_ref().unwrap()[1].clone();
        (offered.name, stored.lead) = (lead.clone(), lead.clone());
        shop.manifest.scenarios[0].world.leads.push(offered);
        shop.evidence.database.leads.as_mut().unwrap().push(stored);
        shop.buys("buyer-2", &lead, &format!("more-{number}"));
    }
    let broke = shop.ask(2, buy("buyer-2", &["lead-2"], "broke"));
    shop.fail(broke, 402, "insufficient_credits");
    shop.tops_up("buyer-2", 300, "order-1");
    read_balance(&mut shop, 2, "buyer-2", 300);
    let again = shop.ask(2, buy("buyer-2", &["lead-2"], "broke"));
    shop.fail(again, 402, "insufficient_credits");
    shop.close();
    assert_eq!(shop.judged().validity, Validity::Valid, "{}", shop.judged().cause);
    let mut fresh = shop;
    fresh.events.truncate(fresh.events.len() - 9);
    let rich = fresh.ask(2, buy("buyer-2", &["lead-2"], "rich"));
    fresh.fail(rich, 402, "insufficient_credits");
    says(&closed(fresh), LINEARIZABLE, "buyer-2 was refused 100 credits' worth for want of credits");
}

#[test]
fn sold_out_is_said_only_of_what_is_sold() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let early = shop.ask(3, buy("buyer-3", &["lead-2"], "early"));
    shop.fail(early, 409, "lead_sold_out");
    says(&closed(shop), LINEARIZABLE, "buyer-3 was told that lead-2 is sold out when, in every order, 0 of 2");

    let mut shop = Shop::open(&[LINEARIZABLE]);
    let racing = shop.ask(3, buy("buyer-3", &["lead-2"], "racing"));
    shop.buys("buyer-1", "lead-2", "one");
    shop.buys("buyer-2", "lead-2", "two");
    shop.fail(racing, 409, "lead_sold_out");
    let several = shop.ask(3, buy("buyer-3", &["lead-3", "lead-2"], "several"));
    shop.fail(several, 409, "lead_sold_out");
    let busy = shop.ask(3, buy("buyer-3", &["lead-3"], "busy"));
    shop.fail(busy, 409, "idempotency_key_in_use");
    assert_eq!(closed(shop).validity, Validity::Valid);
}

#[test]
fn a_purchase_of_several_leads_is_one_debit_and_takes_one_of_each() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2", "lead-3"], "both"));
    shop.sell("buyer-2", "lead-2", "both");
    shop.sell("buyer-2", "lead-3", "both");
    shop.ok(op, "buyer-2", "p-both");
    let verdict = closed(shop);
    is(&verdict, LINEARIZABLE, Validity::Valid);

    let mut shop = Shop::open(&[LINEARIZABLE]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2", "lead-3"], "both"));
    shop.sell("buyer-2", "lead-2", "both");
    read_balance(&mut shop, 12, "buyer-2", 400);
    shop.sell("buyer-2", "lead-3", "both");
    shop.ok(op, "buyer-2", "p-both");
    says(&closed(shop), LINEARIZABLE, "told a balance of 400");
}

#[test]
fn a_sold_count_may_be_old_unless_the_target_promises_more_and_never_ahead() {
    let play = |count, freshness| {
        let mut shop = Shop::open(&[LINEARIZABLE]);
        shop.manifest.promises.sold_count = freshness;
        shop.buys("buyer-2", "lead-2", "one");
        read_lead(&mut shop, "lead-2", count);
        shop.buys("buyer-3", "lead-2", "two");
        closed(shop)
    };
    is(&play(0, Freshness::Stale), LINEARIZABLE, Validity::Valid);
    is(&play(1, Freshness::Linearizable), LINEARIZABLE, Validity::Valid);
    says(&play(0, Freshness::Linearizable), LINEARIZABLE, "lead-2 was sold 0 times");
    says(&play(2, Freshness::Stale), LINEARIZABLE, "when at most 1 purchase had been asked for");
}

#[test]
fn credits_show_at_any_time_after_the_payment_and_do_not_go_again() {
    for (before, after) in [(500, 800), (800, 800), (500, 500)] {
        let mut shop = Shop::open(&[LINEARIZABLE]);
        let session = shop.orders("buyer-2", 300, "order-1");
        let event = shop.pays("buyer-2", &session);
        read_balance(&mut shop, 2, "buyer-2", before);
        shop.delivers(&event, &session, None, 200);
        read_balance(&mut shop, 2, "buyer-2", after);
        shop.grants("buyer-2", &session, 300, "g-order-1");
        let verdict = closed(shop);
        assert_eq!(verdict.validity, Validity::Valid, "{before} then {after}: {}", verdict.cause);
    }
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let session = shop.tops_up("buyer-2", 300, "order-1");
    read_balance(&mut shop, 2, "buyer-2", 800);
    read_balance(&mut shop, 2, "buyer-2", 500);
    assert!(session.starts_with("cs_"));
    let verdict = closed(shop);
    says(&verdict, LINEARIZABLE, "told a balance of 500");
    says(&verdict, SESSIONS, "told a balance of 500");
}

#[test]
fn a_balance_that_nothing_explains_is_no_broken_session() {
    let mut shop = Shop::open(&[LINEARIZABLE, SESSIONS]);
    shop.buys("buyer-2", "lead-2", "mine");
    read_balance(&mut shop, 2, "buyer-2", 433);
    let verdict = closed(shop);
    says(&verdict, LINEARIZABLE, "told a balance of 433");
    is(&verdict, SESSIONS, Validity::Valid);
}

#[test]
fn what_moves_credits_in_other_ways_leaves_the_account_out() {
    for way in 0..3 {
        let mut shop = Shop::open(&[LINEARIZABLE]);
        shop.buys("buyer-2", "lead-2", "mine");
        let database = &mut shop.evidence.database;
        let workspace = "buyer-2".to_owned();
        match way {
            0 => database.reversals.as_mut().unwrap().push(overdraft_model::evidence::Reversal {
                reversal: "r".into(),
                workspace,
                credits: 50,
                refund: None,
            }),
            1 => {
                let row = overdraft_model::evidence::Expiry { expiry: "e".into(), workspace, credits: 50 };
                database.expiries = Some(vec![row]);
            }
            _ => {
                let (adjustment, reason) = ("a".into(), None);
                let row = overdraft_model::evidence::Adjustment { adjustment, workspace, credits: -50, reason };
                database.adjustments = Some(vec![row]);
            }
        }
        read_balance(&mut shop, 2, "buyer-2", 350);
        let verdict = closed(shop);
        is(&verdict, LINEARIZABLE, Validity::Valid);
        let observed = &of(&verdict, LINEARIZABLE).unwrap().observed;
        assert!(observed.contains("accounts left out") || observed.contains("account left out"), "{observed}");
    }
}

#[test]
fn without_purchases_to_resolve_with_it_is_unknown() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    shop.evidence.database.purchases = None;
    let verdict = closed(shop);
    is(&verdict, LINEARIZABLE, Validity::Unknown);
    assert!(of(&verdict, LINEARIZABLE).unwrap().observed.contains("purchases"));
}

#[test]
fn a_busy_target_may_still_be_working_on_what_was_unclear() {
    let mut shop = Shop::open(&[LINEARIZABLE]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2"], "lost"));
    shop.lost(op);
    read_balance(&mut shop, 2, "buyer-2", 400);
    shop.close();
    shop.evidence.settled.quiescent = false;
    is(&shop.judged(), LINEARIZABLE, Validity::Invalid);
    let answers = shop.events.iter_mut().rev().filter_map(|event| match &mut event.body {
        Body::Return { answer, .. } => Some(answer),
        _ => None,
    });
    // The last but one of the final reads is that of buyer-2.
    for answer in answers.skip(1).take(1) {
        answer.fields.insert("balance".into(), json!(400));
    }
    is(&shop.judged(), LINEARIZABLE, Validity::Valid);
}
