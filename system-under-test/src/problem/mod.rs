//! Errors a person can act on: RFC 9457 `application/problem+json`.
//!
//! A handler returns a [`Problem`]; the outermost layer renders it, because only that layer knows the
//! request id. Refusals of a purchase are not built here but by the SQL function `problem()`, since
//! they are stored with the idempotency key; both write the same members.

mod catalogue;
mod documentation;
#[cfg(test)]
mod sources;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

pub(crate) use self::catalogue::{CATALOGUE, Kind, kind};
pub(crate) use self::documentation::errors;
use crate::database::is_unavailable;

/// The media type of every error.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error before it knows its request.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    kind: &'static Kind,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    /// An error of the catalogue. `detail` is about this one request: what was wrong with it.
    pub(crate) fn new(code: &str, detail: &str) -> Self {
        let kind = kind(code).unwrap_or_else(|| {
            // A test holds every code in the source against the catalogue.
            tracing::error!(code, "the catalogue of errors does not know this code");
            &catalogue::INTERNAL
        });
        Self { kind, detail: detail.to_owned(), more: Map::new(), retry_after: None }
    }

    /// Adds a member to the body; the catalogue names those of each code.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Says after how many seconds it is worth trying again.
    pub(crate) fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// 400: the request is not understood.
    pub(crate) fn invalid_request(detail: &str) -> Self {
        Self::new("invalid_request", detail)
    }

    /// 400: a write without its key.
    pub(crate) fn idempotency_key_missing() -> Self {
        let detail = "Send an Idempotency-Key header of 1 to 255 characters, a new one per request.";
        Self::new("idempotency_key_missing", detail)
    }

    /// 400: a webhook that Stripe did not sign.
    pub(crate) fn invalid_signature(reason: &str) -> Self {
        Self::new("invalid_signature", reason)
    }

    /// 401: no key, or not one of ours.
    pub(crate) fn unauthorized() -> Self {
        Self::new("unauthorized", "Send a valid API key as 'Authorization: Bearer <key>'.")
    }

    /// 403: the member's role does not allow this.
    pub(crate) fn forbidden() -> Self {
        Self::new("forbidden", "This needs a key of staff with the right role.")
    }

    /// 404, for an object of the given kind: `lead_not_found`, ...
    pub(crate) fn not_found(code: &'static str, detail: &str) -> Self {
        Self::new(code, detail)
    }

    /// 409: another request with this key is at work. It answers for both; ask again for its answer.
    pub(crate) fn idempotency_key_in_use() -> Self {
        let detail = "A request with this key is being carried out. Send it again in a moment for the answer.";
        Self { retry_after: Some(1), ..Self::new("idempotency_key_in_use", detail) }
    }

    /// 502: Stripe did not create the session. Nothing was charged; the same key may be used again.
    pub(crate) fn payment_provider_unavailable() -> Self {
        let detail = "The payment could not be started. Nothing was charged. Try again with the same key.";
        Self::new("payment_provider_unavailable", detail)
    }

    /// 503: the database is away. The outcome is unknown; the same key may be used again.
    pub(crate) fn database_unavailable() -> Self {
        let detail = "The request may or may not have been carried out. Try again with the same key.";
        Self::new("database_unavailable", detail).after(1)
    }

    /// 504: the request took too long. The outcome is unknown; the same key may be used again.
    pub(crate) fn timed_out() -> Self {
        let detail = "The request may or may not have been carried out. Try again with the same key.";
        Self::new("request_timeout", detail)
    }

    /// 500: our fault. The log has the cause; the client gets the request id.
    pub(crate) fn internal() -> Self {
        let detail = "Something went wrong on our side. Quote the request id when you ask about it.";
        Self::new("internal_error", detail)
    }

    /// The kind in a few words.
    pub(crate) fn title(&self) -> &'static str {
        self.kind.title
    }

    /// What was wrong with this request.
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Writes the error for a request.
    pub(crate) fn render(&self, request_id: &str) -> Response<Body> {
        let kind = self.kind;
        let mut body: Map<String, Value> = [
            ("type", json!(kind.uri())),
            ("title", json!(kind.title)),
            ("status", json!(kind.status)),
            ("detail", json!(self.detail)),
            ("instance", json!(format!("urn:request:{request_id}"))),
            ("code", json!(kind.code)),
            ("request_id", json!(request_id)),
            ("retryable", json!(kind.retryable())),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        body.extend(self.more.clone());
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() = self.status();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(self);
        response
    }
}

/// The database answers in SQLSTATEs; ours begin with MK.
impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error().and_then(|e| e.code()).as_deref() {
            Some("MK401") => Self::unauthorized(),
            Some("MK403") => Self::forbidden(),
            _ if is_unavailable(&error) => {
                tracing::error!(%error, "database unavailable");
                Self::database_unavailable()
            }
            _ => {
                tracing::error!(%error, "database error");
                Self::internal()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_problem_carries_every_member() {
        let response = Problem::database_unavailable().render("r-1");
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let body: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(body["type"], "https://overdraft.dev/problems/database-unavailable");
        assert_eq!(body["code"], "database_unavailable");
        assert_eq!(body["status"], 503);
        assert_eq!(body["retryable"], true);
        assert_eq!(body["request_id"], "r-1");
        assert_eq!(body["instance"], "urn:request:r-1");
        for text in ["title", "detail"] {
            assert!(!body[text].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_client_error_is_not_worth_repeating() {
        assert!(!Problem::unauthorized().kind.retryable());
        assert!(Problem::payment_provider_unavailable().kind.retryable());
    }

    #[test]
    fn a_lost_connection_is_not_an_internal_error() {
        let problem = Problem::from(sqlx::Error::PoolTimedOut);
        assert_eq!(problem.kind.code, "database_unavailable");
        assert_eq!(Problem::from(sqlx::Error::RowNotFound).kind.code, "internal_error");
    }
}
