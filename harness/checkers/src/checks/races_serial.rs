//! `races.serial`: what a few racing requests got is what they would have got one after the other, in some order.
//!
//! `history.linearizable` looks at each account and each lead by itself; this one at a purchase as a whole, which takes
//! from both and is asked under a key. For races of two to five requests every order is tried (`serial`) from the state
//! before the race, as rows and calls tell it; of larger ones for each workspace's own. What others did meanwhile
//! leaves a count between two numbers, and a balance unknown; a race in which somebody else may have used the same
//! key, or bought the same lead for the same workspace, is left out. So is one of which it is not known what a key does,
//! or which rows are one purchase.

use std::collections::{BTreeMap, BTreeSet};

use overdraft_model::{
    history::{Call, Race},
    operation::{Operation, Outcome},
};

use crate::{
    balances::Balances,
    case::{Buy, Case},
    effects::{self, Bought, Effects},
    linearizable::End,
    measure,
    serial::{self, Asked, Misfit, Racer, Shop, Stock, Told},
    story::Tale,
    study::Study,
    trial::Trial,
    words::counted,
};

pub(crate) const ID: &str = "races.serial";

/// More orders than this many requests have are not tried.
const MOST: usize = 5;
/// Sales of a lead that are looked at one by one, although it was never sold out.
const LOOKED_AT: usize = 100;

/// Judges one scenario.
pub(crate) fn check(study: &Study<'_, '_>) -> Trial {
    let case = study.case;
    let mut trial = Trial::new(ID);
    let small: Vec<(&Race, Vec<&Call>)> = case.history.races.iter().flat_map(|race| small(case, race)).collect();
    if small.is_empty() {
        return trial;
    }
    if !effects::told(case, &mut trial) {
        return trial;
    }
    let effects = study.effects();
    let balances = Balances::new(case, effects);
    let mut left_out = 0;
    for (race, calls) in &small {
        let Some(field) = Field::new(case, effects, &balances, calls) else {
            left_out += 1;
            continue;
        };
        trial.saw(1);
        if let Err(misfit) = serial::explain(&field.shop, &field.racers, &field.bought) {
            trial.disagree(case.quiet(), || field.tale(case, race, &misfit).end());
        }
    }
    trial.fact(format!("{} of 2 to {MOST} requests", counted(small.len() - left_out, "race")));
    if left_out > 0 {
        trial.fact(format!(
            "{} left out: others did the same meanwhile, or rows do not tell",
            counted(left_out, "race")
        ));
    }
    trial
}

/// The calls of a race, where they are few, else those of each workspace; only where they overlapped and asked for
/// nothing but purchases and reads.
fn small<'a>(case: &Case<'a>, race: &'a Race) -> Vec<(&'a Race, Vec<&'a Call>)> {
    let calls: Vec<&Call> = race.operations.iter().filter_map(|op| case.call(*op)).collect();
    let groups: Vec<Vec<&Call>> = if calls.len() <= MOST {
        vec![calls]
    } else {
        let mut by_workspace: BTreeMap<Option<&str>, Vec<&Call>> = BTreeMap::new();
        calls.iter().for_each(|call| by_workspace.entry(call.operation.workspace()).or_default().push(call));
        by_workspace.into_values().collect()
    };
    let buys = |call: &&Call| matches!(call.operation, Operation::Purchase { .. });
    let tried = |calls: &Vec<&Call>| {
        (2..=MOST).contains(&calls.len())
            && calls.iter().any(buys)
            && calls.iter().all(|call| buys(call) || call.operation.is_read())
            && measure::in_flight(case.history.end, calls.iter().copied()) >= 2
    };
    groups.into_iter().filter(tried).map(|calls| (race, calls)).collect()
}

/// A race with the shop before it and what was bought in it.
struct Field<'e, 'a> {
    shop: Shop<'a>,
    racers: Vec<Racer<'a>>,
    bought: serial::Bought<'a>,
    made: Vec<&'e Bought<'a>>,
    calls: Vec<&'a Call>,
}

