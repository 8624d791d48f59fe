//! Rows of evidence as text, so that a reader can look them up where they are kept.

use overdraft_model::evidence::{
    Account, Commission, DeadLetter, Delivery, Email, Grant, Job, Lead, Purchase, Reversal, Session,
};

use crate::words::money;

/// A row of the purchases.
pub(crate) fn purchase(row: &Purchase) -> String {
    let key = row.key.as_deref().map(|key| format!(" (key {key})")).unwrap_or_default();
    format!("purchase {}: {} bought {} for {}{key}", row.purchase, row.workspace, row.lead, row.price)
}

/// A row of the grants.
pub(crate) fn grant(row: &Grant) -> String {
    let why = row.session.as_deref().map_or("a gift".to_owned(), |session| format!("for {session}"));
    format!("grant {}: {} received {}, {why}", row.grant, row.workspace, row.credits)
}

/// A row of the reversals.
pub(crate) fn reversal(row: &Reversal) -> String {
    let why = row.refund.as_deref().map_or(String::new(), |refund| format!(", for {refund}"));
    match row.credits {
        taken if taken >= 0 => format!("reversal {}: {taken} taken back from {}{why}", row.reversal, row.workspace),
        given => format!("reversal {}: {} given again to {}{why}", row.reversal, -given, row.workspace),
    }
}

/// A row of the accounts.
pub(crate) fn account(row: &Account) -> String {
    let owner = row.workspace.as_deref().unwrap_or("the platform");
    match row.balance {
        Some(balance) => format!("account {} ({}) of {owner}: {balance}", row.id, row.kind),
        None => format!("account {} ({}) of {owner}", row.id, row.kind),
    }
}

/// A row of the leads.
pub(crate) fn lead(row: &Lead) -> String {
    let limit = row.max_sales.map_or("no limit".to_owned(), |limit| format!("max_sales {limit}"));
    format!("lead {}: sold_count {}, {limit}", row.lead, row.sold_count)
}

/// A row of the commissions.
pub(crate) fn commission(row: &Commission) -> String {
    let due = row.due.map(|due| format!(", due {due}")).unwrap_or_default();
    format!("commission on {} of {}: {} earned {}{due}", row.lead, row.purchase, row.workspace, row.amount)
}

/// A session in the provider's ledger.
pub(crate) fn session(row: &Session) -> String {
    format!("session {}: {} of {} paid", row.session, money(row.paid, &row.currency), money(row.amount, &row.currency))
}

/// An accepted email.
pub(crate) fn email(row: &Email) -> String {
    let key = row.key.as_deref().map_or("no key".to_owned(), |key| format!("key {key}"));
    let lost = if row.answer_lost { ", its answer was lost" } else { "" };
    format!("email to {} about {} accepted ({key}{lost})", row.recipient, row.event)
}

/// A dead letter.
pub(crate) fn dead_letter(row: &DeadLetter) -> String {
    let reason = row.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("dead letter {} about {}{reason}", row.kind, row.subject)
}

/// A job that is not done.
pub(crate) fn job(row: &Job) -> String {
    format!("job {} ({}): {} after {} attempts", row.job, row.kind, row.state, row.attempts)
}

/// A webhook delivery.
pub(crate) fn delivery(row: &Delivery) -> String {
    let kind = row.forgery.map(|forgery| format!(", {}", forgery.describe())).unwrap_or_default();
    let answer = row.status.map_or("no answer".to_owned(), |status| format!("answered {status}"));
    format!("delivery of {} attempt {}{kind}: {answer}", row.event, row.attempt)
}
