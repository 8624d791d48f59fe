//! `history.linearizable`: the answers fit into one order, for each account and for each lead.
//!
//! The other checks look at what is there in the end; this one at what was told on the way. A lead is a counter
//! that never exceeds its limit: a purchase takes one, `sold out` is said only when all are taken. An account is
//! debited by purchases and credited by grants, refuses only what it does not hold, and every balance told is one
//! that it had meanwhile. What took effect is taken from the rows (`effects`), so an unclear answer leaves no doubt.
//!
//! A sold_count is a read of that counter only if the target promises so; by default it may be old, as caches are,
//! and must only not be ahead of what was asked for. A limit, or a floor, that the target does not promise (its
//! check is skipped) does not bind here either.

use std::collections::HashMap;

use overdraft_model::{
    history::Call,
    manifest::Lead,
    operation::{Operation, Outcome},
    target::Freshness,
};

use crate::{
    balances::Balances,
    case::Case,
    effects::{self, Bought, Effects},
    linearizable::{
        Answer, Counterexample, End, Limit, Operations, Timed, check as search,
        specifications::{Account, AccountCall, Bounded, BoundedCall},
    },
    rows,
    story::Tale,
    study::{BUDGET, Study, UNANSWERED},
    trial::Trial,
    words::counted,
};

pub(crate) const ID: &str = "history.linearizable";

/// Operations of an order that are told beside the story.
const TOLD: usize = 6;

/// Judges one scenario.
pub(crate) fn check(study: &Study<'_, '_>) -> Trial {
    let case = study.case;
    let mut trial = Trial::new(ID);
    if case.buys.is_empty() && !case.history.calls.iter().any(|call| call.operation.is_read()) {
        return trial;
    }
    if !effects::told(case, &mut trial) {
        return trial;
    }
    let mut given_up = GivenUp::default();
    accounts(study, &mut given_up, &mut trial);
    leads(case, study.effects(), &mut given_up, &mut trial);
    given_up.tell(&mut trial);
    trial
}

/// Searches that ended without an answer.
#[derive(Default)]
struct GivenUp {
    first: Option<String>,
    number: usize,
}

impl GivenUp {
    fn add(&mut self, what: &str, limit: Limit) {
        self.number += 1;
        self.first.get_or_insert_with(|| format!("{what}: {limit}"));
    }

    /// Whether to search no more.
    fn done(&self) -> bool {
        self.number >= UNANSWERED
    }

    fn tell(self, trial: &mut Trial) {
        if let Some(first) = self.first {
            let more = if self.number > 1 { format!(" (and {} more)", self.number - 1) } else { String::new() };
            trial.doubt(format!("{first}{more}"));
        }
    }
}

/// Each account's answers fit into one order.
fn accounts(study: &Study<'_, '_>, given_up: &mut GivenUp, trial: &mut Trial) {
    let case = study.case;
    let balances = Balances::new(case, study.effects());
    let mut judged = 0;
    for (who, account) in balances.judged() {
        let Some(answer) = study.orders().get(who) else { break };
        judged += 1;
        trial.saw(balances.told(who));
        match answer {
            Answer::Linearizable => {}
            Answer::Unknown(limit) => given_up.add(who, *limit),
            Answer::Violation(found) => {
                let story = balances.whole(who);
                let stuck = &story.history[found.stuck];
                let summary = misfit(who, account, stuck, found);
                let holds = format!("then {who} holds {}", found.state);
                let tale = Tale::new(case.history, summary);
                let told = told(tale, found, &story.calls, |at| story.line(at), holds);
                trial.found(|| told.end());
            }
        }
    }
    trial.fact(format!("{} in one order each", counted(judged, "account")));
    if balances.left_out() > 0 {
        trial.fact(format!(
            "{} left out: partners, and those whose credits moved otherwise",
            counted(balances.left_out(), "account")
        ));
    }
}

fn misfit(who: &str, account: Account, stuck: &Timed<AccountCall, i64>, found: &Counterexample<i64>) -> String {
    let (state, placed) = (found.state, counted(found.prefix.len(), "operation"));
    match (stuck.operation, stuck.output) {
        (AccountCall::Read, Some(balance)) => format!(
            "{who} was told a balance of {balance}, which no order of its purchases and credits explains: the \
             longest, of {placed}, leaves it {state}"
        ),
        (AccountCall::Refuse(price), _) => {
            format!("{who} was refused {price} credits' worth for want of credits, and in every order it held enough")
        }
        (AccountCall::Debit(price) | AccountCall::DebitAndRead(price), _) => format!(
            "{who} bought for {price} credits what it could not pay in any order: the longest, of {placed}, leaves it \
             {state}, and it may not go below {}",
            account.floor.unwrap_or_default()
        ),
        (AccountCall::Credit(_) | AccountCall::Read, _) => format!("{who}: no order goes past {placed}"),
    }
}

/// Adds to a tale what a counterexample shows: the call that does not fit, those beside it, the last that did.
pub(crate) fn told<'a, State>(
    tale: Tale<'a>,
    found: &Counterexample<State>,
    calls: &[Option<&'a Call>],
    line: impl Fn(usize) -> String,
    state: String,
) -> Tale<'a> {
    let telling =
        [found.stuck].into_iter().chain(found.prefix.iter().rev().copied()).chain(found.beside.iter().copied());
    let from = found.prefix.len().saturating_sub(TOLD);
    let order = found.prefix[from..].iter().map(|at| match calls[*at] {
        Some(call) => format!("in order: {} (operation {})", line(*at), call.op),
        None => format!("in order: {}", line(*at)),
    });
    tale.calls(telling.filter_map(|at| calls[at]))
        .rows(order)
        .rows([state, format!("does not fit: {}", line(found.stuck))])
}

