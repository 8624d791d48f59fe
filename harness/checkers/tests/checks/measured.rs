//! What is measured, and what counts as having been tried.

use overdraft_model::{
    fault::Fault,
    history::Body,
    operation::{Operation, Outcome},
    release::Release,
    verdict::{Measurements, Validity},
};
use serde_json::json;

use crate::shop::{Shop, buy, of, told};

fn measured(shop: &Shop) -> Measurements {
    shop.judged().scenarios.remove(0).measured
}

#[test]
fn latency_counts_from_the_moment_the_client_meant_to_ask() {
    let mut shop = Shop::open(&[]);
    let read = || Operation::ReadBalance { workspace: "buyer-1".into() };
    let op = shop.ask(1, read());
    if let Some(Body::Invoke { intended, .. }) = shop.events.last_mut().map(|event| &mut event.body) {
        *intended -= 5_000_000;
    }
    shop.answer(op, Outcome::Ok, told(200, json!({ "balance": 400 })));
    let stats = measured(&shop).by_operation.into_iter().find(|stats| stats.operation == "read-balance").unwrap();
    assert_eq!((stats.ok, stats.max_us), (1, 6_000), "5 ms of waiting, 1 ms of answering");
    assert_eq!(stats.p50_us, 6_000);
}

#[test]
fn final_reads_are_counted_but_are_no_load() {
    let mut shop = Shop::open(&[]);
    shop.close();
    let stats = measured(&shop).by_operation.into_iter().find(|stats| stats.operation == "read-balance").unwrap();
    assert_eq!((stats.ok, stats.max_us), (3, 0));
}

#[test]
fn the_timeline_has_about_sixty_equal_buckets_that_hold_every_answer() {
    let mut shop = Shop::open(&[]);
    for number in 0..50 {
        shop.wait(200);
        shop.buys("buyer-1", "lead-2", &format!("{number}"));
    }
    let measured = measured(&shop);
    assert!((50..=61).contains(&measured.timeline.len()), "{}", measured.timeline.len());
    let width = measured.timeline[1].at_ms;
    assert!(measured.timeline.windows(2).all(|pair| pair[1].at_ms - pair[0].at_ms == width));
    let answers: u64 = measured.timeline.iter().map(|bucket| bucket.ok + bucket.fail + bucket.info).sum();
    assert_eq!(answers, measured.operations);
}

#[test]
fn a_racer_that_was_never_answered_is_in_flight_to_the_end() {
    let mut shop = Shop::closed(&["leads.capacity"]);
    let racers: Vec<u64> =
        (1..=3).map(|n| shop.ask(n, buy(&format!("buyer-{n}"), &["flash-1"], &format!("k-{n}")))).collect();
    shop.event(Body::Race {
        name: "flash-1".into(),
        operations: racers.clone(),
        planned: 3,
        spread: 0,
        release: Release::LastByte,
        apart: None,
    });
    shop.sell("buyer-1", "flash-1", "k-1");
    shop.ok(racers[0], "buyer-1", "p-k-1");
    shop.fail(racers[1], 409, "lead_sold_out");
    shop.close();
    let race = &measured(&shop).races[0];
    assert_eq!((race.took_part, race.overlapped, race.won), (3, 3, 1));
    assert_eq!(shop.judged().validity, Validity::Valid, "{}", shop.judged().cause);
}

#[test]
fn a_race_that_lacks_a_tenth_of_its_racers_was_not_run_as_planned() {
    let mut shop = Shop::open(&["leads.capacity"]);
    for event in &mut shop.events {
        if let Body::Race { planned, .. } = &mut event.body {
            *planned = 4;
        }
    }
    shop.close();
    let verdict = shop.judged();
    let check = of(&verdict, "run.exercised").unwrap();
    assert_eq!((check.validity, verdict.exit_code), (Validity::Unknown, 3));
    let reasons = || check.findings.iter().map(|finding| finding.summary.as_str());
    assert!(reasons().any(|reason| reason.contains("had 3 of 4 planned requests")), "{:?}", check.findings);
}

