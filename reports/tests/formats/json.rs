//! `verdict.json` and its committed schema.

use overdraft_model::verdict::Verdict;
use overdraft_reports::{json, schema};
use serde_json::Value;

use crate::support;

const COMMITTED: &str = include_str!("../../schema/verdict.schema.json");

#[test]
fn the_committed_schema_is_current() {
    assert!(
        COMMITTED == schema(),
        "reports/schema/verdict.schema.json is not what the types say. If the change is meant, update it with\n\
         cargo run -p overdraft-reports --example schema > reports/schema/verdict.schema.json"
    );
}

#[test]
fn samples_keep_the_schema() {
    let schema: Value = serde_json::from_str(COMMITTED).unwrap();
    for verdict in [support::valid(), support::invalid(), support::unknown(), support::skipped(), support::realistic()]
    {
        let value: Value = serde_json::from_str(&json(&verdict)).unwrap();
        conforms(&value, &schema, &schema, "verdict");
    }
}

/// As much of JSON schema as this schema uses: references, required properties, types, enumerations.
fn conforms(value: &Value, schema: &Value, root: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let resolved = root.pointer(reference.trim_start_matches('#')).unwrap();
        return conforms(value, resolved, root, place);
    }
    for alternatives in ["anyOf", "oneOf"] {
        if let Some(all) = schema[alternatives].as_array() {
            let fitting = all.iter().find(|one| one["type"] != "null" || value.is_null()).unwrap();
            if !value.is_null() {
                conforms(value, fitting, root, place);
            }
            return;
        }
    }
    let fits = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        None => true,
        Some(other) => panic!("{place}: the schema speaks of {other}"),
    };
    let kinds = &schema["type"];
    assert!(kinds.as_array().map_or_else(|| fits(kinds), |all| all.iter().any(fits)), "{place}: {value} is no {kinds}");
    for property in schema["required"].as_array().into_iter().flatten() {
        assert!(value.get(property.as_str().unwrap()).is_some(), "{place} lacks {property}");
    }
    if let Some(object) = value.as_object() {
        for (name, inner) in object {
            let described = schema["properties"].get(name).unwrap_or_else(|| panic!("{place}.{name} is undescribed"));
            conforms(inner, described, root, &format!("{place}.{name}"));
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        conforms(item, &schema["items"], root, &format!("{place}[{number}]"));
    }
}

#[test]
fn reads_back_as_it_was_written() {
    for verdict in [support::realistic(), support::hostile()] {
        let text = json(&verdict);
        assert!(text.ends_with("}\n"));
        let back: Verdict = serde_json::from_str(&text).unwrap();
        assert_eq!(back, verdict);
        assert_eq!(json(&back), text);
    }
}
