//! `webhooks.order-free`: what a payment ends in depends on what happened, not on the order in which it was told.
//!
//! Payments are alike if the provider's ledger says the same of them: what was ordered, paid, given back and disputed,
//! and which types of events told of it, all of them answered 2xx. Alike payments must end alike: in credits granted
//! and taken back, and in status. Only those count that were told in at least two orders, by the first delivery of each
//! type that was answered 2xx; they are also held against what the facts imply.
//!
//! What lies in the dead letters waits for a person, so it is not at its end.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::{
    evidence::{Dispute, Refund, Session},
    fill,
    history::Call,
    operation::{Operation, Outcome},
};

use crate::{
    case::{Case, Rows, grouped},
    clawback,
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::{counted, listed, money},
};

pub(crate) const ID: &str = "webhooks.order-free";

/// What the provider knows of a payment, and by which types of events it told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Facts<'a> {
    credits: i64,
    amount: i64,
    paid: i64,
    refunds: Vec<(i64, &'a str)>,
    disputes: Vec<(i64, &'a str, bool)>,
    told: BTreeSet<&'a str>,
    /// Whether it can be told what was taken back for this payment.
    traced: bool,
}

/// What came of a payment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct End<'a> {
    granted: i128,
    /// None where no money is away, or where it cannot be told which payment of the workspace it was taken back for.
    reversed: Option<i128>,
    statuses: Vec<&'a str>,
}

/// One payment.
struct Payment<'a> {
    session: &'a Session,
    /// Types of events in the order of their first delivery that was answered 2xx.
    order: Vec<&'a str>,
    end: End<'a>,
    /// The fewest and the most credits that may be taken back.
    owed_back: (i128, i128),
}

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    if case.orders.is_empty() || case.provider().events.is_empty() {
        return trial;
    }
    trial.need("grants", case.database().grants.as_ref());
    if !trial.complete() {
        return trial;
    }
    let books = Books::new(case);
    let mut groups: BTreeMap<Facts<'_>, Vec<Payment<'_>>> = BTreeMap::new();
    let mut left_out = 0;
    for session in case.sessions.values() {
        match books.payment(session) {
            Some((facts, payment)) => groups.entry(facts).or_default().push(payment),
            None => left_out += usize::from(case.orders.contains_key(session.session.as_str())),
        }
    }
    let (mut payments, mut orders) = (0, 0);
    for (facts, alike) in &groups {
        let told: BTreeSet<&[&str]> = alike.iter().map(|payment| payment.order.as_slice()).collect();
        if told.len() < 2 {
            continue;
        }
        payments += alike.len();
        orders += told.len();
        trial.saw(alike.len());
        books.judge(facts, alike, &mut trial);
    }
    if payments > 0 {
        trial.fact(format!(
            "{} told in {}, in {} of equal facts",
            counted(payments, "payment"),
            counted(orders, "order"),
            counted(groups.len(), "group")
        ));
    }
    if left_out > 0 {
        trial.fact(format!(
            "{} left out: not all of it was told, or a person has to look",
            counted(left_out, "payment")
        ));
    }
    trial
}

/// The rows by session.
struct Books<'c, 'a> {
    case: &'c Case<'a>,
    refunds: Rows<'a, Refund>,
    disputes: Rows<'a, Dispute>,
    /// By workspace: whether a reversal names the refund, the dispute or the charge depends on what was told first.
    reversed: BTreeMap<&'a str, i128>,
    /// How many payments of a workspace have money away.
    away: BTreeMap<&'a str, usize>,
    /// By kind and subject, the last.
    statuses: BTreeMap<(&'a str, &'a str), &'a str>,
    /// The answers to orders, by session.
    answers: BTreeMap<&'a str, &'a Call>,
    handed: BTreeSet<&'a str>,
}

impl<'c, 'a> Books<'c, 'a> {
    fn new(case: &'c Case<'a>) -> Self {
        let (provider, database) = (case.provider(), case.database());
        let mut reversed: BTreeMap<&str, i128> = BTreeMap::new();
        for row in database.reversals.iter().flatten() {
            *reversed.entry(&row.workspace).or_default() += i128::from(row.credits);
        }
        let refunds = grouped(&provider.refunds, |refund| refund.session.as_deref());
        let disputes = grouped(&provider.disputes, |dispute| dispute.session.as_deref());
        let mut away: BTreeMap<&str, usize> = BTreeMap::new();
        for session in refunds.keys().chain(disputes.keys().filter(|session| !refunds.contains_key(*session))) {
            if let Some(who) = case.buyer(session) {
                *away.entry(who).or_default() += 1;
            }
        }
        // In canonical order, so the last of each is the present one.
        let statuses = database.statuses.iter().flatten();
        Self {
            case,
            refunds,
            disputes,
            reversed,
            away,
            statuses: statuses.map(|row| ((row.kind.as_str(), row.subject.as_str()), row.status.as_str())).collect(),
            answers: case.orders_answered().map(|(call, session)| (session, call)).collect(),
            handed: database.dead_letters.iter().flatten().map(|letter| letter.subject.as_str()).collect(),
        }
    }

