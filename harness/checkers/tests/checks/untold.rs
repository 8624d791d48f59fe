//! Credits that moved by rows which the target file does not map, and rows that nothing explains.

use overdraft_model::{
    evidence::{Adjustment, Entry, Refund, Reversal},
    operation::{Answer, Outcome},
    scenario::Workload,
    verdict::{Validity, Verdict},
};
use serde_json::json;

use crate::asserted::{closed, is};
use crate::shop::{Shop, buy, of, told};

const CONSERVED: &str = "credits.conserved";
const ATOMIC: &str = "purchase.atomic";
const LINEARIZABLE: &str = "history.linearizable";

#[track_caller]
fn tells(verdict: &Verdict, id: &str, words: &str) {
    let check = of(verdict, id).unwrap();
    let told = check.findings.iter().any(|finding| finding.summary.contains(words));
    assert!(told || check.observed.contains(words), "{words}: {}; {:#?}", check.observed, check.findings);
}

/// `buyer-2` paid for 50 credits and has the money back; the credits were taken back too.
fn refunded(mapped: bool) -> Shop {
    let mut shop = Shop::open(&[CONSERVED, ATOMIC, LINEARIZABLE]);
    let session = shop.tops_up("buyer-2", 50, "order");
    shop.evidence.provider.refunds.push(Refund {
        refund: "re_1".into(),
        session: Some(session),
        payment_intent: "pi_1".into(),
        amount: 500,
        status: "succeeded".into(),
    });
    shop.transfer("clawback", &[("buyer-2", -50), ("platform", 50)]);
    let row =
        Reversal { reversal: "r-1".into(), workspace: "buyer-2".into(), credits: 50, refund: Some("re_1".into()) };
    shop.evidence.database.reversals = mapped.then(|| vec![row]);
    shop
}

#[test]
fn a_refund_that_no_mapped_row_tells_of_accuses_nobody_and_is_not_called_right() {
    let verdict = closed(refunded(true));
    [CONSERVED, ATOMIC, LINEARIZABLE].iter().for_each(|id| is(&verdict, id, Validity::Valid));
    assert_eq!(verdict.scenarios[0].reconciliation.as_ref().unwrap().credits, 0);

    let verdict = closed(refunded(false));
    for id in [CONSERVED, ATOMIC] {
        is(&verdict, id, Validity::Unknown);
        tells(&verdict, id, "not mapped by the target file: reversals");
    }
    is(&verdict, LINEARIZABLE, Validity::Valid);
    tells(&verdict, LINEARIZABLE, "1 account left out");
    assert!(verdict.scenarios[0].reconciliation.is_none(), "no number without the rows");
}

#[test]
fn who_had_no_money_back_is_judged_all_the_same() {
    let mut shop = refunded(false);
    shop.transfer("gone", &[("buyer-3", -100), ("platform", 100)]);
    let verdict = closed(shop);
    tells(&verdict, CONSERVED, "buyer-3 owns 400 credits, 100 fewer than it should");
    tells(&verdict, ATOMIC, "buyer-3 paid 100 credits and got purchases for 0");
    tells(&verdict, LINEARIZABLE, "buyer-3 was told a balance of 400");
}

#[test]
fn credits_taken_back_need_money_that_went_back() {
    let mut shop = Shop::open(&[CONSERVED]);
    shop.tops_up("buyer-2", 50, "order");
    shop.transfer("clawback", &[("buyer-2", -50), ("platform", 50)]);
    let row = Reversal { reversal: "r-1".into(), workspace: "buyer-2".into(), credits: 50, refund: None };
    shop.evidence.database.reversals.get_or_insert_default().push(row);
    let verdict = closed(shop);
    is(&verdict, CONSERVED, Validity::Invalid);
    tells(&verdict, CONSERVED, "buyer-2 has no money back, and 50 credits were taken back instead of 0");
}

#[test]
fn money_that_went_back_for_an_unknown_order_may_be_anybodys() {
    let mut shop = refunded(true);
    shop.evidence.provider.refunds[0].session = Some("cs_unknown".into());
    let mut session = shop.evidence.provider.sessions[0].clone();
    session.session = "cs_unknown".into();
    shop.evidence.provider.sessions.push(session);
    let verdict = closed(shop);
    is(&verdict, CONSERVED, Validity::Unknown);
    tells(&verdict, CONSERVED, "an order whose answer never came");
}

/// Staff is asked for `credits` under a key.
fn asks_staff(shop: &mut Shop, credits: i64, key: &str) -> u64 {
    shop.asks_for("adjust-credits", "buyer-2", json!({ "workspace_id": "uuid-2", "credits": credits, "key": key }))
}

