//! `webhooks.order-free`: payments of equal facts, told in different orders.

use overdraft_model::{
    evidence::{DeadLetter, Refund, Reversal},
    verdict::{Validity, Verdict},
};

use crate::shop::{Shop, of};

const ID: &str = "webhooks.order-free";

/// Two payments, told in one order and in the other; what each is granted and what is taken back of it after a refund of
/// a third of its money.
struct Played {
    granted: [i64; 2],
    reversed: [i64; 2],
    orders: [[usize; 3]; 2],
}

impl Default for Played {
    fn default() -> Self {
        Self { granted: [300, 300], reversed: [100, 100], orders: [[0, 1, 2], [2, 1, 0]] }
    }
}

fn play(played: &Played) -> Shop {
    let mut shop = Shop::open(&[ID]);
    for (number, order) in played.orders.iter().enumerate() {
        let who = format!("buyer-{}", number + 2);
        let session = shop.orders(&who, 300, &format!("order-{number}"));
        let events = [
            shop.pays(&who, &session),
            shop.tells(&session, "charge.succeeded"),
            shop.tells(&session, "charge.refunded"),
        ];
        let refund = format!("re_{number}");
        shop.evidence.provider.refunds.push(Refund {
            refund: refund.clone(),
            session: Some(session.clone()),
            payment_intent: format!("pi_{number}"),
            amount: 1_000,
            status: "succeeded".into(),
        });
        shop.grants(&who, &session, played.granted[number], &format!("g-{number}"));
        let (reversal, credits) = (format!("r-{number}"), played.reversed[number]);
        shop.transfer(&reversal, &[(&who, -credits), ("platform", credits)]);
        let row = Reversal { reversal, workspace: who, credits, refund: Some(refund) };
        shop.evidence.database.reversals.get_or_insert_default().push(row);
        for at in order {
            shop.delivers(&events[*at], &session, None, 200);
        }
    }
    shop.close();
    shop
}

#[track_caller]
fn is(verdict: &Verdict, validity: Validity) {
    let check = of(verdict, ID).unwrap_or_else(|| panic!("{ID} is not listed: {}", verdict.cause));
    assert_eq!(check.validity, validity, "{}; {:#?}", check.observed, check.findings);
}

#[track_caller]
fn says(verdict: &Verdict, words: &[&str]) {
    is(verdict, Validity::Invalid);
    let findings = &of(verdict, ID).unwrap().findings;
    assert!(findings.iter().any(|finding| words.iter().all(|word| finding.summary.contains(word))), "{findings:#?}");
}

#[test]
fn equal_facts_in_two_orders_that_end_alike_are_fine() {
    let verdict = play(&Played::default()).judged();
    is(&verdict, Validity::Valid);
    assert_eq!(verdict.validity, Validity::Valid, "{}", verdict.cause);
    assert_eq!(of(&verdict, ID).unwrap().evidence, 2);
}

#[test]
fn a_refund_that_came_before_its_payment_and_was_dropped_is_told() {
    let verdict = play(&Played { reversed: [100, 0], ..Played::default() }).judged();
    says(
        &verdict,
        &[
            "buyer-3 paid 30.00 eur (cs_order-1) and ended with 300 granted, 0 taken back, told in the order \
                      charge.refunded, charge.succeeded",
            "cs_order-0, of the same facts in another order, with 300 granted, 100",
        ],
    );
}

#[test]
fn ends_that_are_alike_and_not_what_the_facts_imply_are_told() {
    let verdict = play(&Played { granted: [600, 600], ..Played::default() }).judged();
    says(&verdict, &["ended with 600 granted", "the facts imply 300 granted and 100 taken back"]);
}

#[test]
fn one_order_proves_nothing() {
    is(&play(&Played { orders: [[0, 1, 2], [0, 1, 2]], ..Played::default() }).judged(), Validity::Unknown);
}

#[test]
fn what_is_not_at_its_end_is_left_out() {
    let wrong = || play(&Played { reversed: [100, 0], ..Played::default() });
    let mut handed = wrong();
    handed.evidence.database.dead_letters =
        Some(vec![DeadLetter { kind: "webhook".into(), subject: "evt_cs_order-1_2".into(), reason: None }]);
    is(&handed.judged(), Validity::Unknown);

    let mut untold = wrong();
    untold
        .evidence
        .provider
        .events
        .iter_mut()
        .for_each(|event| event.acknowledged &= event.event != "evt_cs_order-1_2");
    is(&untold.judged(), Validity::Unknown);

    let mut busy = wrong();
    busy.evidence.settled.quiescent = false;
    is(&busy.judged(), Validity::Unknown);
}

#[test]
fn a_reversal_may_name_the_refund_the_charge_or_nothing() {
    for name in [Some("ch_1"), None] {
        let mut shop = play(&Played::default());
        let rows = shop.evidence.database.reversals.iter_mut().flatten();
        rows.for_each(|row| row.refund = name.map(str::to_owned));
        is(&shop.judged(), Validity::Valid);
    }
}
