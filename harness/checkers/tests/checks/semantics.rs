//! The cases in which a careless check would accuse a correct target, or let a broken one pass.

use overdraft_model::{
    evidence::{DeadLetter, Job},
    operation::{Answer, Forgery, Operation, Outcome, PayBy},
    threshold::Limits,
    verdict::Validity,
};
use serde_json::json;

use crate::asserted::{closed, is_broken, is_fine};
use crate::shop::{Shop, buy, of, told};

#[test]
fn an_unclear_purchase_may_have_happened_or_not() {
    for happened in [true, false] {
        let mut shop = Shop::open(&["acknowledged.durable"]);
        let op = shop.ask(2, buy("buyer-2", &["lead-2"], "unclear"));
        shop.lost(op);
        if happened {
            shop.sell("buyer-2", "lead-2", "unclear");
        }
        let verdict = closed(shop);
        assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.cause);
        let observed = &of(&verdict, "acknowledged.durable").unwrap().observed;
        let words = if happened { "1 happened, 0 did not" } else { "0 happened, 1 did not" };
        assert!(observed.contains(words), "{observed}");
    }
}

#[test]
fn a_call_that_never_returned_may_have_happened() {
    let mut shop = Shop::open(&["acknowledged.durable"]);
    shop.ask(2, buy("buyer-2", &["lead-2"], "killed"));
    shop.sell("buyer-2", "lead-2", "killed");
    is_fine(shop);
}

#[test]
fn a_replay_under_its_key_is_one_sale() {
    let mut shop = Shop::open(&["leads.capacity", "effects.at-most-once"]);
    let replay = shop.ask(1, buy("buyer-1", &["flash-1"], "race-1"));
    shop.ok(replay, "buyer-1", "p-race-1");
    is_fine(shop);
}

#[test]
fn a_double_click_of_which_one_is_refused_is_one_sale() {
    let mut shop = Shop::open(&["effects.at-most-once", "acknowledged.durable"]);
    let first = shop.ask(2, buy("buyer-2", &["lead-2"], "click"));
    let second = shop.ask(4, buy("buyer-2", &["lead-2"], "click"));
    shop.fail(second, 409, "idempotency_key_in_use");
    shop.sell("buyer-2", "lead-2", "click");
    shop.ok(first, "buyer-2", "p-click");
    let other_key = shop.ask(2, buy("buyer-2", &["lead-2"], "again"));
    shop.fail(other_key, 409, "already_purchased");
    let other_body = shop.ask(2, buy("buyer-2", &["lead-3"], "click"));
    shop.fail(other_body, 422, "idempotency_key_reused");
    is_fine(shop);
}

#[test]
fn a_key_belongs_to_the_workspace_that_sent_it() {
    let mut shop = Shop::open(&["effects.at-most-once"]);
    shop.buys("buyer-2", "lead-2", "same");
    let op = shop.ask(3, buy("buyer-3", &["lead-2"], "same"));
    shop.sell("buyer-3", "lead-2", "other");
    let rows = shop.evidence.database.purchases.as_mut().unwrap();
    rows.last_mut().unwrap().key = Some("same".into());
    shop.ok(op, "buyer-3", "p-other");
    is_fine(shop);
}

#[test]
fn a_key_with_another_body_must_not_buy_again() {
    let mut shop = Shop::open(&["effects.at-most-once"]);
    shop.buys("buyer-2", "lead-2", "one");
    let op = shop.ask(2, buy("buyer-2", &["lead-3"], "one"));
    shop.sell("buyer-2", "lead-3", "two");
    shop.evidence.database.purchases.as_mut().unwrap().last_mut().unwrap().key = Some("one".into());
    shop.ok(op, "buyer-2", "p-two");
    is_broken(shop, "effects.at-most-once", "key one");
}

#[test]
fn two_purchases_of_one_lead_by_one_buyer_are_told_once() {
    let mut shop = Shop::open(&["effects.at-most-once"]);
    shop.buys("buyer-2", "lead-2", "click-1");
    shop.buys("buyer-2", "lead-2", "click-2");
    let verdict = closed(shop);
    let check = of(&verdict, "effects.at-most-once").unwrap();
    assert_eq!((check.validity, check.findings.len()), (Validity::Invalid, 1), "{:#?}", check.findings);
    assert!(verdict.money.iter().any(|stake| stake.id == "purchases-doubled" && stake.amount == 1));
}