/// When a purchase was made, as a race sees it.
#[derive(PartialEq, Eq)]
enum When {
    Before,
    Within,
    After,
    Meanwhile,
}

impl<'e, 'a> Field<'e, 'a> {
    fn new(case: &Case<'a>, effects: &'e Effects<'a>, balances: &Balances<'_, 'a>, calls: &[&'a Call]) -> Option<Self> {
        let ops: BTreeSet<u64> = calls.iter().map(|call| call.op).collect();
        let start = calls.iter().map(|call| call.start).min()?;
        let end = calls.iter().filter_map(|call| call.end).max().unwrap_or(start);
        let when = |bought: &Bought<'_>| match bought.end {
            End::At(answered) if answered < start => When::Before,
            _ if bought.from > end => When::After,
            _ if bought.from >= start && bought.call.is_some_and(|call| ops.contains(&call.op)) => When::Within,
            _ => When::Meanwhile,
        };
        let mut field = Self {
            shop: Shop::default(),
            racers: Vec::new(),
            bought: Vec::new(),
            made: Vec::new(),
            calls: calls.to_vec(),
        };
        let mut leads: BTreeSet<&str> = BTreeSet::new();
        let mut keys: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut workspaces: BTreeSet<&str> = BTreeSet::new();
        for call in calls {
            workspaces.extend(call.operation.workspace());
            if let Operation::Purchase { workspace, leads: wanted, key } = &call.operation {
                let other = |buy: &Buy<'_>| buy.key == key && buy.leads != wanted && buy.call.start <= end;
                if !case.keyed && case.buys_of(workspace).any(other) {
                    return None;
                }
                leads.extend(wanted.iter().map(String::as_str));
                keys.insert((workspace, key));
            }
            field.racers.extend(racer(case, call, &ops)?);
        }
        for who in workspaces {
            let mut balance = balances.plain(who, end);
            for bought in effects.bought_by(who) {
                match when(bought) {
                    When::Before => {
                        balance = balance.map(|balance| balance.saturating_sub(bought.price));
                        field.shop.owned.extend(bought.leads.iter().map(|lead| (who, *lead)));
                        field.shop.keys.extend(bought.key.map(|key| (who, key)));
                    }
                    When::Within if half(bought) => return None,
                    When::Within => field.made.push(bought),
                    When::After => {}
                    When::Meanwhile => {
                        let same_key = bought.key.is_none_or(|key| keys.contains(&(who, key)));
                        if same_key || bought.leads.iter().any(|lead| leads.contains(lead)) {
                            return None;
                        }
                        balance = None;
                    }
                }
            }
            field.shop.balances.extend(balance.map(|balance| (who, balance)));
        }
        let bounded = !case.skips("leads.capacity");
        for lead in leads {
            let known = case.lead(lead)?;
            let mut stock = Stock { least: 0, most: 0, limit: bounded.then_some(known.max_sales) };
            // Of one that is never sold out it does not matter when it was sold.
            let sales = effects.sales_of(lead).count();
            let scarce = sales <= LOOKED_AT || i64::try_from(sales).is_ok_and(|sales| sales >= known.max_sales);
            for bought in effects.sales_of(lead).filter(|_| scarce) {
                match when(bought) {
                    When::Before => (stock.least, stock.most) = (stock.least + 1, stock.most + 1),
                    When::Meanwhile => stock.most += 1,
                    When::Within | When::After => {}
                }
            }
            field.shop.leads.insert(lead, stock);
        }
        field.bought = field.made.iter().map(|bought| (bought.workspace, sorted(&bought.leads))).collect();
        field.bought.sort();
        Some(field)
    }

    fn tale(&self, case: &Case<'a>, race: &Race, misfit: &Misfit) -> Tale<'a> {
        let made = match self.bought.len() {
            0 => "nothing was bought".to_owned(),
            _ => {
                let lines = self.bought.iter().map(|(who, leads)| format!("{who} bought {}", leads.join(" + ")));
                lines.collect::<Vec<_>>().join(", ")
            }
        };
        let summary = format!(
            "the race for {}: no order of its {} gives these answers and leaves what is there: {made}",
            race.name,
            counted(self.racers.len(), "request")
        );
        let asked: Vec<&Call> = self.calls.iter().copied().filter(|call| modelled(call)).collect();
        let order =
            misfit.longest.iter().map(|at| format!("in order: operation {}, {}", asked[*at].op, asked[*at].answer));
        let stuck = (0..asked.len()).filter(|at| !misfit.longest.contains(at));
        let stuck = stuck.map(|at| format!("does not fit: operation {}, {}", asked[at].op, asked[at].answer));
        let balances = self.shop.balances.iter().map(|(who, balance)| format!("before: {who} holds {balance}"));
        let sold = self.shop.leads.iter().map(|(lead, stock)| {
            let limit = stock.limit.map_or("no limit".to_owned(), |limit| limit.to_string());
            format!("before: {lead} was sold {} of {limit}", between(stock.least, stock.most))
        });
        Tale::new(case.history, summary)
            .calls(self.calls.iter().copied())
            .rows(balances)
            .rows(sold)
            .rows(order)
            .rows(stuck)
    }
}

