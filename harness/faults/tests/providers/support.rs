//! A client of the simulators, and a verifier of signatures that shares no code with them.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use overdraft_faults::stripe::{Outgoing, StripeSettings, StripeSim};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use sha2::Sha256;

pub const SECRET: &str = "whsec_test_secret";
/// What the simulators of these tests take for the time of day.
pub const NOW: i64 = 1_800_000_000;

pub async fn stripe(seed: u64) -> StripeSim {
    let settings = StripeSettings {
        seed,
        webhook_secret: SECRET.into(),
        api_version: "2026-10-28.endive".into(),
        retry_compression: 1_000,
        tolerance: Duration::from_secs(300),
    };
    StripeSim::start_with_clock(settings, || NOW).await.unwrap()
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The form of a checkout of so many credits at five cents.
pub fn order(workspace: &str, credits: u32) -> Vec<(String, String)> {
    [
        ("mode", "payment"),
        ("success_url", "https://shop.test/done"),
        ("cancel_url", "https://shop.test/back"),
        ("client_reference_id", workspace),
        ("line_items[0][price_data][currency]", "eur"),
        ("line_items[0][price_data][unit_amount]", "5"),
        ("line_items[0][price_data][product_data][name]", "Credits"),
        ("line_items[0][quantity]", &credits.to_string()),
        ("metadata[workspace]", workspace),
        ("metadata[credits]", &credits.to_string()),
        ("payment_intent_data[metadata][workspace]", workspace),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

pub struct Api {
    http: reqwest::Client,
    url: String,
}

impl Api {
    pub fn of(sim: &StripeSim) -> Self {
        Self { http: reqwest::Client::new(), url: sim.url() }
    }

    pub async fn try_post(
        &self,
        path: &str,
        key: Option<&str>,
        form: &[(String, String)],
    ) -> reqwest::Result<Response> {
        let mut request = self.http.post(format!("{}{path}", self.url)).bearer_auth("sk_test_1").form(form);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        request.send().await
    }

    pub async fn post(&self, path: &str, key: Option<&str>, form: &[(String, String)]) -> (StatusCode, Value) {
        read(self.try_post(path, key, form).await.unwrap()).await
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth("sk_test_1");
        read(request.send().await.unwrap()).await
    }

    /// Opens a checkout session and returns its id.
    pub async fn open(&self, workspace: &str, credits: u32) -> String {
        let (status, session) = self.post("/v1/checkout/sessions", None, &order(workspace, credits)).await;
        assert_eq!(status, 200, "{session}");
        session["id"].as_str().unwrap().to_owned()
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    (response.status(), response.json().await.unwrap())
}

pub fn body_of(outgoing: &Outgoing) -> Value {
    serde_json::from_slice(&outgoing.body).unwrap()
}

/// What an honest endpoint checks: scheme, age, signature, mode.
pub fn verify(outgoing: &Outgoing, header: Option<&str>, secret: &str, now: i64) -> Result<(), &'static str> {
    let (timestamp, signature) =
        header.ok_or("no header")?.strip_prefix("t=").and_then(|rest| rest.split_once(",v1=")).ok_or("no scheme")?;
    let signature: Vec<u8> =
        (0..signature.len() / 2).map(|at| u8::from_str_radix(&signature[2 * at..2 * at + 2], 16).unwrap()).collect();
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&[timestamp.as_bytes(), b".", &outgoing.body].concat());
    mac.verify_slice(&signature).map_err(|_| "wrong signature")?;
    if now - timestamp.parse::<i64>().unwrap() > 300 {
        return Err("too old");
    }
    if body_of(outgoing)["livemode"] != false { Err("wrong mode") } else { Ok(()) }
}