#[test]
fn a_refused_purchase_that_is_there_is_a_violation() {
    let mut shop = Shop::open(&["acknowledged.durable"]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2"], "refused"));
    shop.fail(op, 402, "insufficient_credits");
    shop.sell("buyer-2", "lead-2", "refused");
    is_broken(shop, "acknowledged.durable", "was refused lead-2 (402 insufficient_credits), and bought it");
}

#[test]
fn half_of_an_unclear_purchase_is_a_violation() {
    let mut shop = Shop::open(&["purchase.atomic"]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2", "lead-3"], "both"));
    shop.lost(op);
    shop.sell("buyer-2", "lead-2", "both");
    is_broken(shop, "purchase.atomic", "asked for 2 leads at once and got 1");
}

#[test]
fn a_lost_update_shows_the_two_purchases_that_were_told_one_balance() {
    let mut shop = Shop::open(&["purchase.atomic"]);
    shop.evidence.database.entries = None;
    shop.buys("buyer-2", "lead-2", "first");
    let op = shop.ask(2, buy("buyer-2", &["lead-3"], "second"));
    shop.sell("buyer-2", "lead-3", "second");
    let account =
        shop.evidence.database.accounts.as_mut().unwrap().iter_mut().find(|row| row.id == "a-buyer-2").unwrap();
    account.balance = Some(400);
    shop.evidence.database.entries = None;
    shop.ok(op, "buyer-2", "p-second");
    is_broken(shop, "purchase.atomic", "buyer-2 got purchases for 200 credits and paid 100");
}

#[test]
fn credits_from_nowhere_are_no_unpaid_purchase_where_entries_tell() {
    let mut shop = Shop::open(&["credits.conserved"]);
    shop.buys("buyer-2", "lead-2", "bought");
    shop.transfer("mystery", &[("buyer-2", 50), ("platform", -50)]);
    shop.close();
    let verdict = shop.judged();
    assert_eq!(of(&verdict, "credits.conserved").unwrap().validity, Validity::Invalid);
    assert_eq!(of(&verdict, "purchase.atomic").unwrap().validity, Validity::Valid);
    assert!(verdict.money.iter().any(|stake| stake.id == "credits-from-nothing" && stake.amount == 50));
}

#[test]
fn a_debit_that_was_given_back_is_no_loss() {
    let mut shop = Shop::open(&["purchase.atomic"]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2"], "saga"));
    shop.transfer("hold", &[("buyer-2", -100), ("platform", 100)]);
    shop.transfer("release", &[("buyer-2", 100), ("platform", -100)]);
    shop.fail(op, 409, "conflict");
    is_fine(shop);
}

#[test]
fn a_gift_from_nowhere_is_a_violation_and_a_setup_without_gifts_is_not() {
    let mut shop = Shop::open(&["credits.conserved"]);
    shop.transfer("gift", &[("buyer-3", 70), ("platform", -70)]);
    let grants = shop.evidence.database.grants.as_mut().unwrap();
    let mut gift = grants[2].clone();
    (gift.grant, gift.credits) = ("gift".into(), 70);
    grants.push(gift);
    is_broken(shop, "credits.conserved", "buyer-3 was given 70 credits that nobody paid for");

    let mut plain = Shop::open(&["credits.conserved"]);
    plain.evidence.database.grants.as_mut().unwrap().clear();
    let entries = plain.evidence.database.entries.as_mut().unwrap();
    entries.retain(|entry| !entry.transfer.starts_with("start-"));
    let platform = plain.evidence.database.accounts.as_mut().unwrap().first_mut().unwrap();
    platform.balance = platform.balance.map(|balance| balance + 1_500);
    is_fine(plain);
}

#[test]
fn a_transfer_out_of_balance_is_a_violation() {
    let mut shop = Shop::open(&["credits.conserved"]);
    shop.transfer("lopsided", &[("platform", 10)]);
    is_broken(shop, "credits.conserved", "transfer lopsided moves +10");
}

#[test]
fn a_stale_balance_in_the_end_is_a_violation_once_the_target_is_quiet() {
    let mut shop = Shop::open(&["credits.conserved"]);
    shop.close();
    shop.transfer("late", &[("buyer-2", -100), ("platform", 100)]);
    let verdict = shop.judged();
    let check = of(&verdict, "credits.conserved").unwrap();
    assert!(check.findings.iter().any(|finding| finding.summary.contains("is told a balance of 500")), "{check:#?}");
    shop.evidence.settled.quiescent = false;
    let verdict = shop.judged();
    assert_eq!(of(&verdict, "credits.conserved").unwrap().validity, Validity::Unknown);
    assert_eq!(of(&verdict, "paid.delivered").unwrap().validity, Validity::Invalid);
}

#[test]
fn an_order_that_was_answered_unclearly_accuses_nobody() {
    let mut shop = Shop::open(&["paid.delivered"]);
    let session = shop.tops_up("buyer-2", 300, "order-1");
    let answer = Answer { error: Some("timed out".into()), ..Answer::default() };
    for event in &mut shop.events {
        if let overdraft_model::history::Body::Return { outcome, answer: told, .. } = &mut event.body
            && told.text("session") == Some(session.as_str())
        {
            *outcome = Outcome::Info;
            *told = answer.clone();
        }
    }
    shop.grants("buyer-3", "cs_unseen", 10, "g-unseen");
    let mut unseen = shop.evidence.provider.sessions[0].clone();
    unseen.session = "cs_unseen".into();
    shop.evidence.provider.sessions.push(unseen);
    let verdict = closed(shop);
    assert_ne!(verdict.validity, Validity::Invalid, "{}", verdict.cause);
}

#[test]
fn a_grant_to_somebody_else_is_a_violation() {
    let mut shop = Shop::open(&["credits.conserved"]);
    let session = shop.orders("buyer-2", 300, "order-1");
    let event = shop.pays("buyer-2", &session);
    shop.grants("buyer-3", &session, 300, "g-order-1");
    shop.delivers(&event, &session, None, 200);
    is_broken(shop, "credits.conserved", "buyer-2 ordered cs_order-1, and 300 credits for it went to buyer-3");
}

#[test]
fn a_session_granted_twice_is_seen_as_doubled_and_from_nothing() {
    let mut shop = Shop::open(&["effects.at-most-once"]);
    let session = shop.tops_up("buyer-2", 300, "order-1");
    shop.grants("buyer-2", &session, 300, "g-again");
    shop.delivers("evt_cs_order-1", &session, None, 200);
    let verdict = closed(shop);
    assert_eq!(of(&verdict, "effects.at-most-once").unwrap().findings.len(), 1);
    assert_eq!(of(&verdict, "credits.conserved").unwrap().findings.len(), 1);
    let stake = verdict.money.iter().find(|stake| stake.id == "credits-from-nothing").unwrap();
    assert_eq!(stake.amount, 300, "seen from two sides, counted once");
}

#[test]
fn an_email_that_was_lost_needs_a_dead_letter_and_an_alert_that_names_it() {
    let letter = || DeadLetter { kind: "email".into(), subject: "confirm-click".into(), reason: Some("422".into()) };
    let told = "the email about confirm-click failed for good";
    let cases: [(bool, Option<&str>, Validity); 4] = [
        (false, None, Validity::Invalid),
        (true, None, Validity::Invalid),
        (true, Some("some email failed for good"), Validity::Invalid),
        (true, Some(told), Validity::Valid),
    ];
    for (dead, alert, expected) in cases {
        let mut shop = Shop::open(&["paid.delivered"]);
        shop.buys("buyer-2", "lead-2", "click");
        shop.evidence.email.accepted.pop();
        shop.evidence.database.dead_letters = Some(dead.then(letter).into_iter().collect());
        shop.evidence.email.alerts = alert.map(str::to_owned).into_iter().collect();
        let verdict = closed(shop);
        let check = of(&verdict, "paid.delivered").unwrap();
        assert_eq!(check.validity, expected, "dead {dead}, alert {alert:?}: {}", check.observed);
        let lost = verdict.money.iter().find(|stake| stake.id == "emails-lost").unwrap();
        assert_eq!(lost.amount, i64::from(expected == Validity::Invalid));
        assert_eq!(check.observed.contains("1 handed to a person"), expected == Validity::Valid);
    }
}

#[test]
fn a_lost_email_without_a_mapped_dead_letter_table_is_unknown() {
    let mut shop = Shop::open(&["paid.delivered"]);
    shop.evidence.email.accepted.clear();
    shop.evidence.database.dead_letters = None;
    let verdict = closed(shop);
    let check = of(&verdict, "paid.delivered").unwrap();
    assert_eq!(check.validity, Validity::Unknown);
    assert!(check.observed.contains("dead_letters"), "{}", check.observed);
}

#[test]
fn paid_money_in_the_dead_letters_is_delivered_only_with_an_alert() {
    for alerted in [true, false] {
        let mut shop = Shop::open(&["paid.delivered"]);
        let session = shop.orders("buyer-2", 300, "order-1");
        let event = shop.pays("buyer-2", &session);
        shop.delivers(&event, &session, None, 200);
        let letter = DeadLetter { kind: "webhook".into(), subject: event.clone(), reason: None };
        shop.evidence.database.dead_letters.as_mut().unwrap().push(letter);
        shop.evidence.email.alerts = alerted.then(|| format!("webhook {event} gave up")).into_iter().collect();
        let verdict = closed(shop);
        let expected = if alerted { Validity::Valid } else { Validity::Invalid };
        assert_eq!(of(&verdict, "paid.delivered").unwrap().validity, expected);
    }
}

#[test]
fn an_event_that_was_never_answered_2xx_is_lost_and_one_never_delivered_is_a_doubt() {
    let mut shop = Shop::open(&["paid.delivered"]);
    let session = shop.orders("buyer-2", 300, "order-1");
    let event = shop.pays("buyer-2", &session);
    shop.grants("buyer-2", &session, 300, "g-order-1");
    shop.delivers(&event, &session, None, 500);
    is_broken(shop, "paid.delivered", "delivered 1 time and never answered 2xx");

    let mut silent = Shop::open(&["paid.delivered"]);
    let session = silent.orders("buyer-2", 300, "order-1");
    silent.pays("buyer-2", &session);
    silent.grants("buyer-2", &session, 300, "g-order-1");
    let verdict = closed(silent);
    assert_eq!(of(&verdict, "paid.delivered").unwrap().validity, Validity::Unknown);
}

#[test]
fn a_job_left_over_is_stuck_unless_it_is_dead() {
    let job = |state: &str| Job { job: "7".into(), kind: "email".into(), state: state.into(), attempts: 3 };
    let mut shop = Shop::open(&["paid.delivered"]);
    shop.evidence.database.jobs = Some(vec![job("dead")]);
    is_fine(shop);
    let mut shop = Shop::open(&["paid.delivered"]);
    shop.evidence.database.jobs = Some(vec![job("waiting")]);
    is_broken(shop, "paid.delivered", "1 job of kind email left over in state waiting");
}

#[test]
fn an_event_of_the_other_mode_may_be_acknowledged_and_must_change_nothing() {
    let play = |granted: bool| {
        let mut shop = Shop::open(&["webhooks.authentic"]);
        let session = shop.orders("buyer-2", 300, "order-1");
        shop.delivers("evt_other", &session, Some(Forgery::WrongMode), 200);
        if granted {
            shop.grants("buyer-2", &session, 300, "g-other");
        }
        shop
    };
    is_fine(play(false));
    is_broken(play(true), "webhooks.authentic", "granted 300 credits after a forged webhook");
}

#[test]
fn a_refused_forgery_beside_a_paid_session_is_fine() {
    let mut shop = Shop::open(&["webhooks.authentic"]);
    let session = shop.tops_up("buyer-2", 300, "order-1");
    shop.delivers("evt_forged", &session, Some(Forgery::Altered), 400);
    is_fine(shop);
}

#[test]
fn a_double_grant_by_an_authentic_webhook_is_not_blamed_on_refused_forgeries() {
    let mut shop = Shop::open(&["webhooks.authentic"]);
    let session = shop.tops_up("buyer-2", 300, "order-1");
    shop.delivers("evt_forged", &session, Some(Forgery::Unsigned), 400);
    shop.delivers("evt_other", &session, Some(Forgery::WrongMode), 200);
    shop.delivers("evt_cs_order-1", &session, None, 200);
    shop.grants("buyer-2", &session, 300, "g-again");
    let verdict = closed(shop);
    assert_eq!(of(&verdict, "webhooks.authentic").unwrap().validity, Validity::Valid);
    assert_eq!(of(&verdict, "effects.at-most-once").unwrap().validity, Validity::Invalid);
}

#[test]
fn an_altered_body_that_was_accepted_and_granted_more_is_caught() {
    let mut shop = Shop::open(&["webhooks.authentic"]);
    let session = shop.orders("buyer-2", 300, "order-1");
    let event = shop.pays("buyer-2", &session);
    shop.delivers("evt_forged", &session, Some(Forgery::Altered), 200);
    shop.grants("buyer-2", &session, 3_000, "g-raised");
    shop.delivers(&event, &session, None, 200);
    is_broken(shop, "webhooks.authentic", "2700 more than ordered");
}

#[test]
fn a_subject_line_that_comes_twice_is_no_doubled_email() {
    let mut shop = Shop::open(&["effects.at-most-once"]);
    shop.email("buyer-1", "Your order", "1", false);
    shop.email("buyer-1", "Your order", "2", false);
    is_fine(shop);
}

#[test]
fn a_purchase_without_its_commission_is_not_whole() {
    let mut shop = Shop::open(&["purchase.atomic"]);
    shop.buys("buyer-2", "lead-2", "bought");
    shop.evidence.database.commissions.as_mut().unwrap().pop();
    shop.transfer("taken-back", &[("partner-1", -20), ("platform", 20)]);
    is_broken(shop, "purchase.atomic", "partner-1 earned no commission");
}

#[test]
fn a_purchase_named_by_a_number_is_found() {
    let mut shop = Shop::open(&["acknowledged.durable"]);
    let op = shop.ask(2, buy("buyer-2", &["lead-2"], "numbered"));
    shop.sell("buyer-2", "lead-2", "numbered");
    shop.evidence.database.purchases.as_mut().unwrap().last_mut().unwrap().purchase = "77".into();
    shop.evidence.database.commissions.as_mut().unwrap().last_mut().unwrap().purchase = "77".into();
    shop.answer(op, Outcome::Ok, told(201, json!({ "purchase": 77 })));
    is_fine(shop);
}

#[test]
fn accounts_that_belong_to_nobody_accuse_nobody() {
    let mut shop = Shop::open(&["credits.conserved"]);
    shop.close();
    for account in shop.evidence.database.accounts.iter_mut().flatten() {
        account.workspace = account.workspace.as_ref().map(|_| "018f-unmapped".into());
    }
    let verdict = shop.judged();
    assert_eq!(of(&verdict, "credits.conserved").unwrap().validity, Validity::Unknown);
    assert_ne!(verdict.validity, Validity::Invalid, "{}", verdict.cause);
}

#[test]
fn every_limit_of_a_list_must_hold() {
    let limited = |limits: &[&str]| {
        let mut shop = Shop::open(&[]);
        let limits = Limits::All(limits.iter().map(|&limit| limit.to_owned()).collect());
        shop.scenario().thresholds.insert("errors".into(), limits);
        let op = shop.ask(2, buy("buyer-2", &["lead-2"], "shaky"));
        shop.fail(op, 500, "broken");
        shop
    };
    let errors = of(&closed(limited(&["count<=1", "rate<0.5"])), "errors").unwrap().clone();
    assert_eq!(errors.validity, Validity::Valid, "{}", errors.observed);
    assert_eq!(errors.evidence, 4, "an answer is one piece of evidence, however often it is limited");
    assert!(
        errors.observed.contains("count<=1: 1 ") && errors.observed.contains("rate<0.5: 1 "),
        "{}",
        errors.observed
    );
    for both in [["count<=1", "rate<0.1"], ["count<1", "rate<0.5"]] {
        let verdict = closed(limited(&both));
        let errors = of(&verdict, "errors").unwrap();
        assert_eq!((errors.validity, errors.findings.len()), (Validity::Invalid, 1), "{both:?}: {}", errors.observed);
    }
}

#[test]
fn a_refused_connection_is_an_error_and_what_the_provider_refuses_is_not() {
    let refused = || Answer { error: Some("connection refused".into()), ..Answer::default() };
    let limited = |limit: &str| {
        let mut shop = Shop::open(&[]);
        shop.scenario().thresholds.insert("errors".into(), limit.into());
        shop
    };
    let mut down = limited("count<1");
    let op = down.ask(2, buy("buyer-2", &["lead-2"], "nobody-there"));
    down.answer(op, Outcome::Fail, refused());
    is_broken(down, "errors", "count<1: 1 unexpected answer in 4 operations");

    let mut provider = limited("count==0");
    let pay = Operation::Pay { workspace: "buyer-2".into(), session: "cs_none".into(), by: PayBy::Card };
    let op = provider.ask(2, pay);
    provider.answer(op, Outcome::Fail, refused());
    let verdict = closed(provider);
    let errors = of(&verdict, "errors").unwrap();
    assert_eq!(errors.validity, Validity::Valid, "{}", errors.observed);
}