/// Whether a row without a key shows only some of the leads that its call asked for: the others may be rows apart.
fn half(bought: &Bought<'_>) -> bool {
    let asked = bought.call.map(|call| &call.operation);
    matches!(asked, Some(Operation::Purchase { leads, .. }) if bought.key.is_none() && bought.leads.len() < leads.len())
}

fn between(least: i64, most: i64) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

fn sorted<'a>(leads: &[&'a str]) -> Vec<&'a str> {
    let mut leads = leads.to_vec();
    leads.sort_unstable();
    leads
}

/// Whether the small shop knows of it: how often a lead was sold may be told from a cache.
fn modelled(call: &Call) -> bool {
    matches!(call.operation, Operation::Purchase { .. } | Operation::ReadBalance { .. })
}

/// A request as the small shop sees it: none inside for one that it does not know of, none at all for a purchase of
/// something that is not of this world.
fn racer<'a>(case: &Case<'a>, call: &'a Call, race: &BTreeSet<u64>) -> Option<Option<Racer<'a>>> {
    let asked = match &call.operation {
        Operation::Purchase { workspace, leads, key } => Asked::Buy {
            workspace,
            leads: leads.iter().map(String::as_str).collect(),
            key,
            price: effects::price(case, call)?,
        },
        Operation::ReadBalance { workspace } => Asked::Balance { workspace },
        _ => return Some(None),
    };
    // Under a key that was used before, a refusal may be that of then.
    let replayed = match asked {
        Asked::Buy { workspace, key, .. } => {
            case.buys_of(workspace).any(|buy| buy.key == key && !race.contains(&buy.call.op))
        }
        Asked::Balance { .. } => false,
    };
    let told = match (call.outcome, call.answer.code.as_deref()) {
        (Outcome::Ok, _) => Told::Ok(call.answer.integer("balance")),
        (Outcome::Info, _) => Told::Unclear,
        (Outcome::Fail, _) if replayed => Told::Refused,
        (Outcome::Fail, Some("lead_sold_out")) => Told::SoldOut,
        (Outcome::Fail, Some("insufficient_credits")) if !case.skips("credits.never-negative") => Told::Unfunded,
        (Outcome::Fail, Some("already_purchased")) => Told::Owned,
        (Outcome::Fail, _) => Told::Refused,
    };
    let until = call.end.filter(|_| call.outcome != Outcome::Info).unwrap_or(u64::MAX);
    Some(Some(Racer { asked, told, from: call.start, until }))
}
