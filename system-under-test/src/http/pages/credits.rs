//! `/admin/credits`: giving and taking credits: a form, a page to confirm, and the trail of what was done.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::response::{Html, Redirect};
use maud::{Markup, html};
use uuid::Uuid;

use super::audit::trail;
use super::fields::Fields;
use super::guard::{Asked, Sent, Visitor};
use super::layout::page;
use super::parts::{counted, grouped, link, mistakes, workspace};
use crate::http::App;
use crate::http::layers::RequestId;
use crate::http::request::request_hash;
use crate::office::{Adjusted, Asking, AuditFilter, Order};
use crate::problem::Problem;

const HERE: &str = "/admin/credits";
const SHOWN: i32 = 25;

/// `GET`: the form, and the adjustments of a workspace or of all.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(mut fields): Asked,
) -> Result<Html<String>, Problem> {
    let filter = AuditFilter {
        workspace_id: fields.id("workspace_id", "Workspace"),
        action: Some("credits.adjusted".to_owned()),
    };
    let entries = visitor.office(&app).audit(&filter, SHOWN, None).await?;
    Ok(page(
        &visitor,
        HERE,
        "Credits",
        html! {
            (mistakes(&fields.mistakes))
            @if visitor.member.acts() { (form(&fields)) }
            @else { p { "Your role is support: an admin adjusts credits." } }
            h2 { "Adjustments" }
            @if filter.workspace_id.is_some() { p { "Of one workspace. " a href=(HERE) { "Show all" } } }
            (trail(&entries))
            p.more { a href="/admin/audit?action=credits.adjusted" { "All adjustments in the audit log" } }
        },
    ))
}

fn form(fields: &Fields) -> Markup {
    html! {
        form.stack method="get" action="/admin/credits/confirm" {
            label for="workspace_id" { "Workspace id" }
            input #workspace_id type="text" name="workspace_id" value=(fields.typed("workspace_id")) required
                spellcheck="false";
            label for="credits" { "Credits" }
            input #credits type="number" name="credits" value=(fields.typed("credits")) required step="1"
                aria-describedby="sign";
            p.hint #sign { "Positive gives, negative takes. No more can be taken than the workspace can spend." }
            label for="reason" { "Reason" }
            input #reason type="text" name="reason" value=(fields.typed("reason")) required maxlength="500"
                aria-describedby="why";
            p.hint #why { "Goes into the audit log, for whoever asks later." }
            button type="submit" { "Review" }
        }
    }
}

/// The adjustment that a form describes.
fn order(fields: &mut Fields) -> Option<Order> {
    let workspace = fields.id("workspace_id", "Workspace id");
    let credits = fields.whole("credits", "Credits");
    let reason = fields.text("reason");
    for (name, label) in [("workspace_id", "Workspace id"), ("credits", "Credits"), ("reason", "Reason")] {
        if fields.typed(name).is_empty() {
            fields.mistakes.push(format!("{label}: please fill this in."));
        }
    }
    let order = Order { workspace: workspace?, credits: credits?, reason: reason? };
    fields.mistakes.extend(order.mistake().map(str::to_owned));
    fields.mistakes.is_empty().then_some(order)
}

/// `GET /confirm`: says what will be done, and has the button. Its key makes sending it twice harmless.
pub(super) async fn confirm(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Asked(mut fields): Asked,
) -> Result<Html<String>, Problem> {
    visitor.must_act()?;
    let Some(order) = order(&mut fields) else {
        return Ok(page(&visitor, HERE, "Credits", html! { (mistakes(&fields.mistakes)) (form(&fields)) }));
    };
    let Some(standing) = visitor.office(&app).standing(order.workspace, app.clock.now()).await? else {
        fields.mistakes.push("Workspace id: there is no workspace with this id.".to_owned());
        return Ok(page(&visitor, HERE, "Credits", html! { (mistakes(&fields.mistakes)) (form(&fields)) }));
    };
    let verb = if order.credits > 0 { "Give" } else { "Take" };
    let amount = counted(order.credits.saturating_abs(), "credit", "credits");
    let back = link(HERE, &["workspace_id", "credits", "reason"].map(|name| (name, fields.typed(name))));
    Ok(page(
        &visitor,
        HERE,
        &format!("{verb} {amount}?"),
        html! {
            dl.facts {
                dt { "Workspace" } dd { (workspace(order.workspace, &standing.workspace)) }
                dt { "Can spend now" } dd { (grouped(standing.balance)) }
                dt { "Can spend then" } dd { (grouped(standing.balance.saturating_add(order.credits))) }
                dt { "Reason" } dd { (order.reason) }
            }
            form.bar method="post" action=(HERE) {
                (visitor.form_key())
                input type="hidden" name="workspace_id" value=(order.workspace);
                input type="hidden" name="credits" value=(order.credits);
                input type="hidden" name="reason" value=(order.reason);
                input type="hidden" name="key" value=(Uuid::new_v4());
                button type="submit" { (verb) " " (amount) }
                a href=(back) { "Change it" }
            }
        },
    ))
}

/// `POST`: does it, once per key.
pub(super) async fn adjust(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    sent: Sent,
) -> Result<Redirect, Problem> {
    let Sent { visitor, mut fields } = sent;
    visitor.must_act()?;
    let Some(order) = order(&mut fields) else {
        return Err(Problem::invalid_request(&fields.mistakes.join(" ")));
    };
    let key = fields.id("key", "Key").ok_or_else(|| Problem::invalid_request("The form has no key."))?;
    let same = format!("{}\0{}\0{}", order.workspace, order.credits, order.reason);
    let request_hash = request_hash("POST /admin/credits", same.as_bytes());
    let asking = Asking { key: format!("page_{key}"), request_hash, request_id };
    let (lifetime, now) = (app.settings.credit_lifetime_days, app.clock.now());
    let answer = visitor.office(&app).adjust(&order, &asking, lifetime, now).await?;
    let size = order.credits.saturating_abs();
    let notice = match Adjusted::of(&answer) {
        Adjusted::Done(balance) => {
            let verb = if order.credits > 0 { "given" } else { "taken" };
            let amount = counted(size, "credit was", "credits were");
            format!("{amount} {verb}. The workspace can spend {} now.", grouped(balance))
        }
        Adjusted::TooMuch(available) => format!(
            "Nothing was taken: the workspace can spend {} only, and {} were to be taken.",
            counted(available, "credit", "credits"),
            grouped(size)
        ),
        Adjusted::Refused(words) => format!("Nothing was done. {words}"),
    };
    visitor.token.leave_notice(&app.pool, &notice).await?;
    Ok(Redirect::to(&link(HERE, &[("workspace_id", &order.workspace.to_string())])))
}