/// A race of three for an exclusive lead, which `buyer-1` wins; the others are told this.
fn raced(status: u16, code: &str, limited: bool) -> Shop {
    let mut shop = Shop::closed(&["acknowledged.durable"]);
    let limit = json!(limited.to_string());
    let workspaces = &mut shop.manifest.scenarios[0].world.workspaces;
    workspaces.iter_mut().for_each(|known| _ = known.values.insert("limited".into(), limit.clone()));
    let racers: Vec<u64> =
        (1..=3).map(|n| shop.ask(n, buy(&format!("buyer-{n}"), &["flash-1"], &format!("k-{n}")))).collect();
    shop.race("flash-1", &racers);
    shop.sell("buyer-1", "flash-1", "k-1");
    shop.ok(racers[0], "buyer-1", "p-k-1");
    racers[1..].iter().for_each(|op| shop.fail(*op, status, code));
    shop.close();
    shop
}

#[test]
fn who_was_turned_away_at_the_door_did_not_take_part() {
    for status in [401, 403, 404, 405, 429] {
        let verdict = raced(status, "go_away", false).judged();
        let check = of(&verdict, "run.exercised").unwrap();
        assert_eq!((check.validity, verdict.exit_code), (Validity::Unknown, 3), "{status}");
        let why = format!("in the race for flash-1 2 of 3 planned requests were turned away at the door: {status}");
        assert!(check.findings.iter().any(|finding| finding.summary == why), "{:?}", check.findings);
    }
    for (status, code, limited) in
        [(409, "busy", false), (404, "lead_sold_out", false), (402, "insufficient_credits", true), (429, "slow", true)]
    {
        let verdict = raced(status, code, limited).judged();
        assert_eq!(of(&verdict, "run.exercised").unwrap().validity, Validity::Valid, "{status} {code}");
    }
}

#[test]
fn a_limit_of_sales_is_proven_by_a_lead_that_reached_it_or_was_wanted_by_more() {
    let play = |sales: usize, refusals: &[(u16, &str)]| {
        let mut shop = Shop::closed(&["leads.capacity"]);
        for n in 1..=sales {
            shop.buys(&format!("buyer-{n}"), "lead-2", &format!("k-{n}"));
        }
        for (n, (status, code)) in (sales as u64 + 1..).zip(refusals) {
            let op = shop.ask(n, buy(&format!("buyer-{n}"), &["lead-2"], &format!("k-{n}")));
            shop.fail(op, *status, code);
        }
        shop.close();
        of(&shop.judged(), "leads.capacity").unwrap().validity
    };
    assert_eq!(play(1, &[]), Validity::Unknown);
    assert_eq!(play(1, &[(429, "slow"), (429, "slow")]), Validity::Unknown);
    assert_eq!(play(2, &[]), Validity::Valid);
    assert_eq!(play(1, &[(409, "busy"), (404, "lead_sold_out")]), Validity::Valid);
    assert_eq!(play(3, &[]), Validity::Invalid);
}

#[test]
fn one_race_of_many_may_fall_apart_on_a_busy_machine() {
    let play = |apart: usize| {
        let mut shop = Shop::open(&["leads.capacity"]);
        let races: Vec<Vec<u64>> = (0..9).map(|number| race(&mut shop, number < apart)).collect();
        for operations in races {
            shop.event(Body::Race {
                name: "nothing".into(),
                operations,
                planned: 2,
                spread: 0,
                release: Release::LastByte,
                apart: None,
            });
        }
        shop.close();
        of(&shop.judged(), "run.exercised").unwrap().validity
    };
    assert_eq!(play(1), Validity::Valid);
    assert_eq!(play(5), Validity::Unknown);
}

/// Two refused requests, side by side or one after the other.
fn race(shop: &mut Shop, apart: bool) -> Vec<u64> {
    let request = |who: &str| buy(who, &["flash-1"], &format!("{who}-more"));
    let first = shop.ask(2, request("buyer-2"));
    if apart {
        shop.fail(first, 409, "lead_sold_out");
    }
    let second = shop.ask(3, request("buyer-3"));
    if !apart {
        shop.fail(first, 409, "lead_sold_out");
    }
    shop.fail(second, 409, "lead_sold_out");
    vec![first, second]
}

