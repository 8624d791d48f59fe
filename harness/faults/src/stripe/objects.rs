//! Checkout sessions, and the shape in which the API and its events show them.
//!
//! Charges (`intents`) and sessions start from Stripe's published fixtures (`stripe/openapi`, `fixtures3.json`, an
//! older edition), with the fields that the API has gained since. What a card payment leaves empty is null.
//! stripe-python 16.1.0 reads them; no field by field comparison with the live API was made.

use serde_json::{Map, Value, json};

use super::intents::debit_of;

/// One line of a checkout.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) unit_amount: i64,
    pub(super) quantity: i64,
}

/// What became of a checkout session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Waits for the customer, who may have tried in vain.
    Open,
    /// Complete and paid.
    Paid,
    /// Complete, by a method whose money is on its way.
    Processing,
    /// Complete, and the money never came.
    Failed,
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
    /// The payment intent, once the customer began to pay.
    pub(super) intent: Option<String>,
}

impl Checkout {
    /// As the API and its events show it, in test mode.
    pub(super) fn to_json(&self) -> Value {
        let (status, payment_status) = match self.stage {
            Stage::Open => ("open", "unpaid"),
            Stage::Paid => ("complete", "paid"),
            Stage::Processing | Stage::Failed => ("complete", "unpaid"),
            Stage::Expired => ("expired", "unpaid"),
        };
        let url = (self.stage == Stage::Open).then(|| format!("https://checkout.stripe.com/c/pay/{}", self.id));
        let customer = (status == "complete").then(|| {
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
            "payment_intent": self.intent, "payment_link": null, "payment_method_collection": "if_required",
            "payment_method_configuration_details": null,
            "payment_method_options": { "card": { "request_three_d_secure": "automatic" } },
            "payment_method_types": ["card", debit_of(&self.currency)], "payment_status": payment_status, "permissions": null,
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
