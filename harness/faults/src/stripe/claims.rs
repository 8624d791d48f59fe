//! Money that goes back: refunds and disputes, and their shape in the API.

use overdraft_model::evidence;
use serde_json::{Map, Value, json};

/// Stripe's fee for a dispute, in the currency's smallest unit.
const DISPUTE_FEE: i64 = 1_500;
/// How long the merchant has to answer a dispute, in seconds.
const EVIDENCE_TIME: i64 = 9 * 24 * 60 * 60;

/// A refund.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) charge: String,
    pub(super) intent: String,
    pub(super) session: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) metadata: Map<String, Value>,
    /// Whether it came back from the customer's bank.
    pub(super) failed: bool,
    /// Whether the bank's reference is known, which is what the first `refund.updated` tells.
    pub(super) referenced: bool,
    /// The stable name under which its events' fates are drawn.
    pub(super) label: String,
}

/// Where a dispute stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    NeedsResponse,
    UnderReview,
    Won,
    Lost,
}

/// A dispute.
#[derive(Debug, Clone)]
pub(super) struct Dispute {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) charge: String,
    pub(super) intent: String,
    pub(super) session: Option<String>,
    pub(super) standing: Standing,
    /// Whether the funds are withdrawn now.
    pub(super) withdrawn: bool,
    /// Each movement of funds: its id, its time, whether to the merchant.
    pub(super) movements: Vec<(String, i64, bool)>,
    /// The stable name under which its events' fates are drawn.
    pub(super) label: String,
}

impl Refund {
    pub(super) fn status(&self) -> &'static str {
        if self.failed { "failed" } else { "succeeded" }
    }

    /// As the API and its events show it.
    pub(super) fn to_json(&self) -> Value {
        let (reference, known) =
            if self.referenced { (Some("8871642318945215"), "available") } else { (None, "pending") };
        let mut shown = json!({
            "id": self.id, "object": "refund", "amount": self.amount, "balance_transaction": null,
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "destination_details": {
                "card": {
                    "reference": reference, "reference_status": known,
                    "reference_type": "acquirer_reference_number", "type": "refund",
                },
                "type": "card",
            },
            "metadata": self.metadata, "payment_intent": self.intent, "reason": self.reason,
            "receipt_number": null, "source_transfer_reversal": null, "status": self.status(),
            "transfer_reversal": null,
        });
        if self.failed {
            shown["failure_reason"] = "lost_or_stolen_card".into();
            shown["failure_balance_transaction"] = Value::Null;
        }
        shown
    }

    pub(super) fn evidence(&self) -> evidence::Refund {
        evidence::Refund {
            refund: self.id.clone(),
            session: self.session.clone(),
            payment_intent: self.intent.clone(),
            amount: self.amount,
            status: self.status().to_owned(),
        }
    }
}

impl Dispute {
    pub(super) const fn status(&self) -> &'static str {
        match self.standing {
            Standing::NeedsResponse => "needs_response",
            Standing::UnderReview => "under_review",
            Standing::Won => "won",
            Standing::Lost => "lost",
        }
    }

    /// Whether its amount cannot be refunded: it is withdrawn, or may still be.
    pub(super) fn encumbers(&self) -> bool {
        let reinstated = !self.withdrawn && !self.movements.is_empty();
        self.withdrawn || !(reinstated || self.standing == Standing::Won)
    }

    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let movements: Vec<Value> = self.movements.iter().map(|movement| self.movement_json(movement)).collect();
        json!({
            "id": self.id, "object": "dispute", "amount": self.amount, "balance_transactions": movements,
            "charge": self.charge, "created": self.created, "currency": self.currency,
            "enhanced_eligibility_types": [], "evidence": {},
            "evidence_details": {
                "due_by": self.created + EVIDENCE_TIME, "enhanced_eligibility": {},
                "has_evidence": self.standing != Standing::NeedsResponse, "past_due": false,
                "submission_count": i32::from(self.standing != Standing::NeedsResponse),
            },
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "payment_intent": self.intent,
            "payment_method_details": {
                "card": { "brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4" }, "type": "card",
            },
            "reason": "fraudulent", "status": self.status(),
        })
    }

    fn movement_json(&self, (id, created, back): &(String, i64, bool)) -> Value {
        let (amount, fee, category) =
            if *back { (self.amount, 0, "dispute_reversal") } else { (-self.amount, DISPUTE_FEE, "dispute") };
        json!({
            "id": id, "object": "balance_transaction", "amount": amount, "available_on": created, "created": created,
            "currency": self.currency, "description": format!("Chargeback for {}", self.charge),
            "exchange_rate": null, "fee": fee, "fee_details": [], "net": amount - fee,
            "reporting_category": category, "source": self.id, "status": "available", "type": "adjustment",
        })
    }

    pub(super) fn evidence(&self) -> evidence::Dispute {
        evidence::Dispute {
            dispute: self.id.clone(),
            session: self.session.clone(),
            amount: self.amount,
            status: self.status().to_owned(),
            withdrawn: self.withdrawn,
        }
    }
}
