//! The planted defects: five ways in which real teams have written this service wrong.
//!
//! They prove the harness: each must be found. They live in this room only. A defect is a SQL overlay
//! (replaced functions, dropped constraints) or another implementation behind a seam, and the correct
//! code knows of none of them.

mod debit_first;
mod swallowed;

use std::fmt;
use std::str::FromStr;

use reqwest::Client;

use crate::email::Provider;
use crate::seams::{Mailer, OneCall, Purchasing};
use crate::settings::Settings;

/// A planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// The balance is read without a lock, compared, then decremented blindly.
    PurchaseChecksThenActs,
    /// The sold count is read without a lock, compared, then written as what was read plus one.
    SoldCountReadThenWritten,
    /// Neither the event id nor the payment is unique: each delivery grants.
    WebhooksNotDeduplicated,
    /// The job catches the email provider's error and reports success.
    EmailFailureSwallowed,
    /// The debit commits before the purchase is attempted.
    DebitBeforePurchase,
}

/// A name that no defect has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no defect is called {name:?}, expected one of {}", known())]
pub struct UnknownDefect {
    /// The name as given.
    pub name: String,
}

fn known() -> String {
    Defect::ALL.map(Defect::name).join(", ")
}

impl Defect {
    /// Every defect, in the order of the catalogue.
    pub const ALL: [Self; 5] = [
        Self::PurchaseChecksThenActs,
        Self::SoldCountReadThenWritten,
        Self::WebhooksNotDeduplicated,
        Self::EmailFailureSwallowed,
        Self::DebitBeforePurchase,
    ];

    /// Its stable name, as on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PurchaseChecksThenActs => "purchase-checks-then-acts",
            Self::SoldCountReadThenWritten => "sold-count-read-then-written",
            Self::WebhooksNotDeduplicated => "webhooks-not-deduplicated",
            Self::EmailFailureSwallowed => "email-failure-swallowed",
            Self::DebitBeforePurchase => "debit-before-purchase",
        }
    }

    /// What is wrong with the code.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::PurchaseChecksThenActs => {
                "A purchase reads the balance without a lock, compares it with the price, and then \
                 subtracts the price; no constraint keeps the balance from going below zero."
            }
            Self::SoldCountReadThenWritten => {
                "A purchase reads sold_count without a lock, compares it with max_sales, and later \
                 writes what it read plus one, so sales at the same time count as one."
            }
            Self::WebhooksNotDeduplicated => {
                "The webhook handler neither remembers event ids nor ties a grant to its payment, so \
                 every delivery of every 'paid' event grants the credits again."
            }
            Self::EmailFailureSwallowed => {
                "The email job catches the provider's error, logs it, and reports success: no retry, \
                 no dead letter, no alert."
            }
            Self::DebitBeforePurchase => {
                "The debit is committed in its own db_tx before the purchase is attempted in another, \
                 so a purchase that is then refused, or fails, leaves the buyer charged."
            }
        }
    }

    /// The kind of incident it models.
    #[must_use]
    pub fn incident(self) -> &'static str {
        match self {
            Self::PurchaseChecksThenActs => {
                "Gift cards and wallets drained below zero by requests sent at the same instant: \
                 check-then-act on a balance."
            }
            Self::SoldCountReadThenWritten => {
                "Overselling in flash sales and ticket launches: a lost update on the stock counter."
            }
            Self::WebhooksNotDeduplicated => {
                "Customers credited several times because the payment provider delivers at least \
                 once, and announces one payment with several events."
            }
            Self::EmailFailureSwallowed => {
                "Confirmations that silently never arrive during an outage of the email provider, \
                 while every dashboard is green."
            }
            Self::DebitBeforePurchase => {
                "Customers charged for orders that do not exist: charge and order in two \
                 transactions, with nothing to undo the first."
            }
        }
    }

    /// The check that must find it.
    #[must_use]
    pub fn caught_by(self) -> &'static str {
        match self {
            Self::PurchaseChecksThenActs => "credits.never-negative",
            Self::SoldCountReadThenWritten => "leads.capacity",
            Self::WebhooksNotDeduplicated => "effects.at-most-once",
            Self::EmailFailureSwallowed => "paid.delivered",
            Self::DebitBeforePurchase => "purchase.atomic",
        }
    }

    /// The scenario that exposes it.
    #[must_use]
    pub fn scenario(self) -> &'static str {
        match self {
            Self::PurchaseChecksThenActs => "wallet-drain",
            Self::SoldCountReadThenWritten | Self::DebitBeforePurchase => "flash-sale",
            Self::WebhooksNotDeduplicated => "webhook-storm",
            Self::EmailFailureSwallowed => "email-outage",
        }
    }

    /// What it changes in the database; `None` if it is a matter of the service alone.
    pub(crate) fn overlay(self) -> Option<&'static str> {
        match self {
            Self::PurchaseChecksThenActs => Some(include_str!("purchase_checks_then_acts.sql")),
            Self::SoldCountReadThenWritten => Some(include_str!("sold_count_read_then_written.sql")),
            Self::WebhooksNotDeduplicated => Some(include_str!("webhooks_not_deduplicated.sql")),
            Self::EmailFailureSwallowed => None,
            Self::DebitBeforePurchase => Some(include_str!("debit_before_purchase.sql")),
        }
    }
}

impl FromStr for Defect {
    type Err = UnknownDefect;

    fn from_str(name: &str) -> Result<Self, UnknownDefect> {
        Self::ALL
            .into_iter()
            .find(|defect| defect.name() == name)
            .ok_or_else(|| UnknownDefect { name: name.to_owned() })
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How an instance buys leads.
pub(crate) fn purchasing(defect: Option<Defect>) -> Box<dyn Purchasing> {
    match defect {
        Some(Defect::DebitBeforePurchase) => Box::new(debit_first::DebitFirst),
        _ => Box::new(OneCall),
    }
}

/// How an instance sends email.
pub(crate) fn mailer(defect: Option<Defect>, client: Client, settings: Settings) -> Box<dyn Mailer> {
    let provider = Provider::new(client, settings);
    match defect {
        Some(Defect::EmailFailureSwallowed) => Box::new(swallowed::Swallowing(provider)),
        _ => Box::new(provider),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_is_found_by_its_name_and_explained() {
        for defect in Defect::ALL {
            assert_eq!(defect.name().parse(), Ok(defect));
            for text in [defect.describe(), defect.incident(), defect.caught_by(), defect.scenario()] {
                assert!(!text.is_empty());
            }
        }
        let error = "no-such".parse::<Defect>().unwrap_err().to_string();
        assert!(error.contains("purchase-checks-then-acts"), "{error}");
    }
}
