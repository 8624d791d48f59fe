//! What a check is given: one scenario's plan, history and evidence, indexed once for all checks.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
};

use overdraft_model::{
    evidence::{Database, Evidence, Grant, Provider, ProviderEvent, Purchase, Session},
    history::{Call, History},
    manifest::{Lead, Manifest, Planned, Workspace, World},
    operation::{Answer, Operation, Outcome},
};

use crate::{bundles::Bundles, measure::Latencies};

/// One scenario, ready to be judged.
pub(crate) struct Case<'a> {
    pub(crate) manifest: &'a Manifest,
    pub(crate) planned: &'a Planned,
    pub(crate) history: &'a History,
    pub(crate) evidence: &'a Evidence,
    pub(crate) latencies: &'a Latencies,
    /// Every purchase that was asked for, in order of asking.
    pub(crate) buys: Vec<Buy<'a>>,
    /// What was ordered, by session: from `buy-credits` answers that named one.
    pub(crate) orders: BTreeMap<&'a str, Order<'a>>,
    /// The provider's sessions by id.
    pub(crate) sessions: BTreeMap<&'a str, &'a Session>,
    /// Whether anything was done that involves money from outside.
    pub(crate) sells_credits: bool,
    /// Whether purchases are asked for under a key: the target file says so, or rows hold the keys that were sent.
    pub(crate) keyed: bool,
    /// Which purchase rows are one purchase.
    pub(crate) bundles: Bundles<'a>,
    by_op: HashMap<u64, &'a Call>,
    by_workspace: BTreeMap<&'a str, Vec<usize>>,
    by_lead: HashMap<&'a str, Vec<usize>>,
    by_session: HashMap<&'a str, Vec<&'a Call>>,
    workspaces: BTreeMap<&'a str, &'a Workspace>,
    leads: HashMap<&'a str, &'a Lead>,
    purchases: Rows<'a, Purchase>,
    grants: Rows<'a, Grant>,
    paid_grants: Rows<'a, Grant>,
    events: Rows<'a, ProviderEvent>,
}

/// Rows by the name that they share.
pub(crate) type Rows<'a, T> = BTreeMap<&'a str, Vec<&'a T>>;

/// Sorts rows by a name; those without one are left out.
pub(crate) fn grouped<'a, T>(
    rows: impl IntoIterator<Item = &'a T>,
    name: impl Fn(&'a T) -> Option<&'a str>,
) -> Rows<'a, T> {
    let mut groups = Rows::new();
    for row in rows {
        if let Some(name) = name(row) {
            groups.entry(name).or_default().push(row);
        }
    }
    groups
}

/// A purchase call, opened up.
#[derive(Clone)]
pub(crate) struct Buy<'a> {
    pub(crate) call: &'a Call,
    pub(crate) workspace: &'a str,
    pub(crate) leads: &'a [String],
    pub(crate) key: &'a str,
    /// The purchase that the answer named.
    pub(crate) purchase: Option<Cow<'a, str>>,
}

/// What was ordered with one session.
pub(crate) struct Order<'a> {
    pub(crate) credits: i64,
    pub(crate) workspaces: BTreeSet<&'a str>,
}

impl<'a> Case<'a> {
    /// Indexes a scenario. `evidence` must be in its canonical order (`canonical`).
    pub(crate) fn new(
        manifest: &'a Manifest,
        planned: &'a Planned,
        history: &'a History,
        evidence: &'a Evidence,
        latencies: &'a Latencies,
    ) -> Self {
        let world = &planned.world;
        let grants = evidence.database.grants.iter().flatten();
        let mut case = Self {
            manifest,
            planned,
            history,
            evidence,
            latencies,
            buys: Vec::new(),
            orders: BTreeMap::new(),
            sessions: evidence.provider.sessions.iter().map(|session| (session.session.as_str(), session)).collect(),
            by_op: HashMap::with_capacity(history.calls.len()),
            by_workspace: BTreeMap::new(),
            by_lead: HashMap::new(),
            by_session: HashMap::new(),
            sells_credits: !evidence.provider.sessions.is_empty(),
            keyed: false,
            bundles: Bundles::default(),
            workspaces: world.workspaces.iter().map(|row| (row.name.as_str(), row)).collect(),
            leads: world.leads.iter().map(|row| (row.name.as_str(), row)).collect(),
            purchases: grouped(evidence.database.purchases.iter().flatten(), |row| Some(&row.workspace)),
            grants: grouped(grants.clone(), |row| Some(&row.workspace)),
            paid_grants: grouped(grants, |row| row.session.as_deref()),
            events: grouped(&evidence.provider.events, |row| row.session.as_deref()),
        };
        for call in &history.calls {
            case.index(call);
        }
        let rows = evidence.database.purchases.as_deref().unwrap_or_default();
        case.keyed = manifest.stated.keyed.unwrap_or_else(|| {
            let sent: HashSet<(&str, &str)> = case.buys.iter().map(|buy| (buy.workspace, buy.key)).collect();
            rows.iter().any(|row| row.key.as_deref().is_some_and(|key| sent.contains(&(row.workspace.as_str(), key))))
        });
        case.bundles = Bundles::new(rows, &case.buys);
        case
    }

