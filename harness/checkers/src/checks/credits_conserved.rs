//! `credits.conserved`: no credit comes from nothing and none goes into nothing.
//!
//! Rows are held against balances only once the target is quiet: tables read one after the other while it
//! works need not agree. What never comes undone (a grant that nobody paid for) is judged at any time.
//! Too little granted is the business of `paid.delivered`.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::{Account, Grant},
    history::{Call, Phase},
    operation::{Operation, Outcome},
};

use crate::{
    case::{Case, grouped},
    clawback,
    ledger::{self, Book, Entries},
    money::Loss,
    rows,
    story::{Tale, suspicion},
    trial::Trial,
    untold::{Untold, asked_of_staff},
    words::{counted, money},
};

pub(crate) const ID: &str = "credits.conserved";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let database = case.database();
    let accounts = trial.need("accounts", database.accounts.as_ref());
    trial.need("purchases", database.purchases.as_ref());
    if case.sells_credits {
        trial.need("grants", database.grants.as_ref());
    }
    if accounts.iter().any(|account| account.kind == "credits" && account.balance.is_none()) {
        trial.need("entries", database.entries.as_ref());
    }
    let entries = database.entries.as_deref().map(Entries::new);
    if trial.complete() {
        balances(case, entries.as_ref(), &mut trial);
    }
    granted(case, &mut trial);
    adjusted(case, &mut trial);
    clawback::judge(case, &mut trial);
    if let Some(entries) = &entries {
        double_entry(case, accounts, entries, &mut trial);
    }
    final_reads(case, accounts, entries.as_ref(), &mut trial);
    trial
}

/// Each workspace owns what its rows say.
fn balances(case: &Case<'_>, entries: Option<&Entries<'_>>, trial: &mut Trial) {
    let Some(books) = ledger::books(case, entries) else {
        trial.doubt("none of the accounts that were read belongs to a workspace of this scenario");
        return;
    };
    let untold = Untold::new(case);
    untold.note(trial);
    let (mut from_nothing, mut lost, mut judged) = (0, 0, 0);
    for book in books.iter().filter(|book| !untold.contains(book.workspace)) {
        judged += 1;
        if book.moves > 0 || case.buys_of(book.workspace).next().is_some() {
            trial.saw(1);
        }
        let gifts = book.unexplained_gifts();
        if gifts != 0 {
            from_nothing += gifts.max(0);
            trial.found(|| gift(case, book, gifts).end());
        }
        let surplus = book.surplus();
        if surplus != 0 {
            if case.quiet() {
                from_nothing += surplus.max(0);
                lost += (-surplus).max(0);
            }
            trial.disagree(case.quiet(), || mismatch(case, book, surplus).end());
        }
    }
    trial.fact(format!("{} added up", counted(judged, "workspace")));
    let left_out = books.iter().filter(|book| untold.only_earns(book.workspace)).count();
    if left_out > 0 {
        trial.fact(format!("{} left out: commissions are not mapped", counted(left_out, "partner")));
    }
    trial.stake(Loss::CreditsFromNothing, from_nothing);
    trial.stake(Loss::CreditsLost, lost);
}

fn gift<'a>(case: &Case<'a>, book: &Book<'a>, gifts: i128) -> Tale<'a> {
    let who = book.workspace;
    let summary = match gifts {
        more if more > 0 => format!("{who} was given {more} credits that nobody paid for or promised"),
        less => format!("{who} was given {} credits less than its starting balance of {}", -less, book.opening),
    };
    let gifts_to = case.grants_of(who).iter().filter(|row| row.session.is_none());
    let tale = Tale::new(case.history, summary)
        .rows(gifts_to.map(|row| rows::grant(row)))
        .calls(case.buys_of(who).map(|buy| buy.call));
    if gifts > 0 { tale.stake(Loss::CreditsFromNothing, gifts) } else { tale }
}

fn mismatch<'a>(case: &Case<'a>, book: &Book<'a>, surplus: i128) -> Tale<'a> {
    let (who, balance) = (book.workspace, book.balance);
    let summary = match surplus {
        more if more > 0 => format!("{who} owns {balance} credits, {more} more than it was given, paid for or earned"),
        less => format!("{who} owns {balance} credits, {} fewer than it should: they went into nothing", -less),
    };
    let mut calls: Vec<_> = case.buys_of(who).map(|buy| buy.call).collect();
    calls.sort_by_key(|call| if surplus > 0 { 2 - suspicion(call) } else { suspicion(call) });
    let grants = case.grants_of(who).iter();
    let sessions = grants.clone().filter_map(|row| row.session.as_deref());
    calls.extend(sessions.flat_map(|session| case.calls_about(session)));
    let tale = Tale::new(case.history, summary)
        .calls(calls)
        .rows([book.sum()])
        .rows(book.accounts.iter().map(|account| rows::account(account)))
        .rows(grants.map(|row| rows::grant(row)))
        .rows(case.purchases_of(who).iter().map(|row| rows::purchase(row)));
    if surplus > 0 { tale.stake(Loss::CreditsFromNothing, surplus) } else { tale.stake(Loss::CreditsLost, -surplus) }
}

