//! What ends a search, and what must not cost much.

use overdraft_checkers::linearizable::{
    Answer, Budget, End, Limit, Timed, check, check_until, contradiction,
    specifications::{
        Account, AccountCall, Bounded, BoundedCall, KeyValue, KeyValueCall, Register, RegisterAnswer, RegisterCall,
    },
    tell,
};

/// Concurrent writes of different values and a read of none of them: nearly every subset has to be tried.
fn hard(writers: i64) -> Vec<Timed<RegisterCall, RegisterAnswer>> {
    let write = |value| Timed::answered(RegisterCall::Write(value), RegisterAnswer::Done, 0, 100);
    let read = Timed::answered(RegisterCall::Read, RegisterAnswer::Value(Some(-1)), 0, 100);
    (0..writers).map(write).chain([read]).collect()
}

#[test]
fn steps_bytes_and_the_caller_end_a_search_in_unknown() {
    let register = Register { initial: None };
    let roomy = Budget::default();
    let few = Budget { steps: 1_000, ..roomy };
    assert_eq!(check(&register, &hard(20), few), Answer::Unknown(Limit::Steps(1_000)));
    let small = Budget { bytes: 100_000, ..roomy };
    assert_eq!(check(&register, &hard(20), small), Answer::Unknown(Limit::Bytes(100_000)));
    let mut asked = 0;
    let mut stop = || {
        asked += 1;
        asked > 2
    };
    assert_eq!(check_until(&register, &hard(20), roomy, &mut stop), Answer::Unknown(Limit::Stopped));
    assert!(matches!(check(&register, &hard(8), roomy), Answer::Violation(_)));
}

#[test]
fn the_same_history_takes_the_same_steps() {
    let register = Register { initial: None };
    let within = |steps| check(&register, &hard(6), Budget { steps, ..Budget::default() });
    let needed = (1..100_000).find(|steps| matches!(within(*steps), Answer::Violation(_))).unwrap();
    assert_eq!(within(needed - 1), Answer::Unknown(Limit::Steps(needed - 1)));
    assert!(matches!(within(needed), Answer::Violation(_)));
}

#[test]
fn operations_that_are_alike_do_not_multiply() {
    let take = |call: u64, end| Timed { end: End::At(end), ..Timed::unanswered(BoundedCall::Take, call) };
    let history: Vec<_> = (0..200).map(|at| take(at, 1_000 + at * 7 % 200)).collect();
    let few = Budget { steps: 100_000, ..Budget::default() };
    assert_eq!(check(&Bounded { limit: Some(200) }, &history, few), Answer::Linearizable);
    let Answer::Violation(found) = check(&Bounded { limit: Some(199) }, &history, few) else {
        panic!("200 were taken of 199");
    };
    assert_eq!((found.prefix.len(), found.state), (199, 199));
}

/// Twelve texts appended at once in an order that only later reads tell.
#[test]
fn appended_texts_in_the_wrong_order_are_given_up_at_once() {
    let (writers, mut history) = (12_u64, Vec::new());
    let texts: Vec<String> = (0..writers).map(|at| format!("<{}>", writers - 1 - at)).collect();
    for (text, call) in texts.iter().zip((0..writers).rev()) {
        let append = KeyValueCall::Append("k".into(), text.clone());
        history.push(Timed::answered(append, String::new(), call, 1_000));
    }
    let read = |answer: &str| Timed::answered(KeyValueCall::Get("k".into()), answer.to_owned(), 500, 2_000);
    history.extend((1..=texts.len()).map(|count| read(&texts[..count].concat())));
    let few = Budget { steps: 10_000, ..Budget::default() };
    assert_eq!(check(&KeyValue, &history, few), Answer::Linearizable);

    // One of the reads tells another order: it is named, and not what happens to end first.
    history.push(read("<0><11>"));
    let Answer::Violation(found) = check(&KeyValue, &history, few) else { panic!("two orders were told") };
    assert!(found.stuck >= writers as usize && found.out_of_reach, "{found:?}");
    let told = tell(&found, |at| format!("{:?}", history[at].operation), Clone::clone);
    assert!(told.contains("Get(\"k\") is not possible any more, whatever comes next"), "{told}");

    // A text that replaces all brings back what was out of reach, and only if it can still come before.
    let put = |call| Timed::answered(KeyValueCall::Put("k".into(), "<0>".into()), String::new(), call, 3_000);
    history.insert(0, Timed::answered(KeyValueCall::Append("k".into(), "<11>".into()), String::new(), 700, 1_500));
    history.insert(0, put(600));
    assert_eq!(check(&KeyValue, &history, Budget::default()), Answer::Linearizable);
    history[0] = put(2_001);
    assert!(matches!(check(&KeyValue, &history, Budget::default()), Answer::Violation(_)));
}

#[test]
fn a_long_history_of_few_clients_costs_little_for_each_operation() {
    let mut history = Vec::new();
    for at in 0..50_000_u64 {
        let (call, end) = (at * 10, at * 10 + 15);
        let operation = if at % 2 == 0 { AccountCall::Debit(1) } else { AccountCall::Credit(1) };
        history.push(Timed { end: End::At(end), ..Timed::unanswered(operation, call) });
    }
    let account = Account { opening: 10, floor: Some(0) };
    let small = Budget { steps: 400_000, bytes: 32 << 20 };
    assert_eq!(check(&account, &history, small), Answer::Linearizable);
}

#[test]
fn one_read_of_what_nobody_wrote_is_enough_however_many_wrote() {
    let register = Register { initial: None };
    for writers in [3, 40, 120] {
        let write =
            |at: u64| Timed::answered(RegisterCall::Write(at as i64), RegisterAnswer::Done, at * 10, at * 10 + 5);
        let mut history: Vec<_> = (0..writers).map(write).collect();
        // Whoever was never answered may have written too, and says nothing.
        history.push(Timed::unanswered(RegisterCall::Write(1_000), 3));
        history.push(Timed::answered(RegisterCall::Read, RegisterAnswer::Value(Some(-1)), 2_000, 2_001));
        let few = Budget { steps: 100_000, bytes: 64 << 20 };
        let mut tries = 50;
        let found = contradiction(&register, &history, few, &mut tries);
        assert_eq!(found.operations, [history.len() - 1], "{writers} writers");
        assert!(found.sure && tries > 0, "{writers} writers, {tries} tries left");
    }
}

#[test]
fn who_came_to_a_limit_is_not_sure_that_there_are_no_fewer() {
    let register = Register { initial: None };
    let mut tries = 0;
    let found = contradiction(&register, &hard(8), Budget::default(), &mut tries);
    assert_eq!((found.operations.len(), found.sure), (9, false));
}
