//! What several checks need and is dear to come by, found once, when the first of them asks.

use std::{cell::OnceCell, collections::BTreeMap};

use crate::{
    balances::Balances,
    case::Case,
    effects::Effects,
    linearizable::{Answer, Budget, check as search},
};

/// For each account and lead: a second or so.
pub(crate) const BUDGET: Budget = Budget { steps: 3_000_000, bytes: 128 << 20 };
/// Searches that may end without an answer; after those, no more is searched.
pub(crate) const UNANSWERED: usize = 10;

/// By account, whether all that happened to it has an order. Those that were not searched any more are missing.
pub(crate) type Orders<'a> = BTreeMap<&'a str, Answer<i64>>;

/// A case, and what was found out about it so far.
pub(crate) struct Study<'c, 'a> {
    pub(crate) case: &'c Case<'a>,
    effects: OnceCell<Effects<'a>>,
    orders: OnceCell<Orders<'a>>,
}

impl<'c, 'a> Study<'c, 'a> {
    /// Nothing found out yet.
    pub(crate) const fn new(case: &'c Case<'a>) -> Self {
        Self { case, effects: OnceCell::new(), orders: OnceCell::new() }
    }

    /// What took effect, and when it can have. Needs the purchases, and the grants where credits are sold.
    pub(crate) fn effects(&self) -> &Effects<'a> {
        self.effects.get_or_init(|| Effects::new(self.case))
    }

    /// Each account's order.
    pub(crate) fn orders(&self) -> &Orders<'a> {
        self.orders.get_or_init(|| {
            let balances = Balances::new(self.case, self.effects());
            let mut orders = Orders::new();
            let mut unanswered = 0;
            for (who, account) in balances.judged() {
                // Most services read the balance with the debit, and then an order is found at once.
                let answer = match search(&account, &balances.whole_at_once(who).history, BUDGET) {
                    Answer::Linearizable => Answer::Linearizable,
                    Answer::Violation(_) | Answer::Unknown(_) => search(&account, &balances.whole(who).history, BUDGET),
                };
                unanswered += usize::from(matches!(answer, Answer::Unknown(_)));
                orders.insert(who, answer);
                if unanswered >= UNANSWERED {
                    break;
                }
            }
            orders
        })
    }
}