/// What staff gave or took was asked for, in sum: an adjustment whose answer is unclear may have happened or not.
fn adjusted(case: &Case<'_>, trial: &mut Trial) {
    let rows = grouped(case.database().adjustments.iter().flatten(), |row| Some(&row.workspace));
    for (who, rows) in rows {
        let Some(workspace) = case.workspace(who) else { continue };
        let asked: Vec<(&Call, i64)> = asked_of_staff(case, workspace).collect();
        let (least, most) = due(&asked);
        let sum: i128 = rows.iter().map(|row| i128::from(row.credits)).sum();
        trial.saw(rows.len());
        if !(least..=most).contains(&sum) {
            let summary = format!("staff's adjustments of {who} add up to {sum:+}, and {least:+} were asked for");
            let lines = rows.iter().map(|row| {
                format!(
                    "adjustment {} of {:+}: {}",
                    row.adjustment,
                    row.credits,
                    row.reason.as_deref().unwrap_or("no reason")
                )
            });
            trial.found(|| {
                Tale::new(case.history, summary).calls(asked.iter().map(|(call, _)| *call)).rows(lines).end()
            });
        }
    }
}

/// The least and the most that adjustments may add up to. Calls under one key are one adjustment, made if one of them
/// was answered ok; a refusal leaves its key to those that come after it.
fn due(asked: &[(&Call, i64)]) -> (i128, i128) {
    let mut effects: BTreeMap<(Option<String>, usize), (Outcome, i128)> = BTreeMap::new();
    for (at, (call, credits)) in asked.iter().enumerate().filter(|(_, (call, _))| call.outcome != Outcome::Fail) {
        let key = match &call.operation {
            Operation::Custom { with, .. } => with.get("key").map(ToString::to_string),
            _ => None,
        };
        let one = if key.is_some() { (key, 0) } else { (None, at) };
        let known = effects.entry(one).or_insert((call.outcome, i128::from(*credits)));
        if call.outcome == Outcome::Ok && known.0 != Outcome::Ok {
            *known = (Outcome::Ok, i128::from(*credits));
        }
    }
    effects.values().fold((0, 0), |(least, most), (outcome, credits)| match outcome {
        Outcome::Ok => (least + credits, most + credits),
        _ => (least + (*credits).min(0), most + (*credits).max(0)),
    })
}

/// Each grant for a session was ordered, by its receiver, and paid.
fn granted(case: &Case<'_>, trial: &mut Trial) {
    let ours = case.grants_by_session().iter().filter(|(session, grants)| {
        case.sessions.contains_key(*session) || grants.iter().any(|grant| case.workspace(&grant.workspace).is_some())
    });
    let (mut sessions, mut from_nothing, mut unpaid) = (0, 0, 0);
    for (session, grants) in ours {
        sessions += 1;
        let sum: i128 = grants.iter().map(|grant| i128::from(grant.credits)).sum();
        let who = &grants[0].workspace;
        let Some(known) = case.sessions.get(session) else {
            from_nothing += sum;
            let summary = format!("{who} was granted {sum} credits for {session}, a session the provider never opened");
            trial.found(|| about(case, session, grants, summary).stake(Loss::CreditsFromNothing, sum).end());
            continue;
        };
        if known.paid < known.amount {
            unpaid += sum;
            let (paid, price) = (money(known.paid, &known.currency), money(known.amount, &known.currency));
            let summary = format!("{who} was granted {sum} credits for {session}: {paid} of {price} were paid");
            trial.found(|| about(case, session, grants, summary).stake(Loss::CreditsUnpaidGranted, sum).end());
        }
        from_nothing += ordered(case, session, grants, sum, trial);
    }
    trial.saw(sessions);
    if sessions > 0 {
        trial.fact(format!("grants for {} held against the provider's ledger", counted(sessions, "session")));
        trial.stake(Loss::CreditsUnpaidGranted, unpaid);
    }
    trial.stake(Loss::CreditsFromNothing, from_nothing);
}

