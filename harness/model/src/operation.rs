//! What a client asks of the target, and what it is told.
//!
//! Workspaces and leads appear under the run's own stable names (`buyer-017`, `flash-1`), never under
//! the target's ids: a story must read the same whoever mints the ids.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to the target, in the domain's terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "f", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Operation {
    /// Buy one or several leads with credits, all or nothing.
    Purchase {
        /// The buying workspace's name.
        workspace: String,
        /// Names of the leads, in the order they were sent.
        leads: Vec<String>,
        /// The idempotency key that was sent.
        key: String,
    },
    /// Begin to buy credits: the target opens a checkout session at the payment provider.
    BuyCredits {
        /// The buying workspace's name.
        workspace: String,
        /// Whole credits wanted.
        credits: i64,
        /// The idempotency key that was sent.
        key: String,
    },
    /// Pay a checkout session at the provider, as the customer would in a browser.
    Pay {
        /// The paying workspace's name.
        workspace: String,
        /// The provider's checkout session id.
        session: String,
        /// How.
        #[serde(default, skip_serializing_if = "PayBy::is_card")]
        by: PayBy,
    },
    /// A payment by a delayed method, such as a bank debit, comes to its end at the provider.
    SettlePayment {
        /// The paying workspace's name.
        workspace: String,
        /// The provider's checkout session id.
        session: String,
        /// Whether the money arrived.
        succeeds: bool,
    },
    /// The provider gives money back, as the merchant would ask it to from its dashboard.
    Refund {
        /// The workspace that paid.
        workspace: String,
        /// The provider's checkout session id.
        session: String,
        /// How much, in the currency's smallest unit; none for all that is left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<i64>,
    },
    /// A refund fails at the customer's bank: the money comes back.
    FailRefund {
        /// The workspace that paid.
        workspace: String,
        /// The provider's refund id.
        refund: String,
    },
    /// The customer disputes a payment with its bank.
    Dispute {
        /// The workspace that paid.
        workspace: String,
        /// The provider's checkout session id.
        session: String,
        /// How much, in the currency's smallest unit; none for all of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        amount: Option<i64>,
    },
    /// A dispute goes on.
    MoveDispute {
        /// The workspace that paid.
        workspace: String,
        /// The provider's dispute id.
        dispute: String,
        /// What happens to it.
        to: DisputeStep,
    },
    /// Any other request that the target file maps, by its name there.
    Custom {
        /// The operation's name in the target file.
        name: String,
        /// The workspace that acts, where one does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        workspace: Option<String>,
        /// Values for the placeholders of the target file's map.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        with: BTreeMap<String, Value>,
    },
    /// Read a workspace's spendable balance.
    ReadBalance {
        /// The reading workspace's name.
        workspace: String,
    },
    /// Read one lead's price and how often it was sold.
    ReadLead {
        /// The reading workspace's name.
        workspace: String,
        /// The lead's name.
        lead: String,
    },
    /// The payment provider, or somebody who pretends to be it, posts an event to the webhook endpoint.
    DeliverWebhook {
        /// The event's id (`evt_…`).
        event: String,
        /// The event's type, such as `charge.succeeded`.
        event_type: String,
        /// The checkout session that the event is about, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        /// 1 for the first attempt of this copy, counted up by retries.
        attempt: u32,
        /// What is wrong with this delivery; none for an authentic one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        forgery: Option<Forgery>,
    },
}

/// What makes a webhook delivery one that must change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forgery {
    /// No signature header at all.
    Unsigned,
    /// Signed with a secret that was never the target's.
    WrongSecret,
    /// A true signature over another body: the credits were raised afterwards.
    Altered,
    /// Truly signed, longer ago than the tolerance allows.
    Stale,
    /// Truly signed, from the provider's other mode (live for test, test for live).
    WrongMode,
    /// A true signature over the whole body, of which only the first half was posted.
    Truncated,
    /// A header with a timestamp and a signature of no characters, which is how every signature begins.
    EmptySignature,
}

