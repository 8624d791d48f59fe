//! What the credits of three workspaces should do: plain vectors, no database, one thing after the other.
//!
//! Time is in hours since an arbitrary midnight. Wallets 0 and 1 buy, wallet 2 sells.

use std::collections::BTreeMap;

/// The partner's wallet.
pub(super) const PARTNER: usize = 2;
/// Days for which whatever is bought, earned or adjusted can be spent.
pub(super) const LIFETIME_DAYS: i64 = 10;
/// Cents of one credit.
pub(super) const PRICE_CENTS: i64 = 100;

/// What may be done.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// So many days go by.
    Wait(i64),
    /// A gift that lives so many days.
    Grant { wallet: usize, credits: i64, days: i64 },
    /// A lead of the partner's.
    Buy { wallet: usize, price: i64 },
    /// Credits are ordered.
    Order { wallet: usize, credits: i64 },
    /// An order is paid. This and the next three are about the order of that number, modulo how many there are.
    Pay { order: usize },
    /// A refund of a tenth of the amount, times `tenths`, is heard of; the same number is the same refund.
    Refund { order: usize, tenths: i64, undone: bool },
    /// The charge is seen with so many tenths refunded.
    Charge { order: usize, tenths: i64 },
    /// A dispute about so many tenths is heard of; the same number is the same dispute.
    Dispute { order: usize, tenths: i64, withdrawn: bool, reinstated: bool },
    /// Expired credits are swept.
    Sweep,
    /// Staff gives or takes.
    Adjust { wallet: usize, credits: i64 },
}

/// One thing, or several at the same moment whose order cannot matter.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Once.
    One(Op),
    /// Three times at once, with the same key, reference or ids: it happens once.
    Thrice(Op),
    /// At once, about two different wallets.
    Both(Op, Op),
}

#[derive(Clone, Debug)]
pub(super) struct Lot {
    pub(super) remaining: i64,
    pub(super) expired: i64,
    expires_at: i64,
    lifetime: i64,
    order: Option<usize>,
    /// The day, if it is a lot of commissions.
    day: Option<i64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Wallet {
    pub(super) lots: Vec<Lot>,
    pub(super) debt: i64,
}

#[derive(Clone, Debug)]
struct Order {
    wallet: usize,
    credits: i64,
    paid: bool,
    refunds: BTreeMap<i64, bool>,
    charge_tenths: i64,
    disputes: BTreeMap<i64, (bool, bool)>,
    credits_back: i64,
    /// From which of the wallet's lots: (left, expired).
    claws: BTreeMap<usize, (i64, i64)>,
}

impl Order {
    /// The rule, in tenths of the amount.
    fn should_be_back(&self) -> i64 {
        let sum =
            |undone: bool| self.refunds.iter().filter(|(_, u)| **u == undone).map(|(tenths, _)| tenths).sum::<i64>();
        let refunded = sum(false).max(self.charge_tenths - sum(true));
        let disputed: i64 = self.disputes.iter().filter(|(_, (w, r))| *w && !r).map(|(tenths, _)| tenths).sum();
        self.credits * (refunded + disputed).min(10) / 10
    }
}

/// All there is.
#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) now: i64,
    pub(super) wallets: [Wallet; 3],
    orders: Vec<Order>,
}

impl Model {
    pub(super) fn new() -> Self {
        Self { now: 12, wallets: Default::default(), orders: Vec::new() }
    }

    pub(super) fn spendable(&self, wallet: usize) -> i64 {
        let lots = &self.wallets[wallet].lots;
        lots.iter().filter(|lot| lot.expires_at > self.now).map(|lot| lot.remaining).sum()
    }