/// What was granted for a session went to its buyer and is no more than was ordered. Returns the excess. An
/// order whose answer never came is not known, and accuses nobody.
fn ordered(case: &Case<'_>, session: &str, grants: &[&Grant], sum: i128, trial: &mut Trial) -> i128 {
    let Some(order) = case.orders.get(session) else { return 0 };
    let excess = (sum - i128::from(order.credits)).max(0);
    if excess > 0 {
        let summary = format!("{session} was an order of {} credits, {sum} were granted for it", order.credits);
        trial.found(|| about(case, session, grants, summary).stake(Loss::CreditsFromNothing, excess).end());
    }
    if let Some(stranger) = grants.iter().find(|grant| !order.workspaces.contains(grant.workspace.as_str())) {
        let owner = order.workspaces.iter().next().copied().unwrap_or_default();
        let summary = format!(
            "{owner} ordered {session}, and {} credits for it went to {}",
            stranger.credits, stranger.workspace
        );
        trial.found(|| about(case, session, grants, summary).end());
    }
    excess
}

fn about<'a>(case: &Case<'a>, session: &str, grants: &[&Grant], summary: String) -> Tale<'a> {
    Tale::new(case.history, summary)
        .calls(case.calls_about(session))
        .rows(case.sessions.get(session).map(|known| rows::session(known)))
        .rows(grants.iter().map(|grant| rows::grant(grant)))
}

/// Every transfer sums to zero, where the target keeps two sides of each; every balance is the sum of its entries.
fn double_entry(case: &Case<'_>, accounts: &[Account], entries: &Entries<'_>, trial: &mut Trial) {
    let whole: i128 = entries.by_transfer.iter().map(|(_, sum)| sum).sum();
    trial.fact(format!("{} sum to {whole}", counted(entries.by_transfer.len(), "transfer")));
    if !case.quiet() {
        return;
    }
    let two_sided = entries.two_sided();
    for (transfer, sum) in entries.by_transfer.iter().filter(|(_, sum)| two_sided && *sum != 0) {
        let lines =
            entries.of(transfer).iter().map(|entry| format!("entry {:+} on account {}", entry.amount, entry.account));
        let summary = format!("transfer {transfer} moves {sum:+} credits out of balance");
        trial.found(|| Tale::new(case.history, summary).rows(lines).end());
    }
    let known: BTreeMap<&str, &Account> = accounts.iter().map(|account| (account.id.as_str(), account)).collect();
    if accounts.is_empty() {
        return;
    }
    // A target may map its wallets and not what stands against them.
    let whole = entries.mostly_among(|account| known.contains_key(account));
    for (account, sum) in &entries.by_account {
        if whole && !known.contains_key(account) {
            let summary = format!("{sum} credits stand on account {account}, which does not exist");
            trial.found(|| Tale::new(case.history, summary).end());
        }
    }
    for account in accounts {
        let sum = entries.by_account.get(account.id.as_str()).copied().unwrap_or(0);
        let owner = account.workspace.as_deref().and_then(|workspace| case.workspace(workspace));
        // A setup may write the starting balance without an entry.
        let opening = owner.map_or(0, |workspace| i128::from(workspace.credits));
        let gap = account.balance.map_or(0, |balance| i128::from(balance) - sum);
        if gap != 0 && gap != opening {
            let who = account.workspace.as_deref().unwrap_or("the platform");
            let summary = format!("an account of {who} says {}, its entries say {sum}", sum + gap);
            trial.found(|| Tale::new(case.history, summary).rows([rows::account(account)]).end());
        }
    }
}

/// What the API says in the end is what the database holds.
fn final_reads(case: &Case<'_>, accounts: &[Account], entries: Option<&Entries<'_>>, trial: &mut Trial) {
    if !case.quiet() || accounts.is_empty() {
        return;
    }
    let mut held: BTreeMap<&str, i128> = BTreeMap::new();
    for account in accounts.iter().filter(|account| account.kind == "credits") {
        if let Some(workspace) = account.workspace.as_deref() {
            *held.entry(workspace).or_default() += ledger::held(account, entries);
        }
    }
    for call in case.history.calls.iter().filter(|call| call.phase == Phase::FinalReads && call.outcome == Outcome::Ok)
    {
        let Operation::ReadBalance { workspace } = &call.operation else { continue };
        let (Some(read), Some(held)) = (call.answer.integer("balance"), held.get(workspace.as_str())) else { continue };
        if i128::from(read) != *held {
            let summary = format!("{workspace} is told a balance of {read}, the database holds {held}");
            let of_workspace = accounts.iter().filter(|account| account.workspace.as_ref() == Some(workspace));
            trial.found(|| Tale::new(case.history, summary).calls([call]).rows(of_workspace.map(rows::account)).end());
        }
    }
}
