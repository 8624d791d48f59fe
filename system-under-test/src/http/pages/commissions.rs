//! `GET /admin/commissions`: what partners are due, held against what was accrued and paid.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::guard::{Asked, Visitor};
use super::layout::page;
use super::parts::{counted, grouped, mistakes, moment, workspace};
use crate::http::App;
use crate::office::{PartnerCommissions, Period};
use crate::problem::Problem;

const HERE: &str = "/admin/commissions";

/// The partners, those with differences first, and every purchase that differs.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(mut fields): Asked,
) -> Result<Html<String>, Problem> {
    let (percent, now) = (app.settings.commission_percent, app.clock.now());
    let period = Period { from: fields.day("from", "From"), to: fields.end_of_day("to", "To") };
    let partners = match fields.mistakes.is_empty() {
        true => visitor.office(&app).commissions(period, now).await?,
        false => Vec::new(),
    };
    let differing: i64 = partners.iter().map(|partner| partner.differing).sum();
    let begins = period.begins(now).format("%Y-%m-%d").to_string();
    let from = if fields.typed("from").is_empty() { begins.as_str() } else { fields.typed("from") };
    Ok(page(
        &visitor,
        HERE,
        "Commissions",
        html! {
            p { "A partner is due a share of the price of each lead sold, rounded down to whole credits: now "
                (percent) " %. Every sale is held, at the rate that it was made at, against the commission that was
                written down and what the ledger moved." }
            (mistakes(&fields.mistakes))
            form.filter method="get" action=(HERE) {
                div.field { label for="from" { "From (day, UTC)" } input #from type="date" name="from" value=(from); }
                div.field { label for="to" { "To (included)" } input #to type="date" name="to" value=(fields.typed("to")); }
                div.field.buttons { button type="submit" { "Reconcile" } a href=(HERE) { "Last 31 days" } }
            }
            @if partners.is_empty() {
                p.empty { "No sales in this period." }
            } @else {
                @if differing == 0 {
                    p.good { "✓ Every sale agrees: due, accrued and paid are the same." }
                } @else {
                    p.bad role="alert" { "✗ " (counted(differing, "purchase differs", "purchases differ")) "." }
                }
                (sums(&partners))
                @for partner in partners.iter().filter(|partner| partner.differing > 0) { (differences(partner)) }
            }
        },
    ))
}

fn sums(partners: &[PartnerCommissions]) -> Markup {
    html! {
        table {
            caption { "Commissions by partner, in credits" }
            thead { tr {
                th scope="col" { "Partner" } th.n scope="col" { "Leads sold" } th.n scope="col" { "Due" }
                th.n scope="col" { "Accrued" } th.n scope="col" { "Paid" } th.n scope="col" { "Paid less due" }
                th scope="col" { "Purchases that differ" }
            } }
            tbody { @for partner in partners {
                tr.wrong[partner.differing > 0] {
                    th scope="row" data-label="Partner" { (workspace(partner.workspace_id, &partner.workspace)) }
                    td.n data-label="Leads sold" { (grouped(partner.sales)) }
                    td.n data-label="Due" { (grouped(partner.due)) }
                    td.n data-label="Accrued" { (grouped(partner.accrued)) }
                    td.n data-label="Paid" { (grouped(partner.paid)) }
                    td.n data-label="Paid less due" { (grouped(partner.paid - partner.due)) }
                    td data-label="Purchases that differ" {
                        @if partner.differing == 0 { span.good { "✓ none" } }
                        @else { span.bad { "✗ " (grouped(partner.differing)) } }
                    }
                }
            } }
        }
    }
}

fn differences(partner: &PartnerCommissions) -> Markup {
    let told = i64::try_from(partner.differences.0.len()).unwrap_or(0);
    html! {
        table {
            caption { "What differs for " (partner.workspace) ", in credits; times are UTC"
                @if told < partner.differing { " (the newest " (told) " of " (grouped(partner.differing)) ")" } }
            thead { tr {
                th scope="col" { "Purchase" } th scope="col" { "When" } th.n scope="col" { "Due" }
                th.n scope="col" { "Accrued" } th.n scope="col" { "Paid" } th.n scope="col" { "Paid less due" }
            } }
            tbody { @for difference in &partner.differences.0 {
                tr {
                    th scope="row" data-label="Purchase" { code { (difference.purchase_id) } }
                    td data-label="When" { (moment(difference.created_at)) }
                    td.n data-label="Due" { (grouped(difference.due)) }
                    td.n data-label="Accrued" { (grouped(difference.accrued)) }
                    td.n data-label="Paid" { (grouped(difference.paid)) }
                    td.n data-label="Paid less due" { (grouped(difference.paid - difference.due)) }
                }
            } }
        }
    }
}