    /// A payment of which everything was told and nothing waits.
    fn payment(&self, session: &'a Session) -> Option<(Facts<'a>, Payment<'a>)> {
        let id = session.session.as_str();
        let events = self.case.events_about(id);
        let credits = self.case.orders.get(id)?.credits;
        let waits = |subject: &str| self.handed.contains(subject);
        let told = !events.is_empty() && events.iter().all(|event| event.acknowledged && !waits(&event.event));
        if !told || waits(id) || session.payment_intent.as_deref().is_some_and(waits) {
            return None;
        }
        let refunds = self.refunds.get(id).map_or(&[][..], Vec::as_slice);
        let disputes = self.disputes.get(id).map_or(&[][..], Vec::as_slice);
        let mut facts = Facts {
            credits,
            amount: session.amount,
            paid: session.paid,
            refunds: refunds.iter().map(|refund| (refund.amount, refund.status.as_str())).collect(),
            disputes: disputes.iter().map(|row| (row.amount, row.status.as_str(), row.withdrawn)).collect(),
            told: events.iter().map(|event| event.event_type.as_str()).collect(),
            traced: false,
        };
        facts.refunds.sort_unstable();
        facts.disputes.sort_unstable();
        let owed_back = clawback::owed(session, refunds, disputes, i128::from(credits));
        let end = self.end(id, refunds.len() + disputes.len());
        facts.traced = end.reversed.is_some();
        Some((facts, Payment { session, order: self.order(id), end, owed_back }))
    }

    fn order(&self, session: &str) -> Vec<&'a str> {
        let mut calls = self.case.calls_about(session);
        calls.sort_by_key(|call| (call.start, call.op));
        let mut order: Vec<&str> = Vec::new();
        for call in calls.into_iter().filter(|call| call.outcome == Outcome::Ok) {
            if let Operation::DeliverWebhook { event_type, forgery: None, .. } = &call.operation
                && !order.contains(&event_type.as_str())
            {
                order.push(event_type);
            }
        }
        order
    }

    fn end(&self, session: &str, given_back: usize) -> End<'a> {
        let grants = self.case.grants_by_session().get(session).into_iter().flatten();
        let who = self.case.buyer(session).unwrap_or_default();
        let only = given_back > 0 && self.away.get(who) == Some(&1) && self.case.database().reversals.is_some();
        let answer = self.answers.get(session);
        let statuses = self.case.manifest.stated.statuses.iter().filter_map(|(kind, order)| {
            let subject = answer?.answer.fields.get(order.captured_as.as_deref()?)?;
            self.statuses.get(&(kind.as_str(), fill::plain(subject).as_str())).copied()
        });
        End {
            granted: grants.map(|grant| i128::from(grant.credits)).sum(),
            reversed: only.then(|| self.reversed.get(who).copied().unwrap_or(0)),
            statuses: statuses.collect(),
        }
    }

    fn judge(&self, facts: &Facts<'_>, alike: &[Payment<'a>], trial: &mut Trial) {
        let mut ends: BTreeMap<&End<'_>, usize> = BTreeMap::new();
        alike.iter().for_each(|payment| *ends.entry(&payment.end).or_default() += 1);
        let usual = ends.iter().max_by_key(|(_, count)| **count).map(|(end, _)| *end);
        let Some(usual) = alike.iter().find(|payment| Some(&payment.end) == usual) else { return };
        let granted = if facts.paid > 0 && facts.paid >= facts.amount { i128::from(facts.credits) } else { 0 };
        for payment in alike {
            let (least, most) = payment.owed_back;
            let right = payment.end.granted == granted
                && payment.end.reversed.is_none_or(|reversed| (least..=most).contains(&reversed));
            if payment.end == usual.end && right {
                continue;
            }
            trial.disagree(self.case.quiet(), || self.tale(payment, usual, granted).end());
        }
    }

    fn tale(&self, payment: &Payment<'a>, usual: &Payment<'a>, granted: i128) -> Tale<'a> {
        let (id, other) = (payment.session.session.as_str(), usual.session.session.as_str());
        let who = self.case.buyer(id).unwrap_or("somebody");
        let paid = money(payment.session.paid, &payment.session.currency);
        let order = told(&payment.order);
        let summary = match payment.end == usual.end {
            false => format!(
                "{who} paid {paid} ({id}) and ended with {}, told in the order {order}; {other}, of the same facts in \
                 another order, with {}",
                self.words(payment),
                self.words(usual)
            ),
            true => format!(
                "{who} paid {paid} ({id}) and ended with {}, told in the order {order}; the facts imply {granted} granted \
                 and {} taken back",
                self.words(payment),
                range(payment.owed_back)
            ),
        };
        let kept = payment.owed_back.0 - payment.end.reversed.unwrap_or(payment.owed_back.0);
        let surplus = payment.end.granted - granted + kept;
        let mut calls = self.case.calls_about(id);
        calls.retain(|call| matches!(call.operation, Operation::DeliverWebhook { forgery: None, .. }));
        calls.sort_by_key(|call| (call.start, call.op));
        let grants = [id, other].map(|session| self.case.grants_by_session().get(session));
        let tale = Tale::new(self.case.history, summary)
            .calls(calls)
            .rows([rows::session(payment.session), rows::session(usual.session)])
            .rows([format!("{other} was told in the order {}", told(&usual.order))])
            .rows(grants.into_iter().flatten().flatten().map(|grant| rows::grant(grant)));
        match surplus {
            more if more > 0 => tale.stake(Loss::CreditsFromNothing, more),
            less if less < 0 => tale.stake(Loss::CreditsLost, -less),
            _ => tale,
        }
    }

    fn words(&self, payment: &Payment<'_>) -> String {
        let End { granted, reversed, statuses } = &payment.end;
        let statuses = statuses.iter().map(|status| format!(", {status}"));
        let back = reversed.map(|reversed| format!(", {reversed} taken back")).unwrap_or_default();
        format!("{granted} granted{back}{}", statuses.collect::<String>())
    }
}

fn told(order: &[&str]) -> String {
    listed(order, 8)
}

fn range((least, most): (i128, i128)) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}
