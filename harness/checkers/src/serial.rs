//! A small shop that does one thing at a time, and the question whether what a few racing requests were answered, and
//! what is there afterwards, could have come of it in some order.
//!
//! Ids and times are masked: what counts is who bought what, who was refused why, and which balances were told. A
//! refusal for a reason that says nothing of the shop fits anywhere. A second request under a key has no effect; a
//! request for what one owns has none either, whatever it is answered. The balance in a purchase's answer may have been
//! read later than the purchase was made.

use std::collections::{BTreeMap, BTreeSet};

/// What the shop holds before the race.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop<'a> {
    /// Balances by workspace; a workspace that is missing holds nobody knows what.
    pub(crate) balances: BTreeMap<&'a str, i64>,
    pub(crate) leads: BTreeMap<&'a str, Stock>,
    pub(crate) owned: BTreeSet<(&'a str, &'a str)>,
    /// Keys of which a purchase came before.
    pub(crate) keys: BTreeSet<(&'a str, &'a str)>,
}

/// How often a lead was sold, as far as that is known while others buy it too, and how often it may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stock {
    pub(crate) least: i64,
    pub(crate) most: i64,
    /// None where the target promises none.
    pub(crate) limit: Option<i64>,
}

/// One racing request.
#[derive(Debug, Clone)]
pub(crate) struct Racer<'a> {
    pub(crate) asked: Asked<'a>,
    pub(crate) told: Told,
    /// From question to answer.
    pub(crate) from: u64,
    pub(crate) until: u64,
}

/// What it asked for.
#[derive(Debug, Clone)]
pub(crate) enum Asked<'a> {
    Buy { workspace: &'a str, leads: Vec<&'a str>, key: &'a str, price: i64 },
    Balance { workspace: &'a str },
}

/// What it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Done, with the balance where one was told.
    Ok(Option<i64>),
    SoldOut,
    Unfunded,
    Owned,
    /// Refused for a reason that says nothing of the shop.
    Refused,
    /// Nothing that says whether it was done.
    Unclear,
}

/// Purchases that are there afterwards: who bought what, sorted.
pub(crate) type Bought<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// How far an order goes at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// Positions of racers, in that order.
    pub(crate) longest: Vec<usize>,
}

/// Whether some order explains it; if none does, the longest that explains the answers of some.
pub(crate) fn explain<'a>(shop: &Shop<'a>, racers: &[Racer<'a>], bought: &Bought<'a>) -> Result<(), Misfit> {
    let mut search = Search { racers, bought, longest: Vec::new() };
    let begin = Moment { shop: shop.clone(), order: Vec::new(), made: Vec::new(), pending: Vec::new() };
    match search.go(begin) {
        true => Ok(()),
        false => Err(Misfit { longest: search.longest }),
    }
}

struct Search<'s, 'a> {
    racers: &'s [Racer<'a>],
    bought: &'s Bought<'a>,
    longest: Vec<usize>,
}

/// The shop after some of the racers.
#[derive(Clone)]
struct Moment<'a> {
    shop: Shop<'a>,
    order: Vec<usize>,
    made: Bought<'a>,
    /// Balances that were told and have not been seen since the purchase that told them.
    pending: Vec<(&'a str, i64)>,
}

