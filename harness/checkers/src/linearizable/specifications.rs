//! Sequential specifications: a register with compare-and-set, a string by key, a bounded counter, an account.

use super::Specification;

/// A register that may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Register {
    /// What it holds at first.
    pub initial: Option<i64>,
}

/// What a [`Register`] is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterCall {
    /// Its value.
    Read,
    /// To hold a value.
    Write(i64),
    /// To hold the second value if it holds the first.
    CompareAndSet(i64, i64),
}

/// What a [`Register`] answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegisterAnswer {
    /// Its value, to a read.
    Value(Option<i64>),
    /// Done.
    Done,
    /// To a compare-and-set whose first value it did not hold.
    Differs,
}

impl Specification for Register {
    type State = Option<i64>;
    type Operation = RegisterCall;
    type Output = RegisterAnswer;

    fn initial(&self) -> Self::State {
        self.initial
    }

    fn step(
        &self,
        state: &Self::State,
        call: &RegisterCall,
        answer: Option<&RegisterAnswer>,
        next: &mut Vec<Self::State>,
    ) {
        let (becomes, answers) = match *call {
            RegisterCall::Read => (*state, RegisterAnswer::Value(*state)),
            RegisterCall::Write(value) => (Some(value), RegisterAnswer::Done),
            RegisterCall::CompareAndSet(from, to) if *state == Some(from) => (Some(to), RegisterAnswer::Done),
            RegisterCall::CompareAndSet(..) => (*state, RegisterAnswer::Differs),
        };
        if answer.is_none_or(|answer| *answer == answers) {
            next.push(becomes);
        }
    }

    fn only_reads(&self, call: &RegisterCall, answer: Option<&RegisterAnswer>) -> bool {
        *call == RegisterCall::Read || answer == Some(&RegisterAnswer::Differs)
    }
}

/// Strings by key, each empty at first. The state is one key's string: histories must be partitioned by
/// [`KeyValueCall::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyValue;

/// What a [`KeyValue`] is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyValueCall {
    /// The string of a key.
    Get(String),
    /// A key gets a string.
    Put(String, String),
    /// A string is appended to a key's.
    Append(String, String),
}

impl KeyValueCall {
    /// Which key it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Get(key) | Self::Put(key, _) | Self::Append(key, _) => key,
        }
    }
}

impl Specification for KeyValue {
    type State = String;
    type Operation = KeyValueCall;
    /// What a get answered; the others answer the empty string.
    type Output = String;

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, call: &KeyValueCall, answer: Option<&String>, next: &mut Vec<String>) {
        match call {
            KeyValueCall::Get(_) if answer.is_some_and(|answer| answer != state) => {}
            KeyValueCall::Get(_) => next.push(state.clone()),
            KeyValueCall::Put(_, value) => next.push(value.clone()),
            KeyValueCall::Append(_, value) => next.push(format!("{state}{value}")),
        }
    }

    fn only_reads(&self, call: &KeyValueCall, _: Option<&String>) -> bool {
        matches!(call, KeyValueCall::Get(_))
    }

    const FORESEES: bool = true;

    /// Appending only adds behind, so what was answered must begin with the state, or with what a put may make it.
    fn out_of_reach(
        &self,
        state: &String,
        _: &KeyValueCall,
        answer: Option<&String>,
        mut before: &mut dyn Iterator<Item = &KeyValueCall>,
    ) -> bool {
        let begins = |so: &String| answer.is_none_or(|answer| answer.starts_with(so.as_str()));
        let restores = |call: &KeyValueCall| matches!(call, KeyValueCall::Put(_, value) if begins(value));
        !begins(state) && !Iterator::any(&mut before, restores)
    }
}

/// A counter that never exceeds its limit: how often something was sold of which there is so much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounded {
    /// How far it may count; none where that is not known, so that a refusal says nothing.
    pub limit: Option<i64>,
}

/// What a [`Bounded`] counter is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoundedCall {
    /// To count one more, which was done.
    Take,
    /// To count one more, which was refused because the limit is reached.
    Full,
    /// How far it has counted.
    Read,
}

impl Specification for Bounded {
    type State = i64;
    type Operation = BoundedCall;
    /// The count, to a read.
    type Output = i64;

    fn initial(&self) -> i64 {
        0
    }

    fn step(&self, count: &i64, call: &BoundedCall, answer: Option<&i64>, next: &mut Vec<i64>) {
        let full = self.limit.is_some_and(|limit| *count >= limit);
        match call {
            BoundedCall::Take if !full => next.push(count + 1),
            BoundedCall::Full if full || self.limit.is_none() => next.push(*count),
            BoundedCall::Read if answer.is_none_or(|answer| answer == count) => next.push(*count),
            BoundedCall::Take | BoundedCall::Full | BoundedCall::Read => {}
        }
    }

    fn only_reads(&self, call: &BoundedCall, _: Option<&i64>) -> bool {
        *call != BoundedCall::Take
    }

    fn class(&self, call: &BoundedCall, _: Option<&i64>) -> Option<u64> {
        (*call == BoundedCall::Take).then_some(0)
    }
}

/// An account in whole credits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// What stands on it at first.
    pub opening: i64,
    /// Below this it refuses to go; none where that is not known, so that a refusal says nothing.
    pub floor: Option<i64>,
}

/// What an [`Account`] is asked. Amounts are not negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountCall {
    /// To give so much, which was done.
    Debit(i64),
    /// To give so much and tell what is left, both at once.
    DebitAndRead(i64),
    /// To give so much, which was refused because it does not hold it.
    Refuse(i64),
    /// To take so much.
    Credit(i64),
    /// What stands on it.
    Read,
}

impl Specification for Account {
    type State = i64;
    type Operation = AccountCall;
    /// The balance, to a read and to a debit that tells it.
    type Output = i64;

    fn initial(&self) -> i64 {
        self.opening
    }

    fn step(&self, balance: &i64, call: &AccountCall, answer: Option<&i64>, next: &mut Vec<i64>) {
        let covers = |amount: &i64| self.floor.is_none_or(|floor| balance.saturating_sub(*amount) >= floor);
        match call {
            AccountCall::Debit(amount) if covers(amount) => next.push(balance.saturating_sub(*amount)),
            AccountCall::DebitAndRead(amount) if covers(amount) => {
                let left = balance.saturating_sub(*amount);
                next.extend(answer.is_none_or(|answer| *answer == left).then_some(left));
            }
            AccountCall::Refuse(amount) if self.floor.is_none() || !covers(amount) => next.push(*balance),
            AccountCall::Credit(amount) => next.push(balance.saturating_add(*amount)),
            AccountCall::Read if answer.is_none_or(|answer| answer == balance) => next.push(*balance),
            AccountCall::Debit(_) | AccountCall::DebitAndRead(_) | AccountCall::Refuse(_) | AccountCall::Read => {}
        }
    }

    fn only_reads(&self, call: &AccountCall, _: Option<&i64>) -> bool {
        matches!(call, AccountCall::Read | AccountCall::Refuse(_))
    }

    fn class(&self, call: &AccountCall, _: Option<&i64>) -> Option<u64> {
        match call {
            AccountCall::Debit(amount) => Some(amount.unsigned_abs() << 1),
            AccountCall::Credit(amount) => Some(amount.unsigned_abs() << 1 | 1),
            AccountCall::DebitAndRead(_) | AccountCall::Refuse(_) | AccountCall::Read => None,
        }
    }
}
