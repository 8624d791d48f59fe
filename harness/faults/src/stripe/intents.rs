//! Payment intents and charges: what a customer's attempt to pay leaves behind, and its shape in the API.

use serde_json::{Map, Value, json};

/// Why an attempt to pay failed, in Stripe's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) decline_code: Option<&'static str>,
    pub(super) message: &'static str,
}

/// The issuer said no.
pub(super) const DECLINED: Failure =
    Failure { code: "card_declined", decline_code: Some("generic_decline"), message: "Your card was declined." };
/// A bank debit came back.
pub(super) const RETURNED: Failure = Failure {
    code: "insufficient_funds",
    decline_code: None,
    message: "The customer's account has insufficient funds to cover this payment.",
};

/// How far a payment intent is. Without a payment method, `Open` asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Challenged,
    Processing,
    Succeeded,
    Canceled,
}

/// A payment intent.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) metadata: Map<String, Value>,
    pub(super) description: Option<String>,
    pub(super) payment_method: Option<String>,
    /// Whether the present method is a bank debit, whose money comes later.
    pub(super) debit: bool,
    pub(super) phase: Phase,
    /// Why the last attempt failed.
    pub(super) failure: Option<Failure>,
    /// When and why it was canceled.
    pub(super) canceled: Option<(i64, String)>,
    /// The charge of the last attempt.
    pub(super) charge: Option<String>,
    /// The checkout session that made it.
    pub(super) session: Option<String>,
    /// The stable name under which its events' fates are drawn.
    pub(super) label: String,
}

/// What became of a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charged {
    Pending,
    Succeeded,
    Failed(Failure),
}

/// One attempt to take money.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) created: i64,
    /// The intent as it was then.
    pub(super) intent: Intent,
    pub(super) state: Charged,
    /// What was refunded so far, failed refunds left out.
    pub(super) refunded: i64,
    /// The latest dispute.
    pub(super) dispute: Option<String>,
}

/// The bank debit of a currency's home.
pub(super) fn debit_of(currency: &str) -> &'static str {
    match currency {
        "usd" => "us_bank_account",
        "gbp" => "bacs_debit",
        _ => "sepa_debit",
    }
}

impl Intent {
    fn method(&self) -> &'static str {
        if self.debit { debit_of(&self.currency) } else { "card" }
    }

    fn status(&self) -> &'static str {
        match (self.phase, &self.payment_method) {
            (Phase::Succeeded, _) => "succeeded",
            (Phase::Canceled, _) => "canceled",
            (Phase::Processing, _) => "processing",
            (Phase::Challenged, _) => "requires_action",
            (Phase::Open, Some(_)) => "requires_confirmation",
            (Phase::Open, None) => "requires_payment_method",
        }
    }

    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let received = if self.phase == Phase::Succeeded { self.amount } else { 0 };
        let next_action = (self.phase == Phase::Challenged)
            .then(|| json!({ "type": "use_stripe_sdk", "use_stripe_sdk": { "type": "three_d_secure_redirect" } }));
        let canceled = self.canceled.as_ref();
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_details": { "tip": {} }, "amount_received": received, "application": null,
            "application_fee_amount": null, "automatic_payment_methods": null,
            "canceled_at": canceled.map(|(at, _)| at), "cancellation_reason": canceled.map(|(_, reason)| reason),
            "capture_method": "automatic_async",
            "client_secret": format!("{}_secret_overdraft", self.id), "confirmation_method": "automatic",
            "created": self.created, "currency": self.currency, "customer": null, "customer_account": null,
            "description": self.description, "excluded_payment_method_types": null,
            "last_payment_error": self.failure.map(|failure| self.error_json(failure)),
            "latest_charge": self.charge, "livemode": false, "metadata": self.metadata, "next_action": next_action,
            "on_behalf_of": null, "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {
                "card": {
                    "installments": null, "mandate_options": null, "network": null,
                    "request_three_d_secure": "automatic",
                },
            },
            "payment_method_types": ["card", debit_of(&self.currency)], "processing": null, "receipt_email": null,
            "review": null, "setup_future_usage": null, "shipping": null, "source": null,
            "statement_descriptor": null, "statement_descriptor_suffix": null, "status": self.status(),
            "transfer_data": null, "transfer_group": null,
        })
    }

    /// The error of an attempt, as the intent keeps it and as a refused confirmation answers it.
    pub(super) fn error_json(&self, failure: Failure) -> Value {
        let mut error = json!({
            "charge": self.charge, "code": failure.code,
            "doc_url": format!("https://docs.stripe.com/error-codes/{}", failure.code.replace('_', "-")),
            "message": failure.message, "type": "card_error",
        });
        if let Some(decline_code) = failure.decline_code {
            error["decline_code"] = decline_code.into();
        }
        error
    }
}

impl Charge {
    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let intent = &self.intent;
        let (status, failure, captured) = match self.state {
            Charged::Pending => ("pending", None, 0),
            Charged::Succeeded => ("succeeded", None, intent.amount),
            Charged::Failed(failure) => ("failed", Some(failure), 0),
        };
        let outcome = match failure {
            None => json!({
                "advice_code": null, "network_advice_code": null, "network_decline_code": null,
                "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 8,
                "seller_message": "Payment complete.", "type": "authorized",
            }),
            Some(failure) => json!({
                "advice_code": "try_again_later", "network_advice_code": null, "network_decline_code": null,
                "network_status": "declined_by_network", "reason": failure.decline_code.unwrap_or(failure.code),
                "risk_level": "normal", "risk_score": 8,
                "seller_message": "The bank did not return any further details with this decline.",
                "type": "issuer_declined",
            }),
        };
        json!({
            "id": self.id, "object": "charge", "amount": intent.amount, "amount_captured": captured,
            "amount_refunded": self.refunded, "application": null, "application_fee": null,
            "application_fee_amount": null, "balance_transaction": null,
            "billing_details": {
                "address": {
                    "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
                },
                "email": null, "name": "Jenny Rosen", "phone": null, "tax_id": null,
            },
            "calculated_statement_descriptor": "OVERDRAFT", "captured": failure.is_none(), "created": self.created,
            "currency": intent.currency, "customer": null, "description": intent.description, "destination": null,
            "dispute": self.dispute, "disputed": self.dispute.is_some(), "failure_balance_transaction": null,
            "failure_code": failure.map(|failure| failure.code),
            "failure_message": failure.map(|failure| failure.message), "fraud_details": {}, "livemode": false,
            "metadata": intent.metadata, "on_behalf_of": null, "order": null, "outcome": outcome,
            "paid": self.state == Charged::Succeeded, "payment_intent": intent.id,
            "payment_method": intent.payment_method, "payment_method_details": self.method_json(),
            "receipt_email": null, "receipt_number": null, "receipt_url": null,
            "refunded": self.refunded == intent.amount, "review": null,
            "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": status, "transfer_data": null,
            "transfer_group": null,
        })
    }

    fn method_json(&self) -> Value {
        let method = self.intent.method();
        if self.intent.debit {
            let account = json!({ "fingerprint": "Uyyn2BFn6Sp5ZWFM", "last4": "3000", "mandate": null });
            return json!({ method: account, "type": method });
        }
        json!({
            "card": {
                "amount_authorized": self.intent.amount, "authorization_code": null, "brand": "visa",
                "checks": {
                    "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass",
                },
                "country": "US", "exp_month": 12, "exp_year": 2034, "fingerprint": "J21EyCt2DJaVH6H0",
                "funding": "credit", "installments": null, "last4": "4242", "mandate": null, "network": "visa",
                "three_d_secure": null, "wallet": null,
            },
            "type": method,
        })
    }
}
