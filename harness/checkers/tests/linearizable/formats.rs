//! The fixtures in Porcupine's formats, each named after its verdict.

use std::{fs, path::Path};

use overdraft_checkers::linearizable::{
    Answer, Budget, check, check_each, porcupine,
    specifications::{KeyValue, KeyValueCall, Register},
};

fn fixture(format: &str, name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/porcupine").join(format).join(name);
    fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn register(name: &str, budget: Budget) -> Answer<Option<i64>> {
    check(&Register::default(), &porcupine::register(&fixture("register", name)).unwrap(), budget)
}

/// The worst of the keys.
fn key_value(name: &str, budget: Budget) -> &'static str {
    let history = porcupine::key_value(&fixture("kv", name)).unwrap();
    let key = |call: &KeyValueCall| call.key().to_owned();
    let parts = check_each(&KeyValue, history, key, budget, &mut || false);
    let has = |wanted: fn(&Answer<String>) -> bool| parts.values().any(|part| wanted(&part.answer));
    match () {
        () if has(|answer| matches!(answer, Answer::Violation(_))) => "invalid",
        () if has(|answer| matches!(answer, Answer::Unknown(_))) => "unknown",
        () => "valid",
    }
}

#[test]
fn registers_get_their_verdicts() {
    let roomy = Budget::default();
    for name in ["valid.log", "valid-timeouts.log"] {
        assert_eq!(register(name, roomy), Answer::Linearizable, "{name}");
    }
    for name in ["invalid-stale-read.log", "invalid-cas.log"] {
        assert!(matches!(register(name, roomy), Answer::Violation(_)), "{name}");
    }
    assert!(matches!(register("valid.log", Budget { steps: 5, ..roomy }), Answer::Unknown(_)));
}

#[test]
fn keys_and_values_get_their_verdicts() {
    let roomy = Budget::default();
    for (name, verdict) in
        [("valid.txt", "valid"), ("invalid-lost-append.txt", "invalid"), ("invalid-order.txt", "invalid")]
    {
        assert_eq!(key_value(name, roomy), verdict, "{name}");
    }
    assert_eq!(key_value("valid.txt", Budget { steps: 2, ..roomy }), "unknown");
}
