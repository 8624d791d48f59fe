//! Creating a Checkout Session, with the retries of the official client.

use std::time::Duration;

use reqwest::{Client, Response};
use serde::Deserialize;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::settings::Settings;

/// Retries after the first try, as in Stripe's libraries.
const RETRIES: u32 = 2;
/// Stripe's libraries wait 0.5 s, doubled, at most 5 s, with jitter.
const BACKOFF: Backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(5) };

/// What to sell: a row of `credit_purchases`.
#[derive(Clone, Debug)]
pub(crate) struct CheckoutOrder {
    /// The row, which also names the session's idempotency key.
    pub(crate) id: Uuid,
    /// The buyer.
    pub(crate) workspace_id: Uuid,
    /// How many credits.
    pub(crate) credits: i64,
    /// Their price together.
    pub(crate) amount_cents: i64,
    /// ISO 4217, lowercase.
    pub(crate) currency: String,
}

/// The session to which the buyer is sent.
#[derive(Debug, Deserialize)]
pub(crate) struct Session {
    /// `cs_...`
    pub(crate) id: String,
    /// Stripe's page.
    pub(crate) url: String,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    /// No usable answer: no connection, a timeout, or not what Stripe would send.
    #[error("stripe: {0}")]
    Transport(#[from] reqwest::Error),
    /// Stripe refused.
    #[error("stripe answered {status}: {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The beginning of the error object.
        body: String,
    },
}

/// A client of the Checkout Sessions API.
pub(crate) struct Checkout {
    client: Client,
    settings: Settings,
}

impl Checkout {
    /// A client that uses `client`'s connections.
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self { client, settings }
    }

    /// Creates the session for a row, or returns the one Stripe created for it before: every try
    /// carries the same idempotency key, derived from the row.
    pub(crate) async fn create(&self, order: &CheckoutOrder) -> Result<Session, CheckoutError> {
        let mut tried = 0;
        loop {
            let sent = self.send(order).await;
            tried += 1;
            if tried <= RETRIES && worth_retrying(&sent) {
                tokio::time::sleep(BACKOFF.after(tried)).await;
                continue;
            }
            let response = sent?;
            let status = response.status();
            if status.is_success() {
                return Ok(response.json().await?);
            }
            let body = response.text().await?.chars().take(500).collect();
            return Err(CheckoutError::Refused { status: status.as_u16(), body });
        }
    }

    async fn send(&self, order: &CheckoutOrder) -> Result<Response, reqwest::Error> {
        self.client
            .post(format!("{}/v1/checkout/sessions", self.settings.stripe_api_base))
            .bearer_auth(self.settings.stripe_api_key.expose())
            .header("Stripe-Version", &self.settings.stripe_api_version)
            .header("Idempotency-Key", format!("credit_purchase_{}", order.id))
            .form(&self.form(order))
            .send()
            .await
    }

    /// The ids of our row travel on the session and on the payment intent (whose metadata Stripe
    /// copies to the charge), so that any of the 'paid' events leads back to it.
    fn form(&self, order: &CheckoutOrder) -> Vec<(&'static str, String)> {
        let (id, workspace) = (order.id.to_string(), order.workspace_id.to_string());
        let public_url = &self.settings.public_url;
        vec![
            ("mode", "payment".to_owned()),
            ("client_reference_id", id.clone()),
            ("metadata[credit_purchase_id]", id.clone()),
            ("metadata[workspace_id]", workspace.clone()),
            ("metadata[credits]", order.credits.to_string()),
            ("payment_intent_data[metadata][credit_purchase_id]", id.clone()),
            ("payment_intent_data[metadata][workspace_id]", workspace),
            ("payment_intent_data[metadata][credits]", order.credits.to_string()),
            ("line_items[0][quantity]", "1".to_owned()),
            ("line_items[0][price_data][currency]", order.currency.clone()),
            ("line_items[0][price_data][unit_amount]", order.amount_cents.to_string()),
            ("line_items[0][price_data][product_data][name]", format!("{} credits", order.credits)),
            ("success_url", format!("{public_url}/credit-purchases/{id}?outcome=success")),
            ("cancel_url", format!("{public_url}/credit-purchases/{id}?outcome=cancelled")),
        ]
    }
}

/// The official order: what Stripe says in `stripe-should-retry`, then 409, then 5xx; not 429.
fn worth_retrying(sent: &Result<Response, reqwest::Error>) -> bool {
    let Ok(response) = sent else {
        return true;
    };
    match response.headers().get("stripe-should-retry").and_then(|v| v.to_str().ok()) {
        Some("true") => true,
        Some("false") => false,
        _ => response.status() == 409 || response.status().is_server_error(),
    }
}
