//! `GET /admin/jobs`: every piece of work, by kind and state.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::fields::Fields;
use super::guard::{Asked, Visitor};
use super::layout::page;
use super::parts::{grouped, link, moment, pager};
use crate::http::App;
use crate::http::paging::next_page;
use crate::office::{Job, JobCount, JobFilter};
use crate::problem::Problem;

const HERE: &str = "/admin/jobs";
const SHOWN: i32 = 50;
/// The states, in the order in which a job goes through them.
const STATES: [&str; 4] = ["waiting", "running", "done", "dead"];

/// The counts, and the jobs of one kind and state.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(fields): Asked,
) -> Result<Html<String>, Problem> {
    let filter = JobFilter { kind: fields.text("kind"), state: fields.text("state") };
    let before = fields.before_text()?;
    let paged = before.0.is_some();
    let office = visitor.office(&app);
    let counts = office.job_counts().await?;
    let jobs = office.jobs(&filter, SHOWN, before).await?;
    let next = next_page(&jobs, SHOWN, Job::cursor);
    let carried = ["kind", "state"].map(|name| (name, fields.typed(name)));
    Ok(page(
        &visitor,
        HERE,
        "Jobs",
        html! {
            (table(&counts))
            (chosen(&fields))
            @if jobs.is_empty() { p.empty { "No such jobs." } } @else { (list(&jobs)) }
            (pager(HERE, &carried, paged, next.as_deref()))
        },
    ))
}

fn table(counts: &[JobCount]) -> Markup {
    let mut kinds: Vec<&str> = counts.iter().map(|count| count.kind.as_str()).collect();
    kinds.dedup();
    let of = |kind: &str, state: &str| counts.iter().find(|c| c.kind == kind && c.state == state).map_or(0, |c| c.jobs);
    html! {
        table.counts {
            caption { "Jobs by kind and state" }
            thead { tr { th scope="col" { "Kind" } @for state in STATES { th.n scope="col" { (state) } } } }
            tbody { @for kind in kinds {
                tr {
                    th scope="row" { a href=(link(HERE, &[("kind", kind)])) { (kind.replace('_', " ")) } }
                    @for state in STATES {
                        @let number = of(kind, state);
                        td.n data-label=(state) {
                            @if number == 0 { span.soft { "0" } }
                            @else { a.bad[state == "dead"] href=(link(HERE, &[("kind", kind), ("state", state)]))
                                aria-label={ (grouped(number)) " " (kind) " " (state) } { (grouped(number)) } }
                        }
                    }
                }
            } }
        }
    }
}

fn chosen(fields: &Fields) -> Markup {
    let (kind, state) = (fields.typed("kind"), fields.typed("state"));
    html! {
        @if !kind.is_empty() || !state.is_empty() {
            p { "Shown: " strong { (kind.replace('_', " ")) " " (state) } ". " a href=(HERE) { "Show all" } }
        }
    }
}

fn list(jobs: &[Job]) -> Markup {
    html! {
        table {
            caption { (jobs.len()) " jobs on this page, newest first; times are UTC" }
            thead { tr {
                th scope="col" { "Since" } th scope="col" { "Kind" } th scope="col" { "About" } th scope="col" { "State" }
                th.n scope="col" { "Attempts" } th scope="col" { "Last error" }
            } }
            tbody { @for job in jobs {
                tr {
                    th scope="row" data-label="Since" { (moment(job.created_at)) }
                    td data-label="Kind" { (job.kind.replace('_', " ")) }
                    td data-label="About" { code { (job.subject) } }
                    td data-label="State" {
                        span.bad[job.state == "dead"] { (job.state) }
                        @if job.state == "waiting" { @if let Some(at) = job.run_at { br; span.soft { "runs at " (moment(at)) } } }
                    }
                    td.n data-label="Attempts" { (job.attempts) }
                    td data-label="Last error" { (job.last_error.as_deref().unwrap_or("none")) }
                }
            } }
        }
    }
}
