//! Three ledgers held against each other, to the credit and the cent: what the target's database holds, what the
//! payment provider's ledger says, and what the email sink received; and each unclear answer resolved from them.
//!
//! Unexplained is whatever the others do not account for, in either direction, each difference once. It is the sum of
//! what the checks tell one by one, so that one number says whether the books close. There is no number where a table is
//! missing that the sum needs, or where the target was still busy.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use overdraft_model::{
    evidence::Session,
    history::Call,
    operation::{Operation, Outcome},
    verdict::{MoneySum, Reconciliation},
};

use crate::{
    case::{Case, grouped},
    clawback,
    ledger::{self, Entries},
    money::{Loss, Money},
    untold::Untold,
    words::mentions,
};

/// Unclear answers that are listed one by one.
const LISTED: usize = 20;

/// Adds it all up; `money` is what the checks counted.
pub(crate) fn reconcile(case: &Case<'_>, money: &Money) -> Option<Reconciliation> {
    let database = case.database();
    let told = database.accounts.is_some() && database.purchases.is_some();
    let sold = !case.sells_credits || database.grants.is_some();
    let untold = Untold::new(case);
    if !(case.quiet() && told && sold) || untold.leaves_open() {
        return None;
    }
    let mut sum = Reconciliation::default();
    books(case, &untold, &mut sum)?;
    provider(case, &mut sum);
    sum.emails = money.amount(Loss::EmailsLost).saturating_add(money.amount(Loss::EmailsDoubled));
    sum.emails_of = case.evidence.email.accepted.len() as u64;
    unclear(case, &mut sum);
    Some(sum)
}

/// Each workspace owns what the rows that moved its credits say.
fn books(case: &Case<'_>, untold: &Untold<'_>, sum: &mut Reconciliation) -> Option<()> {
    let entries = case.database().entries.as_deref().map(Entries::new);
    let (mut unexplained, mut of) = (0_i128, 0_i128);
    for book in ledger::books(case, entries.as_ref())?.iter().filter(|book| !untold.contains(book.workspace)) {
        unexplained += book.surplus().abs() + book.unexplained_gifts().abs();
        of += book.start() + book.granted + book.earned + book.spent;
        of += book.adjusted.abs() + book.reversed.abs() + book.expired;
    }
    sum.credits += narrow(unexplained);
    sum.credits_of += narrow(of);
    Some(())
}

/// Each payment is worth the credits that were granted for it, less those taken back for money that is away.
fn provider(case: &Case<'_>, sum: &mut Reconciliation) {
    let refunds = grouped(&case.provider().refunds, |refund| refund.session.as_deref());
    let disputes = grouped(&case.provider().disputes, |dispute| dispute.session.as_deref());
    let mut money: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    let (mut credits, mut owed): (i128, BTreeMap<&str, (i128, i128, &Session)>) = (0, BTreeMap::new());
    for (id, session) in &case.sessions {
        let (paid, amount) = (i128::from(session.paid), i128::from(session.amount));
        let (unexplained, of) = money.entry(&session.currency).or_default();
        *of += paid;
        let Some(order) = case.orders.get(id) else {
            // An order whose answer never came: what was granted for it is all that is known of it.
            let granted = case.grants_by_session().contains_key(id);
            *unexplained += if granted || handed(case, session) { 0 } else { paid };
            continue;
        };
        let ordered = i128::from(order.credits);
        let granted = granted(case, id);
        let due = if paid > 0 && paid >= amount { ordered } else { 0 };
        if granted < due && handed(case, session) {
            continue;
        }
        credits += (granted - due).abs();
        *unexplained += worth((granted - due).abs(), amount, ordered);
        let refunds = refunds.get(id).map_or(&[][..], Vec::as_slice);
        let disputes = disputes.get(id).map_or(&[][..], Vec::as_slice);
        let (least, most) = clawback::owed(session, refunds, disputes, ordered);
        if let Some(who) = order.workspaces.first() {
            let known = owed.entry(who).or_insert((0, 0, session));
            (known.0, known.1) = (known.0 + least, known.1 + most);
        }
    }
    if let Some(rows) = &case.database().reversals {
        let reversed = grouped(rows, |row| Some(&row.workspace));
        for (who, (least, most, session)) in owed {
            let taken: i128 = reversed.get(who).into_iter().flatten().map(|row| i128::from(row.credits)).sum();
            let apart = (least - taken).max(taken - most).max(0);
            let ordered = case.orders.get(session.session.as_str()).map_or(0, |order| i128::from(order.credits));
            credits += apart;
            money.entry(&session.currency).or_default().0 += worth(apart, i128::from(session.amount), ordered);
        }
    }
    for (session, grants) in case.grants_by_session() {
        let ours = grants.iter().any(|grant| case.workspace(&grant.workspace).is_some());
        credits += if ours && !case.sessions.contains_key(session) { granted(case, session) } else { 0 };
    }
    sum.credits += narrow(credits);
    sum.money = money
        .into_iter()
        .map(|(currency, (unexplained, of))| MoneySum {
            currency: currency.to_owned(),
            unexplained: narrow(unexplained),
            of: narrow(of),
        })
        .collect();
}

