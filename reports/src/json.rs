//! `verdict.json` and the schema that describes it.
//!
//! The one format that keeps every text as it is: it is data, and JSON's own escapes carry it.

use overdraft_model::verdict::Verdict;
use serde_json::{Map, Value};

/// The verdict as pretty JSON with a trailing newline. Equal verdicts give equal bytes.
#[must_use]
pub fn json(verdict: &Verdict) -> String {
    pretty(verdict)
}

/// The JSON schema (2020-12) of [`json`], pretty, keys sorted, with a trailing newline.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(Verdict);
    pretty(&sorted(schema.to_value()))
}

fn pretty(value: &impl serde::Serialize) -> String {
    // A verdict holds no maps with other keys than text and no fallible serializer, so this cannot fail;
    // if it ever does, the file must not look like a verdict.
    let mut text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| Value::String(format!("no verdict could be written: {error}")).to_string());
    text.push('\n');
    text
}

/// Sorts every object's keys: another crate may switch on serde_json's insertion order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut pairs: Vec<(String, Value)> = object.into_iter().collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        other => other,
    }
}
