//! `acknowledged.durable`: what was answered is so in the end.
//!
//! An ok purchase is there. What only ever failed is not. What had no clear answer is resolved from the
//! rows, either way. And every row was asked for by its buyer; if the record of the run is cut off, a row
//! without its question may have lost it there, so that is a doubt.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use overdraft_model::{
    evidence::Purchase,
    history::Phase,
    operation::{Operation, Outcome, PayBy},
};

use crate::{
    case::{Buy, Case},
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::{counted, listed},
};

pub(crate) const ID: &str = "acknowledged.durable";

/// Purchase rows, found by what a call knows of them.
struct Found<'a> {
    by_lead: HashMap<(&'a str, &'a str), Vec<&'a Purchase>>,
    by_key: HashMap<(&'a str, &'a str), Vec<&'a Purchase>>,
}

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let database = case.database();
    if !case.buys.is_empty() || database.purchases.as_ref().is_some_and(|rows| !rows.is_empty()) {
        let purchases = trial.need("purchases", database.purchases.as_ref());
        if database.purchases.is_some() {
            let rows = find(purchases);
            acknowledged(case, &rows, &mut trial);
            unclear(case, &rows, &mut trial);
            refused_or_unasked(case, &rows, &mut trial);
        }
    }
    payments(case, &mut trial);
    trial
}

fn find(purchases: &[Purchase]) -> Found<'_> {
    let room = purchases.len();
    let mut found = Found { by_lead: HashMap::with_capacity(room), by_key: HashMap::with_capacity(room) };
    for row in purchases {
        found.by_lead.entry((&row.workspace, &row.lead)).or_default().push(row);
        if let Some(key) = row.key.as_deref() {
            found.by_key.entry((&row.workspace, key)).or_default().push(row);
        }
    }
    found
}

/// Every purchase that was answered ok is there, with all its leads.
fn acknowledged(case: &Case<'_>, rows: &Found<'_>, trial: &mut Trial) {
    let mut told = BTreeSet::new();
    let (mut oks, mut lost) = (0, 0);
    for buy in case.buys.iter().filter(|buy| buy.call.outcome == Outcome::Ok) {
        oks += 1;
        let there = |lead: &str| {
            let of_lead = rows.by_lead.get(&(buy.workspace, lead)).into_iter().flatten();
            let id = |id| case.bundles.id(buy.workspace, id);
            of_lead.clone().any(|row| buy.purchase.as_deref().is_none_or(|named| id(named) == id(&row.purchase)))
        };
        let gone: Vec<&String> = buy.leads.iter().filter(|lead| !there(lead)).collect();
        if gone.is_empty() || replayed(case, buy) || !told.insert((buy.workspace, buy.key, buy.purchase.clone())) {
            continue;
        }
        lost += 1;
        let name = buy.purchase.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        let gone = listed(gone, 3);
        let summary = format!("{} was told that it bought {gone}{name}, and there is no such purchase", buy.workspace);
        let same_key = case.buys_of(buy.workspace).filter(|other| other.key == buy.key).map(|other| other.call);
        let of_leads = buy.leads.iter().filter_map(|lead| rows.by_lead.get(&(buy.workspace, lead.as_str()))).flatten();
        let tale = || {
            Tale::new(case.history, summary)
                .stake(Loss::PurchasesLost, 1)
                .calls([buy.call])
                .calls(same_key)
                .rows(of_leads.map(|row| rows::purchase(row)))
        };
        trial.found(|| tale().end());
    }
    trial.saw(oks);
    if oks > 0 {
        trial.fact(format!("{} answered ok", counted(oks, "purchase")));
        trial.stake(Loss::PurchasesLost, lost);
    }
}

/// Whether an ok repeats what another call under its key was told, of a purchase that is there: a service may answer a
/// key that it knows as before, whatever is asked for under it.
fn replayed(case: &Case<'_>, buy: &Buy<'_>) -> bool {
    let Some(id) = buy.purchase.as_deref().filter(|_| case.manifest.stated.keyed != Some(false)) else { return false };
    let bought = |leads: &[String]| {
        let rows = case.purchases_of(buy.workspace);
        leads.iter().all(|lead| rows.iter().any(|row| row.purchase == id && row.lead == *lead))
    };
    let before = |other: &&Buy<'_>| other.call.start < buy.call.end.unwrap_or(u64::MAX);
    case.buys_of(buy.workspace)
        .filter(|other| other.key == buy.key && other.call.op != buy.call.op && other.call.outcome == Outcome::Ok)
        .filter(before)
        .any(|other| other.purchase.as_deref() == Some(id) && bought(other.leads))
}

