//! What happens around every request: id, deadline, rendering of errors, one log line.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use uuid::Uuid;

use super::App;
use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

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
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        response = problem.render(&id);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let workspace_id = response.extensions().get::<Workspace>().map(|w| w.0.to_string());
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