    /// Which wallets an operation may change; none: any, or it changes what others mean.
    pub(super) fn touches(&self, op: &Op) -> Option<Vec<usize>> {
        match op {
            Op::Grant { wallet, .. } | Op::Adjust { wallet, .. } => Some(vec![*wallet]),
            Op::Buy { wallet, .. } => Some(vec![*wallet, PARTNER]),
            Op::Pay { order } | Op::Refund { order, .. } | Op::Charge { order, .. } | Op::Dispute { order, .. } => {
                Some(self.nth(*order).map(|order| self.orders[order].wallet).into_iter().collect())
            }
            Op::Wait(_) | Op::Sweep | Op::Order { .. } => None,
        }
    }

    /// The order that a number means.
    pub(super) fn nth(&self, order: usize) -> Option<usize> {
        order.checked_rem(self.orders.len())
    }

    pub(super) fn order_credits(&self, order: usize) -> i64 {
        self.orders[order].credits
    }

    pub(super) fn apply(&mut self, step: &Step) {
        match step {
            Step::One(op) | Step::Thrice(op) => self.run(op),
            Step::Both(first, second) => {
                self.run(first);
                self.run(second);
            }
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Wait(days) => self.now += 24 * days,
            Op::Grant { wallet, credits, days } => self.receive(wallet, credits, 24 * days, None),
            Op::Adjust { wallet, credits } if credits > 0 => self.receive(wallet, credits, 24 * LIFETIME_DAYS, None),
            Op::Adjust { wallet, credits } => {
                if self.spendable(wallet) >= -credits {
                    self.take(wallet, -credits);
                }
            }
            Op::Buy { wallet, price } => self.buy(wallet, price),
            Op::Order { wallet, credits } => self.orders.push(Order {
                wallet,
                credits,
                paid: false,
                refunds: BTreeMap::new(),
                charge_tenths: 0,
                disputes: BTreeMap::new(),
                credits_back: 0,
                claws: BTreeMap::new(),
            }),
            Op::Sweep => (0..self.wallets.len()).for_each(|wallet| self.sweep(wallet)),
            Op::Pay { order } => {
                if let Some(order) = self.nth(order).filter(|order| !self.orders[*order].paid) {
                    self.orders[order].paid = true;
                    let Order { wallet, credits, .. } = self.orders[order];
                    self.receive(wallet, credits, 24 * LIFETIME_DAYS, Some(order));
                    self.settle(order);
                }
            }
            Op::Refund { order, tenths, undone } => self.fact(order, |order| {
                *order.refunds.entry(tenths).or_default() |= undone;
            }),
            Op::Charge { order, tenths } => self.fact(order, |order| {
                order.charge_tenths = order.charge_tenths.max(tenths);
            }),
            Op::Dispute { order, tenths, withdrawn, reinstated } => self.fact(order, |order| {
                let (w, r) = order.disputes.entry(tenths).or_default();
                *w |= withdrawn;
                *r |= reinstated;
            }),
        }
    }

    fn fact(&mut self, order: usize, add: impl FnOnce(&mut Order)) {
        if let Some(order) = self.nth(order) {
            add(&mut self.orders[order]);
            if self.orders[order].paid {
                self.settle(order);
            }
        }
    }

    /// New credits: a lot, and the debt first.
    fn receive(&mut self, wallet: usize, credits: i64, lifetime: i64, order: Option<usize>) {
        let expires_at = self.now + lifetime;
        self.wallets[wallet].lots.push(Lot { remaining: credits, expired: 0, expires_at, lifetime, order, day: None });
        self.pay_debt(wallet);
    }

    fn pay_debt(&mut self, wallet: usize) {
        let paid = self.take(wallet, self.wallets[wallet].debt);
        self.wallets[wallet].debt -= paid;
    }

    /// The lots in the order in which they expire; of two that expire together the older first.
    fn by_expiry(&self, wallet: usize) -> Vec<usize> {
        let lots = &self.wallets[wallet].lots;
        let mut order: Vec<usize> = (0..lots.len()).collect();
        order.sort_by_key(|lot| (lots[*lot].expires_at, *lot));
        order
    }

