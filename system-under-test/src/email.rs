//! The email provider (Resend's API), and what its errors mean.

use std::time::Duration;

use futures::future::BoxFuture;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::backoff::asked;
use crate::seams::Mailer;
use crate::settings::Settings;

/// An email as it leaves the outbox.
#[derive(Clone, Debug)]
pub(crate) struct Email {
    /// The outbox row: the same on every attempt, so it is the provider's idempotency key.
    pub(crate) id: Uuid,
    /// `purchase_<uuid>`, ...: letters, digits, `_` and `-` only, as the provider's tags demand.
    pub(crate) event: String,
    /// The address.
    pub(crate) recipient: String,
    /// The subject.
    pub(crate) subject: String,
    /// Plain text.
    pub(crate) body: String,
    /// Where the recipient ends a campaign: in the text, and in the headers of RFC 8058.
    pub(crate) unsubscribe: Option<String>,
}

/// An address as given, and folded for comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Where to send.
    pub(crate) given: String,
    /// In lower case: providers do not tell the cases of a mailbox apart.
    pub(crate) folded: String,
}

impl Address {
    /// Something before and behind one `@`, without blanks and what would end a header. Only sending tells more.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let given = text.trim();
        let (local, domain) = given.split_once('@')?;
        let foreign = |c: char| c.is_whitespace() || c.is_control() || "<>,;\"\\".contains(c);
        let sound = !local.is_empty() && !domain.is_empty() && !domain.contains('@') && given.len() <= 254;
        (sound && !given.contains(foreign)).then(|| Self { given: given.to_owned(), folded: given.to_lowercase() })
    }
}

/// Why an email was not accepted, and whether the same request may succeed later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SendError {
    /// The provider is busy or broken, or its answer was lost, in which case the email may have been
    /// accepted. Both are answered by the same request with the same key.
    #[error("{reason}")]
    Transient {
        /// What was seen.
        reason: String,
        /// How long the provider asked us to wait.
        retry_after: Option<Duration>,
    },
    /// The provider will never accept this request.
    #[error("{0}")]
    Permanent(String),
}

/// The provider.
pub(crate) struct Provider {
    client: Client,
    settings: Settings,
}

impl Provider {
    /// A client that uses `client`'s connections.
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self { client, settings }
    }

    async fn post(&self, email: &Email) -> Result<Option<String>, SendError> {
        let mut request = json!({
            "from": self.settings.email_from,
            "to": [email.recipient],
            "subject": email.subject,
            "text": email.body,
            "tags": [{ "name": "event", "value": email.event }],
        });
        if let Some(url) = &email.unsubscribe {
            request["text"] = json!(format!("{}\n\n-- \nUnsubscribe: {url}\n", email.body));
            request["headers"] = json!({
                "List-Unsubscribe": format!("<{url}>"),
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            });
        }
        let response = self
            .client
            .post(format!("{}/emails", self.settings.email_api_base))
            .bearer_auth(self.settings.email_api_key.expose())
            .header("Idempotency-Key", email.id.to_string())
            .json(&request)
            .send()
            .await
            .map_err(|error| lost(&error))?;
        let status = response.status();
        let retry_after = asked(response.headers());
        let body = response.text().await.map_err(|error| lost(&error))?;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(body["id"].as_str().map(str::to_owned));
        }
        Err(classify(status, &body, retry_after))
    }
}

impl Mailer for Provider {
    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<String>, SendError>> {
        Box::pin(self.post(email))
    }
}

/// No answer: refused, timed out or cut off. Whether the email was accepted is unknown.
fn lost(error: &reqwest::Error) -> SendError {
    SendError::Transient { reason: format!("no answer: {error}"), retry_after: None }
}

/// An answer that is not a success.
fn classify(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> SendError {
    let name = body["name"].as_str().unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    let reason = format!("{} {name}: {message}", status.as_u16());
    let transient = match status.as_u16() {
        409 => name == "concurrent_idempotent_requests",
        408 | 429 => true,
        code => code >= 500,
    };
    if transient { SendError::Transient { reason, retry_after } } else { SendError::Permanent(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_transient(status: u16, name: &str) -> bool {
        let status = StatusCode::from_u16(status).unwrap();
        matches!(classify(status, &json!({ "name": name }), None), SendError::Transient { .. })
    }

    #[test]
    fn the_provider_s_trouble_is_transient_and_ours_is_permanent() {
        for (status, name) in [
            (500, "application_error"),
            (502, ""),
            (503, ""),
            (429, "rate_limit_exceeded"),
            (409, "concurrent_idempotent_requests"),
            (408, ""),
        ] {
            assert!(is_transient(status, name), "{status} {name}");
        }
        for (status, name) in [
            (400, "validation_error"),
            (401, "missing_api_key"),
            (403, "invalid_api_key"),
            (404, "not_found"),
            (409, "invalid_idempotent_request"),
            (422, "invalid_parameter"),
        ] {
            assert!(!is_transient(status, name), "{status} {name}");
        }
    }

    #[test]
    fn an_address_has_two_sides_and_nothing_that_ends_it() {
        assert_eq!(Address::parse(" A.b+c@X.test ").unwrap().folded, "a.b+c@x.test");
        for bad in ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\r\nBcc: c@d", "A <a@b>", "a@b,c@d"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_reason_tells_what_the_provider_said() {
        let body = json!({ "name": "validation_error", "message": "bad address" });
        let error = classify(StatusCode::BAD_REQUEST, &body, None);
        assert_eq!(error.to_string(), "400 validation_error: bad address");
    }
}
