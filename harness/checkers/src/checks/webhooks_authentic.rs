//! `webhooks.authentic`: forged webhooks are refused or ignored, and change nothing.
//!
//! An answer of 2xx says 'accepted'. For a body that cannot be verified that is a violation by itself; an
//! event that is truly signed but from the other mode may be acknowledged and ignored, as Stripe documents.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::Delivery,
    history::Call,
    operation::{Forgery, Operation, Outcome},
};

use crate::{case::Case, money::Loss, rows, story::Tale, trial::Trial, words::counted};

pub(crate) const ID: &str = "webhooks.authentic";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let mut by_kind: BTreeMap<Forgery, Vec<&Delivery>> = BTreeMap::new();
    for delivery in &case.provider().deliveries {
        if let Some(forgery) = delivery.forgery {
            by_kind.entry(forgery).or_default().push(delivery);
        }
    }
    let forged: usize = by_kind.values().map(Vec::len).sum();
    if forged == 0 {
        return trial;
    }
    let answered = by_kind.values().flatten().filter(|delivery| delivery.status.is_some()).count();
    trial.saw(answered);
    trial.fact(format!(
        "{} answered of {forged}, {}",
        counted(answered, "forged delivery"),
        counted(by_kind.len(), "kind")
    ));
    for (kind, deliveries) in &by_kind {
        accepted(case, *kind, deliveries, &mut trial);
    }
    trial.need("grants", case.database().grants.as_ref());
    effects(case, &mut trial);
    trial
}

/// What cannot be verified must not be answered 2xx.
fn accepted(case: &Case<'_>, kind: Forgery, deliveries: &[&Delivery], trial: &mut Trial) {
    let accepted: Vec<_> = deliveries
        .iter()
        .filter(|delivery| delivery.status.is_some_and(|status| (200..300).contains(&status)))
        .collect();
    if accepted.is_empty() || kind == Forgery::WrongMode {
        return;
    }
    let summary = format!(
        "{} of {} ({}) were accepted with 2xx",
        accepted.len(),
        counted(deliveries.len(), "forged webhook"),
        kind.describe()
    );
    let tale = || {
        Tale::new(case.history, summary)
            .calls(accepted.iter().filter_map(|delivery| case.call(delivery.op)))
            .rows(accepted.iter().map(|delivery| rows::delivery(delivery)))
    };
    trial.found(|| tale().end());
}

/// No session that a forged webhook spoke of was granted unpaid, or beyond its order, where no authentic
/// webhook can have done it.
fn effects(case: &Case<'_>, trial: &mut Trial) {
    let forged = case.history.calls.iter().filter_map(|call| match &call.operation {
        Operation::DeliverWebhook { session: Some(session), forgery: Some(kind), .. } => {
            Some((session.as_str(), (*kind, call)))
        }
        _ => None,
    });
    let mut by_session: BTreeMap<&str, Vec<(Forgery, &Call)>> = BTreeMap::new();
    for (session, forgery) in forged {
        by_session.entry(session).or_default().push(forgery);
    }
    let mut unpaid = 0;
    for (session, forgeries) in &by_session {
        let Some(grants) = case.grants_by_session().get(session) else { continue };
        let sum: i128 = grants.iter().map(|grant| i128::from(grant.credits)).sum();
        let who = &grants[0].workspace;
        let paid = case.sessions.get(session).is_some_and(|known| known.paid >= known.amount);
        let excess = case.orders.get(session).map_or(0, |order| sum - i128::from(order.credits));
        if !suspected(case, session, forgeries, paid) || (paid && excess <= 0) {
            continue;
        }
        let (loss, amount) = if paid { (Loss::CreditsFromNothing, excess) } else { (Loss::CreditsUnpaidGranted, sum) };
        unpaid += if paid { 0 } else { sum };
        let why = if paid { format!("{excess} more than ordered") } else { "which is not paid".to_owned() };
        let summary = format!("{who} was granted {sum} credits after a forged webhook for {session}, {why}");
        let accepted = forgeries.iter().map(|(_, call)| *call).filter(|call| call.outcome == Outcome::Ok);
        let tale = || {
            Tale::new(case.history, summary)
                .stake(loss, amount)
                .calls(accepted)
                .calls(case.calls_about(session))
                .rows(case.sessions.get(session).map(|known| rows::session(known)))
                .rows(grants.iter().map(|grant| rows::grant(grant)))
        };
        trial.found(|| tale().end());
    }
    if !by_session.is_empty() {
        trial.fact(format!("{} spoken of", counted(by_session.len(), "session")));
        trial.stake(Loss::CreditsUnpaidGranted, unpaid);
    }
}

/// Whether a forged webhook rather than an authentic one must have granted a session. One that was refused
/// is suspected only where nothing authentic was delivered. Too much for a paid session may come from an
/// authentic webhook that counted twice, so an event of the other mode, which may be acknowledged, is no
/// suspect there.
fn suspected(case: &Case<'_>, session: &str, forgeries: &[(Forgery, &Call)], paid: bool) -> bool {
    let authentic = |call: &Call| matches!(call.operation, Operation::DeliverWebhook { forgery: None, .. });
    if !case.calls_about(session).into_iter().any(authentic) {
        return true;
    }
    let passed = |call: &Call| call.outcome != Outcome::Fail;
    forgeries.iter().any(|(kind, call)| passed(call) && !(paid && *kind == Forgery::WrongMode))
}
