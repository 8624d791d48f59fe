//! Credits for which the money went back: part of `credits.conserved`.
//!
//! The provider's ledger says how much of each payment is away: refunds that stand, and disputes whose funds are
//! withdrawn. As large a share of the credits must be taken back, to the credit where all of the money is away.
//! For a part, a target may round either way, and once per refund. Where no money is away, nothing may be taken.

use overdraft_model::evidence::{Dispute, Refund, Session};

use crate::{
    case::{Case, Rows, grouped},
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::{counted, money},
};

/// One payment of which money is or was away.
struct Away<'a> {
    session: &'a Session,
    /// In the currency's smallest unit.
    amount: i128,
    /// Refunds and disputes, undone ones included: each may have been rounded.
    parts: usize,
}

/// Judges every workspace that had money back.
pub(crate) fn judge(case: &Case<'_>, trial: &mut Trial) {
    let provider = case.provider();
    let refunds = grouped(&provider.refunds, |refund| refund.session.as_deref());
    let disputes = grouped(&provider.disputes, |dispute| dispute.session.as_deref());
    let away: Vec<Away<'_>> = case.sessions.values().filter_map(|session| of(session, &refunds, &disputes)).collect();
    let rows = case.database().reversals.iter().flatten();
    if away.is_empty() && !rows.clone().any(|row| case.workspace(&row.workspace).is_some()) {
        return;
    }
    let reversals = trial.need("reversals", case.database().reversals.as_ref());
    if !case.quiet() {
        return trial.doubt("the target was still busy, so what it took back is not judged");
    }
    if case.database().reversals.is_none() {
        return;
    }
    let reversed = grouped(reversals, |row| Some(&row.workspace));
    let stray = away.iter().any(|away| !case.orders.contains_key(away.session.session.as_str()));
    let (mut kept, mut lost) = (0, 0);
    for workspace in &case.world().workspaces {
        let who = workspace.name.as_str();
        let ordered = away.iter().filter_map(|away| {
            let order = case.orders.get(away.session.session.as_str())?;
            order.workspaces.contains(who).then_some((away, i128::from(order.credits)))
        });
        let ordered: Vec<_> = ordered.collect();
        let back = reversed.get(who).map_or(&[][..], Vec::as_slice);
        if ordered.is_empty() && back.is_empty() {
            continue;
        }
        trial.saw(ordered.len().max(1));
        let (least, most) = ordered
            .iter()
            .map(|(away, credits)| share(away, *credits))
            .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let taken: i128 = back.iter().map(|row| i128::from(row.credits)).sum();
        if (least..=most).contains(&taken) {
            continue;
        }
        if taken > most && stray {
            trial.doubt("money went back for an order whose answer never came: it may be why credits were taken");
            continue;
        }
        let owed = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let money: Vec<String> = ordered.iter().map(|(away, _)| told(away)).collect();
        let has = if money.is_empty() { "no money".to_owned() } else { money.join(" and ") };
        let summary = format!("{who} has {has} back, and {taken} credits were taken back instead of {owed}");
        let sessions = ordered.iter().map(|(away, _)| away.session.session.as_str());
        let tale = Tale::new(case.history, summary)
            .calls(sessions.flat_map(|session| case.calls_about(session)))
            .rows(back.iter().map(|row| rows::reversal(row)))
            .rows(money);
        if taken < least {
            kept += least - taken;
            trial.found(|| tale.stake(Loss::CreditsFromNothing, least - taken).end());
        } else {
            lost += taken - most;
            trial.found(|| tale.stake(Loss::CreditsLost, taken - most).end());
        }
    }
    trial.fact(format!("{} of which money went back", counted(away.len(), "payment")));
    trial.stake(Loss::CreditsFromNothing, kept);
    trial.stake(Loss::CreditsLost, lost);
}

fn of<'a>(session: &'a Session, refunds: &Rows<'a, Refund>, disputes: &Rows<'a, Dispute>) -> Option<Away<'a>> {
    let refunds = refunds.get(session.session.as_str()).map_or(&[][..], Vec::as_slice);
    away(session, refunds, disputes.get(session.session.as_str()).map_or(&[][..], Vec::as_slice))
}

/// The fewest and the most credits that may be taken back of a payment for so many.
pub(crate) fn owed(session: &Session, refunds: &[&Refund], disputes: &[&Dispute], credits: i128) -> (i128, i128) {
    away(session, refunds, disputes).map_or((0, 0), |away| share(&away, credits))
}

fn away<'a>(session: &'a Session, refunds: &[&Refund], disputes: &[&Dispute]) -> Option<Away<'a>> {
    let stands = refunds.iter().filter(|refund| refund.status != "failed" && refund.status != "canceled");
    let refunded: i128 = stands.map(|refund| i128::from(refund.amount)).sum();
    let withdrawn = disputes.iter().filter(|dispute| dispute.withdrawn);
    let withdrawn: i128 = withdrawn.map(|dispute| i128::from(dispute.amount)).sum();
    let parts = refunds.len() + disputes.len();
    let amount = (refunded + withdrawn).min(i128::from(session.paid));
    (parts > 0 && session.paid > 0).then_some(Away { session, amount, parts })
}

/// The fewest and the most credits that may be taken back for it.
fn share(away: &Away<'_>, credits: i128) -> (i128, i128) {
    let paid = i128::from(away.session.paid);
    if away.amount == 0 || away.amount == paid {
        let all = if away.amount == 0 { 0 } else { credits };
        return (all, all);
    }
    let exact = credits * away.amount;
    let slack = away.parts as i128 - 1;
    ((exact / paid - slack).max(0), ((exact + paid - 1) / paid + slack).min(credits))
}

fn told(away: &Away<'_>) -> String {
    let amount = money(i64::try_from(away.amount).unwrap_or(i64::MAX), &away.session.currency);
    format!("{amount} of {} for {}", money(away.session.paid, &away.session.currency), away.session.session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_money_is_all_credits_and_a_part_may_be_rounded() {
        let session: Session = Session { session: "cs".into(), amount: 999, paid: 999, ..empty() };
        for (amount, parts, expected) in
            [(0, 1, (0, 0)), (999, 3, (50, 50)), (333, 1, (16, 17)), (333, 2, (15, 18)), (998, 1, (49, 50))]
        {
            assert_eq!(share(&Away { session: &session, amount, parts }, 50), expected, "{amount} in {parts}");
        }
    }

    fn empty() -> Session {
        Session {
            session: String::new(),
            payment_intent: None,
            reference: None,
            amount: 0,
            currency: "usd".into(),
            paid: 0,
            idempotency_key: None,
        }
    }
}
