//! What a target states in its own file: rate limits, orders of statuses, invariants. What the checks must tell, and
//! above all what they must not.

use overdraft_model::{
    evidence::{StatusRow, Violations},
    history::Body,
    operation::{Operation, Outcome},
    promises::Invariant,
    verdict::Validity,
};
use serde_json::json;

use crate::asserted::{closed, is, says};
use crate::shop::{Shop, buy, told};

const LIMITS: &str = "limits.enforced";
const STATUS: &str = "status.never-regresses";
const FIVE: &str = "operations = ['read-balance']\nrequests = 5";

fn limited(limit: &str) -> Shop {
    let mut shop = Shop::open(&[LIMITS]);
    shop.limits("reads", limit, "buyer-2");
    shop
}

fn read(shop: &mut Shop, let_in: bool) {
    let op = shop.ask(2, Operation::ReadBalance { workspace: "buyer-2".into() });
    match let_in {
        true => shop.answer(op, Outcome::Ok, told(200, json!({ "balance": 500 }))),
        false => shop.fail(op, 429, "rate_limited"),
    }
}

#[test]
fn what_comes_back_with_time_is_let_in_and_no_more() {
    for (waits, validity) in [(12_100, Validity::Valid), (5_000, Validity::Invalid)] {
        let mut shop = limited(FIVE);
        (0..5).for_each(|_| read(&mut shop, true));
        read(&mut shop, false);
        shop.wait(waits);
        read(&mut shop, true);
        // The last reads of `close` come out of the same budget.
        shop.wait(60_000);
        is(&closed(shop), LIMITS, validity);
    }
}

#[test]
fn a_slow_request_may_have_counted_before_or_after() {
    let mut shop = limited(FIVE);
    let slow: Vec<u64> = (0..2).map(|_| shop.ask(12, Operation::ReadBalance { workspace: "buyer-2".into() })).collect();
    (0..4).for_each(|_| read(&mut shop, true));
    read(&mut shop, false);
    shop.wait(20_000);
    slow.into_iter().for_each(|op| shop.answer(op, Outcome::Ok, told(200, json!({ "balance": 500 }))));
    shop.wait(60_000);
    is(&closed(shop), LIMITS, Validity::Valid);
}

#[test]
fn what_has_no_clear_answer_accuses_nobody() {
    let mut shop = limited(FIVE);
    (0..5).for_each(|_| read(&mut shop, true));
    for _ in 0..4 {
        let op = shop.ask(2, Operation::ReadBalance { workspace: "buyer-2".into() });
        shop.lost(op);
    }
    read(&mut shop, false);
    shop.wait(60_000);
    is(&closed(shop), LIMITS, Validity::Valid);
}

#[test]
fn what_any_service_may_let_in_proves_nothing_of_a_limit() {
    for (waits, validity) in [(12_100, Validity::Unknown), (1_000, Validity::Invalid)] {
        let mut shop = limited(FIVE);
        for _ in 0..12 {
            read(&mut shop, true);
            shop.wait(waits);
        }
        is(&closed(shop), LIMITS, validity);
    }
}

#[test]
fn a_refusal_needs_a_budget_that_was_used_up() {
    let mut shop = limited(FIVE);
    read(&mut shop, false);
    (0..5).for_each(|_| read(&mut shop, true));
    shop.wait(60_000);
    says(&closed(shop), LIMITS, "was refused for asking too often (reads), and had asked 1 time in");

    // What names no workspace, and what no limit lists, may have been counted.
    let mut shop = limited(FIVE);
    for _ in 0..4 {
        let op = shop.asks_for("list-things", "buyer-2", json!({}));
        shop.answer(op, Outcome::Ok, told(200, json!({})));
    }
    read(&mut shop, false);
    (0..5).for_each(|_| read(&mut shop, true));
    shop.wait(60_000);
    is(&closed(shop), LIMITS, Validity::Valid);
}

#[test]
fn who_waited_as_long_as_it_was_told_is_let_in() {
    let play = |waits: u64| {
        let mut shop = limited(FIVE);
        (0..5).for_each(|_| read(&mut shop, true));
        let op = shop.ask(2, Operation::ReadBalance { workspace: "buyer-2".into() });
        let mut answer = told(429, json!({ "retry_after": 12 }));
        answer.code = Some("rate_limited".into());
        shop.answer(op, Outcome::Fail, answer);
        shop.wait(waits);
        read(&mut shop, false);
        shop.wait(60_000);
        closed(shop)
    };
    says(&play(12_100), LIMITS, "was told to wait 12 s before it asks again (reads), waited, and was refused again");
    is(&play(11_000), LIMITS, Validity::Valid);
}

#[test]
fn only_who_is_under_the_limit_and_asks_beyond_it_is_judged() {
    let mut unlimited = limited(FIVE);
    unlimited.manifest.scenarios[0].world.workspaces.iter_mut().for_each(|known| known.values.clear());
    (0..9).for_each(|_| read(&mut unlimited, true));
    is(&closed(unlimited), LIMITS, Validity::Unknown);

    let mut modest = limited(FIVE);
    (0..3).for_each(|_| read(&mut modest, true));
    is(&closed(modest), LIMITS, Validity::Unknown);

    let mut lifted = limited(&format!("{FIVE}\nchanged_by = 'lift'"));
    (0..5).for_each(|_| read(&mut lifted, true));
    read(&mut lifted, false);
    let op = lifted.asks_for("lift", "buyer-1", json!({ "workspace": "uuid-1" }));
    lifted.answer(op, Outcome::Ok, told(200, json!({})));
    (0..9).for_each(|_| read(&mut lifted, true));
    is(&closed(lifted), LIMITS, Validity::Valid);
}

