//! `paid.delivered`: once everything is healed, what was paid is delivered, or handed to a person.
//!
//! Liveness, so it is asked only of a target that had the whole settle limit. A dead letter is a delivery to
//! a person only if an alert names its subject: a letter that nobody is told of is lost. What is missing is lost only
//! if the target file tells that nothing is outstanding, by `outstanding` or by `jobs`: else it may yet come.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use overdraft_model::{
    evidence::{DeadLetter, Grant, Job, Purchase, Session},
    history::{Call, Phase},
    operation::{Operation, Outcome},
};

use crate::{
    case::{Case, Rows, grouped},
    money::Loss,
    rows,
    story::Tale,
    trial::Trial,
    words::{counted, listed, mentions, money},
};

pub(crate) const ID: &str = "paid.delivered";

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let letters = Letters::new(case);
    let undelivered = sessions(case, &letters, &mut trial);
    emails(case, &letters, &mut trial);
    events(case, &letters, &undelivered, &mut trial);
    quiet(case, &letters, &mut trial);
    quiet_after_blows(case, &mut trial);
    trial
}

/// Dead letters by subject, and who was told of them.
struct Letters<'a> {
    mapped: bool,
    by_subject: Rows<'a, DeadLetter>,
    /// Whether it is known that the target is at rest, so that what is missing does not come any more.
    at_rest: bool,
    alerts: &'a [String],
    /// The alerts' words, which mostly settle the matter without reading every alert for every letter.
    words: BTreeSet<&'a str>,
}

impl<'a> Letters<'a> {
    fn new(case: &Case<'a>) -> Self {
        let letters = case.database().dead_letters.as_ref();
        let alerts = &case.evidence.email.alerts;
        let mut letters = Self {
            mapped: letters.is_some(),
            by_subject: grouped(letters.into_iter().flatten(), |letter| Some(&letter.subject)),
            at_rest: outstanding_told(case),
            alerts,
            words: alerts.iter().flat_map(|alert| alert.split_whitespace()).collect(),
        };
        let jobs = case.database().jobs.as_deref();
        letters.at_rest |= jobs.is_some_and(|jobs| jobs.iter().all(|job| !letters.left(job)));
        letters
    }

    /// Letters about any of these subjects.
    fn about<'s>(&self, subjects: impl IntoIterator<Item = &'s str>) -> Vec<&'a DeadLetter> {
        subjects.into_iter().filter_map(|subject| self.by_subject.get(subject)).flatten().copied().collect()
    }

    /// Whether a job is neither done nor given up.
    fn left(&self, job: &Job) -> bool {
        job.state != "dead" && self.about([job.job.as_str()]).is_empty()
    }

    fn alerted(&self, letter: &DeadLetter) -> bool {
        let subject = letter.subject.as_str();
        self.words.contains(subject) || self.alerts.iter().any(|alert| mentions(alert, subject))
    }
}

/// Every paid session was granted in full. Returns those that were not.
fn sessions<'a>(case: &Case<'a>, letters: &Letters<'a>, trial: &mut Trial) -> BTreeSet<&'a str> {
    let paid: Vec<&Session> =
        case.sessions.values().copied().filter(|session| session.paid > 0 && session.paid >= session.amount).collect();
    let mut undelivered = BTreeSet::new();
    if paid.is_empty() {
        return undelivered;
    }
    trial.need("grants", case.database().grants.as_ref());
    if case.database().grants.is_none() {
        return undelivered;
    }
    let (mut missing, mut handed) = (0, 0);
    for session in &paid {
        let id = session.session.as_str();
        let grants = case.grants_by_session().get(id).into_iter().flatten();
        let got: i128 = grants.map(|grant| i128::from(grant.credits)).sum();
        let owed = case.orders.get(id).map(|order| i128::from(order.credits));
        if got > 0 && owed.is_none_or(|owed| got >= owed) {
            continue;
        }
        let of_session = case.events_about(id).iter();
        let subjects =
            of_session.map(|event| event.event.as_str()).chain([id]).chain(session.payment_intent.as_deref());
        let about = letters.about(subjects);
        if about.iter().any(|letter| letters.alerted(letter)) {
            handed += 1;
        } else if letters.mapped && letters.at_rest {
            undelivered.insert(id);
            missing += owed.unwrap_or(0) - got;
            trial.found(|| ungranted(case, session, got, owed, &about).end());
        } else {
            unsettled(case, letters, trial);
        }
    }
    trial.saw(paid.len());
    trial.fact(format!("{} ({handed} handed to a person)", counted(paid.len(), "paid session")));
    trial.stake(Loss::PaidNotGranted, missing);
    undelivered
}

/// Something is missing, and the target file does not map what would tell whether it is lost.
fn unsettled(case: &Case<'_>, letters: &Letters<'_>, trial: &mut Trial) {
    trial.need("dead_letters", case.database().dead_letters.as_ref());
    if !letters.at_rest {
        trial.need::<Job>("outstanding", None);
    }
}

