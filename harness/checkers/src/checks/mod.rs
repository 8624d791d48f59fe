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
pub(crate) mod run_exercised;
pub(crate) mod sessions;
pub(crate) mod status_never_regresses;
pub(crate) mod target_recovers;
pub(crate) mod tenants_isolated;
pub(crate) mod thresholds;
pub(crate) mod webhooks_authentic;

use crate::{case::Case, trial::Trial};

/// A check: what it saw of a case.
pub(crate) type Check = fn(&Case<'_>) -> Trial;

/// The checks of the final state, in catalogue order.
pub(crate) const STATE: &[(&str, Check)] = &[
    (credits_conserved::ID, credits_conserved::check),
    (credits_never_negative::ID, credits_never_negative::check),
    (leads_capacity::ID, leads_capacity::check),
    (purchase_atomic::ID, purchase_atomic::check),
    (effects_at_most_once::ID, effects_at_most_once::check),
    (acknowledged_durable::ID, acknowledged_durable::check),
    (paid_delivered::ID, paid_delivered::check),
    (status_never_regresses::ID, status_never_regresses::check),
    (webhooks_authentic::ID, webhooks_authentic::check),
    (history_linearizable::ID, history_linearizable::check),
    (sessions::ID, sessions::check),
    (target_recovers::ID, target_recovers::check),
    (tenants_isolated::ID, tenants_isolated::check),
    (limits_enforced::ID, limits_enforced::check),
    (flow_expected::ID, flow_expected::check),
];
