//! Errors of the pages, in words and with the request's id: a person reads them, not a program.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use maud::html;

use super::layout::bare;
use super::protections;
use crate::http::App;
use crate::http::layers::RequestId;
use crate::problem::Problem;

/// The share of a request's time after which a page gives up, so that the error is still ours to tell.
const PATIENCE: f64 = 0.95;

/// The layer around all routes: an error under `/admin` becomes a page.
pub(in crate::http) async fn in_words(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path != "/admin" && !path.starts_with("/admin/") {
        return next.run(request).await;
    }
    let id = request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
    let patience = app.settings.request_timeout.mul_f64(PATIENCE);
    let answered = tokio::time::timeout(patience, next.run(request)).await;
    let mut response = answered.unwrap_or_else(|_| Problem::timed_out().into_response());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = page(&problem, &id).into_response().into_body();
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, super::layout::HTML);
        protect(response.headers_mut());
    }
    response
}

/// Adds what every page tells the browser.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in protections() {
        headers.insert(name, value);
    }
}

fn page(problem: &Problem, request_id: &str) -> Html<String> {
    bare(
        problem.title(),
        html! {
            h1 { (problem.title()) }
            p { (problem.detail()) }
            p.soft { "Request " code { (request_id) } ". Quote it when you ask about this." }
            p { a href="/admin" { "Back to the overview" } }
        },
    )
}