fn ungranted<'a>(
    case: &Case<'a>,
    session: &'a Session,
    got: i128,
    owed: Option<i128>,
    about: &[&DeadLetter],
) -> Tale<'a> {
    let id = session.session.as_str();
    let who = case.orders.get(id).and_then(|order| order.workspaces.iter().next().copied()).unwrap_or("somebody");
    let paid = money(session.paid, &session.currency);
    let wanted = owed.map(|owed| format!(" for {owed} credits")).unwrap_or_default();
    let letter = if about.is_empty() { "" } else { "; it lies in the dead letters and no alert names it" };
    let summary = format!("{who} paid {paid}{wanted} ({id}) and was granted {got}{letter}");
    let events = case.events_about(id).iter().map(|event| {
        let told = if event.acknowledged { "answered 2xx" } else { "never answered 2xx" };
        format!("event {} ({}): {told}", event.event, event.event_type)
    });
    Tale::new(case.history, summary)
        .stake(Loss::PaidNotGranted, owed.unwrap_or(0) - got)
        .calls(case.calls_about(id))
        .rows([rows::session(session)])
        .rows(events)
        .rows(about.iter().map(|letter| rows::dead_letter(letter)))
}

/// Why an email is owed.
enum Cause<'a> {
    Purchase(&'a Purchase),
    Grant(&'a Grant),
}

impl Cause<'_> {
    fn row(&self) -> String {
        match self {
            Self::Purchase(row) => rows::purchase(row),
            Self::Grant(row) => rows::grant(row),
        }
    }
}

/// Every promised email was accepted, or lies in the dead letters with an alert.
fn emails(case: &Case<'_>, letters: &Letters<'_>, trial: &mut Trial) {
    let database = case.database();
    if !case.buys.is_empty() {
        trial.need("purchases", database.purchases.as_ref());
    }
    let bought = database.purchases.iter().flatten();
    let bought = bought.filter(|row| case.workspace(&row.workspace).is_some());
    let bought =
        bought.filter_map(|row| Some((row.confirmation.as_deref()?, (row.workspace.as_str(), Cause::Purchase(row)))));
    let granted = database.grants.iter().flatten();
    let granted = granted.filter(|row| case.workspace(&row.workspace).is_some());
    let granted =
        granted.filter_map(|row| Some((row.receipt.as_deref()?, (row.workspace.as_str(), Cause::Grant(row)))));
    let promised: HashMap<&str, (&str, Cause<'_>)> = bought.chain(granted).collect();
    let accepted = to_whom_it_concerns(case, &promised, trial);
    let refused = grouped(&case.evidence.email.refused, |email| Some(&email.event));
    let (mut lost, mut handed) = (0, 0);
    let missing: BTreeMap<_, _> = promised.iter().filter(|(event, _)| !accepted.contains(*event)).collect();
    for (event, (workspace, cause)) in missing {
        let about: Vec<_> = letters.about([*event]).into_iter().filter(|letter| letter.kind == "email").collect();
        if about.iter().any(|letter| letters.alerted(letter)) {
            handed += 1;
            continue;
        }
        if !letters.mapped || !letters.at_rest {
            unsettled(case, letters, trial);
            continue;
        }
        lost += 1;
        let fate =
            if about.is_empty() { "nobody was told" } else { "it lies in the dead letters and no alert names it" };
        let summary = format!("{workspace} never got the email about {event}: {fate}");
        let refused = refused.get(*event).into_iter().flatten();
        let tale =
            || {
                Tale::new(case.history, summary)
                    .stake(Loss::EmailsLost, 1)
                    .calls(case.buys_of(workspace).map(|buy| buy.call).filter(|call| call.outcome != Outcome::Fail))
                    .rows([cause.row()])
                    .rows(refused.map(|email| {
                        format!("email to {} about {event} refused with {}", email.recipient, email.status)
                    }))
                    .rows(about.iter().map(|letter| rows::dead_letter(letter)))
            };
        trial.found(|| tale().end());
    }
    trial.saw(promised.len());
    if !promised.is_empty() {
        trial.fact(format!("{} ({handed} handed to a person)", counted(promised.len(), "promised email")));
        trial.stake(Loss::EmailsLost, lost);
    }
}

/// Events whose email was accepted. One that went to another workspace's address is no delivery, and tells a
/// stranger about somebody's purchase. An address that is nobody's in this world may be the target's own. The partner
/// whose lead was sold may be told of it, which is no delivery either.
fn to_whom_it_concerns<'a>(
    case: &Case<'a>,
    promised: &HashMap<&'a str, (&'a str, Cause<'a>)>,
    trial: &mut Trial,
) -> HashSet<&'a str> {
    let owners =
        case.world().workspaces.iter().filter_map(|w| Some((w.values.get("email")?.as_str()?, w.name.as_str())));
    let owners: BTreeMap<&str, &str> = owners.collect();
    let rows = case.database().purchases.iter().flatten();
    let sellers: HashSet<(&str, &str)> =
        rows.filter_map(|row| Some((row.confirmation.as_deref()?, case.lead(&row.lead)?.partner.as_str()))).collect();
    let mut delivered = HashSet::with_capacity(promised.len());
    for email in &case.evidence.email.accepted {
        let stranger = promised.get(email.event.as_str()).and_then(|(owed_to, _)| {
            owners.get(email.recipient.as_str()).filter(|owner| *owner != owed_to).map(|owner| (*owed_to, *owner))
        });
        let Some((owed_to, stranger)) = stranger else {
            delivered.insert(email.event.as_str());
            continue;
        };
        if sellers.contains(&(email.event.as_str(), stranger)) {
            continue;
        }
        let summary = format!("{stranger} got the email about {}, which was {owed_to}'s", email.event);
        let tale = || {
            let calls = case.buys_of(owed_to).map(|buy| buy.call).filter(|call| call.outcome != Outcome::Fail);
            Tale::new(case.history, summary).calls(calls).rows([rows::email(email)])
        };
        trial.found(|| tale().end());
    }
    delivered
}