/// Each purchase without a clear answer happened or did not; the rows decide.
fn unclear(case: &Case<'_>, rows: &Found<'_>, trial: &mut Trial) {
    let keys_kept = !rows.by_key.is_empty();
    let (mut happened, mut not) = (0, 0);
    for buy in case.buys.iter().filter(|buy| buy.call.outcome == Outcome::Info) {
        let there = match keys_kept {
            true => rows.by_key.contains_key(&(buy.workspace, buy.key)),
            false => buy.leads.iter().all(|lead| rows.by_lead.contains_key(&(buy.workspace, lead.as_str()))),
        };
        if there { happened += 1 } else { not += 1 }
    }
    trial.saw(happened + not);
    if happened + not > 0 {
        trial.fact(format!(
            "{} without a clear answer: {happened} happened, {not} did not",
            counted(happened + not, "purchase")
        ));
    }
}

/// No row for a key or a lead that only ever failed, and none that nobody asked for.
fn refused_or_unasked(case: &Case<'_>, rows: &Found<'_>, trial: &mut Trial) {
    let mut possible_keys: HashSet<(&str, &str)> = HashSet::with_capacity(case.buys.len());
    let mut possible_leads: HashSet<(&str, &str)> = HashSet::with_capacity(case.buys.len());
    for buy in case.buys.iter().filter(|buy| buy.call.outcome != Outcome::Fail) {
        possible_keys.insert((buy.workspace, buy.key));
        possible_leads.extend(buy.leads.iter().map(|lead| (buy.workspace, lead.as_str())));
    }
    let mut refused: HashMap<(&str, &str), Vec<&Buy<'_>>> = HashMap::new();
    for buy in case.buys.iter().filter(|buy| !possible_keys.contains(&(buy.workspace, buy.key))) {
        refused.entry((buy.workspace, buy.key)).or_default().push(buy);
    }
    trial.saw(refused.len());
    if !refused.is_empty() {
        trial.fact(format!("{} refused", counted(refused.len(), "key")));
    }
    let ours =
        rows.by_lead.iter().filter(|((who, lead), _)| case.workspace(who).is_some() || case.lead(lead).is_some());
    let mut strange = BTreeMap::new();
    for ((who, lead), of_lead) in ours {
        trial.saw(1);
        let by_refused_key = of_lead.iter().find_map(|row| refused.get(&(who, row.key.as_deref().unwrap_or_default())));
        let asked: Vec<&Buy<'_>> = match by_refused_key {
            Some(buys) => buys.clone(),
            None if possible_leads.contains(&(*who, *lead)) => continue,
            None => case.buys_for(lead).filter(|buy| buy.workspace == *who).collect(),
        };
        strange.insert((*who, *lead), (of_lead, asked));
    }
    for ((who, lead), (of_lead, asked)) in strange {
        unexplained(case, who, lead, of_lead, &asked, trial);
    }
}

fn unexplained(case: &Case<'_>, who: &str, lead: &str, of_lead: &[&Purchase], asked: &[&Buy<'_>], trial: &mut Trial) {
    if !case.history.reached(Phase::Done) {
        // What is missing may be the question, or a later one under the same key that was not refused.
        let doubt = match asked.is_empty() {
            true => "the record of the run is cut off, and a purchase has no question in it",
            false => "the record of the run is cut off, and a purchase has only questions in it that were refused",
        };
        trial.doubt(doubt);
        return;
    }
    let paid: i128 = of_lead.iter().map(|row| i128::from(row.price)).sum();
    let summary = match asked.first() {
        Some(buy) => {
            format!("{who} was refused {lead} ({}), and bought it all the same for {paid} credits", buy.call.answer)
        }
        None => format!("{who} bought {lead} for {paid} credits, and nobody asked for it"),
    };
    let tale = || {
        Tale::new(case.history, summary)
            .calls(asked.iter().map(|buy| buy.call))
            .rows(of_lead.iter().map(|row| rows::purchase(row)))
    };
    trial.found(|| tale().end());
}

/// What was ordered and paid is in the provider's ledger. A payment that is not would be the simulator's
/// own fault, so it is a doubt and no accusation.
fn payments(case: &Case<'_>, trial: &mut Trial) {
    let (mut unclear, mut paid) = (0, 0);
    for call in &case.history.calls {
        match (&call.operation, call.outcome) {
            (Operation::Pay { session, by: PayBy::Card, .. }, Outcome::Ok) => {
                paid += 1;
                if case.sessions.get(session.as_str()).is_none_or(|known| known.paid < known.amount) {
                    trial.doubt(format!("{session} was paid, and the provider's simulator has no record of it"));
                }
            }
            (Operation::Pay { by: PayBy::Card, .. }, Outcome::Info) => unclear += 1,
            (Operation::BuyCredits { workspace, credits, .. }, Outcome::Ok) => {
                let Some(session) = call.answer.text("session") else { continue };
                trial.saw(1);
                if !case.sessions.contains_key(session) {
                    let summary = format!(
                        "{workspace} was sent to {session} to pay for {credits} credits, which the provider never opened"
                    );
                    trial.found(|| Tale::new(case.history, summary).calls([call]).end());
                }
            }
            _ => {}
        }
    }
    trial.saw(paid);
    if paid + unclear > 0 {
        trial.fact(format!("{} held against the provider's ledger", counted(paid + unclear, "payment")));
    }
}
