//! `races.serial`: a small race, as a whole, against every order of it.

use overdraft_model::{
    operation::{Operation, Outcome},
    verdict::{Validity, Verdict},
};
use serde_json::json;

use crate::asserted::closed;
use crate::shop::{Shop, buy, of, told};

const ID: &str = "races.serial";

#[track_caller]
fn is(verdict: &Verdict, validity: Validity) {
    let check = of(verdict, ID).unwrap_or_else(|| panic!("{ID} is not listed: {}", verdict.cause));
    assert_eq!(check.validity, validity, "{}; {:#?}", check.observed, check.findings);
}

#[track_caller]
fn weighed(verdict: &Verdict, races: u64) {
    is(verdict, Validity::Valid);
    assert_eq!(of(verdict, ID).unwrap().evidence, races, "{}", of(verdict, ID).unwrap().observed);
}

/// A double click of `buyer-2` for `lead-2`: two keys or one, one purchase, and what the second is told.
fn clicked(keys: [&str; 2], second: (u16, &str)) -> Shop {
    let mut shop = Shop::open(&[ID]);
    let [one, two] = [0, 1].map(|at| shop.ask(2 + 10 * at as u64, buy("buyer-2", &["lead-2"], keys[at])));
    shop.race("click", &[one, two]);
    shop.sell("buyer-2", "lead-2", keys[0]);
    shop.ok(one, "buyer-2", &format!("p-{}", keys[0]));
    match second {
        (201, _) => shop.ok(two, "buyer-2", &format!("p-{}", keys[0])),
        (status, code) => shop.fail(two, status, code),
    }
    shop
}

#[test]
fn a_double_click_is_one_purchase_whatever_the_second_is_told() {
    for keys in [["a", "a"], ["a", "b"]] {
        for second in [(201, ""), (409, "already_purchased"), (409, "idempotency_key_in_use"), (422, "key_reused")] {
            weighed(&closed(clicked(keys, second)), 2);
        }
    }
    is(&closed(clicked(["a", "b"], (409, "lead_sold_out"))), Validity::Invalid);
    is(&closed(clicked(["a", "b"], (402, "insufficient_credits"))), Validity::Invalid);
}

#[test]
fn two_leads_at_once_are_refused_only_if_one_is_sold_out() {
    let play = |sales: usize| {
        let mut shop = Shop::open(&[ID]);
        for buyer in ["buyer-1", "buyer-2"].iter().take(sales) {
            shop.buys(buyer, "lead-3", &format!("early-{buyer}"));
        }
        let both = shop.ask(3, buy("buyer-3", &["lead-2", "lead-3"], "both"));
        let look = shop.ask(13, Operation::ReadBalance { workspace: "buyer-3".into() });
        shop.race("both", &[both, look]);
        shop.fail(both, 409, "lead_sold_out");
        shop.answer(look, Outcome::Ok, told(200, json!({ "balance": 500 })));
        closed(shop)
    };
    weighed(&play(2), 2);
    let verdict = play(1);
    is(&verdict, Validity::Invalid);
    let finding = &of(&verdict, ID).unwrap().findings[0];
    assert!(finding.summary.contains("no order of its 2 requests"), "{}", finding.summary);
    assert!(finding.rows.iter().any(|row| row == "before: lead-3 was sold 1 of 2"), "{:?}", finding.rows);
    assert!(finding.rows.iter().any(|row| row.contains("does not fit")), "{:?}", finding.rows);
}

#[test]
fn what_others_do_meanwhile_leaves_a_doubt_and_accuses_nobody() {
    let mut shop = Shop::open(&[ID]);
    let other = shop.ask(1, buy("buyer-1", &["lead-2"], "other"));
    let one = shop.ask(2, buy("buyer-2", &["lead-2"], "one"));
    let two = shop.ask(3, buy("buyer-3", &["lead-2"], "two"));
    shop.race("lead-2", &[one, two]);
    shop.fail(two, 409, "lead_sold_out");
    shop.sell("buyer-2", "lead-2", "one");
    shop.ok(one, "buyer-2", "p-one");
    shop.sell("buyer-1", "lead-2", "other");
    shop.ok(other, "buyer-1", "p-other");
    weighed(&closed(shop), 2);

    // The same workspace asks for the same lead outside of the race: who knows which of them bought it.
    let mut shop = Shop::open(&[ID]);
    let other = shop.ask(22, buy("buyer-2", &["lead-2"], "one"));
    let one = shop.ask(2, buy("buyer-2", &["lead-2"], "one"));
    let two = shop.ask(12, buy("buyer-2", &["lead-2"], "two"));
    shop.race("lead-2", &[one, two]);
    shop.sell("buyer-2", "lead-2", "one");
    shop.ok(one, "buyer-2", "p-one");
    shop.fail(two, 409, "lead_sold_out");
    shop.ok(other, "buyer-2", "p-one");
    weighed(&closed(shop), 1);
}

#[test]
fn credits_on_their_way_leave_the_balance_open() {
    let play = |pays: bool| {
        let mut shop = Shop::open(&[ID]);
        if pays {
            shop.tops_up("buyer-2", 100, "order");
        }
        let one = shop.ask(2, buy("buyer-2", &["lead-2"], "one"));
        let look = shop.ask(12, Operation::ReadBalance { workspace: "buyer-2".into() });
        shop.race("lead-2", &[one, look]);
        shop.fail(one, 402, "insufficient_credits");
        shop.answer(look, Outcome::Ok, told(200, json!({ "balance": 500 })));
        closed(shop)
    };
    is(&play(true), Validity::Valid);
    is(&play(false), Validity::Invalid);
}

#[test]
fn a_refusal_of_before_may_be_said_again() {
    let mut shop = Shop::open(&[ID]);
    let before = shop.ask(2, buy("buyer-2", &["lead-2"], "again"));
    shop.fail(before, 402, "insufficient_credits");
    let one = shop.ask(2, buy("buyer-2", &["lead-2"], "again"));
    let look = shop.ask(12, Operation::ReadBalance { workspace: "buyer-2".into() });
    shop.race("again", &[one, look]);
    shop.fail(one, 402, "insufficient_credits");
    shop.answer(look, Outcome::Ok, told(200, json!({ "balance": 500 })));
    is(&closed(shop), Validity::Valid);
}

#[test]
fn large_races_and_those_that_fell_apart_prove_nothing() {
    let mut shop = Shop::closed(&[ID]);
    let many: Vec<u64> = (1..=6).map(|n| shop.ask(n, buy("buyer-2", &["lead-2"], &format!("many-{n}")))).collect();
    shop.race("many", &many);
    many.iter().for_each(|op| shop.fail(*op, 409, "busy"));
    let apart: Vec<u64> = (1..=2)
        .map(|n| {
            let op = shop.ask(n, buy("buyer-2", &["lead-2"], &format!("apart-{n}")));
            shop.fail(op, 409, "busy");
            op
        })
        .collect();
    shop.race("apart", &apart);
    is(&closed(shop), Validity::Unknown);
}