fn granted(case: &Case<'_>, session: &str) -> i128 {
    case.grants_by_session().get(session).into_iter().flatten().map(|grant| i128::from(grant.credits)).sum()
}

/// What so many credits cost, rounded up.
fn worth(credits: i128, amount: i128, ordered: i128) -> i128 {
    if ordered == 0 { 0 } else { (credits * amount + ordered - 1) / ordered }
}

/// Whether a payment waits in the dead letters for a person who was told.
fn handed(case: &Case<'_>, session: &Session) -> bool {
    let events = case.events_about(&session.session).iter().map(|event| event.event.as_str());
    let about: BTreeSet<&str> =
        events.chain([session.session.as_str()]).chain(session.payment_intent.as_deref()).collect();
    let letters = case.database().dead_letters.iter().flatten();
    let mut letters = letters.filter(|letter| about.contains(letter.subject.as_str()));
    letters.any(|letter| case.evidence.email.alerts.iter().any(|alert| mentions(alert, &letter.subject)))
}

/// What had no clear answer happened or did not, as one of the three ledgers tells.
fn unclear(case: &Case<'_>, sum: &mut Reconciliation) {
    let mut clear: HashSet<(&str, &str, String)> = HashSet::new();
    for call in case.history.calls.iter().filter(|call| call.outcome != Outcome::Info) {
        clear.extend(key(call));
    }
    let acknowledged: HashSet<&str> =
        case.provider().events.iter().filter(|event| event.acknowledged).map(|event| event.event.as_str()).collect();
    let strangers = case.sessions.keys().any(|session| !case.orders.contains_key(session));
    for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Info && !call.operation.is_read()) {
        let resolved = match &call.operation {
            // The rows have it or not; the provider keeps its own ledger of what is done there.
            Operation::Purchase { .. }
            | Operation::Pay { .. }
            | Operation::SettlePayment { .. }
            | Operation::Refund { .. }
            | Operation::FailRefund { .. }
            | Operation::Dispute { .. }
            | Operation::MoveDispute { .. } => true,
            Operation::DeliverWebhook { event, forgery, .. } => {
                forgery.is_some() || acknowledged.contains(event.as_str())
            }
            // A session that the provider opened and no answer named may be its.
            Operation::BuyCredits { .. } => !strangers || key(call).is_some_and(|key| clear.contains(&key)),
            Operation::Custom { .. } => key(call).is_some_and(|key| clear.contains(&key)),
            Operation::ReadBalance { .. } | Operation::ReadLead { .. } => continue,
        };
        match resolved {
            true => sum.resolved += 1,
            false => {
                sum.unresolved += 1;
                if sum.unresolved_calls.len() < LISTED {
                    sum.unresolved_calls.push(format!("operation {}: {}", call.op, call.operation));
                }
            }
        }
    }
}

/// By what a repetition of a call is known: who asks, for what, under which key.
fn key(call: &Call) -> Option<(&str, &str, String)> {
    let who = call.operation.workspace().unwrap_or_default();
    match &call.operation {
        Operation::BuyCredits { key, .. } => Some((who, "buy-credits", key.clone())),
        Operation::Custom { name, with, .. } => Some((who, name, with.get("key")?.to_string())),
        _ => None,
    }
}

fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Several scenarios together; none if one of them has no number.
pub(crate) fn total<'r>(all: impl Iterator<Item = Option<&'r Reconciliation>>) -> Option<Reconciliation> {
    let mut total: Option<Reconciliation> = None;
    for one in all {
        let sum = total.get_or_insert_default();
        let one = one?;
        sum.credits = sum.credits.saturating_add(one.credits);
        sum.credits_of = sum.credits_of.saturating_add(one.credits_of);
        sum.emails = sum.emails.saturating_add(one.emails);
        (sum.emails_of, sum.resolved) = (sum.emails_of + one.emails_of, sum.resolved + one.resolved);
        sum.unresolved += one.unresolved;
        let room = LISTED.saturating_sub(sum.unresolved_calls.len());
        sum.unresolved_calls.extend(one.unresolved_calls.iter().take(room).cloned());
        for money in &one.money {
            match sum.money.iter_mut().find(|known| known.currency == money.currency) {
                Some(known) => {
                    known.unexplained = known.unexplained.saturating_add(money.unexplained);
                    known.of = known.of.saturating_add(money.of);
                }
                None => sum.money.push(money.clone()),
            }
        }
    }
    total
}
