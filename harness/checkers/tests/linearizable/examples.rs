//! Small histories whose verdict can be found by hand.

use overdraft_checkers::linearizable::{
    Answer, Budget, End, Timed, check, check_each,
    specifications::{
        Account, AccountCall, Bounded, BoundedCall, KeyValue, KeyValueCall, Register, RegisterAnswer, RegisterCall,
    },
    tell,
};

fn write(value: i64, call: u64, end: u64) -> Timed<RegisterCall, RegisterAnswer> {
    Timed::answered(RegisterCall::Write(value), RegisterAnswer::Done, call, end)
}

fn read(value: i64, call: u64, end: u64) -> Timed<RegisterCall, RegisterAnswer> {
    Timed::answered(RegisterCall::Read, RegisterAnswer::Value(Some(value)), call, end)
}

fn register(history: &[Timed<RegisterCall, RegisterAnswer>]) -> Answer<Option<i64>> {
    check(&Register { initial: Some(0) }, history, Budget::default())
}

#[test]
fn reads_may_order_an_overlapping_write_and_cannot_go_back() {
    assert_eq!(register(&[write(1, 0, 100), read(1, 25, 75), read(0, 30, 60)]), Answer::Linearizable);
    let Answer::Violation(found) = register(&[write(1, 0, 100), read(1, 10, 30), read(0, 40, 90)]) else {
        panic!("a read of an old value after a read of the new one was accepted");
    };
    assert_eq!((found.prefix, found.state, found.stuck), (vec![0, 1], Some(1), 2));
}

#[test]
fn touching_at_one_moment_is_overlapping() {
    assert_eq!(register(&[write(1, 0, 10), read(0, 10, 20)]), Answer::Linearizable);
    assert!(matches!(register(&[write(1, 0, 10), read(0, 11, 20)]), Answer::Violation(_)));
    assert_eq!(register(&[write(1, 5, 5), read(1, 5, 5), read(0, 5, 5)]), Answer::Linearizable);
}

#[test]
fn an_unanswered_write_may_happen_late_or_never_and_only_once() {
    let lost = Timed::unanswered(RegisterCall::Write(7), 0);
    assert_eq!(register(&[lost.clone(), read(0, 10, 20)]), Answer::Linearizable);
    assert_eq!(register(&[lost.clone(), read(0, 10, 20), read(7, 30, 40)]), Answer::Linearizable);
    let back = [lost, read(7, 10, 20), write(1, 30, 40), read(7, 50, 60)];
    assert!(matches!(register(&back), Answer::Violation(_)));
    let early = [read(7, 0, 5), Timed::unanswered(RegisterCall::Write(7), 10)];
    assert!(matches!(register(&early), Answer::Violation(_)), "an effect came before it was asked for");
}

#[test]
fn what_took_effect_at_an_unknown_time_must_be_placed() {
    let paid = Timed { end: End::Open, ..Timed::unanswered(AccountCall::Credit(5), 0) };
    let spent = |call| Timed { end: End::At(call + 5), ..Timed::unanswered(AccountCall::Debit(5), call) };
    let account = Account { opening: 0, floor: Some(0) };
    let judged = |history: &[_]| check(&account, history, Budget::default());
    assert_eq!(judged(&[paid.clone(), spent(10)]), Answer::Linearizable);
    assert!(matches!(judged(&[paid.clone(), spent(10), spent(20)]), Answer::Violation(_)));
    let full = Timed { end: End::Open, ..Timed::unanswered(BoundedCall::Take, 0) };
    let shelf = Bounded { limit: Some(1) };
    let Answer::Violation(found) = check(&shelf, &[full.clone(), full], Budget::default()) else {
        panic!("two effects fit where there is room for one");
    };
    assert_eq!(found.prefix.len(), 1);
}

#[test]
fn two_purchases_that_are_told_one_balance_have_no_order() {
    let debit = |call| Timed { end: End::At(call + 50), ..Timed::unanswered(AccountCall::Debit(100), call) };
    let told = |after, balance, call| Timed {
        after: Some(after),
        ..Timed::answered(AccountCall::Read, balance, call, call + 50)
    };
    let account = Account { opening: 500, floor: Some(0) };
    let judged =
        |second| check(&account, &[debit(0), told(0, 400, 0), debit(1), told(2, second, 1)], Budget::default());
    assert_eq!(judged(300), Answer::Linearizable);
    assert!(matches!(judged(400), Answer::Violation(_)));
}

#[test]
fn keys_are_judged_apart() {
    let put = |key: &str, value: &str, at| {
        Timed::answered(KeyValueCall::Put(key.into(), value.into()), String::new(), at, at + 1)
    };
    let get = |key: &str, value: &str, at| Timed::answered(KeyValueCall::Get(key.into()), value.into(), at, at + 1);
    let history = vec![put("a", "1", 0), put("b", "2", 0), get("a", "1", 5), get("b", "1", 5)];
    let key = |call: &KeyValueCall| call.key().to_owned();
    let parts = check_each(&KeyValue, history, key, Budget::default(), &mut || false);
    assert_eq!(parts["a"].answer, Answer::Linearizable);
    assert!(matches!(parts["b"].answer, Answer::Violation(_)));
}

#[test]
fn a_counterexample_can_be_told() {
    let history = [write(1, 0, 9), read(1, 10, 30), read(0, 40, 90), write(2, 50, 60)];
    let Answer::Violation(found) = register(&history) else { panic!("accepted") };
    let text = tell(&found, |at| format!("{:?}", history[at].operation), |state| format!("{state:?}"));
    assert_eq!(
        text,
        "at most 3 operations can be put in order:\n  + Write(1)\n  + Read\n  + Write(2)\n  = Some(2)\n  \
         ! Read must come next, and cannot\n"
    );
}
