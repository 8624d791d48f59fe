//! The HTTP surface: routes, and what every route shares.

mod admin;
mod campaigns;
mod credit_purchases;
mod enrichment;
mod health;
mod layers;
mod limits;
mod onboarding;
mod openapi;
mod pages;
mod paging;
mod purchases;
mod reads;
mod request;
mod test_clock;
mod unsubscribe;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension};
use axum::middleware::from_fn_with_state;
use axum::routing::put;
use sqlx::PgPool;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::limits::Limits;
use self::openapi::Document;
use crate::clock::Clock;
use crate::defects::Defect;
use crate::error::Error;
use crate::keys::Keys;
use crate::office::Passwords;
use crate::seams::{Counting, Intake, Purchasing};
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
    /// How webhooks are taken in.
    pub(crate) intake: Box<dyn Intake>,
    /// Who may call how often.
    pub(crate) limits: Box<dyn Counting>,
    /// Stripe's API.
    pub(crate) checkout: Checkout,
    /// What is derived from `KEY_SECRET`.
    pub(crate) keys: Keys,
    /// Compares the passwords of staff.
    pub(crate) passwords: Passwords,
    /// The time of day.
    pub(crate) clock: Clock,
    /// Whether the clock may be moved from outside.
    pub(crate) test_clock: bool,
    /// The planted defect, shown by `/health`.
    pub(crate) defect: Option<Defect>,
}

/// Every endpoint of the API. What is routed here is in the OpenAPI document, and nothing else is.
fn api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::default()
        .routes(routes!(purchases::create, reads::purchases))
        .routes(routes!(reads::balance))
        .routes(routes!(reads::leads))
        .routes(routes!(reads::lead))
        .routes(routes!(enrichment::show))
        .routes(routes!(credit_purchases::create))
        .routes(routes!(credit_purchases::show))
        .routes(routes!(admin::dead_letters::list))
        .routes(routes!(admin::dead_letters::retry))
        .routes(routes!(admin::purchases::list))
        .routes(routes!(admin::commissions::list))
        .routes(routes!(admin::audit::list))
        .routes(routes!(admin::credits::create))
        .routes(routes!(admin::jobs::list))
        .routes(routes!(onboarding::create))
        .routes(routes!(campaigns::create, campaigns::list))
        .routes(routes!(campaigns::show))
        .routes(routes!(campaigns::add_recipients))
        .routes(routes!(campaigns::change))
        .routes(routes!(unsubscribe::ask, unsubscribe::confirm))
        .routes(routes!(limits::overrides::put, limits::overrides::end))
        .routes(routes!(webhooks::stripe))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::show))
        .routes(routes!(openapi::errors))
}

/// Every route, and the document of those that are the API. What is not: pages for people, and the test clock.
fn routes(test_clock: bool) -> Result<(Router<Arc<App>>, Document), Error> {
    let (mut router, collected) = api().split_for_parts();
    if test_clock {
        router = router.route("/test-clock", put(test_clock::set));
    }
    Ok((router.merge(Document::page()), Document::complete(collected)?))
}

/// Builds the router.
pub(crate) fn router(app: Arc<App>) -> Result<Router, Error> {
    let (router, document) = routes(app.test_clock)?;
    let router = router
        .merge(pages::routes(app.clone()))
        .fallback(layers::no_such_route)
        .method_not_allowed_fallback(layers::no_such_route)
        .layer(Extension(document))
        .layer(DefaultBodyLimit::max(app.settings.body_limit))
        .layer(from_fn_with_state(app.clone(), limits::limit))
        .layer(from_fn_with_state(app.clone(), pages::in_words))
        .layer(from_fn_with_state(app.clone(), layers::envelope))
        .with_state(app);
    Ok(router)
}
