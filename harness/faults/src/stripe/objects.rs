//! The objects that Stripe keeps, and the shapes in which its API and its events show them.
//!
//! Charges and sessions start from Stripe's published fixtures (`stripe/openapi`, `fixtures3.json`, an
//! older edition), with the fields that the API has gained since. What a card payment leaves empty is null.
//! stripe-python 16.1.0 reads them; no field by field comparison with the live API was made.

use serde_json::{Map, Value, json};

/// One line of a checkout.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) unit_amount: i64,
    pub(super) quantity: i64,
}

/// What became of a checkout session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Open,
    Paid { intent: String },
    Expired,
}

/// A checkout session.
#[derive(Debug, Clone)]
pub(super) struct Checkout {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) expires_at: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) lines: Vec<Line>,
    pub(super) metadata: Map<String, Value>,
    pub(super) intent_metadata: Map<String, Value>,
    pub(super) reference: Option<String>,
    pub(super) customer_email: Option<String>,
    pub(super) success_url: Option<String>,
    pub(super) cancel_url: Option<String>,
    pub(super) idempotency_key: Option<String>,
    pub(super) stage: Stage,
}

/// A payment intent. It has succeeded once it has a charge.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) metadata: Map<String, Value>,
    pub(super) description: Option<String>,
    pub(super) payment_method: Option<String>,
    pub(super) charge: Option<String>,
    /// The stable name under which its events' fates are drawn.
    pub(super) label: String,
}

/// A charge. Only charges that succeeded exist here.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) intent: Intent,
}

impl Checkout {
    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let (status, payment_status, intent) = match &self.stage {
            Stage::Open => ("open", "unpaid", None),
            Stage::Paid { intent } => ("complete", "paid", Some(intent)),
            Stage::Expired => ("expired", "unpaid", None),
        };
        let url = (self.stage == Stage::Open).then(|| format!("https://checkout.stripe.com/c/pay/{}", self.id));
        let customer = intent.is_some().then(|| {
            json!({
                "address": null, "business_name": null, "individual_name": null, "phone": null,
                "email": self.customer_email.as_deref().unwrap_or("customer@example.com"), "name": "Jenny Rosen",
                "tax_exempt": "none", "tax_ids": [],
            })
        });
        json!({
            "id": self.id, "object": "checkout.session",
            "adaptive_pricing": { "enabled": false },
            "after_expiration": null, "allow_promotion_codes": null,
            "amount_subtotal": self.amount, "amount_total": self.amount,
            "automatic_tax": { "enabled": false, "liability": null, "provider": null, "status": null },
            "billing_address_collection": null, "cancel_url": self.cancel_url,
            "client_reference_id": self.reference, "client_secret": null, "collected_information": null,
            "consent": null, "consent_collection": null, "created": self.created, "currency": self.currency,
            "currency_conversion": null, "custom_fields": [],
            "custom_text": {
                "after_submit": null, "shipping_address": null, "submit": null, "terms_of_service_acceptance": null,
            },
            "customer": null, "customer_account": null, "customer_creation": "if_required",
            "customer_details": customer, "customer_email": self.customer_email, "discounts": [],
            "expires_at": self.expires_at, "invoice": null,
            "invoice_creation": {
                "enabled": false,
                "invoice_data": {
                    "account_tax_ids": null, "custom_fields": null, "description": null, "footer": null,
                    "issuer": null, "metadata": {}, "rendering_options": null,
                },
            },
            "livemode": false, "locale": null, "metadata": self.metadata, "mode": "payment", "origin_context": null,
            "payment_intent": intent, "payment_link": null, "payment_method_collection": "if_required",
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
            "payment_method_types": ["card"], "payment_status": payment_status, "permissions": null,
            "phone_number_collection": { "enabled": false }, "recovered_from": null,
            "saved_payment_method_options": null, "setup_intent": null, "shipping_address_collection": null,
            "shipping_cost": null, "shipping_options": [], "status": status, "submit_type": null,
            "subscription": null, "success_url": self.success_url,
            "total_details": { "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 },
            "ui_mode": "hosted", "url": url, "wallet_options": null,
        })
    }

    /// Its lines, as `expand[]=line_items` and the sub-resource show them.
    pub(super) fn lines_json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(|line| line.to_json(&self.currency)).collect();
        json!({
            "object": "list", "data": lines, "has_more": false,
            "url": format!("/v1/checkout/sessions/{}/line_items", self.id),
        })
    }
}

