//! Runs that ended before their time, tables that nobody mapped, promises that nobody made.

use overdraft_model::{evidence::RunEvidence, scenario::Kept, verdict::Validity};

use crate::shop::{Shop, buy, of};

#[test]
fn without_evidence_everything_is_unknown_and_nothing_is_counted() {
    let mut shop = Shop::open(&["leads.capacity", "credits.conserved"]);
    shop.scenario().thresholds.insert("errors".into(), "rate<0.5".into());
    for histories in [vec![], shop.histories()] {
        let verdict = overdraft_checkers::judge(&shop.manifest, &histories, &RunEvidence::default());
        assert_eq!((verdict.validity, verdict.exit_code), (Validity::Unknown, 3));
        assert!(verdict.money.is_empty());
        let checks = &verdict.scenarios[0].checks;
        let ids: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        assert_eq!(ids, ["credits.conserved", "leads.capacity", "errors", "run.exercised"]);
        assert!(checks.iter().all(|check| check.observed == "no evidence was collected: the run ended before"));
    }
}

#[test]
fn a_plan_without_scenarios_is_not_green() {
    let mut shop = Shop::open(&[]);
    shop.manifest.scenarios.clear();
    assert_eq!(shop.judged().exit_code, 3);
}

#[test]
fn a_run_that_never_came_to_its_end_is_unknown_even_if_all_looks_well() {
    let shop = Shop::open(&["leads.capacity"]);
    let verdict = shop.judged();
    assert_eq!(verdict.validity, Validity::Unknown);
    assert!(verdict.cause.contains("did not come to its end"), "{}", verdict.cause);
}

#[test]
fn a_purchase_whose_question_was_cut_off_is_a_doubt() {
    let mut shop = Shop::open(&["acknowledged.durable"]);
    shop.sell("buyer-3", "lead-3", "unrecorded");
    assert_eq!(of(&shop.judged(), "acknowledged.durable").unwrap().validity, Validity::Unknown);
    shop.close();
    let verdict = shop.judged();
    let check = of(&verdict, "acknowledged.durable").unwrap();
    assert_eq!(check.validity, Validity::Invalid);
    assert!(check.findings[0].summary.contains("nobody asked"), "{:?}", check.findings);
}

#[test]
fn a_refused_purchase_that_was_made_is_a_doubt_where_a_later_question_may_be_cut_off() {
    let mut shop = Shop::open(&["acknowledged.durable"]);
    let op = shop.ask(3, buy("buyer-3", &["lead-3"], "again"));
    shop.fail(op, 402, "insufficient_credits");
    shop.sell("buyer-3", "lead-3", "again");
    let cut_off = shop.judged();
    let check = of(&cut_off, "acknowledged.durable").unwrap();
    assert_eq!(check.validity, Validity::Unknown, "{check:?}");
    assert!(check.observed.contains("only questions"), "{}", check.observed);
    shop.close();
    let verdict = shop.judged();
    let check = of(&verdict, "acknowledged.durable").unwrap();
    assert_eq!(check.validity, Validity::Invalid);
    assert!(check.findings[0].summary.contains("was refused"), "{:?}", check.findings);
}

#[test]
fn an_unmapped_table_makes_the_checks_that_need_it_unknown_by_name() {
    let cases: [(&str, &[&str]); 3] = [
        (
            "purchases",
            &["credits.conserved", "leads.capacity", "purchase.atomic", "effects.at-most-once", "acknowledged.durable"],
        ),
        ("accounts", &["credits.conserved", "credits.never-negative", "purchase.atomic"]),
        ("leads", &["leads.capacity"]),
    ];
    for (table, ids) in cases {
        let mut shop = Shop::open(ids);
        shop.close();
        let database = &mut shop.evidence.database;
        match table {
            "purchases" => database.purchases = None,
            "accounts" => database.accounts = None,
            _ => database.leads = None,
        }
        let verdict = shop.judged();
        for id in ids {
            let check = of(&verdict, id).unwrap_or_else(|| panic!("{id} is not listed"));
            assert_eq!(check.validity, Validity::Unknown, "{id} without {table}");
            assert!(check.observed.contains(table), "{id}: {}", check.observed);
        }
    }
}

#[test]
fn a_violation_is_one_whatever_else_is_not_mapped() {
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.buys("buyer-2", "flash-1", "late");
    shop.close();
    shop.evidence.database.leads = None;
    let verdict = shop.judged();
    assert_eq!(of(&verdict, "leads.capacity").unwrap().validity, Validity::Invalid);
    assert!(verdict.money.iter().any(|stake| stake.id == "leads-oversold" && stake.amount == 1));
}

