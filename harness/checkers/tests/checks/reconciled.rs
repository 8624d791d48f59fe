//! The three ledgers held against each other: one number to the credit and the cent, and what is unclear resolved.

use overdraft_model::{
    operation::{Operation, Outcome},
    verdict::{MoneySum, Reconciliation},
};
use serde_json::json;

use crate::shop::{Shop, told};

fn books(mut shop: Shop) -> Option<Reconciliation> {
    shop.close();
    let verdict = shop.judged();
    assert_eq!(verdict.reconciliation, verdict.scenarios[0].reconciliation, "one scenario is the whole");
    verdict.reconciliation
}

fn paid(granted: i64) -> Shop {
    let mut shop = Shop::open(&[]);
    let session = shop.orders("buyer-2", 300, "order-1");
    let event = shop.pays("buyer-2", &session);
    shop.grants("buyer-2", &session, granted, "g-order-1");
    shop.delivers(&event, &session, None, 200);
    shop
}

#[test]
fn books_that_close_have_nothing_unexplained_of_all_that_moved() {
    let sum = books(paid(300)).unwrap();
    assert_eq!((sum.credits, sum.emails, sum.unresolved), (0, 0, 0), "{sum:?}");
    // Three starting balances, one order, one purchase and the partner's share of it.
    assert_eq!(sum.credits_of, 3 * 500 + 300 + 100 + 20);
    assert_eq!(sum.money, [MoneySum { currency: "eur".into(), unexplained: 0, of: 3_000 }]);
}

#[test]
fn what_is_granted_beyond_the_payment_is_unexplained_to_the_cent() {
    for (granted, apart, cents) in [(600, 300, 3_000), (299, 1, 10), (0, 300, 3_000)] {
        let sum = books(paid(granted)).unwrap();
        assert_eq!((sum.credits, sum.money[0].unexplained), (apart, cents), "{granted} granted");
    }
}

#[test]
fn a_balance_that_no_row_explains_is_unexplained_once() {
    let mut shop = paid(300);
    shop.transfer("t-odd", &[("buyer-3", -7), ("platform", 7)]);
    assert_eq!(books(shop).unwrap().credits, 7);
}

#[test]
fn there_is_no_number_where_something_cannot_be_known() {
    let mut busy = paid(300);
    busy.evidence.settled.quiescent = false;
    assert_eq!(books(busy), None);
    let mut unmapped = paid(300);
    unmapped.evidence.database.grants = None;
    assert_eq!(books(unmapped), None);
}

#[test]
fn unclear_answers_are_resolved_from_the_ledgers_or_listed() {
    let mut shop = paid(300);
    let lost = shop.ask(3, crate::shop::buy("buyer-3", &["lead-3"], "lost"));
    shop.lost(lost);
    let looks = shop.ask(3, Operation::ReadBalance { workspace: "buyer-3".into() });
    shop.lost(looks);
    let again = shop.asks_for("invite", "buyer-3", json!({ "key": "twice" }));
    shop.lost(again);
    let answered = shop.asks_for("invite", "buyer-3", json!({ "key": "twice" }));
    shop.answer(answered, Outcome::Ok, told(200, json!({})));
    let never = shop.asks_for("invite", "buyer-3", json!({ "key": "once" }));
    shop.lost(never);
    let sum = books(shop).unwrap();
    assert_eq!((sum.resolved, sum.unresolved), (2, 1));
    let listed = format!("operation {never}: buyer-3 asks for invite key=once");
    assert_eq!(sum.unresolved_calls, [listed]);
}