/// How a customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayBy {
    /// By card, which succeeds at once.
    #[default]
    Card,
    /// By a card that is declined.
    DeclinedCard,
    /// By a method whose money arrives later, or never.
    DelayedMethod,
}

impl PayBy {
    /// Whether by a good card.
    #[must_use]
    pub fn is_card(&self) -> bool {
        *self == Self::Card
    }
}

/// What happens to a dispute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisputeStep {
    /// The provider takes the money.
    FundsWithdrawn,
    /// The provider gives it back.
    FundsReinstated,
    /// It is closed in the merchant's favour.
    Won,
    /// It is closed in the customer's favour.
    Lost,
}

impl Operation {
    /// The operation's name as histories, thresholds and reports spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Purchase { .. } => "purchase",
            Self::BuyCredits { .. } => "buy-credits",
            Self::Pay { .. } => "pay",
            Self::SettlePayment { .. } => "settle-payment",
            Self::Refund { .. } => "refund",
            Self::FailRefund { .. } => "fail-refund",
            Self::Dispute { .. } => "dispute",
            Self::MoveDispute { .. } => "move-dispute",
            Self::Custom { .. } => "custom",
            Self::ReadBalance { .. } => "read-balance",
            Self::ReadLead { .. } => "read-lead",
            Self::DeliverWebhook { .. } => "deliver-webhook",
        }
    }

    /// Every operation name, for messages that list what is possible.
    pub const NAMES: [&'static str; 12] = [
        "purchase",
        "buy-credits",
        "pay",
        "settle-payment",
        "refund",
        "fail-refund",
        "dispute",
        "move-dispute",
        "custom",
        "read-balance",
        "read-lead",
        "deliver-webhook",
    ];

    /// Its name in the target file, for those that are requests to the target.
    #[must_use]
    pub fn mapping(&self) -> Option<&str> {
        match self {
            Self::Custom { name, .. } => Some(name),
            Self::Purchase { .. } | Self::BuyCredits { .. } | Self::ReadBalance { .. } | Self::ReadLead { .. } => {
                Some(self.name())
            }
            Self::Pay { .. }
            | Self::SettlePayment { .. }
            | Self::Refund { .. }
            | Self::FailRefund { .. }
            | Self::Dispute { .. }
            | Self::MoveDispute { .. }
            | Self::DeliverWebhook { .. } => None,
        }
    }

    /// The workspace that acts, where one does.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        match self {
            Self::Purchase { workspace, .. }
            | Self::BuyCredits { workspace, .. }
            | Self::Pay { workspace, .. }
            | Self::SettlePayment { workspace, .. }
            | Self::Refund { workspace, .. }
            | Self::FailRefund { workspace, .. }
            | Self::Dispute { workspace, .. }
            | Self::MoveDispute { workspace, .. }
            | Self::Custom { workspace: Some(workspace), .. }
            | Self::ReadBalance { workspace }
            | Self::ReadLead { workspace, .. } => Some(workspace),
            Self::Custom { workspace: None, .. } | Self::DeliverWebhook { .. } => None,
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::ReadBalance { .. } | Self::ReadLead { .. })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Purchase { workspace, leads, key } => {
                write!(f, "{workspace} buys {} (key {key})", leads.join(" + "))
            }
            Self::BuyCredits { workspace, credits, key } => {
                write!(f, "{workspace} orders {credits} credits (key {key})")
            }
            Self::Pay { workspace, session, by } => match by {
                PayBy::Card => write!(f, "{workspace} pays {session}"),
                PayBy::DeclinedCard => write!(f, "{workspace} pays {session} with a card that is declined"),
                PayBy::DelayedMethod => write!(f, "{workspace} pays {session} by a delayed method"),
            },
            Self::SettlePayment { workspace, session, succeeds } => {
                write!(
                    f,
                    "the money of {workspace} for {session} {}",
                    if *succeeds { "arrives" } else { "never comes" }
                )
            }
            Self::Refund { workspace, session, amount } => match amount {
                Some(amount) => write!(f, "Stripe refunds {amount} of {session} to {workspace}"),
                None => write!(f, "Stripe refunds {session} to {workspace}"),
            },
            Self::FailRefund { refund, workspace } => write!(f, "the refund {refund} to {workspace} fails"),
            Self::Dispute { workspace, session, .. } => write!(f, "{workspace} disputes {session}"),
            Self::MoveDispute { dispute, to, .. } => match to {
                DisputeStep::FundsWithdrawn => write!(f, "Stripe withdraws the funds of {dispute}"),
                DisputeStep::FundsReinstated => write!(f, "Stripe reinstates the funds of {dispute}"),
                DisputeStep::Won => write!(f, "{dispute} is won"),
                DisputeStep::Lost => write!(f, "{dispute} is lost"),
            },
            Self::Custom { name, workspace, with } => {
                write!(f, "{} asks for {name}", workspace.as_deref().unwrap_or("somebody"))?;
                for (field, value) in with {
                    write!(f, " {field}={}", crate::fill::plain(value))?;
                }
                Ok(())
            }
            Self::ReadBalance { workspace } => write!(f, "{workspace} reads its balance"),
            Self::ReadLead { workspace, lead } => write!(f, "{workspace} reads {lead}"),
            Self::DeliverWebhook { event, event_type, session, attempt, forgery } => {
                match forgery {
                    None => write!(f, "Stripe delivers {event_type} {event}")?,
                    Some(forgery) => write!(f, "a stranger posts {event_type} {event} ({})", forgery.describe())?,
                }
                if let Some(session) = session {
                    write!(f, " for {session}")?;
                }
                if *attempt > 1 {
                    write!(f, ", attempt {attempt}")?;
                }
                Ok(())
            }
        }
    }
}

