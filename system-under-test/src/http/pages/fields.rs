//! What was typed into a form: empty fields are none, and what cannot be read is told in words.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use crate::http::request::Page;
use crate::problem::Problem;

/// The fields of a form or a query, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pairs: Vec<(String, String)>,
    /// What is wrong with them.
    pub(super) mistakes: Vec<String>,
}

impl From<Vec<(String, String)>> for Fields {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self { pairs, mistakes: Vec::new() }
    }
}

impl Fields {
    /// A field as it was typed, without the blanks around it; empty if it is not there.
    pub(super) fn typed(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// A field exactly as it was typed: blanks may be part of a password.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.pairs.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        Some(self.typed(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// An id.
    pub(super) fn id(&mut self, name: &str, label: &str) -> Option<Uuid> {
        self.read(name, label, "an id, such as 0198f2b4-7f0e-7000-8000-000000000000", |text| Uuid::parse_str(text).ok())
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &str, label: &str) -> Option<i64> {
        self.read(name, label, "a whole number", |text| text.replace(',', "").parse().ok())
    }

    /// The beginning of a day.
    pub(super) fn day(&mut self, name: &str, label: &str) -> Option<DateTime<Utc>> {
        self.read(name, label, "a day, such as 2026-01-31", |text| {
            Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc())
        })
    }

    /// The end of a day, which is where the next begins.
    pub(super) fn end_of_day(&mut self, name: &str, label: &str) -> Option<DateTime<Utc>> {
        self.day(name, label)?.checked_add_days(Days::new(1))
    }

    /// The cursor of a list ordered by time and id.
    pub(super) fn before(&self) -> Result<(Option<DateTime<Utc>>, Option<Uuid>), Problem> {
        Page::at(self.text("cursor")).before()
    }

    /// The cursor of a list ordered by time and an id of any kind.
    pub(super) fn before_text(&self) -> Result<(Option<DateTime<Utc>>, Option<String>), Problem> {
        Page::at(self.text("cursor")).before_text()
    }

    /// Every id that was sent under this name.
    pub(super) fn ids(&self, name: &str) -> Vec<Uuid> {
        let named = self.pairs.iter().filter(|(field, _)| field == name);
        named.filter_map(|(_, value)| Uuid::parse_str(value).ok()).collect()
    }

    fn read<T>(&mut self, name: &str, label: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = parse(&text);
        if value.is_none() {
            self.mistakes.push(format!("{label}: “{text}” is not {expected}."));
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_is_none_and_a_wrong_one_is_told() {
        let pairs = [("a", " "), ("n", "1,200"), ("id", "x"), ("day", "2026-02-28")];
        let mut fields = Fields::from(pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec());
        assert_eq!((fields.text("a"), fields.text("b")), (None, None));
        assert_eq!(fields.whole("n", "Credits"), Some(1_200));
        assert_eq!(fields.end_of_day("day", "To").unwrap().to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert!(fields.mistakes.is_empty());
        assert_eq!(fields.id("id", "Workspace"), None);
        assert_eq!(fields.mistakes.len(), 1);
        assert!(fields.mistakes[0].starts_with("Workspace: “x” is not an id"), "{}", fields.mistakes[0]);
    }
}