    fn index(&mut self, call: &'a Call) {
        self.by_op.insert(call.op, call);
        match &call.operation {
            Operation::Purchase { workspace, leads, key } => {
                let at = self.buys.len();
                self.by_workspace.entry(workspace).or_default().push(at);
                for lead in leads {
                    self.by_lead.entry(lead).or_default().push(at);
                }
                self.buys.push(Buy { call, workspace, leads, key, purchase: named(&call.answer, "purchase") });
            }
            Operation::BuyCredits { workspace, credits, .. } => {
                self.sells_credits = true;
                if let (Outcome::Ok, Some(session)) = (call.outcome, call.answer.text("session")) {
                    let fresh = Order { credits: *credits, workspaces: BTreeSet::new() };
                    self.orders.entry(session).or_insert(fresh).workspaces.insert(workspace);
                    self.by_session.entry(session).or_default().push(call);
                }
            }
            Operation::Pay { session, .. }
            | Operation::SettlePayment { session, .. }
            | Operation::Refund { session, .. }
            | Operation::Dispute { session, .. }
            | Operation::DeliverWebhook { session: Some(session), .. } => {
                self.by_session.entry(session).or_default().push(call);
            }
            Operation::DeliverWebhook { session: None, .. }
            | Operation::FailRefund { .. }
            | Operation::MoveDispute { .. }
            | Operation::Custom { .. }
            | Operation::ReadBalance { .. }
            | Operation::ReadLead { .. } => {}
        }
    }

    /// Who and what existed when the scenario began.
    pub(crate) fn world(&self) -> &'a World {
        &self.planned.world
    }

    /// The target's database.
    pub(crate) fn database(&self) -> &'a Database {
        &self.evidence.database
    }

    /// The payment provider's ledger.
    pub(crate) fn provider(&self) -> &'a Provider {
        &self.evidence.provider
    }

    /// Whether the target does not promise a check, by its own name or by its family's (`credits.*`).
    pub(crate) fn skips(&self, id: &str) -> bool {
        let family = id.split_once('.').map(|(family, _)| format!("{family}.*"));
        let skip = &self.manifest.skip;
        skip.contains_key(id) || family.is_some_and(|family| skip.contains_key(&family))
    }

    /// Whether the target was quiet when its state was read, so that two tables can be held together.
    pub(crate) fn quiet(&self) -> bool {
        self.evidence.settled.quiescent
    }

    /// The operation of a number.
    pub(crate) fn call(&self, op: u64) -> Option<&'a Call> {
        self.by_op.get(&op).copied()
    }

    /// Purchases asked for by a workspace.
    pub(crate) fn buys_of(&self, workspace: &str) -> impl Iterator<Item = &Buy<'a>> {
        self.by_workspace.get(workspace).into_iter().flatten().map(|at| &self.buys[*at])
    }

    /// Purchases asked for that named a lead.
    pub(crate) fn buys_for(&self, lead: &str) -> impl Iterator<Item = &Buy<'a>> {
        self.by_lead.get(lead).into_iter().flatten().map(|at| &self.buys[*at])
    }

    /// Order, payment and deliveries of a session, in this order, accepted ones first: what a story about it needs.
    pub(crate) fn calls_about(&self, session: &str) -> Vec<&'a Call> {
        let mut calls: Vec<_> = self.by_session.get(session).into_iter().flatten().copied().collect();
        calls.sort_by_key(|call| (matches!(call.operation, Operation::DeliverWebhook { .. }), call.outcome));
        calls
    }

    /// Orders of credits that were answered ok, each with the session that it was told.
    pub(crate) fn orders_answered(&self) -> impl Iterator<Item = (&'a Call, &'a str)> {
        let history = self.history;
        let ok = history.calls.iter().filter(|call| call.outcome == Outcome::Ok);
        let orders = ok.filter(|call| matches!(call.operation, Operation::BuyCredits { .. }));
        orders.filter_map(|call| Some((call, call.answer.text("session")?)))
    }

    /// Who ordered a session.
    pub(crate) fn buyer(&self, session: &str) -> Option<&'a str> {
        self.orders.get(session).and_then(|order| order.workspaces.first().copied())
    }

    /// A workspace of this scenario's world.
    pub(crate) fn workspace(&self, name: &str) -> Option<&'a Workspace> {
        self.workspaces.get(name).copied()
    }

    /// A lead of this scenario's world.
    pub(crate) fn lead(&self, name: &str) -> Option<&'a Lead> {
        self.leads.get(name).copied()
    }

    /// Purchase rows of a workspace.
    pub(crate) fn purchases_of(&self, workspace: &str) -> &[&'a Purchase] {
        self.purchases.get(workspace).map_or(&[], Vec::as_slice)
    }

    /// Grants to a workspace.
    pub(crate) fn grants_of(&self, workspace: &str) -> &[&'a Grant] {
        self.grants.get(workspace).map_or(&[], Vec::as_slice)
    }

    /// Grants for each session, whoever received them.
    pub(crate) fn grants_by_session(&self) -> &Rows<'a, Grant> {
        &self.paid_grants
    }

    /// The provider's events about a session.
    pub(crate) fn events_about(&self, session: &str) -> &[&'a ProviderEvent] {
        self.events.get(session).map_or(&[], Vec::as_slice)
    }
}

