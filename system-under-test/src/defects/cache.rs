//! A cache of responses, in front of a service that has none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use tokio::time::Instant;

use super::planted::{Family, Part, Planted};

pub(super) const FAMILY: Family = Family { title: "Caches", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "cached-balance-stale",
        wrong: "Balances are cached for half a minute, and a purchase does not clear them: a customer sees what it had, \
                not what it has.",
        incident: "Read replicas and caches in front of money: a customer pays, sees the old balance, and pays again.",
        caught_by: "flow.expected",
        scenario: "CF-16",
        overlay: &[],
        parts: &[Part::Around(|router| cached(router, own_balance))],
    },
    Planted {
        name: "cached-without-tenant",
        wrong: "Lists are cached by their path alone: who asks second sees the first one's purchases.",
        incident: "Steam 2015: pages of other customers out of a misconfigured cache, 34,000 of them.",
        caught_by: "flow.expected",
        scenario: "CF-23",
        overlay: &[],
        parts: &[Part::Around(|router| cached(router, any_list))],
    },
];

/// How long an answer is kept.
const LIFETIME: Duration = Duration::from_secs(30);
/// A larger answer is not kept.
const LARGEST: usize = 1 << 20;

type Kept = Arc<Mutex<HashMap<String, (Instant, HeaderMap, Bytes)>>>;

/// By path and caller.
fn own_balance(request: &Request) -> Option<String> {
    let caller = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    (request.uri().path() == "/v1/balance").then(|| caller.to_owned())
}

/// By path and query.
fn any_list(request: &Request) -> Option<String> {
    (request.uri().path() == "/v1/purchases").then(|| request.uri().to_string())
}

/// Keeps successful answers to GET, under the key that `of` gives them.
fn cached(router: Router, of: fn(&Request) -> Option<String>) -> Router {
    let kept = Kept::default();
    router.layer(from_fn(move |request: Request, next: Next| answer(kept.clone(), of, request, next)))
}

async fn answer(kept: Kept, of: fn(&Request) -> Option<String>, request: Request, next: Next) -> Response<Body> {
    let key = Some(&request).filter(|request| request.method() == Method::GET).and_then(of);
    let Some(key) = key else { return next.run(request).await };
    let known = kept.lock().ok().and_then(|kept| kept.get(&key).cloned());
    if let Some((_, headers, body)) = known.filter(|(since, ..)| since.elapsed() < LIFETIME) {
        let mut response = Response::new(Body::from(body));
        *response.headers_mut() = headers;
        return response;
    }
    let (parts, body) = next.run(request).await.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return Response::default() };
    if let (StatusCode::OK, Ok(mut kept)) = (parts.status, kept.lock()) {
        kept.insert(key, (Instant::now(), parts.headers.clone(), body.clone()));
    }
    Response::from_parts(parts, Body::from(body))
}
