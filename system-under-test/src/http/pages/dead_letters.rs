//! `/admin/dead-letters`: what the service gave up on, why, and a button to try it again.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Redirect};
use maud::{Markup, html};

use super::guard::{Asked, Sent, Visitor};
use super::layout::page;
use super::parts::{counted, moment, pager};
use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::cursor;
use crate::office::{Attempt, DeadLetter};
use crate::problem::Problem;

const HERE: &str = "/admin/dead-letters";
/// Letters of a page. "Retry all shown" takes up so many at once.
const SHOWN: i32 = 25;

/// `GET`: the open ones, newest first.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(fields): Asked,
) -> Result<Html<String>, Problem> {
    let letters = visitor.office(&app).dead_letters(SHOWN, fields.before()?).await?;
    let next = next_page(&letters, SHOWN, |last| cursor(last.created_at, last.id));
    Ok(page(
        &visitor,
        HERE,
        "Dead letters",
        html! {
            p { "What failed as often as it may, or for a reason that repeating does not change. A retry begins with fresh
                attempts; whatever was already done is not done again." }
            @if letters.is_empty() {
                p.empty { "No dead letters. Nothing was given up on." }
            } @else {
                @if visitor.member.acts() && letters.len() > 1 {
                    form.bar method="post" action="/admin/dead-letters/retry" {
                        (visitor.form_key())
                        @for letter in &letters { input type="hidden" name="id" value=(letter.id); }
                        button type="submit" { "Retry all " (letters.len()) " shown" }
                    }
                }
                table {
                    caption { (counted(i64::try_from(letters.len()).unwrap_or(0), "open dead letter", "open dead letters"))
                        " on this page, newest first; times are UTC" }
                    thead { tr {
                        th scope="col" { "What" } th scope="col" { "Why" } th scope="col" { "Since" }
                        @if visitor.member.acts() { th scope="col" { "Action" } }
                    } }
                    tbody { @for letter in &letters { (row(&visitor, letter)) } }
                }
            }
            (pager(HERE, &[], fields.text("cursor").is_some(), next.as_deref()))
        },
    ))
}

fn row(visitor: &Visitor, letter: &DeadLetter) -> Markup {
    let attempts: Vec<Attempt> = serde_json::from_value(letter.history.clone()).unwrap_or_default();
    html! {
        tr {
            th scope="row" data-label="What" { (letter.kind) br; code { (letter.subject) } }
            td data-label="Why" {
                (letter.reason)
                @if !attempts.is_empty() {
                    details {
                        summary { (counted(i64::try_from(attempts.len()).unwrap_or(0), "attempt", "attempts")) }
                        ol.history { @for attempt in &attempts {
                            li value=(attempt.attempt) { (moment(attempt.at)) ": " (attempt.error) }
                        } }
                    }
                }
            }
            td data-label="Since" { (moment(letter.created_at)) }
            @if visitor.member.acts() {
                td {
                    form method="post" action="/admin/dead-letters/retry" {
                        (visitor.form_key())
                        input type="hidden" name="id" value=(letter.id);
                        button type="submit" aria-label={ "Retry " (letter.kind) " " (letter.subject) } { "Retry" }
                    }
                }
            }
        }
    }
}

/// `POST /retry`: takes up every letter that the form names.
pub(super) async fn retry(State(app): State<Arc<App>>, sent: Sent) -> Result<Redirect, Problem> {
    sent.visitor.must_act()?;
    let ids = sent.fields.ids("id");
    if ids.is_empty() || ids.len() > SHOWN.unsigned_abs() as usize {
        return Err(Problem::invalid_request("The form names no dead letter, or more than a page holds."));
    }
    let retried = sent.visitor.office(&app).retry_dead_letters(&ids).await?;
    let asked = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    let notice = match (retried, asked - retried) {
        (0, _) => "Nothing was queued: somebody else had already retried it.".to_owned(),
        (_, 0) => format!("{} queued again.", counted(retried, "dead letter is", "dead letters are")),
        (_, gone) => format!(
            "{} queued again; {} already retried by somebody else.",
            counted(retried, "dead letter is", "dead letters are"),
            counted(gone, "was", "were")
        ),
    };
    sent.visitor.token.leave_notice(&app.pool, &notice).await?;
    Ok(Redirect::to(HERE))
}
