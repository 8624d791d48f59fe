//! Faults of processes, of their clocks, and of the wire to them.

use std::collections::BTreeSet;

use overdraft_engine::nemesis::{self, Turns};

use crate::support::{Broken, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_is_gone_and_comes_back_another() {
    let Some(broken) = Broken::open("").await else { return };
    let (first, second) = (broken.answers(0).await.unwrap(), broken.answers(1).await.unwrap());
    let held = broken.inject(r#"{ kind = "instances-killed" }"#).await;
    assert_eq!(held.effects(), 1);
    assert_eq!(broken.answers(0).await, None);
    assert_eq!(broken.answers(1).await, Some(second), "the other one was hit too");
    held.heal().await.unwrap();
    assert_ne!(broken.answers(0).await.unwrap().0, first.0);
    let held = broken.inject(r#"{ kind = "instances-killed", which = "all" }"#).await;
    assert_eq!((held.effects(), broken.answers(0).await, broken.answers(1).await), (2, None, None));
    held.heal().await.unwrap();
    assert!(broken.answers(0).await.is_some() && broken.answers(1).await.is_some());
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_stands_still_and_goes_on_as_the_same() {
    let Some(broken) = Broken::open("").await else { return };
    let before = broken.answers(0).await.unwrap();
    let held = broken.inject(r#"{ kind = "instances-frozen" }"#).await;
    assert_eq!((held.effects(), broken.answers(0).await), (1, None));
    held.heal().await.unwrap();
    assert_eq!(broken.answers(0).await, Some(before));
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_killed_starts_again_while_another_is_frozen() {
    let Some(broken) = Broken::open("").await else { return };
    let turns = Turns::default();
    let (killed, frozen) = (read(r#"{ kind = "instances-killed" }"#), read(r#"{ kind = "instances-frozen" }"#));
    let killed = nemesis::inject(&broken.stage, &killed, &turns).await.unwrap();
    let frozen = nemesis::inject(&broken.stage, &frozen, &turns).await.unwrap();
    assert_eq!(killed.heal().await, Ok(1));
    assert!(broken.answers(0).await.is_some() && broken.answers(1).await.is_none());
    assert_eq!(frozen.heal().await, Ok(1));
    assert!(broken.answers(1).await.is_some());
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_replaces_all_and_somebody_always_answers() {
    let Some(broken) = Broken::open("").await else { return };
    let pids = |broken: &Broken| {
        let fleet = broken.stage.fleet.clone();
        async move { fleet.pids().await.into_iter().collect::<BTreeSet<_>>() }
    };
    let before = pids(&broken).await;
    let held = broken.inject(r#"{ kind = "instances-restarted", rolling = true }"#).await;
    while held.effects() < 2 {
        // The second may leave between two questions, but not before the first is back.
        let somebody =
            broken.answers(0).await.is_some() || broken.answers(1).await.is_some() || broken.answers(0).await.is_some();
        assert!(somebody, "nobody answered");
    }
    assert_eq!(held.heal().await, Ok(2));
    assert!(before.is_disjoint(&pids(&broken).await));
    let before = pids(&broken).await;
    assert_eq!(broken.inject(r#"{ kind = "instances-restarted" }"#).await.heal().await, Ok(2));
    assert!(before.is_disjoint(&pids(&broken).await));
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_added_instance_is_asked_in_its_turn_until_it_leaves() {
    let Some(broken) = Broken::open("").await else { return };
    let held = broken.inject(r#"{ kind = "instance-added" }"#).await;
    let mut pids = BTreeSet::new();
    for turn in 0..3 {
        pids.insert(broken.answers(turn).await.unwrap().0);
    }
    assert_eq!((held.effects(), pids.len()), (1, 3));
    held.heal().await.unwrap();
    assert_eq!(broken.stage.instance(2), broken.stage.instance(0));
    assert_eq!(broken.stage.fleet.pids().await.len(), 2);
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_clock_is_put_ahead_and_back() {
    let Some(broken) = Broken::open("").await else { return };
    let held = broken.inject(r#"{ kind = "service-clock-skew", ahead = "10m" }"#).await;
    assert_eq!((broken.answers(0).await.unwrap().1, broken.answers(1).await.unwrap().1), (600_000, 0));
    assert_eq!(held.heal().await, Ok(1));
    assert_eq!(broken.answers(0).await.unwrap().1, 0);
    broken.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_is_to_be_spoilt_has_a_proxy_in_front_of_each_instance() {
    let down = r#"{ kind = "tcp", between = "clients-service", toxic = { action = { type = "down" } } }"#;
    let Some(broken) = Broken::open(&format!("[[faults]]\nfault = {down}")).await else { return };
    assert!(broken.answers(0).await.is_some());
    let held = broken.inject(down).await;
    assert_eq!((broken.answers(0).await, broken.answers(1).await), (None, None));
    assert!(held.effects() >= 2, "{}", held.effects());
    held.heal().await.unwrap();
    assert!(broken.answers(0).await.is_some() && broken.answers(1).await.is_some());
    let other = r#"{ kind = "tcp", between = "service-email", toxic = { action = { type = "down" } } }"#;
    assert_eq!(broken.refuses(other).await, "no proxy stands in that wire");
    broken.close().await;
}
