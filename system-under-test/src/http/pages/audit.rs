//! `GET /admin/audit`: what staff did.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};
use serde_json::Value;

use super::guard::{Asked, Visitor};
use super::layout::page;
use super::parts::{mistakes, moment, pager, workspace};
use crate::http::App;
use crate::http::paging::next_page;
use crate::office::{AuditEntry, AuditFilter};
use crate::problem::Problem;

const HERE: &str = "/admin/audit";
const SHOWN: i32 = 50;

/// Newest first, by workspace and action.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(mut fields): Asked,
) -> Result<Html<String>, Problem> {
    let filter = AuditFilter { workspace_id: fields.id("workspace_id", "Workspace"), action: fields.text("action") };
    let before = fields.whole("cursor", "Page");
    let entries = match fields.mistakes.is_empty() {
        true => visitor.office(&app).audit(&filter, SHOWN, before).await?,
        false => Vec::new(),
    };
    let next = next_page(&entries, SHOWN, |last| last.id.to_string());
    let carried = ["workspace_id", "action"].map(|name| (name, fields.typed(name)));
    Ok(page(
        &visitor,
        HERE,
        "Audit log",
        html! {
            p { "Who did what to whom. Nothing rewrites it." }
            (mistakes(&fields.mistakes))
            form.filter method="get" action=(HERE) {
                div.field { label for="action" { "Action, such as credits.adjusted" }
                    input #action type="text" name="action" value=(fields.typed("action")); }
                div.field { label for="workspace_id" { "Workspace id" }
                    input #workspace_id type="text" name="workspace_id" value=(fields.typed("workspace_id")); }
                div.field.buttons { button type="submit" { "Filter" } a href=(HERE) { "Clear" } }
            }
            (trail(&entries))
            (pager(HERE, &carried, before.is_some(), next.as_deref()))
        },
    ))
}

/// Entries of the log, as a table.
pub(super) fn trail(entries: &[AuditEntry]) -> Markup {
    html! {
        @if entries.is_empty() {
            p.empty { "Nothing was done yet." }
        } @else {
            table {
                caption { "What staff did, newest first; times are UTC" }
                thead { tr {
                    th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "Action" }
                    th scope="col" { "To what" } th scope="col" { "Particulars" }
                } }
                tbody { @for entry in entries {
                    tr {
                        th scope="row" data-label="When" { (moment(entry.created_at)) }
                        td data-label="Who" { (entry.staff) }
                        td data-label="Action" { (entry.action) }
                        td data-label="To what" {
                            @match (entry.workspace_id, &entry.workspace) {
                                (Some(id), Some(name)) => { (workspace(id, name)) }
                                _ => { code { (entry.subject) } }
                            }
                        }
                        td data-label="Particulars" { (particulars(&entry.detail)) }
                    }
                } }
            }
        }
    }
}

fn particulars(detail: &Value) -> Markup {
    html! {
        @for (name, value) in detail.as_object().into_iter().flatten() {
            div { span.soft { (name.replace('_', " ")) ": " }
                @match value { Value::String(text) => { (text) } other => { (other.to_string()) } } }
        }
    }
}
