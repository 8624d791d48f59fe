//! What all pages have around them.

use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse};
use maud::{DOCTYPE, Markup, html};

use super::guard::Visitor;

/// The media type of a page.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Where to go: path and name.
const PLACES: [(&str, &str); 7] = [
    ("/admin", "Overview"),
    ("/admin/dead-letters", "Dead letters"),
    ("/admin/purchases", "Purchases"),
    ("/admin/credits", "Credits"),
    ("/admin/jobs", "Jobs"),
    ("/admin/commissions", "Commissions"),
    ("/admin/audit", "Audit log"),
];

/// `GET /admin/style.css`
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// A page of a session. `here` is the path of its place.
pub(super) fn page(visitor: &Visitor, here: &str, title: &str, content: Markup) -> Html<String> {
    document(
        title,
        html! {
            header.top {
                div.wrap {
                    p.name { a href="/admin" { "Overdraft" } " back office" }
                    div.who {
                        span { (visitor.member.email) " (" (visitor.member.role) ")" }
                        form method="post" action="/admin/logout" {
                            (visitor.form_key())
                            button.quiet type="submit" { "Log out" }
                        }
                    }
                }
                nav aria-label="Pages" {
                    ul.wrap {
                        @for (path, name) in PLACES {
                            li { a href=(path) aria-current=[(path == here).then_some("page")] { (name) } }
                        }
                    }
                }
            }
            main #content .wrap {
                @if let Some(notice) = &visitor.member.notice {
                    p.notice role="status" { (notice) }
                }
                h1 { (title) }
                (content)
            }
        },
    )
}

/// A page without a session.
pub(super) fn bare(title: &str, content: Markup) -> Html<String> {
    document(title, html! { main #content .wrap.bare { (content) } })
}

fn document(title: &str, body: Markup) -> Html<String> {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Overdraft back office" }
                link rel="stylesheet" href="/admin/style.css";
                // Without this a browser asks for /favicon.ico.
                link rel="icon" href="data:,";
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (body)
            }
        }
    };
    Html(markup.into_string())
}
