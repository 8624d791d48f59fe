//! `GET /admin/purchases`: what every workspace has bought, by filters and page by page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::fields::Fields;
use super::guard::{Asked, Visitor};
use super::layout::page;
use super::parts::{grouped, mistakes, moment, money, pager, short, workspace};
use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::cursor;
use crate::office::{Purchase, PurchaseFilter};
use crate::problem::Problem;

const HERE: &str = "/admin/purchases";
const SHOWN: i32 = 50;
/// The fields of the filter, as they are carried from page to page.
const FILTERS: [&str; 8] = ["kind", "status", "workspace_id", "lead_id", "from", "to", "min_credits", "max_credits"];
/// What can be chosen, with what it is called.
const KINDS: [(&str, &str); 3] = [("", "Leads and credits"), ("leads", "Leads"), ("credits", "Credits")];

/// The filter form, and what passes it.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(mut fields): Asked,
) -> Result<Html<String>, Problem> {
    let filter = read(&mut fields);
    let found = match fields.mistakes.is_empty() {
        true => visitor.office(&app).purchases(&filter, SHOWN, fields.before()?).await?,
        false => Vec::new(),
    };
    let next = next_page(&found, SHOWN, |last| cursor(last.created_at, last.id));
    let carried = FILTERS.map(|name| (name, fields.typed(name)));
    Ok(page(
        &visitor,
        HERE,
        "Purchases",
        html! {
            (mistakes(&fields.mistakes))
            (form(&fields))
            @if found.is_empty() {
                p.empty { "No purchase passes this filter." }
            } @else {
                table {
                    caption { (found.len()) " purchases on this page, newest first; times are UTC" }
                    thead { tr {
                        th scope="col" { "When" } th scope="col" { "Workspace" } th scope="col" { "What" }
                        th.n scope="col" { "Credits" } th.n scope="col" { "Paid" } th scope="col" { "Status" }
                    } }
                    tbody { @for purchase in &found { (row(purchase)) } }
                }
            }
            (pager(HERE, &carried, fields.text("cursor").is_some(), next.as_deref()))
        },
    ))
}

fn read(fields: &mut Fields) -> PurchaseFilter {
    PurchaseFilter {
        kind: fields.text("kind"),
        status: fields.text("status"),
        workspace_id: fields.id("workspace_id", "Workspace"),
        lead_id: fields.id("lead_id", "Lead"),
        from: fields.day("from", "From"),
        to: fields.end_of_day("to", "To"),
        min_credits: fields.whole("min_credits", "At least"),
        max_credits: fields.whole("max_credits", "At most"),
    }
}

fn form(fields: &Fields) -> Markup {
    let input = |name: &'static str, label: &str, kind: &str| {
        html! { div.field { label for=(name) { (label) } input id=(name) type=(kind) name=(name) value=(fields.typed(name)); } }
    };
    html! {
        form.filter method="get" action=(HERE) {
            div.field {
                label for="kind" { "Kind" }
                select #kind name="kind" {
                    @for (value, name) in KINDS { option value=(value) selected[value == fields.typed("kind")] { (name) } }
                }
            }
            (input("status", "Status, such as pending", "text"))
            (input("workspace_id", "Workspace id", "text"))
            (input("lead_id", "Lead id", "text"))
            (input("from", "From (day, UTC)", "date"))
            (input("to", "To (included)", "date"))
            (input("min_credits", "At least, credits", "number"))
            (input("max_credits", "At most, credits", "number"))
            div.field.buttons { button type="submit" { "Filter" } a href=(HERE) { "Clear" } }
        }
    }
}

fn row(purchase: &Purchase) -> Markup {
    html! {
        tr {
            th scope="row" data-label="When" { (moment(purchase.created_at)) br; (short(purchase.id)) }
            td data-label="Workspace" {
                (workspace(purchase.workspace_id, &purchase.workspace)) br; span.soft { (purchase.buyer) }
            }
            td data-label="What" {
                @if purchase.kind == "credits" { "Credits" }
                @for lead in &purchase.leads.0 {
                    div { a href={ "/admin/purchases?lead_id=" (lead.lead_id) } { (lead.title) }
                        @if purchase.leads.0.len() > 1 { span.soft { " for " (grouped(lead.price)) } } }
                }
            }
            td.n data-label="Credits" { (grouped(purchase.credits)) }
            td.n data-label="Paid" {
                @match (purchase.amount_cents, &purchase.currency) {
                    (Some(cents), Some(currency)) => { (money(cents, currency)) }
                    _ => { span.soft { "in credits" } }
                }
            }
            td data-label="Status" { (purchase.status.replace('_', " ")) }
        }
    }
}
