//! What can be lost, as stable ids and words for the headline.
//!
//! A scenario lists every stake that was examined, zero being the good news. One that was not examined is
//! absent: a vacuous zero would be a lie.

use std::collections::BTreeMap;

use overdraft_model::verdict::Stake;

/// A kind of loss, in the order in which headlines name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loss {
    /// Sales of a lead beyond its limit.
    LeadsOversold,
    /// Credits that nobody paid for, earned or gave.
    CreditsFromNothing,
    /// Credits debited without a purchase.
    CreditsLost,
    /// Credits granted for a session that is not paid.
    CreditsUnpaidGranted,
    /// Credits paid for and not granted.
    PaidNotGranted,
    /// Purchases made twice.
    PurchasesDoubled,
    /// Purchases acknowledged and gone.
    PurchasesLost,
    /// Emails promised and neither sent nor handed to a person.
    EmailsLost,
    /// Emails sent again to the same person about the same thing.
    EmailsDoubled,
    /// Workspaces whose balance was below zero.
    BalancesNegative,
}

impl Loss {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::LeadsOversold => ("leads-oversold", "leads oversold"),
            Self::CreditsFromNothing => ("credits-from-nothing", "credits from nothing"),
            Self::CreditsLost => ("credits-lost", "credits lost"),
            Self::CreditsUnpaidGranted => ("credits-unpaid-granted", "credits granted unpaid"),
            Self::PaidNotGranted => ("paid-not-granted", "credits paid but not granted"),
            Self::PurchasesDoubled => ("purchases-doubled", "purchases doubled"),
            Self::PurchasesLost => ("purchases-lost", "purchases lost"),
            Self::EmailsLost => ("emails-lost", "emails lost"),
            Self::EmailsDoubled => ("emails-doubled", "emails doubled"),
            Self::BalancesNegative => ("balances-negative", "balances below zero"),
        }
    }

    /// An amount of it.
    pub(crate) fn stake(self, amount: i128) -> Stake {
        let (id, what) = self.words();
        let amount = i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX });
        Stake { id: id.into(), amount, what: what.into() }
    }
}

/// Amounts by kind of loss.
#[derive(Debug, Clone, Default)]
pub(crate) struct Money(BTreeMap<Loss, i128>);

impl Money {
    /// Counts an examined amount, zero included.
    pub(crate) fn add(&mut self, loss: Loss, amount: i128) {
        *self.0.entry(loss).or_default() += amount;
    }

    /// How much of a loss was counted.
    pub(crate) fn amount(&self, loss: Loss) -> i64 {
        i64::try_from(self.0.get(&loss).copied().unwrap_or(0)).unwrap_or(i64::MAX)
    }

    /// Another check's view of the same scenario: the same loss seen twice is one loss.
    pub(crate) fn see(&mut self, other: &Self) {
        for (loss, amount) in &other.0 {
            let known = self.0.entry(*loss).or_default();
            *known = (*known).max(*amount);
        }
    }

    /// Another scenario's losses come on top.
    pub(crate) fn sum(&mut self, other: &Self) {
        for (loss, amount) in &other.0 {
            self.add(*loss, *amount);
        }
    }

    /// Without the zeros, for checks that could not look everywhere.
    pub(crate) fn only_losses(mut self) -> Self {
        self.0.retain(|_, amount| *amount != 0);
        self
    }

    /// For the report, in order.
    pub(crate) fn stakes(&self) -> Vec<Stake> {
        self.0.iter().map(|(loss, amount)| loss.stake(*amount)).collect()
    }
}