/// One lead's counter, and the call behind each of its operations.
struct Shelf<'a> {
    history: Operations<Bounded>,
    calls: Vec<Option<&'a Call>>,
}

impl<'a> Shelf<'a> {
    fn push(&mut self, operation: BoundedCall, output: Option<i64>, (call, end): (u64, End), by: Option<&'a Call>) {
        self.history.push(Timed { operation, output, call, end, after: None });
        self.calls.push(by);
    }
}

/// Each lead's answers fit into one order, and no sold_count is ahead of the sales.
fn leads<'a>(case: &Case<'a>, effects: &Effects<'a>, given_up: &mut GivenUp, trial: &mut Trial) {
    let mut reads: HashMap<&str, Vec<&Call>> = HashMap::new();
    for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        if let Operation::ReadLead { lead, .. } = &call.operation {
            reads.entry(lead).or_default().push(call);
        }
    }
    let bounded = !case.skips("leads.capacity");
    let fresh = case.manifest.promises.sold_count == Freshness::Linearizable;
    let mut judged = 0;
    for lead in &case.world().leads {
        if given_up.done() {
            break;
        }
        let reads = reads.get(lead.name.as_str()).map_or(&[][..], Vec::as_slice);
        let shelf = shelf(effects, lead, if fresh { reads } else { &[] });
        if shelf.history.is_empty() && reads.is_empty() {
            continue;
        }
        judged += 1;
        // A sale by itself tells what the rows tell; an answer is weighed against them.
        let counts = reads.iter().filter(|call| call.answer.integer("sold_count").is_some()).count();
        trial.saw(counts + effects.sold_out.get(lead.name.as_str()).map_or(0, Vec::len));
        ahead(case, effects, lead, reads, trial);
        let limit = bounded.then_some(lead.max_sales);
        match search(&Bounded { limit }, &shelf.history, BUDGET) {
            Answer::Linearizable => {}
            Answer::Unknown(limit) => given_up.add(&lead.name, limit),
            Answer::Violation(found) => trial.found(|| oversold_or_refused(case, lead, &shelf, &found).end()),
        }
    }
    trial.fact(format!("{} in one order each", counted(judged, "lead")));
}

fn shelf<'a>(effects: &Effects<'a>, lead: &'a Lead, reads: &[&'a Call]) -> Shelf<'a> {
    let mut shelf = Shelf { history: Vec::new(), calls: Vec::new() };
    for bought in effects.sales_of(&lead.name) {
        shelf.push(BoundedCall::Take, None, (bought.from, bought.end), bought.call);
    }
    for refused in effects.sold_out.get(lead.name.as_str()).into_iter().flatten() {
        shelf.push(BoundedCall::Full, None, (refused.from, End::At(refused.until)), Some(refused.call));
    }
    for call in reads {
        if let (Some(count), Some(end)) = (call.answer.integer("sold_count"), call.end) {
            shelf.push(BoundedCall::Read, Some(count), (call.start, End::At(end)), Some(call));
        }
    }
    shelf
}

fn oversold_or_refused<'a>(case: &Case<'a>, lead: &Lead, shelf: &Shelf<'a>, found: &Counterexample<i64>) -> Tale<'a> {
    let (name, limit, sold) = (&lead.name, lead.max_sales, found.state);
    let stuck = &shelf.history[found.stuck];
    let who = shelf.calls[found.stuck].and_then(|call| call.operation.workspace()).unwrap_or("somebody");
    let summary = match (stuck.operation, stuck.output) {
        (BoundedCall::Take, _) => format!("{who} bought {name} when, in every order, all {limit} were sold"),
        (BoundedCall::Full, _) => {
            format!("{who} was told that {name} is sold out when, in every order, {sold} of {limit} at most were sold")
        }
        (BoundedCall::Read, count) => format!(
            "{who} was told that {name} was sold {} times, and the longest order of its sales and reads leaves {sold}",
            count.unwrap_or_default()
        ),
    };
    let line = |at: usize| match (shelf.history[at].operation, shelf.history[at].output) {
        (BoundedCall::Take, _) => "sold".to_owned(),
        (BoundedCall::Full, _) => "sold out".to_owned(),
        (BoundedCall::Read, count) => format!("told {}", count.unwrap_or_default()),
    };
    let bought = case.database().purchases.iter().flatten().filter(|row| row.lead == *name);
    told(Tale::new(case.history, summary), found, &shelf.calls, line, format!("then {sold} of {limit} are sold"))
        .rows(bought.map(rows::purchase))
}

/// A sold_count may be old; it cannot count sales that nobody had asked for yet.
fn ahead<'a>(case: &Case<'a>, effects: &Effects<'a>, lead: &Lead, reads: &[&'a Call], trial: &mut Trial) {
    if reads.is_empty() {
        return;
    }
    let mut asked: Vec<u64> = effects.sales_of(&lead.name).map(|bought| bought.from).collect();
    asked.sort_unstable();
    let possible = |call: &Call| asked.partition_point(|from| call.end.is_none_or(|end| *from <= end));
    let count = |call: &Call| call.answer.integer("sold_count").and_then(|count| usize::try_from(count).ok());
    let Some(call) = reads.iter().find(|call| count(call).is_some_and(|count| count > possible(call))) else { return };
    let summary = format!(
        "{} was told that {} was sold {} times, when at most {} had been asked for that took effect",
        call.operation.workspace().unwrap_or("somebody"),
        lead.name,
        count(call).unwrap_or_default(),
        counted(possible(call), "purchase")
    );
    let sales = effects.sales_of(&lead.name).filter_map(|bought: &Bought<'a>| bought.call);
    trial.found(|| Tale::new(case.history, summary).calls([*call]).calls(sales).end());
}