fn with_staff() -> Shop {
    let mut shop = Shop::open(&[CONSERVED]);
    let workspaces = &mut shop.manifest.scenarios[0].world.workspaces;
    let buyer = workspaces.iter_mut().find(|known| known.name == "buyer-2").unwrap();
    buyer.values = [("id".to_owned(), json!("uuid-2"))].into();
    shop
}

#[test]
fn staffs_change_that_no_mapped_row_tells_of_accuses_nobody() {
    let mut shop = with_staff();
    let op = asks_staff(&mut shop, 90, "k");
    shop.transfer("staff", &[("buyer-2", 90), ("platform", -90)]);
    shop.answer(op, Outcome::Ok, told(201, json!({})));
    let verdict = closed(shop);
    is(&verdict, CONSERVED, Validity::Unknown);
    tells(&verdict, CONSERVED, "not mapped by the target file: adjustments");
}

#[test]
fn a_refused_adjustment_leaves_its_key_to_the_next() {
    for (given, validity) in [(50, Validity::Valid), (100, Validity::Invalid)] {
        let mut shop = with_staff();
        let refused = asks_staff(&mut shop, 50, "k");
        shop.answer(refused, Outcome::Fail, Answer { status: Some(409), ..Answer::default() });
        for _ in 0..2 {
            let op = asks_staff(&mut shop, 50, "k");
            shop.answer(op, Outcome::Ok, told(201, json!({})));
        }
        shop.transfer("staff", &[("buyer-2", given), ("platform", -given)]);
        let row = Adjustment { adjustment: "a".into(), workspace: "buyer-2".into(), credits: given, reason: None };
        shop.evidence.database.adjustments = Some(vec![row]);
        is(&closed(shop), CONSERVED, validity);
    }
}

#[test]
fn an_hour_that_was_jumped_over_may_have_let_credits_expire() {
    let mut shop = Shop::open(&[CONSERVED]);
    let flow = json!({ "given": {}, "when": [{ "say": "an hour passes", "do": "clock", "ahead": "1h" }] });
    shop.scenario().workload = Workload::Flow(serde_json::from_value(flow).unwrap());
    shop.transfer("expired", &[("buyer-2", -500), ("platform", 500)]);
    let verdict = closed(shop);
    is(&verdict, CONSERVED, Validity::Unknown);
    tells(&verdict, CONSERVED, "expiries");
}

/// Entries as a list of changes, with no other side and no running balance.
#[test]
fn a_list_of_changes_has_no_other_side_to_miss() {
    let mut shop = one_sided();
    is(&shop.judged(), CONSERVED, Validity::Valid);

    let entries = shop.evidence.database.entries.as_mut().unwrap();
    entries.push(Entry { transfer: "more".into(), account: "a-buyer-3".into(), amount: 70 });
    tells(&shop.judged(), CONSERVED, "buyer-3 owns 570 credits, 70 more than it was given");
}

fn one_sided() -> Shop {
    let mut shop = Shop::open(&[CONSERVED]);
    shop.close();
    let database = &mut shop.evidence.database;
    database.entries.as_mut().unwrap().retain(|entry| entry.account != "a-platform");
    for account in database.accounts.iter_mut().flatten() {
        account.balance = None;
    }
    shop
}

#[test]
fn what_stands_against_the_wallets_need_not_be_mapped() {
    let mut shop = Shop::open(&[CONSERVED]);
    shop.evidence.database.accounts.as_mut().unwrap().retain(|account| account.workspace.is_some());
    is(&closed(shop), CONSERVED, Validity::Valid);

    let mut shop = Shop::open(&[CONSERVED]);
    shop.transfer("stray", &[("platform", -10)]);
    let stray = Entry { transfer: "stray".into(), account: "a-nobody".into(), amount: 10 };
    shop.evidence.database.entries.as_mut().unwrap().push(stray);
    tells(&closed(shop), CONSERVED, "10 credits stand on account a-nobody, which does not exist");
}

#[test]
fn sales_alone_have_told_nothing_about_an_order() {
    let mut shop = Shop::closed(&[LINEARIZABLE]);
    for n in 1..=2 {
        let (who, key) = (format!("buyer-{n}"), format!("k-{n}"));
        let op = shop.ask(n, buy(&who, &["lead-2"], &key));
        shop.sell(&who, "lead-2", &key);
        shop.answer(op, Outcome::Ok, told(201, json!({ "purchase": format!("p-{key}") })));
    }
    let verdict = shop.judged();
    is(&verdict, LINEARIZABLE, Validity::Unknown);
    tells(&verdict, LINEARIZABLE, "nothing of its kind was seen");
}
