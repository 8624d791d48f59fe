//! Balances as histories of accounts: what each workspace's account went through, in calls and in rows.
//!
//! Left out are workspaces whose credits move for reasons that the calls do not tell: partners, who earn from the
//! purchases of others, and those whose credits were taken back, expired or were adjusted, at a time that no call
//! tells and perhaps from a debt instead.
//! Balances in answers to purchases are reads of their own that come after the debit: whether a service reads the
//! balance with the debit or right after it is its own affair.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::{
    history::Call,
    operation::{Operation, Outcome},
};

use crate::{
    case::Case,
    effects::{self, Bought, Effects},
    ledger,
    linearizable::{
        End, Operations, Timed,
        specifications::{Account, AccountCall},
    },
    untold::Untold,
};

/// The accounts of one scenario.
pub(crate) struct Balances<'e, 'a> {
    case: &'e Case<'a>,
    effects: &'e Effects<'a>,
    /// By workspace, with gifts beyond the starting balance that came at some time.
    accounts: BTreeMap<&'a str, (Account, i64)>,
    reads: BTreeMap<&'a str, Vec<&'a Call>>,
    left_out: usize,
}

/// One account's history, and the call behind each of its operations.
pub(crate) struct Story<'a> {
    pub(crate) history: Operations<Account>,
    pub(crate) calls: Vec<Option<&'a Call>>,
}

impl<'e, 'a> Balances<'e, 'a> {
    /// The accounts that can be judged. Needs purchases and, where credits are sold, grants.
    pub(crate) fn new(case: &'e Case<'a>, effects: &'e Effects<'a>) -> Self {
        let mut reads: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
        for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
            if let Operation::ReadBalance { workspace } = &call.operation {
                reads.entry(workspace).or_default().push(call);
            }
        }
        let floor = (!case.skips("credits.never-negative")).then_some(0);
        let (moved, untold) = (moved_otherwise(case), Untold::new(case));
        let mut accounts = BTreeMap::new();
        let mut left_out = 0;
        for book in ledger::moves(case).into_values() {
            let who = book.workspace;
            let gifts = i64::try_from(book.unexplained_gifts()).ok().filter(|gifts| *gifts >= 0);
            let negative = effects.bought_by(who).any(|bought| bought.price < 0)
                || effects.credited.get(who).is_some_and(|credits| credits.iter().any(|credit| credit.credits < 0));
            match (gifts, case.workspace(who)) {
                (Some(gifts), Some(workspace)) if !negative && !moved.contains(who) && !untold.contains(who) => {
                    accounts.insert(who, (Account { opening: workspace.credits, floor }, gifts));
                }
                _ => left_out += usize::from(reads.contains_key(who) || effects.by_workspace.contains_key(who)),
            }
        }
        Self { case, effects, accounts, reads, left_out }
    }

    /// How many were left out that had anything to judge.
    pub(crate) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Accounts with something to judge: a balance that was answered, or a refusal for want of credits.
    pub(crate) fn judged(&self) -> impl Iterator<Item = (&'a str, Account)> {
        let told = self.accounts.iter().filter(|(who, _)| self.told(who) > 0);
        told.map(|(who, (account, _))| (*who, *account))
    }

    /// What an account holds before its purchases, where no credit can have come until `end` at a time that only the
    /// target knows.
    pub(crate) fn plain(&self, who: &str, end: u64) -> Option<i64> {
        let (account, gifts) = self.accounts.get(who)?;
        let credited = self.effects.credited.get(who).into_iter().flatten().any(|credit| credit.from <= end);
        (*gifts == 0 && !credited && account.floor.is_some()).then_some(account.opening)
    }

    /// How many answers say something of an account: balances, and refusals for want of credits.
    pub(crate) fn told(&self, who: &str) -> usize {
        let bought = self.effects.bought_by(who).filter(|bought| bought.balance.is_some() && bought.call.is_some());
        let unfunded = self.effects.unfunded.get(who).into_iter().flatten();
        let refused = unfunded.filter(|refused| effects::price(self.case, refused.call).is_some());
        let reads = self.reads.get(who).into_iter().flatten();
        bought.count() + refused.count() + reads.filter(|call| call.answer.integer("balance").is_some()).count()
    }

    /// All that happened to an account.
    pub(crate) fn whole(&self, who: &str) -> Story<'a> {
        let mut story = self.credits(who, End::Open);
        for bought in self.effects.bought_by(who) {
            let debit = story.debit(bought, bought.end);
            if let (Some(balance), Some(call)) = (bought.balance, bought.call) {
                story.read(call, balance, Some(debit));
            }
        }
        self.refusals_and_reads(who, story)
    }

    /// The same of a service that reads the balance with the debit, as most do. That is more than is promised, but
    /// an order that keeps it is an order, and is found at once: each balance that was told has its one place.
    pub(crate) fn whole_at_once(&self, who: &str) -> Story<'a> {
        let mut story = self.credits(who, End::Open);
        for bought in self.effects.bought_by(who) {
            let Some(balance) = bought.balance else {
                story.debit(bought, bought.end);
                continue;
            };
            let operation = AccountCall::DebitAndRead(bought.price);
            let timed = Timed { operation, output: Some(balance), call: bought.from, end: bought.end, after: None };
            story.push(timed, bought.call);
        }
        self.refusals_and_reads(who, story)
    }

    fn refusals_and_reads(&self, who: &str, mut story: Story<'a>) -> Story<'a> {
        for refused in self.effects.unfunded.get(who).into_iter().flatten() {
            let Some(price) = effects::price(self.case, refused.call) else { continue };
            let operation = AccountCall::Refuse(price);
            let timed = Timed { operation, output: None, call: refused.from, end: End::At(refused.until), after: None };
            story.push(timed, Some(refused.call));
        }
        self.reads.get(who).into_iter().flatten().for_each(|call| story.balance(call));
        story
    }

    /// Who was told a balance of an account.
    pub(crate) fn clients(&self, who: &str) -> Vec<u64> {
        let told = self.effects.bought_by(who).filter(|bought| bought.balance.is_some());
        let told = told.filter_map(|bought| bought.call).chain(self.reads.get(who).into_iter().flatten().copied());
        let mut clients: Vec<u64> = told.map(|call| call.process).collect();
        clients.sort_unstable();
        clients.dedup();
        clients
    }

    /// What one client must see of an account: its own purchases, what it was told, and of all else only what it
    /// happens to see. Calls for which `keep` says no are as if they had told no balance.
    pub(crate) fn session(&self, who: &str, process: u64, keep: impl Fn(&Call) -> bool) -> Story<'a> {
        let mut story = self.credits(who, End::Maybe);
        for bought in self.effects.bought_by(who) {
            let own = bought.call.filter(|call| call.process == process && call.outcome == Outcome::Ok);
            let end = own.and_then(|call| call.end).map_or(End::Maybe, End::At);
            let debit = story.debit(bought, end);
            if let (Some(balance), Some(call)) = (bought.balance, own.filter(|call| keep(call))) {
                story.read(call, balance, Some(debit));
            }
        }
        let own = |call: &&&Call| call.process == process && keep(call);
        self.reads.get(who).into_iter().flatten().filter(own).for_each(|call| story.balance(call));
        story
    }

    /// One balance that a client was told, and everything that it may have seen of the account until then.
    pub(crate) fn alone(&self, who: &str, call: &'a Call) -> Story<'a> {
        let mut story = self.credits(who, End::Maybe);
        self.effects.bought_by(who).for_each(|bought| {
            story.debit(bought, End::Maybe);
        });
        story.balance(call);
        story
    }

    fn credits(&self, who: &str, end: End) -> Story<'a> {
        let mut story = Story { history: Vec::new(), calls: Vec::new() };
        let mut credit = |credits, from| {
            let timed = Timed { operation: AccountCall::Credit(credits), output: None, call: from, end, after: None };
            story.push(timed, None);
        };
        if let Some((_, gifts)) = self.accounts.get(who).filter(|(_, gifts)| *gifts > 0) {
            credit(*gifts, self.case.history.start);
        }
        self.effects.credited.get(who).into_iter().flatten().for_each(|row| credit(row.credits, row.from));
        story
    }
}