impl Line {
    fn to_json(&self, currency: &str) -> Value {
        let total = self.unit_amount * self.quantity;
        json!({
            "id": self.id, "object": "item", "amount_discount": 0, "amount_subtotal": total, "amount_tax": 0,
            "amount_total": total, "currency": currency, "description": self.name, "metadata": {},
            "price": {
                "object": "price", "active": false, "currency": currency, "livemode": false, "type": "one_time",
                "unit_amount": self.unit_amount, "unit_amount_decimal": self.unit_amount.to_string(),
            },
            "quantity": self.quantity,
        })
    }
}

impl Intent {
    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let status = match (&self.charge, &self.payment_method) {
            (Some(_), _) => "succeeded",
            (None, Some(_)) => "requires_confirmation",
            (None, None) => "requires_payment_method",
        };
        let received = if self.charge.is_some() { self.amount } else { 0 };
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "amount_capturable": 0,
            "amount_details": { "tip": {} }, "amount_received": received, "application": null,
            "application_fee_amount": null, "automatic_payment_methods": null, "canceled_at": null,
            "cancellation_reason": null, "capture_method": "automatic_async",
            "client_secret": format!("{}_secret_overdraft", self.id), "confirmation_method": "automatic",
            "created": self.created, "currency": self.currency, "customer": null, "customer_account": null,
            "description": self.description, "excluded_payment_method_types": null, "last_payment_error": null,
            "latest_charge": self.charge, "livemode": false, "metadata": self.metadata, "next_action": null,
            "on_behalf_of": null, "payment_method": self.payment_method,
            "payment_method_configuration_details": null,
            "payment_method_options": {
                "card": {
                    "installments": null, "mandate_options": null, "network": null,
                    "request_three_d_secure": "automatic",
                },
            },
            "payment_method_types": ["card"], "processing": null, "receipt_email": null, "review": null,
            "setup_future_usage": null, "shipping": null, "source": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": status, "transfer_data": null, "transfer_group": null,
        })
    }
}

impl Charge {
    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let intent = &self.intent;
        json!({
            "id": self.id, "object": "charge", "amount": intent.amount, "amount_captured": intent.amount,
            "amount_refunded": 0, "application": null, "application_fee": null, "application_fee_amount": null,
            "balance_transaction": null,
            "billing_details": {
                "address": {
                    "city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null,
                },
                "email": null, "name": "Jenny Rosen", "phone": null, "tax_id": null,
            },
            "calculated_statement_descriptor": "OVERDRAFT", "captured": true, "created": self.created,
            "currency": intent.currency, "customer": null, "description": intent.description, "destination": null,
            "dispute": null, "disputed": false, "failure_balance_transaction": null, "failure_code": null,
            "failure_message": null, "fraud_details": {}, "livemode": false, "metadata": intent.metadata,
            "on_behalf_of": null, "order": null,
            "outcome": {
                "advice_code": null, "network_advice_code": null, "network_decline_code": null,
                "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 8,
                "seller_message": "Payment complete.", "type": "authorized",
            },
            "paid": true, "payment_intent": intent.id, "payment_method": intent.payment_method,
            "payment_method_details": {
                "card": {
                    "amount_authorized": intent.amount, "authorization_code": null, "brand": "visa",
                    "checks": {
                        "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass",
                    },
                    "country": "US", "exp_month": 12, "exp_year": 2034, "fingerprint": "J21EyCt2DJaVH6H0",
                    "funding": "credit", "installments": null, "last4": "4242", "mandate": null, "network": "visa",
                    "three_d_secure": null, "wallet": null,
                },
                "type": "card",
            },
            "receipt_email": null, "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
            "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": "succeeded", "transfer_data": null,
            "transfer_group": null,
        })
    }
}

/// The same checkout as its buyer would like it: amounts and whole numbers in the metadata tenfold. Values
/// under names that end in `id` name things and stay.
pub(super) fn raise_tenfold(session: &mut Value) {
    for name in ["amount_subtotal", "amount_total"] {
        if let Some(amount) = session[name].as_i64() {
            session[name] = amount.saturating_mul(10).into();
        }
    }
    for (name, value) in session["metadata"].as_object_mut().into_iter().flatten() {
        let number = value.as_str().and_then(|text| text.parse::<i64>().ok());
        if let (false, Some(number)) = (name.to_ascii_lowercase().ends_with("id"), number) {
            *value = number.saturating_mul(10).to_string().into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_leaves_names_alone() {
        let mut session = json!({
            "amount_total": 500, "amount_subtotal": null,
            "metadata": { "credits": "20", "workspace_id": "7", "orderId": "8", "note": "20 credits" },
        });
        raise_tenfold(&mut session);
        assert_eq!(session["amount_total"], 5_000);
        assert_eq!(
            session["metadata"],
            json!({ "credits": "200", "workspace_id": "7", "orderId": "8", "note": "20 credits" })
        );
    }
}
