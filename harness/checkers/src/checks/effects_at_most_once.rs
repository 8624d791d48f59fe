//! `effects.at-most-once`: no purchase, grant, commission or email happens twice.
//!
//! Keys belong to the workspace that sent them: two workspaces may use the same one. Only emails that a
//! purchase or a grant promised are counted, because the fallback for an email without an event is its
//! subject line, and two customers may well get the same one twice for two purchases.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use overdraft_model::{
    evidence::{Commission, Email, Grant, Purchase},
    operation::Outcome,
};

use crate::{
    case::{Buy, Case},
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::{counted, listed},
};

pub(crate) const ID: &str = "effects.at-most-once";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let database = case.database();
    let purchases = match case.buys.is_empty() {
        true => database.purchases.as_deref().unwrap_or_default(),
        false => trial.need("purchases", database.purchases.as_ref()),
    };
    let ours: Vec<&Purchase> = purchases.iter().filter(|row| case.workspace(&row.workspace).is_some()).collect();
    bought(case, &ours, &mut trial);
    let grants = match case.sells_credits {
        true => trial.need("grants", database.grants.as_ref()),
        false => database.grants.as_deref().unwrap_or_default(),
    };
    granted(case, &mut trial);
    earned(case, database.commissions.as_deref().unwrap_or_default(), &mut trial);
    emailed(case, &ours, grants, &mut trial);
    trial
}

/// One purchase per buyer and lead, and per key.
fn bought(case: &Case<'_>, purchases: &[&Purchase], trial: &mut Trial) {
    let mut by_lead: HashMap<(&str, &str), Vec<&Purchase>> = HashMap::with_capacity(purchases.len());
    let mut by_key: HashMap<(&str, &str), Vec<&Purchase>> = HashMap::with_capacity(purchases.len());
    for row in purchases {
        by_lead.entry((&row.workspace, &row.lead)).or_default().push(row);
        if let Some(key) = row.key.as_deref() {
            by_key.entry((&row.workspace, key)).or_default().push(row);
        }
    }
    trial.saw(by_lead.len());
    let mut doubled = 0;
    let mut told: BTreeSet<(&str, &str)> = BTreeSet::new();
    for ((who, lead), rows) in several(&by_lead) {
        let extra = rows.len() - 1;
        doubled += extra;
        told.extend(rows.iter().filter_map(|row| Some((*who, row.key.as_deref()?))));
        let paid: i128 = rows.iter().map(|row| i128::from(row.price)).sum();
        let summary = format!("{who} bought {lead} {} times and paid {paid} credits for it", rows.len());
        let mut calls: Vec<_> = case.buys_for(lead).filter(|buy| buy.workspace == *who).collect();
        told.extend(calls.iter().map(|buy| (*who, buy.key)));
        calls.sort_by_key(|buy| buy.call.outcome);
        let tale = || {
            Tale::new(case.history, summary)
                .stake(Loss::PurchasesDoubled, extra as i128)
                .calls(calls.iter().map(|buy| buy.call))
                .rows(rows.iter().map(|row| rows::purchase(row)))
        };
        trial.found(|| tale().end());
    }
    doubled += keys(case, &by_key, &told, trial);
    if !purchases.is_empty() || case.buys.iter().any(|buy| buy.call.outcome == Outcome::Ok) {
        trial.fact(format!("{} of a lead by a buyer", counted(by_lead.len(), "purchase")));
        trial.stake(Loss::PurchasesDoubled, doubled as i128);
    }
}

/// One purchase per key, by the rows and by the answers. Returns how many were too many. A target that takes no keys
/// promises nothing about them.
fn keys(
    case: &Case<'_>,
    by_key: &HashMap<(&str, &str), Vec<&Purchase>>,
    told: &BTreeSet<(&str, &str)>,
    trial: &mut Trial,
) -> usize {
    if !case.keyed {
        return 0;
    }
    let mut calls: HashMap<(&str, &str), Vec<&Buy<'_>>> = HashMap::with_capacity(case.buys.len());
    for buy in &case.buys {
        calls.entry((buy.workspace, buy.key)).or_default().push(buy);
    }
    trial.saw(calls.values().filter(|buys| buys.len() > 1).count());
    // Nearly every key has one purchase; only the others are put in order and looked at closely.
    let differ = |key: &(&str, &str), buys: &[&Buy<'_>]| {
        let mut ids = by_key
            .get(key)
            .into_iter()
            .flatten()
            .map(|row| row.purchase.as_str())
            .chain(buys.iter().filter_map(|buy| answered(buy)))
            .map(|id| case.bundles.id(key.0, id));
        let first = ids.next();
        ids.any(|id| Some(id) != first)
    };
    let suspects: BTreeMap<_, _> =
        calls.iter().filter(|(key, buys)| !told.contains(*key) && differ(key, buys)).collect();
    let mut doubled = 0;
    for (key, buys) in suspects {
        let rows = by_key.get(key).map_or(&[][..], Vec::as_slice);
        let id = |id| case.bundles.id(key.0, id);
        let mut ids: BTreeSet<&str> = rows.iter().map(|row| id(row.purchase.as_str())).collect();
        let kept = ids.len();
        ids.extend(buys.iter().filter_map(|buy| answered(buy)).map(id));
        if ids.len() < 2 {
            continue;
        }
        doubled += kept.max(1) - 1;
        let (who, key) = key;
        let summary = format!(
            "{who} sent key {key} once or more and got {}: {}",
            counted(ids.len(), "purchase"),
            listed(&ids, 3)
        );
        let mut calls: Vec<_> = buys.iter().map(|buy| buy.call).collect();
        calls.sort_by_key(|call| call.outcome);
        let tale = || Tale::new(case.history, summary).calls(calls).rows(rows.iter().map(|row| rows::purchase(row)));
        trial.found(|| tale().stake(Loss::PurchasesDoubled, (kept.max(1) - 1) as i128).end());
    }
    doubled
}