impl<'a> Search<'_, 'a> {
    fn go(&mut self, moment: Moment<'a>) -> bool {
        if moment.order.len() > self.longest.len() {
            self.longest.clone_from(&moment.order);
        }
        if moment.order.len() == self.racers.len() {
            let mut made = moment.made;
            made.sort();
            return moment.pending.is_empty() && made == *self.bought;
        }
        let waiting = (0..self.racers.len()).filter(|at| !moment.order.contains(at));
        let first_end = waiting.clone().map(|at| self.racers[at].until).min().unwrap_or(u64::MAX);
        // Whoever asked after another had been answered comes after it.
        let next: Vec<usize> = waiting.filter(|at| self.racers[*at].from <= first_end).collect();
        next.into_iter().any(|at| self.after(&moment, at).into_iter().any(|moment| self.go(moment)))
    }

    /// What the shop can be after one more racer was answered as it was; nothing if it cannot have been.
    fn after(&self, before: &Moment<'a>, at: usize) -> Vec<Moment<'a>> {
        let racer = &self.racers[at];
        let mut idle = before.clone();
        idle.order.push(at);
        let (workspace, leads, key, price) = match &racer.asked {
            Asked::Balance { workspace } => {
                let held = before.shop.balances.get(workspace);
                let fits = match racer.told {
                    Told::Ok(Some(told)) => held.is_none_or(|held| *held == told),
                    _ => true,
                };
                return if fits { vec![idle] } else { vec![] };
            }
            Asked::Buy { workspace, leads, key, price } => (*workspace, leads, *key, *price),
        };
        let shop = &before.shop;
        let again = shop.keys.contains(&(workspace, key));
        let owned = leads.iter().any(|lead| shop.owned.contains(&(workspace, *lead)));
        let stock = |lead: &&&str| shop.leads.get(**lead);
        let left = leads.iter().all(|lead| stock(&lead).is_none_or(|s| s.limit.is_none_or(|limit| s.least < limit)));
        let full = leads.iter().any(|lead| stock(&lead).is_none_or(|s| s.limit.is_none_or(|limit| s.most >= limit)));
        let held = shop.balances.get(workspace);
        let funded = held.is_none_or(|held| *held >= price);
        let poor = held.is_none_or(|held| *held < price);

        let may_stay = match racer.told {
            Told::Refused | Told::Unclear => true,
            Told::Ok(_) => again || owned,
            Told::SoldOut => again || full,
            Told::Unfunded => again || poor,
            Told::Owned => again || owned,
        };
        let may_buy = matches!(racer.told, Told::Ok(_) | Told::Unclear) && !again && !owned && left && funded;
        let mut after = Vec::new();
        if may_buy {
            let mut moment = idle.clone();
            moment.buy(workspace, leads, key, price);
            if let Told::Ok(Some(told)) = racer.told {
                moment.pending.push((workspace, told));
            }
            moment.see();
            after.push(moment);
        }
        if may_stay {
            after.push(idle);
        }
        after
    }
}

