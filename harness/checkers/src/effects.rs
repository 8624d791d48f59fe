//! What took effect, and when it can have: from the rows that there is a purchase or a credit, from the calls when.
//!
//! This is how an unclear history is made clear (etcd's robustness tests call it patching): what a row shows
//! happened, whatever its answer was; what no row shows did not, once the target was quiet. A row's effect came
//! after the first call that can have caused it was asked, and before the first ok that names it; without such an
//! ok its end is open. Several calls under one key are one effect: who replays is answered from memory.

use std::collections::{BTreeMap, HashMap};

use overdraft_model::{
    evidence::{Grant, Purchase},
    history::Call,
    operation::{Operation, Outcome},
};

use crate::{
    case::{Buy, Case},
    linearizable::End,
    trial::Trial,
};

/// A purchase that took effect, or may have.
pub(crate) struct Bought<'a> {
    pub(crate) workspace: &'a str,
    pub(crate) leads: Vec<&'a str>,
    pub(crate) price: i64,
    /// The idempotency key, where the target keeps it.
    pub(crate) key: Option<&'a str>,
    /// Not before this.
    pub(crate) from: u64,
    pub(crate) end: End,
    /// The call that was first told of it, or else the first that can have caused it.
    pub(crate) call: Option<&'a Call>,
    /// The balance in that call's answer, where no other call can have been the one that bought.
    pub(crate) balance: Option<i64>,
}

/// Credits that arrived at a time that only the target knows.
pub(crate) struct Credited {
    pub(crate) credits: i64,
    pub(crate) from: u64,
}

/// A purchase that was refused for a reason that says something about the state.
pub(crate) struct Refused<'a> {
    pub(crate) call: &'a Call,
    /// When the first call under its key was asked: a refusal may be replayed too.
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// All of one scenario.
pub(crate) struct Effects<'a> {
    pub(crate) bought: Vec<Bought<'a>>,
    /// Positions in `bought`.
    pub(crate) by_workspace: BTreeMap<&'a str, Vec<usize>>,
    /// Positions in `bought`.
    pub(crate) by_lead: HashMap<&'a str, Vec<usize>>,
    /// Credits for sessions, by receiver.
    pub(crate) credited: BTreeMap<&'a str, Vec<Credited>>,
    /// Refusals of one lead because it is sold out, by lead.
    pub(crate) sold_out: HashMap<&'a str, Vec<Refused<'a>>>,
    /// Refusals for want of credits, by workspace.
    pub(crate) unfunded: BTreeMap<&'a str, Vec<Refused<'a>>>,
}

/// Whether the rows are mapped that tell effects; without them a trial stays open.
pub(crate) fn told(case: &Case<'_>, trial: &mut Trial) -> bool {
    trial.need("purchases", case.database().purchases.as_ref());
    if case.sells_credits {
        trial.need("grants", case.database().grants.as_ref());
    }
    trial.complete()
}

/// Calls by what a row may know of them.
struct Index<'c, 'a> {
    case: &'c Case<'a>,
    by_key: HashMap<(&'a str, &'a str), Vec<&'c Buy<'a>>>,
}

impl<'a> Effects<'a> {
    /// Finds them. Needs the purchases, in canonical order; other tables count as empty where they are not mapped.
    pub(crate) fn new(case: &Case<'a>) -> Self {
        let mut index = Index { case, by_key: HashMap::with_capacity(case.buys.len()) };
        for buy in &case.buys {
            index.by_key.entry((buy.workspace, buy.key)).or_default().push(buy);
        }
        let mut effects = Self {
            bought: Vec::new(),
            by_workspace: BTreeMap::new(),
            by_lead: HashMap::new(),
            credited: BTreeMap::new(),
            sold_out: HashMap::new(),
            unfunded: BTreeMap::new(),
        };
        let rows = case.database().purchases.as_deref().unwrap_or_default();
        let id = |row: &&'a Purchase| (case.bundles.id(&row.workspace, &row.purchase), row.workspace.as_str());
        let mut bought: Vec<&Purchase> = rows.iter().collect();
        if !case.bundles.is_empty() {
            bought.sort_by(|a, b| id(a).cmp(&id(b)));
        }
        bought.chunk_by(|a, b| id(a) == id(b)).for_each(|rows| effects.add(index.bought(rows)));
        if !case.quiet() {
            unresolved(case, rows).for_each(|bought| effects.add(bought));
        }
        for row in case.database().grants.iter().flatten() {
            if let Some(session) = row.session.as_deref() {
                let credited = Credited { credits: row.credits, from: paid_from(case, row, session) };
                effects.credited.entry(&row.workspace).or_default().push(credited);
            }
        }
        index.refusals(&mut effects);
        effects
    }

    fn add(&mut self, bought: Bought<'a>) {
        let at = self.bought.len();
        self.by_workspace.entry(bought.workspace).or_default().push(at);
        bought.leads.iter().for_each(|lead| self.by_lead.entry(lead).or_default().push(at));
        self.bought.push(bought);
    }

    /// Purchases of a workspace.
    pub(crate) fn bought_by(&self, workspace: &str) -> impl Iterator<Item = &Bought<'a>> {
        self.by_workspace.get(workspace).into_iter().flatten().map(|at| &self.bought[*at])
    }

    /// Purchases of a lead.
    pub(crate) fn sales_of(&self, lead: &str) -> impl Iterator<Item = &Bought<'a>> {
        self.by_lead.get(lead).into_iter().flatten().map(|at| &self.bought[*at])
    }
}