/// The purchase that an ok names.
fn answered<'b>(buy: &'b Buy<'_>) -> Option<&'b str> {
    buy.purchase.as_deref().filter(|_| buy.call.outcome == Outcome::Ok)
}

/// Groups of more than one, in the order of their names.
fn several<K: Ord, T>(groups: &HashMap<K, Vec<T>>) -> BTreeMap<&K, &Vec<T>> {
    groups.iter().filter(|(_, group)| group.len() > 1).collect()
}

/// One grant per session: never more credits than were ordered, however many rows they came in.
fn granted(case: &Case<'_>, trial: &mut Trial) {
    for (session, grants) in case.grants_by_session() {
        let Some(order) = case.orders.get(session) else { continue };
        trial.saw(1);
        let sum: i128 = grants.iter().map(|grant| i128::from(grant.credits)).sum();
        let extra = sum - i128::from(order.credits);
        if grants.len() < 2 || extra <= 0 {
            continue;
        }
        let who = &grants[0].workspace;
        let summary = format!(
            "{who} paid {session} once for {} credits and was granted {sum} in {}",
            order.credits,
            counted(grants.len(), "grant")
        );
        let tale = || {
            Tale::new(case.history, summary)
                .stake(Loss::CreditsFromNothing, extra)
                .calls(case.calls_about(session))
                .rows(grants.iter().map(|grant| rows::grant(grant)))
        };
        trial.found(|| tale().end());
    }
}

/// One commission per sale.
fn earned(case: &Case<'_>, commissions: &[Commission], trial: &mut Trial) {
    let mut by_sale: HashMap<(&str, &str), Vec<&Commission>> = HashMap::with_capacity(commissions.len());
    for row in commissions.iter().filter(|row| case.lead(&row.lead).is_some()) {
        by_sale.entry((&row.purchase, &row.lead)).or_default().push(row);
    }
    trial.saw(by_sale.len());
    for ((purchase, lead), rows) in several(&by_sale) {
        let sum: i128 = rows.iter().map(|row| i128::from(row.amount)).sum();
        let summary =
            format!("{lead} was sold once as {purchase} and earned {} commissions, {sum} credits", rows.len());
        let calls = case.buys_for(lead).filter(|buy| buy.purchase.as_deref() == Some(*purchase)).map(|buy| buy.call);
        let tale = || Tale::new(case.history, summary).calls(calls).rows(rows.iter().map(|row| rows::commission(row)));
        trial.found(|| tale().end());
    }
}

/// One email per promised event and recipient. The provider absorbs repeats under one key, so two accepted
/// emails are two in the mailbox.
fn emailed(case: &Case<'_>, purchases: &[&Purchase], grants: &[Grant], trial: &mut Trial) {
    let confirmations = purchases
        .iter()
        .filter_map(|row| Some((row.confirmation.as_deref()?, (row.workspace.as_str(), Some(row.lead.as_str())))));
    let receipts = grants.iter().filter_map(|row| Some((row.receipt.as_deref()?, (row.workspace.as_str(), None))));
    let promised: HashMap<&str, (&str, Option<&str>)> = confirmations.chain(receipts).collect();
    let mut sent: HashMap<(&str, &str), Vec<&Email>> = HashMap::with_capacity(promised.len());
    for email in case.evidence.email.accepted.iter().filter(|email| promised.contains_key(email.event.as_str())) {
        sent.entry((&email.event, &email.recipient)).or_default().push(email);
    }
    trial.saw(sent.len());
    let mut doubled = 0;
    for ((event, recipient), emails) in several(&sent) {
        let extra = emails.len() - 1;
        doubled += extra;
        let keys: BTreeSet<_> = emails.iter().map(|email| email.key.as_deref().unwrap_or("none")).collect();
        let why = if emails.iter().any(|email| email.answer_lost) { ", after an answer was lost" } else { "" };
        let summary = format!(
            "{recipient} got {} emails about {event}{why}: sent again under {} ({})",
            emails.len(),
            if keys.len() > 1 { "other keys" } else { "no key that would tell" },
            listed(&keys, 3)
        );
        let (workspace, lead) = promised.get(event).copied().unwrap_or_default();
        let bought = lead.into_iter().flat_map(|lead| case.buys_for(lead));
        let bought = bought.filter(|buy| buy.workspace == workspace && buy.call.outcome != Outcome::Fail);
        let tale = || {
            Tale::new(case.history, summary)
                .stake(Loss::EmailsDoubled, extra as i128)
                .calls(bought.map(|buy| buy.call))
                .rows(emails.iter().map(|email| rows::email(email)))
        };
        trial.found(|| tale().end());
    }
    if !sent.is_empty() {
        trial.fact(format!("{} to a recipient about an event", counted(sent.len(), "email")));
        trial.stake(Loss::EmailsDoubled, doubled as i128);
    }
}
