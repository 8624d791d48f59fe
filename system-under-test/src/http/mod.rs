//! The HTTP surface: routes, and what every route shares.

mod admin;
mod credit_purchases;
mod health;
mod layers;
mod purchases;
mod reads;
mod request;
mod test_clock;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post, put};
use sqlx::PgPool;

use crate::clock::Clock;
use crate::defects::Defect;
use crate::seams::Purchasing;
use crate::settings::Settings;
use crate::stripe::Checkout;

/// What the handlers share.
pub(crate) struct App {
    /// Connections that act as `marketplace_app`.
    pub(crate) pool: PgPool,
    /// The settings.
    pub(crate) settings: Settings,
    /// How leads are bought.
    pub(crate) purchasing: Box<dyn Purchasing>,
    /// Stripe's API.
    pub(crate) checkout: Checkout,
    /// The time of day.
    pub(crate) clock: Clock,
    /// Whether the clock may be moved from outside.
    pub(crate) test_clock: bool,
    /// The planted defect, shown by `/health`.
    pub(crate) defect: Option<Defect>,
}

/// Builds the router.
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut router = Router::new();
    if app.test_clock {
        router = router.route("/test-clock", put(test_clock::set));
    }
    router
        .route("/v1/purchases", post(purchases::create).get(reads::purchases))
        .route("/v1/balance", get(reads::balance))
        .route("/v1/leads", get(reads::leads))
        .route("/v1/leads/{id}", get(reads::lead))
        .route("/v1/credit-purchases", post(credit_purchases::create))
        .route("/v1/credit-purchases/{id}", get(credit_purchases::show))
        .route("/v1/admin/dead-letters", get(admin::dead_letters))
        .route("/v1/admin/dead-letters/{id}/retry", post(admin::retry))
        .route("/webhooks/stripe", post(webhooks::stripe))
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(layers::no_such_route)
        .method_not_allowed_fallback(layers::no_such_route)
        .layer(DefaultBodyLimit::max(app.settings.body_limit))
        .layer(from_fn_with_state(app.clone(), layers::envelope))
        .with_state(app)
}