impl<'c, 'a> Index<'c, 'a> {
    /// One purchase, whose rows these are.
    fn bought(&self, rows: &[&'a Purchase]) -> Bought<'a> {
        let sent = |row: &&&'a Purchase| row.key.as_deref().is_some_and(|key| self.of_key(row, key).is_some());
        let row = rows.iter().find(sent).copied().unwrap_or(rows[0]);
        let mut causes = self.causes(row, rows);
        causes.sort_by_key(|buy| (buy.call.start, buy.call.op));
        let names = |buy: &&Buy<'a>| buy.call.outcome == Outcome::Ok && names_one(buy, rows);
        let told = causes.iter().copied().filter(names).min_by_key(|buy| (buy.call.end, buy.call.op));
        let alone = told.is_some_and(|told| {
            let others = causes.iter().filter(|buy| buy.call.op != told.call.op);
            told.call.end.is_some_and(|end| others.clone().all(|other| other.call.start > end))
        });
        Bought {
            workspace: &row.workspace,
            leads: rows.iter().map(|row| row.lead.as_str()).collect(),
            price: rows.iter().fold(0, |sum, row| row.price.saturating_add(sum)),
            key: row.key.as_deref(),
            from: causes.first().map_or(self.case.history.start, |buy| buy.call.start),
            end: told.and_then(|buy| buy.call.end).map_or(End::Open, End::At),
            call: told.or(causes.first().copied()).map(|buy| buy.call),
            balance: told.filter(|_| alone).and_then(|buy| buy.call.answer.integer("balance")),
        }
    }

    /// Calls that can have caused a purchase: by the key where the target keeps it, else by the lead, less those
    /// that were told of another purchase.
    fn causes(&self, row: &'a Purchase, rows: &[&'a Purchase]) -> Vec<&'c Buy<'a>> {
        if let Some(key) = row.key.as_deref() {
            return self.of_key(row, key).cloned().unwrap_or_default();
        }
        let of_lead = self.case.buys_for(&row.lead).filter(|buy| buy.workspace == row.workspace);
        of_lead.filter(|buy| names_one(buy, rows)).collect()
    }

    fn of_key(&self, row: &'a Purchase, key: &'a str) -> Option<&Vec<&'c Buy<'a>>> {
        self.by_key.get(&(row.workspace.as_str(), key))
    }

    fn refusals(&self, effects: &mut Effects<'a>) {
        for buy in self.case.buys.iter().filter(|buy| buy.call.outcome == Outcome::Fail) {
            let Some(until) = buy.call.end else { continue };
            let same_key = self.by_key.get(&(buy.workspace, buy.key)).into_iter().flatten();
            let from = same_key.map(|other| other.call.start).min().unwrap_or(buy.call.start);
            let refused = Refused { call: buy.call, from, until };
            match (reason(buy.call), buy.leads) {
                (Some(Reason::SoldOut), [lead]) => effects.sold_out.entry(lead).or_default().push(refused),
                (Some(Reason::Unfunded), _) => effects.unfunded.entry(buy.workspace).or_default().push(refused),
                _ => {}
            }
        }
    }
}

/// Whether an answer names one of these rows, or none at all.
fn names_one(buy: &Buy<'_>, rows: &[&Purchase]) -> bool {
    buy.purchase.as_deref().is_none_or(|id| rows.iter().any(|row| row.purchase == id))
}

/// Purchases without a clear answer and without a row, of a target that was still busy: a row may yet come.
fn unresolved<'a>(case: &Case<'a>, rows: &'a [Purchase]) -> impl Iterator<Item = Bought<'a>> {
    let owned: std::collections::BTreeSet<(&str, &str)> =
        rows.iter().map(|row| (row.workspace.as_str(), row.lead.as_str())).collect();
    let unclear = case.buys.iter().filter(|buy| buy.call.outcome == Outcome::Info);
    let missing = unclear.filter(move |buy| buy.leads.iter().any(|lead| !owned.contains(&(buy.workspace, lead))));
    missing.filter_map(|buy| {
        Some(Bought {
            workspace: buy.workspace,
            leads: buy.leads.iter().map(String::as_str).collect(),
            price: price(case, buy.call)?,
            key: Some(buy.key),
            from: buy.call.start,
            end: End::Maybe,
            call: Some(buy.call),
            balance: None,
        })
    })
}

/// What the leads of a purchase cost together; none if one of them is not of this world.
pub(crate) fn price(case: &Case<'_>, call: &Call) -> Option<i64> {
    let Operation::Purchase { leads, .. } = &call.operation else { return None };
    leads.iter().try_fold(0_i64, |sum, lead| Some(sum.saturating_add(case.lead(lead)?.price)))
}

/// From when on a grant for a session can have come: its payment or a webhook about it, whatever it was worth.
fn paid_from(case: &Case<'_>, row: &Grant, session: &str) -> u64 {
    let calls = case.calls_about(session);
    let paid = calls.iter().filter(|call| !matches!(call.operation, Operation::BuyCredits { .. }));
    let first = paid.map(|call| call.start).min().or_else(|| calls.iter().map(|call| call.start).min());
    first.filter(|_| row.credits > 0).unwrap_or(case.history.start)
}

/// What a refusal says about the state.
enum Reason {
    SoldOut,
    Unfunded,
}

/// A refusal's reason, in this project's words, which a target file maps its own codes to. Others say nothing of
/// the state.
fn reason(call: &Call) -> Option<Reason> {
    match call.answer.code.as_deref() {
        Some("lead_sold_out") => Some(Reason::SoldOut),
        Some("insufficient_credits") => Some(Reason::Unfunded),
        _ => None,
    }
}
