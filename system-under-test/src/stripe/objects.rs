//! Asking Stripe for an object's current state, which is what a thin event is about.

use reqwest::Client;
use serde_json::Value;

use super::events::Related;
use crate::settings::Settings;

/// Why there is no object. It may be there the next time: Stripe's event can be ahead of Stripe's API.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// No usable answer.
    #[error("stripe: {0}")]
    Transport(#[from] reqwest::Error),
    /// Stripe refused.
    #[error("stripe answered {status} to GET {path}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// What was asked for.
        path: String,
    },
}

/// The object as it is now. Once: the caller is a job, and comes back.
///
/// The path is made from the object's type and id. The event has a URL too, which is not followed: whoever
/// could make us follow one would get our key.
pub(crate) async fn fetch(client: &Client, settings: &Settings, related: &Related) -> Result<Value, FetchError> {
    let path = related.path();
    let response = client
        .get(format!("{}{path}", settings.stripe_api_base))
        .bearer_auth(settings.stripe_api_key.expose())
        .header("Stripe-Version", &settings.stripe_api_version)
        .send()
        .await?;
    let status = response.status();
    if !status.is_success() {
        return Err(FetchError::Refused { status: status.as_u16(), path });
    }
    Ok(response.json().await?)
}
