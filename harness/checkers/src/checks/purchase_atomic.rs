//! `purchase.atomic`: debit and purchase, both or neither; the same for price and commission.
//!
//! `credits.conserved` asks whether the books add up, this check whether each purchase is whole. A debit
//! without a purchase breaks both, and is told here by the calls that took the credits. Where entries are
//! mapped, what left the account is held against the purchases, so credits that came from nowhere are not
//! mistaken for a purchase that was never paid; without entries the two cannot be told apart.

use std::collections::{BTreeMap, HashMap, HashSet};

use overdraft_model::{
    evidence::{Commission, Purchase},
    history::Call,
    operation::Outcome,
    verdict::Finding,
};

use crate::{
    case::{Buy, Case},
    ledger::{self, Book, Entries},
    money::Loss,
    rows,
    story::{Tale, suspicion},
    trial::Trial,
    untold::Untold,
    words::counted,
};

pub(crate) const ID: &str = "purchase.atomic";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let database = case.database();
    if case.buys.is_empty() && database.purchases.as_ref().is_none_or(Vec::is_empty) {
        return trial;
    }
    let purchases = trial.need("purchases", database.purchases.as_ref());
    let accounts = trial.need("accounts", database.accounts.as_ref());
    if case.sells_credits {
        trial.need("grants", database.grants.as_ref());
    }
    let ours: Vec<&Purchase> = purchases.iter().filter(|row| case.lead(&row.lead).is_some()).collect();
    let without = case.buys.iter().filter(|buy| buy.call.outcome != Outcome::Ok).count();
    trial.saw(ours.len() + without);
    trial.fact(format!("{} and {} that did not succeed", counted(ours.len(), "purchase"), counted(without, "attempt")));
    prices(case, &ours, &mut trial);
    halves(case, &ours, &mut trial);
    if let (Some(commissions), Some(_)) = (&database.commissions, &database.purchases) {
        shares(case, &ours, commissions, &mut trial);
    }
    if accounts.iter().any(|account| account.kind == "credits" && account.balance.is_none()) {
        trial.need("entries", database.entries.as_ref());
    }
    if trial.complete() {
        debits(case, &mut trial);
    }
    trial
}

/// What left each account is what its purchases cost.
fn debits(case: &Case<'_>, trial: &mut Trial) {
    let entries = case.database().entries.as_deref().map(Entries::new);
    let mut lost = 0;
    let Some(books) = ledger::books(case, entries.as_ref()) else {
        trial.doubt("none of the accounts that were read belongs to a workspace of this scenario");
        return;
    };
    let untold = Untold::new(case);
    untold.note(trial);
    for book in books.into_iter().filter(|book| !untold.contains(book.workspace)) {
        let (without_purchase, without_debit) = split(&book);
        if without_purchase > 0 {
            lost += if case.quiet() { without_purchase } else { 0 };
            trial.disagree(case.quiet(), || debit_without_purchase(case, &book, without_purchase));
        }
        if without_debit > 0 {
            trial.disagree(case.quiet(), || purchase_without_debit(case, &book, without_debit));
        }
    }
    trial.stake(Loss::CreditsLost, lost);
}

/// How much of a workspace's gap is debit without purchase, and how much purchase without debit.
fn split(book: &Book<'_>) -> (i128, i128) {
    let (missing, extra) = ((-book.surplus()).max(0), book.surplus().max(0));
    let Some(flow) = book.flow else { return (missing, extra.min(book.spent)) };
    let other = book.reversed.max(0) + book.expired + (-book.adjusted).max(0);
    let more_left = flow.left - book.spent - other;
    (missing.min(more_left.max(0)), extra.min((-more_left).max(0)))
}

fn debit_without_purchase(case: &Case<'_>, book: &Book<'_>, lost: i128) -> Finding {
    let who = book.workspace;
    let paid = book.spent + lost;
    let summary = format!(
        "{who} paid {paid} credits and got purchases for {}: {lost} were debited without a purchase",
        book.spent
    );
    let mut calls: Vec<_> = case.buys_of(who).map(|buy| buy.call).collect();
    calls.sort_by_key(|call| suspicion(call));
    tale(case, book, summary).calls(calls).stake(Loss::CreditsLost, lost).end()
}

fn purchase_without_debit(case: &Case<'_>, book: &Book<'_>, unpaid: i128) -> Finding {
    let who = book.workspace;
    let paid = book.spent - unpaid;
    let summary =
        format!("{who} got purchases for {} credits and paid {paid}: {unpaid} were never debited", book.spent);
    let mut calls: Vec<_> = case.buys_of(who).map(|buy| buy.call).collect();
    // Two purchases that were told the same balance overwrote each other's debit: they come first.
    let mut told: BTreeMap<i64, usize> = BTreeMap::new();
    let balance = |call: &Call| call.answer.integer("balance").filter(|_| call.outcome == Outcome::Ok);
    calls.iter().filter_map(|call| balance(call)).for_each(|balance| *told.entry(balance).or_default() += 1);
    let twice = |call| balance(call).is_some_and(|balance| told.get(&balance).is_some_and(|count| *count > 1));
    calls.sort_by_key(|call| (!twice(call), call.outcome));
    tale(case, book, summary).calls(calls).stake(Loss::CreditsFromNothing, unpaid).end()
}

