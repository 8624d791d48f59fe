//! The faults that a scenario's timetable may name: data only, the injectors live in `faults`.

pub mod outage;
pub mod statement;
pub mod timetable;
pub mod toxic;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::{
    outage::{Ending, Which},
    statement::StatementFault,
    toxic::{Between, Toxic},
};
use crate::span::Span;

/// One entry of a timetable: what, from when, for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// When to inject, after driving began.
    #[serde(default)]
    pub at: Span,
    /// How long until it is healed; none means until settling begins, when everything is healed. A fault that took
    /// no effect by then is given a few seconds more.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub length: Option<Span>,
    /// How long from one injection to the next, until driving ends; none means it is injected once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Span>,
    /// It waits until every other fault that is to be alone is healed and the target's instances are ready again.
    /// What it waited is taken from its length, down to half of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
    /// What to inject.
    pub fault: Fault,
}

/// A fault and how hard it hits. Shares are between 0 and 1 and are drawn per message, from the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The email provider answers 503 to everything.
    EmailDown {},
    /// The email provider is unreliable, message by message.
    EmailFlaky {
        /// Up to this many first attempts of a message answer 500 (drawn between 0 and it).
        #[serde(default)]
        fail_attempts: u32,
        /// Share of messages that are refused for good with 422.
        #[serde(default)]
        for_good: f64,
        /// Share of messages whose first attempt is answered 429.
        #[serde(default)]
        rate_limited: f64,
        /// Share of messages that are accepted while the answer is lost.
        #[serde(default)]
        lose_answer: f64,
        /// Share of messages that are answered after `slow_by`.
        #[serde(default)]
        slow: f64,
        /// How slow the slow ones are.
        #[serde(default)]
        slow_by: Span,
    },
    /// The payment provider's API answers 500 to a share of the requests, nothing done.
    StripeErrors {
        /// Share of requests that fail.
        share: f64,
    },
    /// The payment provider does what it was asked and the answer is lost, for a share of POSTs.
    StripeLosesAnswers {
        /// Share of POSTs whose answer is lost.
        share: f64,
    },
    /// The payment provider's API answers nothing but 503, nothing done.
    StripeDown {
        /// It closes the connection without an answer instead.
        #[serde(default)]
        refuses: bool,
    },
    /// The payment provider's answers come late. Until one was given, its idempotency key is answered 409.
    StripeSlow {
        /// By how much.
        by: Span,
        /// Share of requests.
        #[serde(default = "all")]
        share: f64,
    },
    /// The payment provider answers 429 to a share of the requests, nothing done.
    StripeRateLimited {
        /// Share of requests.
        share: f64,
    },
    /// The payment provider answers 409 to a share of the POSTs with an idempotency key: it is in use.
    StripeKeyInUse {
        /// Share of such POSTs.
        share: f64,
    },
    /// No webhook gets out; all that gathered come at once when it is healed.
    WebhookOutage {},
    /// The first attempt of a share of events is lost on its way, and tried again.
    WebhookDrops {
        /// Share of events.
        share: f64,
    },
    /// The clock that webhooks are signed by is wrong.
    WebhookClockSkew {
        /// By how much it is ahead.
        #[serde(default)]
        ahead: Span,
        /// By how much it is behind.
        #[serde(default)]
        behind: Span,
    },
    /// A share of webhook deliveries is signed with the secret from before a roll alone.
    WebhookOldSecret {
        /// Share of deliveries, each attempt drawn anew.
        share: f64,
    },
    /// Webhooks arrive more than once, in any order, late, and among forged ones.
    WebhookChaos {
        /// Each event is delivered between 1 and 1 + this many times.
        #[serde(default)]
        duplicates: u32,
        /// Each event is held back for a random time up to this, which also reorders.
        #[serde(default)]
        delay: Span,
        /// Copies of one event are released together, spread over the instances.
        #[serde(default)]
        at_once: bool,
        /// Share of payments for which forged events of every kind are posted too.
        #[serde(default)]
        forged: f64,
        /// Share of deliveries whose 2xx answer is treated as lost, so that they are retried.
        #[serde(default)]
        lose_answer: f64,
    },
    /// Statements between the target and its database are lost, held or answered by an error.
    Statement(StatementFault),
    /// A TCP connection is slow, cut or closed.
    Tcp {
        /// Which one.
        between: Between,
        /// How.
        toxic: Toxic,
    },
    /// Instances of the service are killed, and started again when it is healed.
    InstancesKilled {
        /// Which.
        #[serde(default)]
        which: Which,
    },
    /// Instances stand still, as on a machine that is out of breath, and go on when it is healed.
    InstancesFrozen {
        /// Which.
        #[serde(default)]
        which: Which,
    },
    /// Instances are asked to end in order and started again, as by a deploy: one after another, or all at once.
    InstancesRestarted {
        /// The next one ends only when the last one is ready.
        #[serde(default)]
        rolling: bool,
    },
    /// One more instance runs beside the others and is asked like them.
    InstanceAdded {},
    /// Instances' clocks are wrong. Needs the target file's `clock`.
    ServiceClockSkew {
        /// Which.
        #[serde(default)]
        which: Which,
        /// By how much they are ahead.
        ahead: Span,
    },
    /// The database server is gone, or stands still. Only a server that was started for the run.
    DatabaseDown {
        /// How it goes.
        how: Ending,
    },
    /// The database server ends every connection of the target, again and again.
    BackendsTerminated {
        /// How long from one time to the next.
        every: Span,
    },
    /// The database server has no connection left for anybody.
    ConnectionsExhausted {},
    /// Somebody else holds a lock in the database.
    LockHeld {
        /// Its name under `locks` in the target file.
        lock: String,
    },
    /// The database server works with other settings, such as `deadlock_timeout`. Only a server that was started
    /// for the run.
    DatabaseSettings {
        /// Name to value, as in `ALTER SYSTEM SET`.
        settings: BTreeMap<String, String>,
    },
}

