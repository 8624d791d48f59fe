//! What customers, banks and the provider itself do with money: the operations that are no requests to the
//! target, carried out at the simulated provider.

use std::{collections::BTreeMap, time::Duration};

use overdraft_faults::stripe::StripeSim;
use overdraft_model::operation::{Operation, PayBy};
use serde_json::{Value, json};

/// Carries it out; what it answers, or why it could not be done, in words.
pub(crate) fn act(
    stripe: &StripeSim,
    operation: &Operation,
    label: &str,
    now: Duration,
) -> Result<BTreeMap<String, Value>, String> {
    let fields = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<BTreeMap<_, _>>()
    };
    match operation {
        Operation::Pay { session, by: PayBy::Card, .. } => {
            let paid = stripe.pay(session, label, now).map_err(|problem| problem.to_string())?;
            Ok(fields(&[("session", session), ("payment_intent", &paid.payment_intent)]))
        }
        other => Err(format!("the provider cannot do this: {other}")),
    }
}