fn tale<'a>(case: &Case<'a>, book: &Book<'a>, summary: String) -> Tale<'a> {
    Tale::new(case.history, summary)
        .rows([book.sum()])
        .rows(book.accounts.iter().map(|account| rows::account(account)))
        .rows(case.purchases_of(book.workspace).iter().map(|row| rows::purchase(row)))
}

/// Each purchase cost what the lead was offered for.
fn prices(case: &Case<'_>, purchases: &[&Purchase], trial: &mut Trial) {
    let prices: HashMap<&str, i64> = case.world().leads.iter().map(|lead| (lead.name.as_str(), lead.price)).collect();
    for row in purchases {
        let Some(price) = prices.get(row.lead.as_str()).filter(|price| **price != row.price) else { continue };
        let summary =
            format!("{} bought {} for {} credits, it was offered for {price}", row.workspace, row.lead, row.price);
        trial.found(|| Tale::new(case.history, summary).calls(asked(case, row)).rows([rows::purchase(row)]).end());
    }
}

/// The calls behind a row, the successful ones first.
fn asked<'a>(case: &Case<'a>, row: &Purchase) -> Vec<&'a Call> {
    let of_row = case.buys_for(&row.lead).filter(|buy| buy.workspace == row.workspace);
    let mut calls: Vec<_> = of_row.map(|buy| buy.call).collect();
    calls.sort_by_key(|call| call.outcome);
    calls
}

/// Several leads bought at once are bought together or not at all. What was answered ok is the business of
/// `acknowledged.durable`; here, what was not, where the target keeps the key.
fn halves(case: &Case<'_>, purchases: &[&Purchase], trial: &mut Trial) {
    let unclear = |buy: &&Buy<'_>| buy.leads.len() > 1 && buy.call.outcome == Outcome::Info;
    if !case.buys.iter().any(|buy| unclear(&buy)) {
        return;
    }
    let mut by_key: HashMap<(&str, &str), Vec<&Purchase>> = HashMap::new();
    for row in purchases {
        if let Some(key) = row.key.as_deref() {
            by_key.entry((&row.workspace, key)).or_default().push(row);
        }
    }
    let unclear = case.buys.iter().filter(unclear);
    for (buy, got) in unclear.filter_map(|buy| Some((buy, by_key.get(&(buy.workspace, buy.key))?))) {
        let have = buy.leads.iter().filter(|lead| got.iter().any(|row| row.lead == **lead)).count();
        if have > 0 && have < buy.leads.len() {
            let summary = format!(
                "{} asked for {} at once and got {have} of them",
                buy.workspace,
                counted(buy.leads.len(), "lead")
            );
            let tale =
                || Tale::new(case.history, summary).calls([buy.call]).rows(got.iter().map(|row| rows::purchase(row)));
            trial.found(|| tale().end());
        }
    }
}

/// Each purchase earned its partner one commission, of the amount that is due. More than one is the
/// business of `effects.at-most-once`.
fn shares(case: &Case<'_>, purchases: &[&Purchase], commissions: &[Commission], trial: &mut Trial) {
    let bought: HashMap<(&str, &str), &Purchase> =
        purchases.iter().map(|row| ((row.purchase.as_str(), row.lead.as_str()), *row)).collect();
    let earned: HashSet<(&str, &str)> =
        commissions.iter().map(|row| (row.purchase.as_str(), row.lead.as_str())).collect();
    let without: BTreeMap<_, _> = bought.iter().filter(|(sale, _)| !earned.contains(*sale)).collect();
    for row in without.into_values() {
        let partner = case.lead(&row.lead).map_or("its partner", |lead| lead.partner.as_str());
        let summary = format!(
            "{} paid {} credits for {}, and {partner} earned no commission",
            row.workspace, row.price, row.lead
        );
        let tale = || Tale::new(case.history, summary).calls(asked(case, row)).rows([rows::purchase(row)]);
        trial.disagree(case.quiet(), || tale().end());
    }
    for row in commissions {
        let Some(lead) = case.lead(&row.lead) else { continue };
        let wrong = match row.due {
            _ if !bought.contains_key(&(row.purchase.as_str(), row.lead.as_str())) => {
                format!("{} earned {} on a sale of {} that does not exist", row.workspace, row.amount, row.lead)
            }
            Some(due) if due != row.amount => {
                format!("{} earned {} on {}, due were {due}", row.workspace, row.amount, row.lead)
            }
            _ if row.workspace != lead.partner => {
                format!("{} earned {} on {}, which is a lead of {}", row.workspace, row.amount, row.lead, lead.partner)
            }
            _ => continue,
        };
        trial.disagree(case.quiet(), || Tale::new(case.history, wrong).rows([rows::commission(row)]).end());
    }
    trial.fact(counted(commissions.len(), "commission"));
}
