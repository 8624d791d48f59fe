//! `/unsubscribe/{token}`: the link in every email of a campaign. The token is the right to use it; no key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Html;
use sqlx::postgres::types::PgInterval;
use tokio::time::Instant;
use uuid::Uuid;

use super::App;
use crate::database::retrying;
use crate::problem::Problem;

/// How often we look whether an email that was on its way has arrived or failed.
const LOOK: Duration = Duration::from_millis(50);

/// An attempt begins a little before its request, and ends a little after it.
const MARGIN: Duration = Duration::from_secs(1);

/// Asks the person to confirm: programs that look at links in emails follow them too, and must change nothing.
#[utoipa::path(get, path = "/unsubscribe/{token}", tag = "campaigns", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html")),
    extensions(("x-problems" = json!(["unsubscribe_link_unknown"]))))]
pub(crate) async fn ask(State(app): State<Arc<App>>, Path(token): Path<String>) -> Result<Html<&'static str>, Problem> {
    recipient(&app, &token)?;
    Ok(Html(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Unsubscribe</title>\
         <h1>Unsubscribe</h1><p>Do you want no more of these emails?</p>\
         <form method=\"post\"><button>Unsubscribe</button></form></html>",
    ))
}

/// Unsubscribes, in one click as RFC 8058 demands. Once this is answered nothing more leaves for the address:
/// what is being handed to the provider at this moment is waited for.
#[utoipa::path(post, path = "/unsubscribe/{token}", tag = "campaigns", params(("token" = String, Path)),
    responses((status = 200, body = String, content_type = "text/html")),
    extensions(("x-problems" = json!(["unsubscribe_link_unknown"]))))]
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Html<&'static str>, Problem> {
    let recipient = recipient(&app, &token)?;
    // No attempt takes longer than this; a worker that died in one hands over nothing any more.
    let lease = app.settings.provider_timeout + MARGIN;
    let interval = PgInterval::try_from(lease).map_err(|_| Problem::internal())?;
    let began = Instant::now();
    loop {
        let on_their_way: Option<i64> = retrying(|| {
            sqlx::query_scalar("SELECT unsubscribe($1, $2, $3)")
                .bind(recipient)
                .bind(interval)
                .bind(app.clock.now())
                .fetch_one(&app.pool)
        })
        .await?;
        if on_their_way.ok_or_else(unknown)? == 0 || began.elapsed() > lease {
            return Ok(Html(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Unsubscribed</title>\
                 <h1>Unsubscribed</h1><p>You will get no more of these emails.</p></html>",
            ));
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn recipient(app: &App, token: &str) -> Result<Uuid, Problem> {
    app.keys.unsubscriber(token).ok_or_else(unknown)
}

fn unknown() -> Problem {
    Problem::not_found("unsubscribe_link_unknown", "This is not a link that we sent.")
}
