//! `leads.capacity`: no lead is sold beyond its limit, and it is counted right.
//!
//! The limit with which the harness created the lead is the truth. Sales are counted by the rows. What buyers
//! were told counts only where no rows can be read, once per buyer unless answers name distinct purchases: a
//! service may well say yes again to somebody who owns the lead already, and a yes without a row is for
//! `acknowledged.durable` to judge.
//!
//! A lead that was not sold as often as it may be proves nothing of its limit, unless more buyers than that asked for it
//! and were answered by the shop.

use std::{borrow::Cow, collections::BTreeSet};

use overdraft_model::{
    evidence::{Lead as Stored, Purchase},
    history::Call,
    manifest::Lead,
    operation::{Operation, Outcome},
};

use crate::{case::Case, door, money::Loss, rows, story::Tale, trial::Trial, words::counted};

pub(crate) const ID: &str = "leads.capacity";

/// All that is known of one lead's sales.
struct Sales<'a> {
    lead: &'a Lead,
    /// None where the target maps no purchases.
    mapped: bool,
    rows: Vec<&'a Purchase>,
    stored: Option<&'a Stored>,
    /// Distinct purchases that a buyer was told of, with the first call that told.
    told: Vec<&'a Call>,
    /// Answers with a sold_count beyond the limit.
    reads: Vec<&'a Call>,
}

impl Sales<'_> {
    fn sold(&self) -> usize {
        if self.mapped { self.rows.len() } else { self.told.len() }
    }

    fn limit(&self) -> usize {
        usize::try_from(self.lead.max_sales).unwrap_or(0)
    }
}

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let purchases = trial.need("purchases", case.database().purchases.as_ref());
    let leads = trial.need("leads", case.database().leads.as_ref());
    let counts = trial.complete();
    let (mut attempts, mut sold, mut oversold) = (0, 0, 0);
    for sales in sales(case, purchases, leads) {
        let tried = case.buys_for(&sales.lead.name).count();
        attempts += tried;
        sold += sales.sold();
        trial.saw(usize::from(sales.sold() >= sales.limit().max(1) || wanted(case, &sales)));
        let too_many = sales.sold().saturating_sub(sales.limit());
        oversold += too_many as i128;
        if too_many > 0 {
            trial.found(|| oversale(case, &sales, too_many).end());
        } else if !sales.reads.is_empty() {
            let summary =
                format!("{} may be sold {}, readers were told more", sales.lead.name, times(sales.lead.max_sales));
            trial.found(|| Tale::new(case.history, summary).calls(sales.reads.iter().copied()).end());
        }
        if counts {
            counted_right(case, &sales, &mut trial);
        }
    }
    trial.fact(format!("{} for {}", counted(attempts, "attempt"), counted(sold, "sale")));
    trial.stake(Loss::LeadsOversold, oversold);
    trial
}

/// Whether more buyers than it may have asked for a lead and were answered, not turned away before.
fn wanted(case: &Case<'_>, sales: &Sales<'_>) -> bool {
    let answered = |call: &Call| call.outcome != Outcome::Info && !door::at_the_door(call);
    let buyers: BTreeSet<&str> =
        case.buys_for(&sales.lead.name).filter(|buy| answered(buy.call)).map(|buy| buy.workspace).collect();
    buyers.len() > sales.limit()
}

/// Gathers what is known per lead of this world.
fn sales<'a>(case: &Case<'a>, purchases: &'a [Purchase], leads: &'a [Stored]) -> Vec<Sales<'a>> {
    let mut all: Vec<Sales<'a>> = Vec::new();
    let mut at = std::collections::HashMap::with_capacity(case.world().leads.len());
    for lead in &case.world().leads {
        at.insert(lead.name.as_str(), all.len());
        let mut seen: BTreeSet<(&str, Cow<'_, str>)> = BTreeSet::new();
        let told = case.buys_for(&lead.name).filter(|buy| buy.call.outcome == Outcome::Ok).filter(|buy| {
            let id = buy.purchase.clone().unwrap_or(Cow::Borrowed(""));
            seen.insert((buy.workspace, id))
        });
        let told = told.map(|buy| buy.call).collect();
        let mapped = case.database().purchases.is_some();
        all.push(Sales { lead, mapped, rows: Vec::new(), stored: None, told, reads: Vec::new() });
    }
    for row in purchases {
        if let Some(at) = at.get(row.lead.as_str()) {
            all[*at].rows.push(row);
        }
    }
    for row in leads {
        if let Some(at) = at.get(row.lead.as_str()) {
            all[*at].stored = Some(row);
        }
    }
    for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        let Operation::ReadLead { lead, .. } = &call.operation else { continue };
        let Some(at) = at.get(lead.as_str()) else { continue };
        if call.answer.integer("sold_count").is_some_and(|count| count > all[*at].lead.max_sales) {
            all[*at].reads.push(call);
        }
    }
    all
}

fn oversale<'a>(case: &Case<'a>, sales: &Sales<'a>, too_many: usize) -> Tale<'a> {
    let lead = sales.lead;
    let buyers: BTreeSet<&str> = match sales.mapped {
        true => sales.rows.iter().map(|row| row.workspace.as_str()).collect(),
        false => sales.told.iter().filter_map(|call| call.operation.workspace()).collect(),
    };
    let summary = format!(
        "{} may be sold {} and was sold {}, to {}: {} credits were taken for {} too many",
        lead.name,
        times(lead.max_sales),
        times(i64::try_from(sales.sold()).unwrap_or(i64::MAX)),
        counted(buyers.len(), "buyer"),
        i128::from(lead.price) * too_many as i128,
        counted(too_many, "sale"),
    );
    Tale::new(case.history, summary)
        .stake(Loss::LeadsOversold, too_many as i128)
        .calls(sales.told.iter().copied())
        .calls(sales.reads.iter().copied())
        .rows(sales.stored.map(rows::lead))
        .rows(sales.rows.iter().map(|row| rows::purchase(row)))
}

fn times(number: i64) -> String {
    match number {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}

/// sold_count is the number of purchases, and the limit is the one that was asked for.
fn counted_right<'a>(case: &Case<'a>, sales: &Sales<'a>, trial: &mut Trial) {
    let name = &sales.lead.name;
    let Some(stored) = sales.stored else {
        trial.doubt(format!("{name} is not among the leads that were read"));
        return;
    };
    if usize::try_from(stored.sold_count) != Ok(sales.rows.len()) {
        let summary = format!(
            "{name} says it was sold {} times, {} exist",
            stored.sold_count,
            counted(sales.rows.len(), "purchase")
        );
        let tale = || {
            Tale::new(case.history, summary)
                .calls(sales.told.iter().copied())
                .calls(case.buys_for(name).map(|buy| buy.call))
                .rows([rows::lead(stored)])
                .rows(sales.rows.iter().map(|row| rows::purchase(row)))
        };
        trial.disagree(case.quiet(), || tale().end());
    }
    if stored.max_sales.is_some_and(|limit| limit != sales.lead.max_sales) {
        let summary = format!("{name} was offered for {} sales, the database has another limit", sales.lead.max_sales);
        trial.found(|| Tale::new(case.history, summary).rows([rows::lead(stored)]).end());
    }
}
