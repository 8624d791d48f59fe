//! One file per check. Each looks at a [`Case`] and returns a [`Trial`]; none decides its own verdict.

pub(crate) mod acknowledged_durable;
pub(crate) mod credits_conserved;
pub(crate) mod credits_never_negative;
pub(crate) mod effects_at_most_once;
pub(crate) mod flow_expected;
pub(crate) mod history_linearizable;
pub(crate) mod invariants;
pub(crate) mod leads_capacity;
pub(crate) mod limits_enforced;
pub(crate) mod paid_delivered;
pub(crate) mod purchase_atomic;
pub(crate) mod races_serial;
pub(crate) mod run_exercised;
pub(crate) mod sessions;
pub(crate) mod status_never_regresses;
pub(crate) mod target_recovers;
pub(crate) mod tenants_isolated;
pub(crate) mod thresholds;
pub(crate) mod webhooks_authentic;
pub(crate) mod webhooks_order_free;

use crate::{case::Case, study::Study, trial::Trial};

/// A check: what it saw of a case.
pub(crate) enum Check {
    /// From the case alone.
    Plain(fn(&Case<'_>) -> Trial),
    /// From what others need too.
    Studied(fn(&Study<'_, '_>) -> Trial),
}

impl Check {
    /// Tries it.
    pub(crate) fn of(&self, study: &Study<'_, '_>) -> Trial {
        match self {
            Self::Plain(check) => check(study.case),
            Self::Studied(check) => check(study),
        }
    }
}

/// The checks of the final state, in catalogue order.
pub(crate) const STATE: &[(&str, Check)] = &[
    (credits_conserved::ID, Check::Plain(credits_conserved::check)),
    (credits_never_negative::ID, Check::Plain(credits_never_negative::check)),
    (leads_capacity::ID, Check::Plain(leads_capacity::check)),
    (purchase_atomic::ID, Check::Plain(purchase_atomic::check)),
    (effects_at_most_once::ID, Check::Plain(effects_at_most_once::check)),
    (acknowledged_durable::ID, Check::Plain(acknowledged_durable::check)),
    (paid_delivered::ID, Check::Plain(paid_delivered::check)),
    (status_never_regresses::ID, Check::Plain(status_never_regresses::check)),
    (webhooks_order_free::ID, Check::Plain(webhooks_order_free::check)),
    (webhooks_authentic::ID, Check::Plain(webhooks_authentic::check)),
    (history_linearizable::ID, Check::Studied(history_linearizable::check)),
    (races_serial::ID, Check::Studied(races_serial::check)),
    (sessions::ID, Check::Studied(sessions::check)),
    (target_recovers::ID, Check::Plain(target_recovers::check)),
    (tenants_isolated::ID, Check::Plain(tenants_isolated::check)),
    (limits_enforced::ID, Check::Plain(limits_enforced::check)),
    (flow_expected::ID, Check::Plain(flow_expected::check)),
];
