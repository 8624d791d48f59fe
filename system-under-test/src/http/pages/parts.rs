//! Pieces that several pages are made of.

use chrono::{DateTime, Utc};
use maud::{Markup, html};
use reqwest::Url;
use uuid::Uuid;

/// A moment, in UTC to the second.
pub(super) fn moment(at: DateTime<Utc>) -> Markup {
    html! { time datetime=(at.to_rfc3339()) { (at.format("%Y-%m-%d %H:%M:%S")) } }
}

/// A number in groups of three digits.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("−{text}") } else { text }
}

/// Money, from its smallest unit.
pub(super) fn money(cents: i64, currency: &str) -> String {
    format!("{}.{:02} {}", grouped(cents / 100), cents.unsigned_abs() % 100, currency.to_uppercase())
}

/// `one`, or the number and `many`.
pub(super) fn counted(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", grouped(number)) }
}

/// The beginning of an id, the whole of it for who points at it.
pub(super) fn short(id: Uuid) -> Markup {
    let id = id.to_string();
    html! { code title=(id) { (&id[..8]) } }
}

/// A workspace: its name, and the way to its purchases.
pub(super) fn workspace(id: Uuid, name: &str) -> Markup {
    html! { a href={ "/admin/purchases?workspace_id=" (id) } { (name) } " " (short(id)) }
}

/// A link with a query of these pairs; those without a value are left out.
pub(super) fn link(path: &str, pairs: &[(&str, &str)]) -> String {
    let given = pairs.iter().filter(|(_, value)| !value.is_empty());
    let Ok(mut url) = Url::parse("http://here") else {
        return path.to_owned();
    };
    url.query_pairs_mut().extend_pairs(given);
    match url.query() {
        Some(query) if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    }
}

/// The way to the next page, if there is one.
pub(super) fn pager(path: &str, pairs: &[(&str, &str)], paged: bool, next: Option<&str>) -> Markup {
    let with = |cursor| link(path, &[pairs, &[("cursor", cursor)]].concat());
    html! {
        @if paged || next.is_some() {
            nav.pager aria-label="More" {
                @if paged { a href=(link(path, pairs)) { "Newest" } }
                @if let Some(next) = next { a rel="next" href=(with(next)) { "Older" } }
            }
        }
    }
}

/// What is wrong with what was typed.
pub(super) fn mistakes(mistakes: &[String]) -> Markup {
    html! {
        @if !mistakes.is_empty() {
            div.mistakes role="alert" {
                @for mistake in mistakes { p { (mistake) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_money_keeps_its_cents() {
        let numbers = [0, 7, 999, 1_000, 1_234_567, -1_000].map(grouped);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "1,234,567", "−1,000"]);
        assert_eq!(money(123_405, "usd"), "1,234.05 USD");
        assert_eq!(counted(1, "sale", "sales"), "1 sale");
        assert_eq!(counted(1_200, "sale", "sales"), "1,200 sales");
    }

    #[test]
    fn a_link_carries_what_is_given_and_escapes_it() {
        assert_eq!(link("/admin/audit", &[("action", ""), ("workspace_id", "")]), "/admin/audit");
        assert_eq!(
            link("/admin/audit", &[("action", "a&b=c"), ("cursor", "7")]),
            "/admin/audit?action=a%26b%3Dc&cursor=7"
        );
    }
}
