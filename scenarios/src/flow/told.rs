//! What a case knows while it runs: values of its world and answers of its earlier steps, by label.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use overdraft_engine::http::Told;
use overdraft_model::{
    fill::{self, FillError, Values},
    flow::numbered,
    manifest::World,
    operation::Operation,
};
use serde_json::Value;

/// Values for placeholders.
#[derive(Debug, Default)]
pub(super) struct Known(Values);

impl Known {
    /// What the world gives (`NAME.id`, `NAME.email` and so on), and the time of day.
    pub(super) fn of(world: &World, now: DateTime<Utc>) -> Self {
        let workspaces = world.workspaces.iter().map(|workspace| (&workspace.name, &workspace.values));
        let leads = world.leads.iter().map(|lead| (&lead.name, &lead.values));
        let named = workspaces.chain(leads);
        let mut known: Values = named
            .flat_map(|(name, values)| {
                values.iter().map(move |(field, value)| (format!("{name}.{field}"), value.clone()))
            })
            .collect();
        let later = (now + TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
        known.insert("clock.in_1h".to_owned(), later.into());
        Self(known)
    }

    /// Remembers an answer under the label of its step.
    pub(super) fn learn(&mut self, label: &str, told: &Told) {
        for (field, value) in &told.answer.fields {
            self.0.insert(format!("{label}.{field}"), value.clone());
        }
    }

    /// A text, filled.
    pub(super) fn text(&self, template: &str) -> Result<String, FillError> {
        fill::text(template, &self.0)
    }

    /// Remembers one value.
    pub(super) fn insert(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// An operation, filled for the n-th copy.
    pub(super) fn operation(&self, template: &Operation, n: usize) -> Result<Operation, String> {
        let json = serde_json::to_value(template).map_err(|error| error.to_string())?;
        let filled = fill::json(&count(json, n), &self.0).map_err(|error| error.to_string())?;
        serde_json::from_value(filled).map_err(|error| error.to_string())
    }
}

/// `{n}` in every text.
fn count(template: Value, n: usize) -> Value {
    match template {
        Value::String(text) => Value::String(numbered(&text, n)),
        Value::Array(items) => items.into_iter().map(|item| count(item, n)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, count(field, n))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use overdraft_model::operation::{Answer, Outcome};
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_fill_later_steps_copy_by_copy() {
        let mut known = Known::default();
        for (n, session) in [(1, "cs_a"), (2, "cs_b")] {
            let answer = Answer { fields: [("session".to_owned(), json!(session))].into(), ..Answer::default() };
            known.learn(&numbered("order_{n}", n), &Told { outcome: Outcome::Ok, answer });
        }
        let pay: Operation =
            serde_json::from_value(json!({"f": "pay", "workspace": "buyer_{n}", "session": "{order_{n}.session}"}))
                .unwrap();
        let filled = known.operation(&pay, 2).unwrap();
        assert_eq!(filled.to_string(), "buyer_002 pays cs_b");
        assert!(known.operation(&pay, 3).unwrap_err().contains("order_003.session"));
    }
}