const fn all() -> f64 {
    1.0
}

impl Fault {
    /// The name as the scenario file, the history and the report spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EmailDown {} => "email-down",
            Self::EmailFlaky { .. } => "email-flaky",
            Self::StripeErrors { .. } => "stripe-errors",
            Self::StripeLosesAnswers { .. } => "stripe-loses-answers",
            Self::StripeDown { .. } => "stripe-down",
            Self::StripeSlow { .. } => "stripe-slow",
            Self::StripeRateLimited { .. } => "stripe-rate-limited",
            Self::StripeKeyInUse { .. } => "stripe-key-in-use",
            Self::WebhookOutage {} => "webhook-outage",
            Self::WebhookDrops { .. } => "webhook-drops",
            Self::WebhookClockSkew { .. } => "webhook-clock-skew",
            Self::WebhookOldSecret { .. } => "webhook-old-secret",
            Self::WebhookChaos { .. } => "webhook-chaos",
            Self::Statement(_) => "statement",
            Self::Tcp { .. } => "tcp",
            Self::InstancesKilled { .. } => "instances-killed",
            Self::InstancesFrozen { .. } => "instances-frozen",
            Self::InstancesRestarted { .. } => "instances-restarted",
            Self::InstanceAdded {} => "instance-added",
            Self::ServiceClockSkew { .. } => "service-clock-skew",
            Self::DatabaseDown { .. } => "database-down",
            Self::BackendsTerminated { .. } => "backends-terminated",
            Self::ConnectionsExhausted {} => "connections-exhausted",
            Self::LockHeld { .. } => "lock-held",
            Self::DatabaseSettings { .. } => "database-settings",
        }
    }

    /// Its shares by field name, so that a reader can refuse one outside 0 to 1.
    #[must_use]
    pub fn shares(&self) -> Vec<(&'static str, f64)> {
        match self {
            Self::EmailDown {}
            | Self::StripeDown { .. }
            | Self::WebhookOutage {}
            | Self::WebhookClockSkew { .. }
            | Self::Statement(_)
            | Self::InstancesKilled { .. }
            | Self::InstancesFrozen { .. }
            | Self::InstancesRestarted { .. }
            | Self::InstanceAdded {}
            | Self::ServiceClockSkew { .. }
            | Self::DatabaseDown { .. }
            | Self::BackendsTerminated { .. }
            | Self::ConnectionsExhausted {}
            | Self::LockHeld { .. }
            | Self::DatabaseSettings { .. } => vec![],
            Self::Tcp { toxic, .. } => vec![("toxicity", toxic.toxicity)],
            Self::EmailFlaky { for_good, rate_limited, lose_answer, slow, .. } => vec![
                ("for_good", *for_good),
                ("rate_limited", *rate_limited),
                ("lose_answer", *lose_answer),
                ("slow", *slow),
            ],
            Self::StripeErrors { share }
            | Self::StripeLosesAnswers { share }
            | Self::StripeSlow { share, .. }
            | Self::StripeRateLimited { share }
            | Self::StripeKeyInUse { share }
            | Self::WebhookDrops { share }
            | Self::WebhookOldSecret { share } => vec![("share", *share)],
            Self::WebhookChaos { forged, lose_answer, .. } => {
                vec![("forged", *forged), ("lose_answer", *lose_answer)]
            }
        }
    }
}