/// Workspaces whose credits also move for reasons that the calls do not tell.
fn moved_otherwise<'a>(case: &Case<'a>) -> BTreeSet<&'a str> {
    let mut moved = ledger::partners(case);
    let database = case.database();
    moved.extend(database.commissions.iter().flatten().map(|row| row.workspace.as_str()));
    moved.extend(database.reversals.iter().flatten().map(|row| row.workspace.as_str()));
    moved.extend(database.expiries.iter().flatten().map(|row| row.workspace.as_str()));
    moved.extend(database.adjustments.iter().flatten().map(|row| row.workspace.as_str()));
    moved
}

impl<'a> Story<'a> {
    /// One of its operations, in a few words.
    pub(crate) fn line(&self, at: usize) -> String {
        let Timed { operation, output, .. } = &self.history[at];
        match (operation, output) {
            (AccountCall::Debit(price) | AccountCall::DebitAndRead(price), _) => format!("paid {price}"),
            (AccountCall::Credit(credits), _) => format!("credited {credits}"),
            (AccountCall::Refuse(price), _) => format!("refused {price}"),
            (AccountCall::Read, Some(balance)) => format!("told {balance}"),
            (AccountCall::Read, None) => "told nothing".to_owned(),
        }
    }

    fn push(&mut self, timed: Timed<AccountCall, i64>, call: Option<&'a Call>) -> usize {
        self.history.push(timed);
        self.calls.push(call);
        self.history.len() - 1
    }

    fn debit(&mut self, bought: &Bought<'a>, end: End) -> usize {
        let operation = AccountCall::Debit(bought.price);
        self.push(Timed { operation, output: None, call: bought.from, end, after: None }, bought.call)
    }

    fn read(&mut self, call: &'a Call, balance: i64, after: Option<usize>) {
        let end = call.end.map_or(End::Maybe, End::At);
        let timed = Timed { operation: AccountCall::Read, output: Some(balance), call: call.start, end, after };
        self.push(timed, Some(call));
    }

    fn balance(&mut self, call: &'a Call) {
        if let Some(balance) = call.answer.integer("balance") {
            self.read(call, balance, None);
        }
    }
}
