//! Who is at the door: the session behind a cookie, and whether a form was sent from a page of that session.

use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use reqwest::Url;

use super::fields::Fields;
use super::parts::link;
use crate::http::App;
use crate::office::{Member, Office, Token};
use crate::problem::Problem;

/// The name of the field that carries the form key.
const FORM_KEY: &str = "form_key";

/// A session that is open.
#[derive(Clone)]
pub(super) struct Visitor {
    pub(super) member: Member,
    pub(super) token: Token,
    hash: Vec<u8>,
}

impl Visitor {
    /// The office, entered by this session.
    pub(super) fn office<'a>(&'a self, app: &'a App) -> Office<'a> {
        Office::enter(&app.pool, &self.hash)
    }

    /// The hidden field without which a form of this session is refused.
    pub(super) fn form_key(&self) -> Markup {
        html! { input type="hidden" name=(FORM_KEY) value=(self.token.form_key()); }
    }

    /// Refuses, in words, what the database would refuse.
    pub(super) fn must_act(&self) -> Result<(), Problem> {
        let words = "Your role is support: you can look at everything, but changes are made by an admin.";
        if self.member.acts() { Ok(()) } else { Err(Problem::new("forbidden", words)) }
    }
}

impl FromRequestParts<Arc<App>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Response> {
        let path = parts.uri.path_and_query().map_or("/admin", |path| path.as_str());
        let login = || Redirect::to(&link("/admin/login", &[("next", path)])).into_response();
        let token = cookie(&parts.headers, app).ok_or_else(login)?;
        let member = token.read(&app.pool, app.settings.staff_idle, app.clock.now()).await;
        let member = member.map_err(|error| Problem::from(error).into_response())?.ok_or_else(login)?;
        Ok(Self { hash: token.hash(), member, token })
    }
}

/// The query of a page, whatever is in it.
pub(super) struct Asked(pub(super) Fields);

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::from_request_parts(parts, app)
            .await
            .map_err(|error| Problem::invalid_request(&error.body_text()))?;
        Ok(Self(pairs.into()))
    }
}

/// A form that was sent from a page of an open session.
pub(super) struct Sent {
    pub(super) visitor: Visitor,
    pub(super) fields: Fields,
}

impl FromRequest<Arc<App>> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Response> {
        same_origin(request.headers(), app).map_err(IntoResponse::into_response)?;
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, app).await?;
        let fields = form(Request::from_parts(parts, body), app).await.map_err(IntoResponse::into_response)?;
        if !visitor.token.made(fields.typed(FORM_KEY)) {
            let words = "This form does not belong to your session. Nothing was done. Go back, reload the page, and \
                         send it again.";
            return Err(Problem::new("forbidden", words).into_response());
        }
        Ok(Self { visitor, fields })
    }
}

/// A form that nobody has to be logged in for: the log-in itself.
pub(super) struct Stranger(pub(super) Fields, pub(super) Option<Token>);

impl FromRequest<Arc<App>> for Stranger {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        same_origin(request.headers(), app)?;
        let before = cookie(request.headers(), app);
        Ok(Self(form(request, app).await?, before))
    }
}

async fn form(request: Request, app: &Arc<App>) -> Result<Fields, Problem> {
    let sent = Form::<Vec<(String, String)>>::from_request(request, app).await;
    let Form(pairs) = sent.map_err(|error| Problem::invalid_request(&error.body_text()))?;
    Ok(pairs.into())
}

/// Browsers say with each form from which origin it was sent; ours are sent from `PUBLIC_URL`.
fn same_origin(headers: &HeaderMap, app: &App) -> Result<(), Problem> {
    let ours = Url::parse(&app.settings.public_url).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
    if origin == ours {
        return Ok(());
    }
    let words = format!("This form was sent from {origin}, and is accepted only from {ours}. Nothing was done.");
    Err(Problem::new("forbidden", &words))
}

fn secure(app: &App) -> bool {
    app.settings.public_url.starts_with("https:")
}

/// `__Host-` makes browsers refuse the cookie from anywhere but this host, and demands `Secure`, which plain http on
/// a laptop cannot give.
fn cookie_name(secure: bool) -> &'static str {
    if secure { "__Host-staff_session" } else { "staff_session" }
}

fn cookie(headers: &HeaderMap, app: &App) -> Option<Token> {
    let name = cookie_name(secure(app));
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(given, _)| *given == name).and_then(|(_, value)| Token::of(value))
}

/// The header that gives the browser a token, or (with none) takes it away.
pub(super) fn set_cookie(app: &App, token: Option<&Token>) -> [(header::HeaderName, HeaderValue); 1] {
    let line = cookie_line(secure(app), token);
    // Digits, letters and what stands below: always a header's value.
    [(header::SET_COOKIE, HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static("")))]
}

/// `Lax`, so that a link in an alert finds the session; no GET changes anything, and a form needs its key and origin.
fn cookie_line(secure: bool, token: Option<&Token>) -> String {
    let (value, age) = token.map_or(("", "; Max-Age=0"), |token| (token.expose(), ""));
    let flag = if secure { "; Secure" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{flag}{age}", cookie_name(secure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_over_https_is_for_this_host_alone_and_never_sent_in_clear() {
        let token = Token::random();
        let line = cookie_line(true, Some(&token));
        let expected = format!("__Host-staff_session={}; Path=/; HttpOnly; SameSite=Lax; Secure", token.expose());
        assert_eq!(line, expected);
        assert_eq!(cookie_line(false, None), "staff_session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
