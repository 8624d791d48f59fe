//! The pages of the back office under `/admin`: server-rendered, usable without a script, and without one at all.
//!
//! Everything that looks is a GET of two calls: whose session this is, and what is to be seen. Everything that acts
//! is a form that is posted, carries the key of its session, and ends in a redirect to a page that tells what came
//! of it. Who may do what is decided by the database; the pages only leave out what it would refuse.

mod audit;
mod commissions;
mod credits;
mod dead_letters;
mod fields;
mod guard;
mod jobs;
mod layout;
mod login;
mod overview;
mod parts;
mod purchases;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};

pub(super) use self::words::in_words;
use crate::http::App;

/// Nothing from elsewhere, no script, no frame around us, forms to us alone.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Every page.
pub(super) fn routes(app: Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(overview::show))
        .route("/admin/login", get(login::show).post(login::log_in))
        .route("/admin/logout", post(login::log_out))
        .route("/admin/dead-letters", get(dead_letters::show))
        .route("/admin/dead-letters/retry", post(dead_letters::retry))
        .route("/admin/purchases", get(purchases::show))
        .route("/admin/credits", get(credits::show).post(credits::adjust))
        .route("/admin/credits/confirm", get(credits::confirm))
        .route("/admin/jobs", get(jobs::show))
        .route("/admin/commissions", get(commissions::show))
        .route("/admin/audit", get(audit::show))
        .route("/admin/style.css", get(layout::style))
        .layer(from_fn_with_state(app, guarded))
}

/// What every answer of the pages tells the browser.
async fn guarded(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    words::protect(response.headers_mut());
    if app.settings.public_url.starts_with("https:") {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// The headers that keep a page to itself.
fn protections() -> [(HeaderName, HeaderValue); 6] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
