//! `credits.never-negative`: no balance below zero, in any answer at any time and in the final state.
//!
//! Apart from conservation on purpose: books that add up perfectly have been eight bitcoins below zero.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::Account,
    history::Call,
    operation::{Operation, Outcome},
};

use crate::{
    case::Case,
    ledger::{self, Entries},
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::counted,
};

pub(crate) const ID: &str = "credits.never-negative";

/// Where a workspace was seen below zero.
#[derive(Default)]
struct Below<'a> {
    lowest: i128,
    calls: Vec<&'a Call>,
    accounts: Vec<&'a Account>,
}

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let mut below: BTreeMap<&str, Below<'_>> = BTreeMap::new();
    let answers = answers(case, &mut below);
    let database = case.database();
    let accounts = trial.need("accounts", database.accounts.as_ref());
    let mut held = 0;
    let entries = database.entries.as_deref().map(Entries::new);
    for account in accounts.iter().filter(|account| account.kind == "credits") {
        let Some(workspace) = account.workspace.as_deref().filter(|name| case.workspace(name).is_some()) else {
            continue;
        };
        if account.balance.is_none() && entries.is_none() {
            trial.need("entries", database.entries.as_ref());
        }
        held += usize::from(case.buys_of(workspace).next().is_some());
        let balance = ledger::held(account, entries.as_ref());
        if balance < 0 {
            let below = below.entry(workspace).or_default();
            below.lowest = below.lowest.min(balance);
            below.accounts.push(account);
        }
    }
    trial.saw(answers + held);
    trial.fact(format!("{} and {} looked at", counted(answers, "answered balance"), counted(held, "final account")));
    trial.stake(Loss::BalancesNegative, below.len() as i128);
    for (workspace, below) in below {
        let summary = format!("{workspace} stood at {} credits: it spent what it did not have", below.lowest);
        let bought = case.buys_of(workspace).map(|buy| buy.call).filter(|call| call.outcome == Outcome::Ok);
        let tale = || {
            Tale::new(case.history, summary)
                .stake(Loss::BalancesNegative, 1)
                .calls(below.calls.into_iter().take(3))
                .calls(bought)
                .rows(below.accounts.into_iter().map(rows::account))
        };
        trial.found(|| tale().end());
    }
    trial
}

/// Counts the balances that the API answered, and keeps those below zero.
fn answers<'a>(case: &Case<'a>, below: &mut BTreeMap<&'a str, Below<'a>>) -> usize {
    let mut answers = 0;
    for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        let (Operation::ReadBalance { workspace } | Operation::Purchase { workspace, .. }) = &call.operation else {
            continue;
        };
        let Some(balance) = call.answer.integer("balance") else { continue };
        answers += 1;
        if balance < 0 {
            let below = below.entry(workspace).or_default();
            below.lowest = below.lowest.min(i128::from(balance));
            below.calls.push(call);
        }
    }
    answers
}
