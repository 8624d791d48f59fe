//! The timetable: repeated windows, faults without effect, and faults that nobody can inject.

use std::{sync::Arc, time::Duration};

use overdraft_engine::nemesis;
use overdraft_model::{fault::Window, span::Span};
use tokio_util::sync::CancellationToken;

use crate::support::{Broken, read};

fn window(at: u64, length: u64, every: Option<u64>, fault: &str) -> Window {
    Window {
        at: Span::from_ms(at),
        length: Some(Span::from_ms(length)),
        every: every.map(Span::from_ms),
        alone: false,
        fault: read(fault),
    }
}

async fn play(broken: &Broken, timetable: Vec<Window>, length: Duration) {
    let heal = CancellationToken::new();
    let playing = tokio::spawn(nemesis::run(Arc::clone(&broken.stage), timetable, heal.clone()));
    tokio::time::sleep(length).await;
    heal.cancel();
    playing.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_comes_again_and_takes_turns_and_health_is_asked_on_both_sides() {
    let Some(broken) = Broken::open("").await else { return };
    let killed = window(0, 100, Some(700), r#"{ kind = "instances-killed" }"#);
    play(&broken, vec![killed], Duration::from_millis(2_500)).await;
    let pids = broken.stage.fleet.pids().await.len();
    let history = broken.close().await;
    assert_eq!(pids, 2, "what was killed was not started again");
    assert!(history.faults.len() >= 2, "{:?}", history.faults);
    for injected in &history.faults {
        assert!(injected.to.is_some_and(|to| to > injected.from));
        assert_eq!((injected.fault, injected.effects, injected.ready_before), (0, 1, Some(true)));
        assert!(injected.recovered_ms.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_had_no_effect_is_said_and_what_could_not_be_injected_is_no_window() {
    let Some(broken) = Broken::open("").await else { return };
    // Nobody sends emails here, and the target file has no such lock.
    let idle = window(0, 50, None, r#"{ kind = "email-down" }"#);
    let impossible = window(0, 50, None, r#"{ kind = "lock-held", lock = "nobody's" }"#);
    play(&broken, vec![idle, impossible], Duration::from_millis(800)).await;
    let history = broken.close().await;
    assert_eq!(history.faults.iter().map(|one| (one.fault, one.effects)).collect::<Vec<_>>(), [(0, 0)]);
    let said: Vec<_> = history.acts.iter().map(|(_, what)| what.as_str()).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("fault 2, lock-held, could not be injected: the target file has no"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_alone_waits_until_the_other_is_healed_and_the_instances_are_ready() {
    let Some(broken) = Broken::open("").await else { return };
    let alone = |fault| Window { alone: true, ..window(0, 300, None, fault) };
    let timetable = vec![
        alone(r#"{ kind = "database-down", how = "killed" }"#),
        alone(r#"{ kind = "backends-terminated", every = "50ms" }"#),
        alone(r#"{ kind = "instances-killed", which = "all" }"#),
    ];
    let heal = CancellationToken::new();
    tokio::time::timeout(Duration::from_secs(60), nemesis::run(Arc::clone(&broken.stage), timetable, heal))
        .await
        .expect("each comes to its turn")
        .unwrap();
    let history = broken.close().await;
    assert_eq!(history.acts, [], "each could be injected");
    assert_eq!(history.faults.len(), 3);
    let mut faults = history.faults;
    faults.sort_by_key(|injected| injected.from);
    for both in faults.windows(2) {
        assert!(both[0].to.is_some_and(|to| to <= both[1].from), "{faults:?}");
        assert_eq!(both[1].ready_before, Some(true), "{faults:?}");
    }
}