    fn take(&mut self, wallet: usize, credits: i64) -> i64 {
        let mut left = credits;
        for lot in self.by_expiry(wallet) {
            let lot = &mut self.wallets[wallet].lots[lot];
            if lot.expires_at > self.now {
                let part = lot.remaining.min(left);
                lot.remaining -= part;
                left -= part;
            }
        }
        credits - left
    }

    fn buy(&mut self, wallet: usize, price: i64) {
        if self.wallets[wallet].debt > 0 || self.spendable(wallet) < price {
            return;
        }
        self.take(wallet, price);
        let (day, share) = (self.now / 24, price * 20 / 100);
        if share == 0 {
            return;
        }
        let lots = &mut self.wallets[PARTNER].lots;
        match lots.iter_mut().find(|lot| lot.day == Some(day)) {
            Some(lot) => lot.remaining += share,
            None => {
                let (expires_at, lifetime) = (24 * (day + LIFETIME_DAYS + 1), 24 * (LIFETIME_DAYS + 1));
                lots.push(Lot { remaining: share, expired: 0, expires_at, lifetime, order: None, day: Some(day) });
            }
        }
        self.pay_debt(PARTNER);
    }

    fn sweep(&mut self, wallet: usize) {
        for lot in self.wallets[wallet].lots.iter_mut().filter(|lot| lot.expires_at <= self.now) {
            lot.expired += lot.remaining;
            lot.remaining = 0;
        }
    }

    fn settle(&mut self, order: usize) {
        let (target, wallet) = (self.orders[order].should_be_back(), self.orders[order].wallet);
        let change = target - self.orders[order].credits_back;
        self.orders[order].credits_back = target;
        if change != 0 {
            self.sweep(wallet);
        }
        if change > 0 {
            self.take_back(order, wallet, change);
        } else if change < 0 {
            self.give_back(order, wallet, -change);
        }
    }

    fn take_back(&mut self, order: usize, wallet: usize, credits: i64) {
        let mut left = credits;
        let lots = self.by_expiry(wallet);
        let own = |model: &Self, lot: &usize| model.wallets[wallet].lots[*lot].order == Some(order);
        let (mine, others): (Vec<usize>, Vec<usize>) = lots.into_iter().partition(|lot| own(self, lot));
        for (lots, mine) in [(mine, true), (others, false)] {
            for at in lots {
                let lot = &mut self.wallets[wallet].lots[at];
                let part = lot.remaining.min(left);
                let gone = if mine { lot.expired.min(left - part) } else { 0 };
                lot.remaining -= part;
                lot.expired -= gone;
                left -= part + gone;
                let claw = self.orders[order].claws.entry(at).or_default();
                *claw = (claw.0 + part, claw.1 + gone);
            }
        }
        self.wallets[wallet].debt += left;
    }

    fn give_back(&mut self, order: usize, wallet: usize, credits: i64) {
        let canceled = self.wallets[wallet].debt.min(credits);
        self.wallets[wallet].debt -= canceled;
        let (mut left, mut fresh) = (credits - canceled, 0);
        let mut lots = self.by_expiry(wallet);
        lots.reverse();
        lots.sort_by_key(|lot| self.wallets[wallet].lots[*lot].order == Some(order));
        for at in lots {
            let Some(claw) = self.orders[order].claws.get_mut(&at) else { continue };
            let lot = &mut self.wallets[wallet].lots[at];
            let gone = claw.1.min(left);
            let part = claw.0.min(left - gone);
            *claw = (claw.0 - part, claw.1 - gone);
            left -= part + gone;
            lot.expired += gone;
            if lot.expires_at > self.now {
                lot.remaining += part;
            } else {
                fresh += part;
            }
        }
        if fresh + left > 0 {
            let first = self.wallets[wallet].lots.iter().find(|lot| lot.order == Some(order));
            let lifetime = first.expect("a paid order has its lot").lifetime;
            let expires_at = self.now + lifetime;
            let lot = Lot { remaining: fresh + left, expired: 0, expires_at, lifetime, order: Some(order), day: None };
            self.wallets[wallet].lots.push(lot);
        }
    }
}
