//! Parameters that several endpoints read.

use serde_json::{Map, Value};

use super::{form::Form, refusal::Refusal};

/// Stripe's limits on `metadata`: keys, characters of a key, characters of a value.
const METADATA: (usize, usize, usize) = (50, 40, 500);

/// A whole number.
pub(super) fn whole(form: &Form, path: &[&str], param: &str) -> Result<Option<i64>, Refusal> {
    let wrong =
        |text: &str| Refusal::invalid(param, Some("parameter_invalid_integer"), format!("Invalid integer: {text}"));
    form.text(path).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

/// `metadata`, within its limits.
pub(super) fn metadata(form: &Form, path: &[&str], param: &str) -> Result<Map<String, Value>, Refusal> {
    let metadata = form.map(path);
    let (keys, name, text) = METADATA;
    if metadata.len() > keys {
        let message = format!("Metadata can have up to {keys} keys.");
        return Err(Refusal::invalid(param, None, message));
    }
    for (key, value) in &metadata {
        let long = value.as_str().is_some_and(|value| value.chars().count() > text);
        if long || key.chars().count() > name {
            let message = format!("Metadata keys have up to {name} characters and values up to {text}.");
            return Err(Refusal::invalid(&format!("{param}[{key}]"), None, message));
        }
    }
    Ok(metadata)
}