/// A captured id, whether the target spells it as text or as a number.
fn named<'a>(answer: &'a Answer, field: &str) -> Option<Cow<'a, str>> {
    answer.text(field).map(Cow::Borrowed).or_else(|| answer.integer(field).map(|number| Cow::Owned(number.to_string())))
}

/// The same evidence with the rows of each table in one order, so that no answer depends on the order in
/// which a database happened to return them.
pub(crate) fn canonical(evidence: &Evidence) -> Evidence {
    fn sort<T: Ord>(rows: &mut Option<Vec<T>>) {
        if let Some(rows) = rows {
            rows.sort_unstable();
        }
    }
    let mut evidence = evidence.clone();
    let Database {
        accounts,
        entries,
        leads,
        purchases,
        commissions,
        grants,
        reversals,
        expiries,
        adjustments,
        statuses,
        dead_letters,
        jobs,
    } = &mut evidence.database;
    sort(accounts);
    entries.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.transfer));
    leads.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.lead));
    purchases.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.purchase));
    commissions.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.purchase));
    grants.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.grant));
    sort(reversals);
    sort(expiries);
    sort(adjustments);
    statuses.iter_mut().for_each(|rows| sort_by_name(rows, |row| &row.kind));
    sort(dead_letters);
    sort(jobs);
    sort_by_name(&mut evidence.provider.sessions, |row| &row.session);
    sort_by_name(&mut evidence.provider.events, |row| &row.event);
    sort_by_name(&mut evidence.provider.deliveries, |row| &row.event);
    sort_by_name(&mut evidence.email.accepted, |row| &row.event);
    evidence.email.refused.sort_unstable();
    evidence.email.alerts.sort_unstable();
    evidence
}

/// Sorts rows whose order begins with a name. The name's first letters are laid beside the row, because to fetch each
/// name again for each comparison is what takes the time in a large table.
fn sort_by_name<T: Ord>(rows: &mut Vec<T>, name: impl Fn(&T) -> &String) {
    let beginning = |name: &String| {
        let mut letters = [0; 16];
        let length = name.len().min(letters.len());
        letters[..length].copy_from_slice(&name.as_bytes()[..length]);
        u128::from_be_bytes(letters)
    };
    let mut named: Vec<(u128, T)> = rows.drain(..).map(|row| (beginning(name(&row)), row)).collect();
    named.sort_unstable();
    rows.extend(named.into_iter().map(|(_, row)| row));
}

#[cfg(test)]
mod tests {
    use super::sort_by_name;

    #[test]
    fn sorted_by_name_is_sorted() {
        let names =
            ["", "a", "b\0", "b", "purchase_of_a_long_name_2", "purchase_of_a_long_name_1", "purchase_", "\u{e9}"];
        let mut rows: Vec<(String, usize)> =
            names.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at)).collect();
        rows.extend(rows.clone().into_iter().map(|(name, at)| (name, 9 - at)));
        let mut expected = rows.clone();
        expected.sort_unstable();
        sort_by_name(&mut rows, |row| &row.0);
        assert_eq!(rows, expected);
    }
}