impl<'a> Moment<'a> {
    fn buy(&mut self, workspace: &'a str, leads: &[&'a str], key: &'a str, price: i64) {
        if let Some(held) = self.shop.balances.get_mut(workspace) {
            *held = held.saturating_sub(price);
        }
        for lead in leads {
            if let Some(stock) = self.shop.leads.get_mut(lead) {
                stock.least += 1;
                stock.most += 1;
            }
            self.shop.owned.insert((workspace, *lead));
        }
        self.shop.keys.insert((workspace, key));
        let mut leads = leads.to_vec();
        leads.sort_unstable();
        self.made.push((workspace, leads));
    }

    fn see(&mut self) {
        let balances = &self.shop.balances;
        self.pending.retain(|(workspace, told)| balances.get(workspace).is_some_and(|held| held != told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(balance: i64, limit: i64) -> Shop<'static> {
        let stock = Stock { least: 0, most: 0, limit: Some(limit) };
        Shop {
            balances: [("ann", balance), ("bob", balance)].into(),
            leads: [("l", stock), ("m", stock)].into(),
            ..Shop::default()
        }
    }

    fn buy(workspace: &'static str, lead: &'static str, key: &'static str, told: Told) -> Racer<'static> {
        Racer { asked: Asked::Buy { workspace, leads: vec![lead], key, price: 10 }, told, from: 0, until: 9 }
    }

    fn read(workspace: &'static str, told: i64) -> Racer<'static> {
        Racer { asked: Asked::Balance { workspace }, told: Told::Ok(Some(told)), from: 0, until: 9 }
    }

    fn fits(shop: &Shop<'static>, racers: &[Racer<'static>], bought: &[(&'static str, &'static str)]) -> bool {
        let mut bought: Bought<'_> = bought.iter().map(|(who, lead)| (*who, vec![*lead])).collect();
        bought.sort();
        explain(shop, racers, &bought).is_ok()
    }

    #[test]
    fn one_of_two_gets_the_last() {
        let won = buy("ann", "l", "a", Told::Ok(Some(90)));
        let late = buy("bob", "l", "b", Told::SoldOut);
        assert!(fits(&shop(100, 1), &[late.clone(), won.clone()], &[("ann", "l")]));
        assert!(!fits(&shop(100, 2), &[late, won.clone()], &[("ann", "l")]), "one was left");
        let both = [won, buy("bob", "l", "b", Told::Ok(None))];
        assert!(!fits(&shop(100, 1), &both, &[("ann", "l"), ("bob", "l")]), "sold twice");
        assert!(fits(&shop(100, 2), &both, &[("ann", "l"), ("bob", "l")]));
    }

    #[test]
    fn a_double_click_buys_once_whatever_the_second_is_told() {
        let first = buy("ann", "l", "a", Told::Ok(Some(90)));
        for told in [Told::Ok(Some(90)), Told::Ok(Some(70)), Told::Refused, Told::Owned, Told::Unclear] {
            assert!(fits(&shop(100, 9), &[buy("ann", "l", "a", told), first.clone()], &[("ann", "l")]), "{told:?}");
            let other = [buy("ann", "l", "b", told), first.clone()];
            assert!(fits(&shop(100, 9), &other, &[("ann", "l")]), "{told:?}");
        }
        let twice = [first, buy("ann", "l", "a", Told::Ok(Some(80)))];
        assert!(!fits(&shop(100, 9), &twice, &[("ann", "l"), ("ann", "l")]));
    }

    #[test]
    fn balances_have_an_order_too() {
        let two = |a, b| [buy("ann", "l", "a", Told::Ok(Some(a))), buy("ann", "m", "b", Told::Ok(Some(b)))];
        let bought = [("ann", "l"), ("ann", "m")];
        assert!(fits(&shop(20, 9), &two(10, 0), &bought) && fits(&shop(20, 9), &two(0, 10), &bought));
        assert!(fits(&shop(20, 9), &two(0, 0), &bought), "read after both");
        assert!(!fits(&shop(20, 9), &two(10, 10), &bought), "a lost update");
        let both_read = |balance| [read("ann", balance), buy("ann", "l", "a", Told::Ok(None))];
        assert!(
            fits(&shop(20, 9), &both_read(20), &[("ann", "l")]) && fits(&shop(20, 9), &both_read(10), &[("ann", "l")])
        );
        assert!(!fits(&shop(20, 9), &both_read(15), &[("ann", "l")]));
        let poor = [buy("ann", "l", "a", Told::Ok(None)), buy("ann", "m", "b", Told::Unfunded)];
        assert!(fits(&shop(10, 9), &poor, &[("ann", "l")]) && !fits(&shop(20, 9), &poor, &[("ann", "l")]));
    }

    #[test]
    fn what_is_unclear_happened_or_did_not_and_time_orders_what_it_can() {
        let unclear = [buy("ann", "l", "a", Told::Unclear)];
        assert!(fits(&shop(100, 9), &unclear, &[]) && fits(&shop(100, 9), &unclear, &[("ann", "l")]));
        assert!(!fits(&shop(5, 9), &unclear, &[("ann", "l")]));
        let mut late = buy("bob", "l", "b", Told::Ok(None));
        late.from = 10;
        late.until = 12;
        let early = buy("ann", "l", "a", Told::SoldOut);
        assert!(!fits(&shop(100, 1), &[early.clone(), late.clone()], &[("bob", "l")]));
        late.from = 9;
        assert!(fits(&shop(100, 1), &[early, late], &[("bob", "l")]));
    }

    #[test]
    fn an_answer_without_its_effect_and_an_effect_without_its_answer_do_not_fit() {
        let ok = [buy("ann", "l", "a", Told::Ok(None))];
        assert!(!fits(&shop(100, 9), &ok, &[]));
        assert!(!fits(&shop(100, 9), &[buy("ann", "l", "a", Told::Refused)], &[("ann", "l")]));
        let mut unknown = shop(100, 9);
        unknown.balances.clear();
        assert!(fits(&unknown, &[buy("ann", "l", "a", Told::Ok(Some(3)))], &[("ann", "l")]));
    }
}
