//! What happens around every request: id, deadline, rendering of errors, one log line.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use axum::middleware::Next;
use axum::response::IntoResponse;
use uuid::Uuid;

use super::App;
use super::limits::Standing;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Bytes of a refusal in plain words, at most.
const LONGEST_REFUSAL: usize = 4_096;

/// The id of a request: the client's `X-Request-Id` if it is harmless, else a new one.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Set on a response whose workspace is known, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Workspace(pub(crate) Uuid);

/// The outermost layer.
pub(crate) async fn envelope(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response<Body> {
    let started = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    request.extensions_mut().insert(RequestId(id.clone()));

    let answered = tokio::time::timeout(app.settings.request_timeout, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Problem::timed_out().into_response());
    let standing = response.extensions().get::<Standing>().copied();
    let workspace_id = response.extensions().get::<Workspace>().map(|w| w.0.to_string());
    if let Some(problem) = problem_of(&mut response).await {
        response = problem.render(&id);
    }
    if let Some(standing) = standing {
        standing.write(response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    tracing::info!(
        request_id = id,
        workspace_id,
        %method,
        path,
        status = response.status().as_u16(),
        micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    response
}

/// The error that is still to be rendered: a handler's own, or axum's refusal in plain words of a body, query or
/// path that it could not read.
async fn problem_of(response: &mut Response<Body>) -> Option<Problem> {
    let plain = |value: &HeaderValue| value.as_bytes().starts_with(b"text/plain");
    let problem = response.extensions_mut().remove::<Problem>();
    if problem.is_some() || !response.headers().get(header::CONTENT_TYPE).is_some_and(plain) {
        return problem;
    }
    let code = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        status if status.is_client_error() => "invalid_request",
        status if status.is_server_error() => return Some(Problem::internal()),
        _ => return None,
    };
    let words = axum::body::to_bytes(std::mem::take(response.body_mut()), LONGEST_REFUSAL).await.unwrap_or_default();
    Some(Problem::new(code, &String::from_utf8_lossy(&words)))
}

/// 404 for an unknown path and for a method that a path does not have, both with a problem body.
pub(crate) async fn no_such_route() -> (StatusCode, Problem) {
    let problem = Problem::not_found("route_not_found", "No endpoint has this method and path.");
    (StatusCode::NOT_FOUND, problem)
}

fn request_id(request: &Request) -> String {
    let harmless = |id: &&str| {
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(harmless)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