#[test]
fn a_clock_that_is_moved_begins_a_new_count() {
    let mut shop = limited(FIVE);
    (0..5).for_each(|_| read(&mut shop, true));
    read(&mut shop, false);
    shop.event(Body::Act { what: "every instance's clock was put 3660 s ahead".into() });
    (0..4).for_each(|_| read(&mut shop, true));
    is(&closed(shop), LIMITS, Validity::Valid);
}

#[test]
fn whether_other_refusals_count_is_the_targets_to_say() {
    for (counts, validity) in [(true, Validity::Invalid), (false, Validity::Valid)] {
        let mut shop = Shop::open(&[LIMITS]);
        let limit = format!("operations = ['purchase']\nrequests = 3\nrefusals_count = {counts}");
        shop.limits("purchases", &limit, "buyer-2");
        for number in 0..5 {
            let op = shop.ask(2, buy("buyer-2", &["flash-1"], &format!("late-{number}")));
            shop.fail(op, 409, "lead_sold_out");
        }
        is(&closed(shop), LIMITS, validity);
    }
}

fn ordered(order: &str) -> (Shop, String) {
    let mut shop = Shop::open(&[STATUS]);
    shop.states("order", &format!("operation = 'read-order'\ncaptured_as = 'session'\n{order}"));
    let session = shop.tops_up("buyer-2", 300, "order-1");
    (shop, session)
}

fn row(subject: &str, place: i64, status: &str) -> StatusRow {
    StatusRow { kind: "order".into(), subject: subject.into(), place, status: status.into() }
}

#[test]
fn reads_that_overlap_may_tell_either_and_what_fails_may_be_paid() {
    let (mut shop, session) = ordered("");
    shop.reads("read-order", "buyer-2", &session, "failed");
    shop.reads("read-order", "buyer-2", &session, "processing");
    let early = shop.asks_for("read-order", "buyer-3", json!({ "id": session }));
    shop.reads("read-order", "buyer-2", &session, "paid");
    shop.answer(early, Outcome::Ok, told(200, json!({ "status": "processing" })));
    is(&closed(shop), STATUS, Validity::Valid);
}

#[test]
fn another_client_that_asks_later_is_told_no_less() {
    let (mut shop, session) = ordered("");
    shop.reads("read-order", "buyer-2", &session, "paid");
    shop.reads("read-order", "buyer-3", &session, "pending");
    says(&closed(shop), STATUS, "is pending, after another client had been told that it is paid");
}

#[test]
fn rows_in_their_own_order_and_the_last_against_every_read() {
    let (mut shop, session) = ordered("");
    shop.evidence.database.statuses = Some(vec![row(&session, 2, "pending"), row(&session, 1, "paid")]);
    says(&closed(shop), STATUS, "went from paid to pending");

    let (mut shop, session) = ordered("");
    shop.reads("read-order", "buyer-2", &session, "paid");
    shop.evidence.database.statuses = Some(vec![row(&session, 1, "processing")]);
    says(&closed(shop), STATUS, "is paid, and in the end it is processing");

    let (mut busy, session) = ordered("");
    busy.reads("read-order", "buyer-2", &session, "paid");
    busy.evidence.database.statuses = Some(vec![row(&session, 1, "processing")]);
    busy.evidence.settled.quiescent = false;
    is(&closed(busy), STATUS, Validity::Unknown);
}

#[test]
fn an_order_of_ones_own_is_kept_and_what_it_lacks_is_not_judged() {
    let (mut shop, session) = ordered("order = ['paid', 'refunded', 'disputed']");
    shop.reads("read-order", "buyer-2", &session, "refunded");
    shop.reads("read-order", "buyer-2", &session, "paid");
    says(&closed(shop), STATUS, "is paid, after the same client had been told that it is refunded");

    let (mut shop, session) = ordered("");
    shop.reads("read-order", "buyer-2", &session, "paid");
    shop.reads("read-order", "buyer-2", &session, "refunded");
    is(&closed(shop), STATUS, Validity::Unknown);

    let (mut once, session) = ordered("");
    once.reads("read-order", "buyer-2", &session, "paid");
    is(&closed(once), STATUS, Validity::Unknown);
}

#[test]
fn an_invariant_whose_query_fails_or_was_not_run_is_unknown() {
    let play = |found: Option<Violations>, quiet| {
        let mut shop = Shop::open(&[]);
        let invariant = Invariant { name: "mine".into(), sql: "SELECT 1".into(), reason: None };
        shop.manifest.stated.invariants.push(invariant);
        shop.evidence.invariants.extend(found.map(|found| ("mine".to_owned(), found)));
        shop.evidence.settled.quiescent = quiet;
        closed(shop)
    };
    let rows = |total| Violations::Found { total, rows: vec![json!({ "id": 1 })] };
    is(&play(None, true), "invariant.mine", Validity::Unknown);
    is(&play(Some(Violations::Failed("no such table".into())), true), "invariant.mine", Validity::Unknown);
    is(&play(Some(Violations::Found { total: 0, rows: vec![] }), true), "invariant.mine", Validity::Valid);
    says(&play(Some(rows(45)), true), "invariant.mine", "mine: 45 rows violate it");
    is(&play(Some(rows(1)), false), "invariant.mine", Validity::Unknown);
}
