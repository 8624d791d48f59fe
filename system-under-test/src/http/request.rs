//! What handlers take from a request: the API key, the idempotency key, pages, bodies.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::problem::Problem;

/// Longest idempotency key, in characters, as Stripe allows.
const LONGEST_KEY: usize = 255;
/// Rows of a page if the client does not say.
const PAGE: i32 = 50;
/// Rows of a page at most.
const LARGEST_PAGE: i32 = 100;

/// SHA-256 of the caller's API key; the key itself is not kept. The database resolves it.
pub(crate) struct KeyHash(pub(crate) Vec<u8>);

impl<S: Sync> FromRequestParts<S> for KeyHash {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        key_hash(&parts.headers).map(Self).ok_or_else(Problem::unauthorized)
    }
}

/// SHA-256 of the API key, if there is one.
pub(super) fn key_hash(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let key = value.strip_prefix("Bearer ")?.trim();
    (!key.is_empty()).then(|| Sha256::digest(key.as_bytes()).to_vec())
}

/// The idempotency key, bare or as the quoted string of the IETF draft.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let value = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default();
    let bare = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    if bare.is_empty() || bare.len() > LONGEST_KEY {
        return Err(Problem::idempotency_key_missing());
    }
    Ok(bare.to_owned())
}

/// What makes two requests with one key the same request: endpoint and body, byte for byte.
pub(crate) fn request_hash(endpoint: &str, body: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(endpoint.as_bytes());
    hash.update([0]);
    hash.update(body);
    hash.finalize().to_vec()
}

/// Reads a JSON body.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::invalid_request(&format!("The body is not as expected: {error}.")))
}

/// `?limit=&cursor=`
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Rows of a page: 1 to 100, 50 if not given.
    limit: Option<i32>,
    /// `next` of the page before; without it, the first page.
    cursor: Option<String>,
}

impl Page {
    /// A page of the usual size that begins here.
    pub(crate) fn at(cursor: Option<String>) -> Self {
        Self { limit: None, cursor }
    }

    /// How many rows to return.
    pub(crate) fn limit(&self) -> i32 {
        self.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE)
    }

    /// The cursor of a list ordered by id.
    pub(crate) fn after_id(&self) -> Result<Option<Uuid>, Problem> {
        let parse = |cursor: &String| Uuid::parse_str(cursor).map_err(|_| bad_cursor());
        self.cursor.as_ref().map(parse).transpose()
    }

    /// The cursor of a list ordered by a number, newest first.
    pub(crate) fn before_number(&self) -> Result<Option<i64>, Problem> {
        self.cursor.as_ref().map(|cursor| cursor.parse().map_err(|_| bad_cursor())).transpose()
    }

    /// The cursor of a list ordered by time and an id of any kind.
    pub(crate) fn before_text(&self) -> Result<(Option<DateTime<Utc>>, Option<String>), Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok((None, None));
        };
        let (micros, id) = cursor.split_once('_').ok_or_else(bad_cursor)?;
        let micros = micros.parse().map_err(|_| bad_cursor())?;
        let time = DateTime::from_timestamp_micros(micros).ok_or_else(bad_cursor)?;
        Ok((Some(time), Some(id.to_owned())))
    }

    /// The cursor of a list ordered by time and id, as [`cursor`] wrote it.
    pub(crate) fn before(&self) -> Result<(Option<DateTime<Utc>>, Option<Uuid>), Problem> {
        let Some(cursor) = &self.cursor else {
            return Ok((None, None));
        };
        let parse = || {
            let (micros, id) = cursor.split_once('_')?;
            let time = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
            Some((time, Uuid::parse_str(id).ok()?))
        };
        parse().map(|(time, id)| (Some(time), Some(id))).ok_or_else(bad_cursor)
    }
}

/// Where the page after this row begins.
pub(crate) fn cursor(created_at: DateTime<Utc>, id: Uuid) -> String {
    format!("{}_{id}", created_at.timestamp_micros())
}

fn bad_cursor() -> Problem {
    Problem::invalid_request("The cursor is not one that this API returned.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("idempotency-key", value.parse().unwrap());
        headers
    }

    #[test]
    fn keys_may_be_quoted_or_bare_but_not_empty_or_endless() {
        assert_eq!(idempotency_key(&headers("abc")).unwrap(), "abc");
        assert_eq!(idempotency_key(&headers("\"abc\"")).unwrap(), "abc");
        assert!(idempotency_key(&headers("\"\"")).is_err());
        assert!(idempotency_key(&headers(&"k".repeat(256))).is_err());
        assert!(idempotency_key(&HeaderMap::new()).is_err());
    }

    #[test]
    fn cursors_return_what_they_were_given() {
        let (time, id) = (DateTime::from_timestamp_micros(1_700_000_000_123_456).unwrap(), Uuid::nil());
        let page = Page { limit: None, cursor: Some(cursor(time, id)) };
        assert_eq!(page.before().unwrap(), (Some(time), Some(id)));
        assert!(Page { limit: None, cursor: Some("x".to_owned()) }.before().is_err());
        assert_eq!(Page { limit: Some(1_000), cursor: None }.limit(), 100);
    }

    #[test]
    fn the_endpoint_is_part_of_the_request() {
        assert_ne!(request_hash("a", b"{}"), request_hash("b", b"{}"));
    }
}
