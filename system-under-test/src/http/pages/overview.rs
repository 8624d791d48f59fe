//! `GET /admin`: what needs attention.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::guard::Visitor;
use super::layout::page;
use super::parts::{counted, grouped, moment};
use crate::http::App;
use crate::problem::Problem;

/// Counts first, each the way to its page.
pub(super) async fn show(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Html<String>, Problem> {
    let now = app.clock.now();
    let stand = visitor.office(&app).overview(now).await?;
    let letters = html! {
        @match stand.oldest_dead_letter {
            Some(oldest) => { "given up on, the first at " (moment(oldest)) " UTC" }
            None => { "nothing was given up on" }
        }
    };
    let day = |credits: i64| html! { "in the last 24 hours, " (counted(credits, "credit", "credits")) };
    Ok(page(
        &visitor,
        "/admin",
        "Overview",
        html! {
            section aria-labelledby="attention" {
                h2 #attention { "Needs attention" }
                ul.cards {
                    (card("/admin/dead-letters", stand.dead_letters, "Dead letters", &letters, stand.dead_letters > 0))
                    (card("/admin/jobs?state=dead", stand.alerts_failed, "Alerts refused",
                        &html! { "the hook would not take them" }, stand.alerts_failed > 0))
                    (card("/admin/purchases?kind=credits&status=pending", stand.unpaid, "Unpaid",
                        &html! { "credit purchases begun more than a day ago" }, false))
                }
            }
            section aria-labelledby="work" {
                h2 #work { "Work that waits" }
                ul.cards {
                    (card("/admin/jobs?kind=email", stand.emails, "Emails", &html! { "still to be sent" }, false))
                    (card("/admin/jobs?kind=webhook", stand.webhooks, "Events",
                        &html! { "of Stripe, still to be processed" }, false))
                    (card("/admin/jobs?kind=alert", stand.alerts_pending, "Alerts",
                        &html! { "still to be posted" }, false))
                }
            }
            section aria-labelledby="sold" {
                h2 #sold { "Sold" }
                ul.cards {
                    (card("/admin/purchases?kind=leads", stand.sales, "Purchases of leads", &day(stand.sales_credits), false))
                    (card("/admin/purchases?kind=credits", stand.orders, "Purchases of credits",
                        &day(stand.orders_credits), false))
                }
            }
            p.soft { "As of " (moment(now)) " UTC." }
        },
    ))
}

fn card(path: &str, number: i64, name: &str, about: &Markup, alarming: bool) -> Markup {
    html! {
        li.card.alarming[alarming] {
            a href=(path) { span.number { (grouped(number)) } " " span.what { (name) } }
            p.soft { (about) }
        }
    }
}
