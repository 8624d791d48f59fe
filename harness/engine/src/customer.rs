//! What customers, banks and the provider itself do with money: the operations that are no requests to the
//! target, carried out at the simulated provider.

use std::{collections::BTreeMap, time::Duration};

use overdraft_faults::stripe::{ClaimError, Method, Ruling, StripeSim};
use overdraft_model::operation::{DisputeStep, Operation, PayBy};
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
    let words = |problem: ClaimError| problem.to_string();
    match operation {
        Operation::Pay { session, by, .. } => {
            let method = match by {
                PayBy::Card => Method::Card,
                PayBy::DeclinedCard => Method::Declined,
                PayBy::DelayedMethod => Method::Delayed,
            };
            let paid = stripe.pay_with(session, method, label, now).map_err(|problem| problem.to_string())?;
            Ok(fields(&[("session", session), ("payment_intent", &paid.payment_intent)]))
        }
        Operation::SettlePayment { session, succeeds, .. } => {
            let paid = stripe.settle_delayed(session, *succeeds, label, now).map_err(|problem| problem.to_string())?;
            Ok(fields(&[("session", session), ("payment_intent", &paid.payment_intent)]))
        }
        Operation::Refund { session, amount, .. } => {
            let refund = stripe.refund(session, *amount, label, now).map_err(words)?;
            Ok(fields(&[("session", session), ("refund", &refund.refund)]))
        }
        Operation::FailRefund { refund, .. } => {
            let failed = stripe.fail_refund(refund, now).map_err(words)?;
            Ok(fields(&[("refund", &failed.refund), ("status", &failed.status)]))
        }
        Operation::Dispute { session, amount, .. } => {
            let dispute = stripe.dispute(session, *amount, label, now).map_err(words)?;
            Ok(fields(&[("session", session), ("dispute", &dispute.dispute)]))
        }
        Operation::MoveDispute { dispute, to, .. } => {
            let moved = match to {
                DisputeStep::FundsWithdrawn => stripe.withdraw(dispute, now),
                DisputeStep::FundsReinstated => stripe.reinstate(dispute, now),
                DisputeStep::Won => stripe.close(dispute, Ruling::Won, now),
                DisputeStep::Lost => stripe.close(dispute, Ruling::Lost, now),
            };
            let moved = moved.map_err(words)?;
            Ok(fields(&[("dispute", &moved.dispute), ("status", &moved.status)]))
        }
        other => Err(format!("the provider cannot do this: {other}")),
    }
}