#[test]
fn a_fault_must_be_injected_take_effect_and_be_healed() {
    let cases: [(Option<Option<u64>>, Option<&str>); 4] = [
        (None, Some("was never injected")),
        (Some(None), Some("was never healed")),
        (Some(Some(0)), Some("never took effect")),
        (Some(Some(2)), None),
    ];
    for (fate, reason) in cases {
        let mut shop = Shop::open(&["leads.capacity"]);
        shop.plans(Fault::EmailDown {});
        if let Some(healed) = fate {
            shop.event(Body::Inject { fault: 0, what: Fault::EmailDown {} });
            healed.into_iter().for_each(|effects| shop.event(Body::Heal { fault: 0, effects }));
        }
        shop.close();
        let verdict = shop.judged();
        let check = of(&verdict, "run.exercised").unwrap();
        let summary = check.findings.first().map(|finding| finding.summary.clone());
        assert_eq!(summary, reason.map(|reason| format!("fault 1, email-down, {reason}")));
        assert_eq!(check.validity == Validity::Valid, reason.is_none());
    }
}

#[test]
fn many_violations_are_counted_and_few_are_shown() {
    let mut shop = Shop::open(&["credits.conserved"]);
    for number in 0..50 {
        shop.transfer(&format!("lopsided-{number:02}"), &[("platform", 1)]);
    }
    shop.close();
    let verdict = shop.judged();
    let check = of(&verdict, "credits.conserved").unwrap();
    assert_eq!(check.findings.len(), 20);
    assert!(check.observed.starts_with("50 violations (20 shown)"), "{}", check.observed);
}

#[test]
fn a_scenario_run_twice_is_judged_twice_and_its_money_summed() {
    let mut shop = Shop::open(&["leads.capacity"]);
    shop.buys("buyer-2", "flash-1", "late");
    shop.close();
    shop.manifest.scenarios.push(shop.manifest.scenarios[0].clone());
    let once = shop.judged();
    assert_eq!((once.scenarios[0].validity, once.scenarios[1].validity), (Validity::Invalid, Validity::Unknown));
    let histories = [shop.histories(), shop.histories()].concat();
    let evidence =
        overdraft_model::evidence::RunEvidence { scenarios: vec![shop.evidence.clone(), shop.evidence.clone()] };
    let twice = overdraft_checkers::judge(&shop.manifest, &histories, &evidence);
    let oversold = twice.money.iter().find(|stake| stake.id == "leads-oversold").unwrap();
    assert_eq!(oversold.amount, 2);
}

#[test]
fn pairs_held_apart_must_have_met_and_left_as_asked() {
    let play = |answered_first: bool, late: u64| {
        let mut shop = Shop::open(&["leads.capacity"]);
        let pair: Vec<u64> =
            (1..=2).map(|n| shop.ask(n, buy(&format!("buyer-{n}"), &["lead-2"], &format!("pair-{n}")))).collect();
        let released = Body::Race {
            name: "lead-2".into(),
            operations: pair.clone(),
            planned: 2,
            spread: 500_000 + late,
            release: Release::LastByte,
            apart: Some(500_000),
        };
        if !answered_first {
            shop.event(released.clone());
        }
        for (n, op) in (1..).zip(pair) {
            shop.sell(&format!("buyer-{n}"), "lead-2", &format!("pair-{n}"));
            shop.ok(op, &format!("buyer-{n}"), &format!("p-pair-{n}"));
        }
        if answered_first {
            shop.event(released);
        }
        shop.close();
        let check = of(&shop.judged(), "run.exercised").unwrap().clone();
        let reasons: Vec<String> = check.findings.into_iter().map(|finding| finding.summary).collect();
        (check.validity, reasons.join("; "), measured(&shop))
    };
    let (validity, _, measured) = play(false, 0);
    assert_eq!(validity, Validity::Valid);
    assert_eq!(measured.races.len(), 1, "a pair is no race of many: {:?}", measured.races);
    let [offset] = measured.offsets[..] else { panic!("{:?}", measured.offsets) };
    assert_eq!((offset.apart_us, offset.pairs, offset.both_won), (500, 1, 1));
    for (answered_first, late, why) in
        [(true, 0, "each first was answered before its second had left"), (false, 200_000, "not one of 1 pair left")]
    {
        let (validity, reasons, _) = play(answered_first, late);
        assert_eq!(validity, Validity::Unknown);
        assert!(reasons.contains(why), "{reasons}");
    }
}
