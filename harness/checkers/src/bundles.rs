//! Which rows are one purchase of several leads, where each lead's row has an id of its own.
//!
//! They are one if one call asked for all their leads, and it is told apart from others: by its key, where rows keep
//! it; else by the id that its answer named; else because nobody asked for these leads in another way.

use std::collections::{BTreeSet, HashMap, HashSet};

use overdraft_model::{evidence::Purchase, operation::Outcome};

use crate::case::Buy;

/// The ids of each bundle, under the one that stands for all.
#[derive(Default)]
pub(crate) struct Bundles<'a> {
    stands: HashMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Bundles<'a> {
    pub(crate) fn new(rows: &'a [Purchase], buys: &[Buy<'a>]) -> Self {
        let mut bundles = Self::default();
        if buys.iter().all(|buy| buy.leads.len() < 2) {
            return bundles;
        }
        let known = Known::new(rows, buys);
        for buy in buys.iter().filter(|buy| buy.leads.len() > 1 && buy.call.outcome != Outcome::Fail) {
            let rows = known.rows_of(buy);
            let Some(first) = rows.iter().map(|row| row.purchase.as_str()).min() else { continue };
            if rows.iter().any(|row| row.purchase != first) && known.told_apart(buy, &rows) {
                let of_row = |row: &&'a Purchase| (row.workspace.as_str(), row.purchase.as_str());
                rows.iter().for_each(|row| _ = bundles.stands.entry(of_row(row)).or_insert(first));
            }
        }
        bundles
    }

    /// The id that stands for a purchase of a workspace: its own, but in a bundle.
    pub(crate) fn id<'i>(&self, workspace: &str, id: &'i str) -> &'i str
    where
        'a: 'i,
    {
        self.stands.get(&(workspace, id)).copied().unwrap_or(id)
    }

    /// Whether there is none, so that each id stands for itself.
    pub(crate) fn is_empty(&self) -> bool {
        self.stands.is_empty()
    }
}

/// Rows and calls by what tells them apart.
struct Known<'c, 'a> {
    rows: HashMap<(&'a str, &'a str), Vec<&'a Purchase>>,
    /// Calls that may have bought a lead.
    buys: HashMap<(&'a str, &'a str), Vec<&'c Buy<'a>>>,
    /// Calls that were told of a purchase.
    told: HashMap<(&'a str, &'c str), Vec<&'c Buy<'a>>>,
    keys: HashSet<(&'a str, &'a str)>,
}

impl<'c, 'a> Known<'c, 'a> {
    fn new(rows: &'a [Purchase], buys: &'c [Buy<'a>]) -> Self {
        let mut known = Self { rows: HashMap::new(), buys: HashMap::new(), told: HashMap::new(), keys: HashSet::new() };
        for row in rows {
            known.rows.entry((&row.workspace, &row.lead)).or_default().push(row);
        }
        for buy in buys {
            known.keys.insert((buy.workspace, buy.key));
            if buy.call.outcome == Outcome::Fail {
                continue;
            }
            for lead in buy.leads {
                known.buys.entry((buy.workspace, lead)).or_default().push(buy);
            }
            if let (Outcome::Ok, Some(id)) = (buy.call.outcome, buy.purchase.as_deref()) {
                known.told.entry((buy.workspace, id)).or_default().push(buy);
            }
        }
        known
    }

    /// The rows of a call's leads that can be its own, one each; a lead of which there are several has none.
    fn rows_of(&self, buy: &Buy<'a>) -> Vec<&'a Purchase> {
        let of_lead = |lead: &String| {
            let rows = self.rows.get(&(buy.workspace, lead.as_str())).into_iter().flatten().copied();
            let mut own = rows.filter(|row| !self.anothers(buy, row));
            own.next().filter(|_| own.next().is_none())
        };
        buy.leads.iter().filter_map(of_lead).collect()
    }

    /// Whether a row holds the key of another call, or a call for other leads was told of it.
    fn anothers(&self, buy: &Buy<'a>, row: &Purchase) -> bool {
        if let Some(key) = row.key.as_deref().filter(|key| self.keys.contains(&(buy.workspace, *key))) {
            return key != buy.key;
        }
        let told = self.told.get(&(buy.workspace, row.purchase.as_str())).into_iter().flatten();
        told.into_iter().any(|other| other.key != buy.key && !same_leads(other, buy))
    }

    fn told_apart(&self, buy: &Buy<'a>, rows: &[&Purchase]) -> bool {
        let named =
            |row: &&Purchase| row.key.as_deref() == Some(buy.key) || buy.purchase.as_deref() == Some(&row.purchase);
        let alone = |lead: &String| {
            let others = self.buys.get(&(buy.workspace, lead.as_str())).into_iter().flatten();
            others.into_iter().all(|other| same_leads(other, buy))
        };
        rows.iter().any(named) || buy.leads.iter().all(alone)
    }
}

fn same_leads(one: &Buy<'_>, other: &Buy<'_>) -> bool {
    one.leads == other.leads || one.leads.iter().collect::<BTreeSet<_>>() == other.leads.iter().collect()
}