impl Forgery {
    /// All kinds, in a stable order.
    pub const ALL: [Self; 7] = [
        Self::Unsigned,
        Self::WrongSecret,
        Self::Altered,
        Self::Stale,
        Self::WrongMode,
        Self::Truncated,
        Self::EmptySignature,
    ];

    /// A few words for a story.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::WrongSecret => "signed with a wrong secret",
            Self::Altered => "body altered after signing",
            Self::Stale => "signed too long ago",
            Self::WrongMode => "from the other mode",
            Self::Truncated => "body cut short",
            Self::EmptySignature => "signed with nothing",
        }
    }
}

/// What the client was told, or what went wrong on the way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status, where an answer arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The target's own error code, such as `insufficient_credits`, where its file maps one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Values that the target file captures from the answer (`purchase`, `total`, `balance`, `session`,
    /// `sold_count`, `required`, `available`, `shortfall` and whatever else it names).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
    /// What happened on the wire instead of an answer: refused, reset, timed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Which instance was asked, from 0.
    #[serde(default)]
    pub instance: usize,
}

impl Answer {
    /// A captured whole number.
    #[must_use]
    pub fn integer(&self, field: &str) -> Option<i64> {
        self.fields.get(field).and_then(Value::as_i64)
    }

    /// A captured text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.status, &self.error) {
            (Some(status), _) => write!(f, "{status}")?,
            (None, Some(error)) => write!(f, "no answer: {error}")?,
            (None, None) => write!(f, "no answer")?,
        }
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        for (name, value) in &self.fields {
            match value {
                Value::Null => {}
                Value::String(text) => write!(f, " {name}={text}")?,
                other => write!(f, " {name}={other}")?,
            }
        }
        Ok(())
    }
}

/// How an operation ended, in Jepsen's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It definitely did not happen.
    Fail,
    /// It may or may not have happened, now or later.
    Info,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        })
    }
}