#[test]
fn a_skipped_check_is_shown_and_does_not_count() {
    let mut shop = Shop::open(&["leads.capacity", "acknowledged.durable"]);
    shop.buys("buyer-2", "flash-1", "late");
    shop.close();
    shop.manifest.skip.insert("leads.capacity".into(), "it sells as often as it can".into());
    let verdict = shop.judged();
    let check = of(&verdict, "leads.capacity").unwrap();
    assert_eq!(check.skipped.as_deref(), Some("it sells as often as it can"));
    assert_eq!((check.validity, verdict.validity), (Validity::Unknown, Validity::Valid), "{}", verdict.cause);
    assert!(verdict.money.iter().all(|stake| stake.id != "leads-oversold"));
}

#[test]
fn a_scenario_that_is_left_out_is_shown_and_does_not_count_and_nothing_else_is_not_green() {
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.close();
    let mut other = shop.manifest.scenarios[0].clone();
    other.scenario.id = "CF-20".into();
    shop.manifest.scenarios.push(other);
    assert_eq!(shop.judged().validity, Validity::Unknown, "it was planned, and nothing is known of it");
    shop.manifest.skip.insert("CF-20".into(), "no rate limits".into());
    let verdict = shop.judged();
    assert_eq!((verdict.validity, verdict.exit_code), (Validity::Valid, 0), "{}", verdict.cause);
    assert!(verdict.cause.ends_with("held in 1 scenario"), "{}", verdict.cause);
    let left_out = &verdict.scenarios[1];
    assert_eq!((left_out.left_out(), left_out.validity), (Some("no rate limits"), Validity::Unknown));
    let ids: Vec<&str> = left_out.checks.iter().map(|check| check.id.as_str()).collect();
    assert_eq!(ids, ["leads.capacity", "run.exercised"]);
    assert_eq!(verdict.scenarios[0].left_out(), None);

    shop.manifest.scenarios.remove(0);
    let nothing = shop.judged();
    assert_eq!((nothing.validity, nothing.exit_code), (Validity::Unknown, 3));
    assert!(nothing.cause.contains("leaves out everything"), "{}", nothing.cause);
}

#[test]
fn run_exercised_cannot_be_skipped_and_all_skipped_is_not_green() {
    let mut shop = Shop::open(&[]);
    shop.close();
    for info in overdraft_checkers::catalogue::CHECKS {
        shop.manifest.skip.insert(info.id.into(), "no".into());
    }
    let verdict = shop.judged();
    assert_eq!(verdict.validity, Validity::Unknown);
    assert_eq!(of(&verdict, "run.exercised").unwrap().skipped, None);
}

#[test]
fn what_was_not_tried_is_left_out_unless_the_scenario_proves_it() {
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.close();
    assert!(of(&shop.judged(), "webhooks.authentic").is_none());
    shop.scenario().proves.push("webhooks.authentic".into());
    let verdict = shop.judged();
    assert_eq!(of(&verdict, "webhooks.authentic").unwrap().validity, Validity::Unknown);
    assert_eq!(of(&verdict, "run.exercised").unwrap().validity, Validity::Unknown);
    assert_eq!(verdict.exit_code, 3);
}

#[test]
fn a_limit_without_a_sample_is_unknown() {
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.close();
    for (metric, expression) in [
        ("latency.pay", "p(95)<500"),
        ("latency.read-balance", "p(95)<500"),
        ("errors.pay", "count<1"),
        ("latency.teleport", "p(95)<500"),
        ("latency.purchase", "quick"),
    ] {
        shop.scenario().thresholds = [(metric.to_owned(), expression.into())].into();
        let verdict = shop.judged();
        assert_eq!(of(&verdict, metric).unwrap().validity, Validity::Unknown, "{metric} {expression}");
        assert_eq!(verdict.exit_code, 3);
    }
}

#[test]
fn of_a_few_kept_steps_no_crowd_is_asked_but_something_to_judge() {
    let exercised = |shop: &Shop| of(&shop.judged(), "run.exercised").unwrap().clone();
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.close();
    shop.scenario().load.users = 120;
    let crowd = exercised(&shop);
    assert_eq!(crowd.validity, Validity::Unknown);
    assert!(crowd.findings.iter().any(|finding| finding.summary.contains("in flight")), "{crowd:?}");
    shop.scenario().load.keep = vec![Kept { user: 1, steps: vec![1] }];
    let few = exercised(&shop);
    assert_eq!(few.validity, Validity::Valid, "{few:?}");
    shop.scenario().proves = vec!["webhooks.authentic".into()];
    assert_eq!(exercised(&shop).validity, Validity::Unknown);

    let mut refused = Shop::closed(&["leads.capacity"]);
    let op = refused.ask(1, buy("buyer-1", &["flash-1"], "only"));
    refused.fail(op, 409, "lead_sold_out");
    refused.close();
    refused.scenario().load.keep = vec![Kept { user: 1, steps: vec![1] }];
    let nothing = exercised(&refused);
    assert_eq!(nothing.validity, Validity::Unknown);
    let reasons: Vec<&str> = nothing.findings.iter().map(|finding| finding.summary.as_str()).collect();
    assert!(reasons.iter().any(|reason| reason.contains("not one that changes something")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("it should prove leads.capacity")), "{reasons:?}");
}