/// No event is lost: each was answered 2xx at least once. One that was never even delivered is the
/// simulator's fault.
fn events(case: &Case<'_>, letters: &Letters<'_>, told: &BTreeSet<&str>, trial: &mut Trial) {
    let provider = case.provider();
    let authentic = provider.deliveries.iter().filter(|delivery| delivery.forgery.is_none());
    let by_event = grouped(authentic, |delivery| Some(&delivery.event));
    trial.saw(provider.events.len());
    if !provider.events.is_empty() {
        trial.fact(counted(provider.events.len(), "provider event"));
    }
    for event in provider.events.iter().filter(|event| !event.acknowledged) {
        let handed = letters.about([event.event.as_str()]).iter().any(|letter| letters.alerted(letter));
        if handed || event.session.as_deref().is_some_and(|session| told.contains(session)) {
            continue;
        }
        let Some(deliveries) = by_event.get(event.event.as_str()) else {
            trial.doubt("the provider's simulator created an event and never delivered it");
            continue;
        };
        let summary = format!(
            "{} {} was delivered {} and never answered 2xx: lost",
            event.event_type,
            event.event,
            counted(deliveries.len(), "time")
        );
        let tale = || {
            Tale::new(case.history, summary)
                .calls(deliveries.iter().filter_map(|delivery| case.call(delivery.op)))
                .rows(deliveries.iter().map(|delivery| rows::delivery(delivery)))
        };
        trial.found(|| tale().end());
    }
}

/// Nothing is outstanding and no job is left over.
fn quiet(case: &Case<'_>, letters: &Letters<'_>, trial: &mut Trial) {
    let settled = &case.evidence.settled;
    let waits: Vec<String> =
        settled.outstanding.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    if !settled.quiescent && case.history.reached(Phase::FinalReads) {
        let what = if waits.is_empty() { "something it does not name".to_owned() } else { listed(&waits, 5) };
        let summary = format!(
            "stuck: {} ms after everything was healed (limit {}), outstanding: {what}",
            settled.waited_ms, settled.limit_ms
        );
        trial.found(|| Tale::new(case.history, summary).calls(last_mutations(case)).end());
    } else if !settled.quiescent {
        trial.doubt("the run ended before settling did");
    }
    let jobs = match (&case.database().jobs, outstanding_told(case)) {
        (None, true) => return,
        (jobs, _) if case.buys.is_empty() && !case.sells_credits => jobs.as_deref().unwrap_or_default(),
        (jobs, _) => trial.need("jobs", jobs.as_ref()),
    };
    let mut left: BTreeMap<(&str, &str), Vec<&Job>> = BTreeMap::new();
    for job in jobs.iter().filter(|job| letters.left(job)) {
        left.entry((&job.kind, &job.state)).or_default().push(job);
    }
    for ((kind, state), jobs) in &left {
        let summary = format!("{} of kind {kind} left over in state {state}", counted(jobs.len(), "job"));
        trial.found(|| Tale::new(case.history, summary).rows(jobs.iter().map(|job| rows::job(job))).end());
    }
}

/// Whether the target file tells what is outstanding.
fn outstanding_told(case: &Case<'_>) -> bool {
    case.manifest.mapped.iter().any(|table| table == "outstanding") || !case.evidence.settled.outstanding.is_empty()
}

/// After each blow at a boundary the target came to rest, before it was struck again.
fn quiet_after_blows(case: &Case<'_>, trial: &mut Trial) {
    let passes = case.history.struck.iter().filter(|pass| pass.struck);
    trial.saw(passes.clone().count());
    for pass in passes.filter(|pass| !pass.quiet) {
        let summary = format!(
            "stuck: {} ms after {} at {} {} of {} something was still outstanding",
            pass.took_ms, pass.blow, pass.kind, pass.what, pass.operation
        );
        let calls = pass.operations.iter().filter_map(|op| case.call(*op));
        trial.found(|| Tale::new(case.history, summary).calls(calls).end());
    }
}

/// The last things that were asked for before settling: what may be outstanding.
fn last_mutations<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a Call> {
    let history = case.history;
    let telling = |call: &&Call| {
        call.outcome != Outcome::Fail
            && !call.operation.is_read()
            && !matches!(call.operation, Operation::DeliverWebhook { .. })
    };
    history.calls.iter().rev().filter(telling).take(3)
}
