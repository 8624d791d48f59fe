//! Boundaries that were counted must have been struck, each by each blow.

use overdraft_model::{
    boundary::{Blow, Bounded, Counted, Kind, Persistence, Struck},
    history::Body,
    operation::Outcome,
    scenario::Workload,
    verdict::{Validity, Verdict},
};

use crate::shop::Shop;

const BLOWS: [Blow; 2] = [Blow::KillBefore, Blow::LoseAnswer];

fn struck(shop: &mut Shop, index: usize, blow: Blow, struck: bool, told: Option<Outcome>) {
    shop.event(Body::Struck(Struck {
        operation: Bounded::Purchase,
        boundary: index,
        kind: Kind::Statement,
        what: format!("SELECT {index}"),
        blow,
        client: Persistence::Retries,
        struck,
        told,
        quiet: true,
        operations: vec![],
        workspace: "buyer-1".into(),
        took_ms: 3,
    }));
}

/// Two boundaries of a purchase, two blows each; `skip` leaves one out.
fn shop(skip: Option<(usize, Blow)>) -> Shop {
    let mut shop = Shop::open(&[]);
    shop.scenario().workload = Workload::EveryBoundary {
        price: 1,
        credits: 1,
        most: 9,
        paid_event: "paid".into(),
        refund_event: "refunded".into(),
        operations: vec![Bounded::Purchase, Bounded::Email],
    };
    let counted = |index: usize| Counted {
        kind: Kind::Statement,
        what: format!("SELECT {index}"),
        blows: BLOWS.to_vec(),
        after: None,
    };
    let boundaries = vec![counted(0), counted(1)];
    shop.event(Body::Counted { operation: Bounded::Purchase, boundaries, skipped: None });
    for index in 0..2 {
        for blow in BLOWS {
            struck(&mut shop, index, blow, skip != Some((index, blow)), Some(Outcome::Ok));
        }
    }
    shop
}

fn without_email(shop: &mut Shop) {
    let skipped = Some("it sends none".to_owned());
    shop.event(Body::Counted { operation: Bounded::Email, boundaries: vec![], skipped });
}

fn judged(mut shop: Shop) -> Verdict {
    shop.close();
    shop.judged()
}

fn exercised(verdict: &Verdict) -> (Validity, String) {
    let check = verdict.scenarios[0].checks.iter().find(|check| check.id == "run.exercised").unwrap();
    let reasons: Vec<&str> = check.findings.iter().map(|finding| finding.summary.as_str()).collect();
    (check.validity, format!("{}; {}", check.observed, reasons.join("; ")))
}

#[test]
fn all_that_was_counted_was_struck() {
    let mut shop = shop(None);
    without_email(&mut shop);
    let verdict = judged(shop);
    let (validity, observed) = exercised(&verdict);
    assert_eq!(validity, Validity::Valid, "{observed}");
    assert!(observed.contains("purchase: 4 of 4 blows at 2 boundaries"), "{observed}");
    assert!(observed.contains("email skipped: it sends none"), "{observed}");
    let stats = &verdict.scenarios[0].measured.boundaries;
    assert_eq!((stats[0].covered, stats[0].boundaries, stats[0].blows.len()), (2, 2, 2));
    assert_eq!((stats[0].blows[0].struck, stats[0].blows[0].acknowledged), (2, 2));
    assert_eq!(stats[1].skipped.as_deref(), Some("it sends none"));
}

#[test]
fn one_boundary_that_was_never_struck_makes_the_run_unknown() {
    let mut shop = shop(Some((1, Blow::KillBefore)));
    without_email(&mut shop);
    let verdict = judged(shop);
    let (validity, observed) = exercised(&verdict);
    assert_eq!((validity, verdict.exit_code), (Validity::Unknown, 3));
    assert!(observed.contains("3 of 4 blows were struck, not kill-before at statement SELECT 1"), "{observed}");
    assert_eq!(verdict.scenarios[0].measured.boundaries[0].covered, 1);
}

#[test]
fn an_operation_that_was_never_counted_makes_the_run_unknown() {
    let (validity, observed) = exercised(&judged(shop(None)));
    assert_eq!(validity, Validity::Unknown);
    assert!(observed.contains("email: its boundaries were never counted"), "{observed}");
}

#[test]
fn what_nobody_was_told_is_found_in_the_evidence() {
    let mut shop = shop(None);
    without_email(&mut shop);
    struck(&mut shop, 0, Blow::KillBefore, true, Some(Outcome::Info));
    let verdict = judged(shop);
    let kill = &verdict.scenarios[0].measured.boundaries[0].blows[0];
    assert_eq!((kill.passes, kill.acknowledged, kill.found_done, kill.found_not_done), (3, 2, 1, 0), "buyer-1 bought");
}

#[test]
fn a_target_that_does_not_come_to_rest_after_a_blow_is_stuck() {
    let mut shop = shop(None);
    without_email(&mut shop);
    let Some(Body::Struck(last)) = shop.events.iter_mut().rev().map(|event| &mut event.body).nth(1) else {
        panic!("a blow")
    };
    last.quiet = false;
    let verdict = judged(shop);
    let check = verdict.scenarios[0].checks.iter().find(|check| check.id == "paid.delivered").unwrap();
    assert_eq!(check.validity, Validity::Invalid, "{}", check.observed);
    assert!(check.findings[0].summary.starts_with("stuck: 3 ms after lose-answer"), "{}", check.findings[0].summary);
}
