//! Logging in and out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::html;

use super::guard::{Asked, Sent, Stranger, set_cookie};
use super::layout::bare;
use super::parts::{counted, mistakes};
use crate::http::App;
use crate::office::{Guess, Token};
use crate::problem::Problem;
use crate::settings::Secret;

/// `GET /admin/login`
pub(super) async fn show(Asked(fields): Asked) -> Html<String> {
    page(fields.typed("next"), "", None)
}

/// `POST /admin/login`: every attempt is counted, then compared; the answer does not tell which of the two was wrong.
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    Stranger(fields, before): Stranger,
) -> Result<Response, Problem> {
    let (email, next, now) = (fields.typed("email"), fields.typed("next"), app.clock.now());
    let settings = &app.settings;
    let guess = Guess::begin(&app.pool, email, settings.login_burst, settings.login_every, now).await?;
    if guess.wait_s > 0 {
        let wait = counted(guess.wait_s.into(), "second", "seconds");
        let words = format!("Too many attempts with this address. The next is possible in {wait}.");
        let mut response = (StatusCode::TOO_MANY_REQUESTS, page(next, email, Some(words))).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(guess.wait_s));
        return Ok(response);
    }
    let password = Secret::new(fields.raw("password"));
    let right = app.passwords.matches(password, guess.password_hash).await;
    let Some(staff) = guess.staff_id.filter(|_| right) else {
        let words = "There is nobody with this address and this password.".to_owned();
        return Ok((StatusCode::UNAUTHORIZED, page(next, email, Some(words))).into_response());
    };
    let token = Token::random();
    token.open(&app.pool, staff, before.as_ref(), settings.staff_session, now).await?;
    Ok((set_cookie(&app, Some(&token)), Redirect::to(ours(next))).into_response())
}

/// `POST /admin/logout`
pub(super) async fn log_out(State(app): State<Arc<App>>, sent: Sent) -> Result<Response, Problem> {
    sent.visitor.token.end(&app.pool, app.clock.now()).await?;
    Ok((set_cookie(&app, None), Redirect::to("/admin/login")).into_response())
}

/// Where to go after the log-in: a page of ours, whatever the link said.
fn ours(next: &str) -> &str {
    let page = next == "/admin" || ["/admin/", "/admin?"].iter().any(|start| next.starts_with(start));
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if page && plain { next } else { "/admin" }
}

fn page(next: &str, email: &str, mistake: Option<String>) -> Html<String> {
    let focused = |first: bool| (first == email.is_empty()).then_some("");
    bare(
        "Log in",
        html! {
            h1 { "Log in" }
            p.soft { "The back office of Overdraft, for staff." }
            (mistakes(mistake.as_slice()))
            form.stack method="post" action="/admin/login" {
                input type="hidden" name="next" value=(next);
                label for="email" { "Email" }
                input #email type="email" name="email" value=(email) autocomplete="username" required
                    autofocus=[focused(true)];
                label for="password" { "Password" }
                input #password type="password" name="password" autocomplete="current-password" required
                    autofocus=[focused(false)];
                button type="submit" { "Log in" }
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_after_the_log_in_stays_in_the_house() {
        for fine in ["/admin", "/admin/dead-letters", "/admin/purchases?kind=leads&cursor=1_a", "/admin?x"] {
            assert_eq!(ours(fine), fine);
        }
        for bad in ["", "//evil.test", "/administration", "https://evil.test/admin", "/admin\\evil", "/admin/ x", "/v1"]
        {
            assert_eq!(ours(bad), "/admin", "{bad}");
        }
    }
}
