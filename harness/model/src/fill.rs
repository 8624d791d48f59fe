//! Placeholders: `{name}` in texts, in JSON and in SQL, filled from values or refused by name.
//!
//! A placeholder is a brace, letters, digits, `_` or `.`, and a brace. Anything else in braces is left
//! alone, so JSON and SQL need no escapes.

use std::collections::BTreeMap;

use serde_json::Value;

/// What placeholders stand for.
pub type Values = BTreeMap<String, Value>;

/// A placeholder that nothing stands for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{{{placeholder}}}` stands for nothing here; known: {known}")]
pub struct FillError {
    /// The name in braces.
    pub placeholder: String,
    /// What could have been written.
    pub known: String,
}

enum Part<'a> {
    Text(&'a str),
    Placeholder(&'a str),
}

/// Fills a text.
///
/// # Errors
/// Fails on an unknown placeholder.
pub fn text(template: &str, values: &Values) -> Result<String, FillError> {
    let mut filled = String::with_capacity(template.len());
    for part in parts(template) {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Placeholder(name) => filled.push_str(&plain(look_up(name, values)?)),
        }
    }
    Ok(filled)
}

/// Fills the texts of a JSON value. A text that is nothing but one placeholder takes its type.
///
/// # Errors
/// Fails on an unknown placeholder.
pub fn json(template: &Value, values: &Values) -> Result<Value, FillError> {
    Ok(match template {
        Value::String(template) => match parts(template).as_slice() {
            [Part::Placeholder(name)] => look_up(name, values)?.clone(),
            _ => Value::String(text(template, values)?),
        },
        Value::Array(items) => Value::Array(items.iter().map(|item| json(item, values)).collect::<Result<_, _>>()?),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), json(field, values)?)))
                .collect::<Result<_, FillError>>()?,
        ),
        other => other.clone(),
    })
}

/// Turns placeholders into bound parameters: the statement with `$1`, `$2` and the texts to bind.
///
/// # Errors
/// Fails on an unknown placeholder.
pub fn sql(template: &str, values: &Values) -> Result<(String, Vec<String>), FillError> {
    let (mut statement, mut bound, mut names) = (String::new(), Vec::new(), Vec::new());
    for part in parts(template) {
        match part {
            Part::Text(text) => statement.push_str(text),
            Part::Placeholder(name) => {
                let at = match names.iter().position(|known| *known == name) {
                    Some(at) => at,
                    None => {
                        bound.push(plain(look_up(name, values)?));
                        names.push(name);
                        names.len() - 1
                    }
                };
                statement.push_str(&format!("${}", at + 1));
            }
        }
    }
    Ok((statement, bound))
}

fn look_up<'a>(name: &str, values: &'a Values) -> Result<&'a Value, FillError> {
    values.get(name).ok_or_else(|| FillError {
        placeholder: name.to_owned(),
        known: values.keys().map(String::as_str).collect::<Vec<_>>().join(", "),
    })
}

/// A value as it stands in a text or a bound parameter.
#[must_use]
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn parts(template: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut from, mut search) = (0, 0);
    while let Some(open) = template[search..].find('{').map(|at| at + search) {
        let name_length = template[open + 1..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(template.len() - open - 1);
        let close = open + 1 + name_length;
        if name_length > 0 && template[close..].starts_with('}') {
            if from < open {
                parts.push(Part::Text(&template[from..open]));
            }
            parts.push(Part::Placeholder(&template[open + 1..close]));
            from = close + 1;
        }
        search = close.max(open + 1);
    }
    if from < template.len() {
        parts.push(Part::Text(&template[from..]));
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    fn values() -> Values {
        [("key", value!("k-1")), ("credits", value!(30)), ("lead.ids", value!(["a", "b"]))]
            .map(|(name, value)| (name.to_owned(), value))
            .into()
    }

    #[test]
    fn texts_are_filled_and_other_braces_left() {
        assert_eq!(text("/x/{key}?n={credits}", &values()).unwrap(), "/x/k-1?n=30");
        assert_eq!(text("{} {a b} '{\"x\":{key}}' {", &values()).unwrap(), "{} {a b} '{\"x\":k-1}' {");
    }

    #[test]
    fn json_keeps_types() {
        let filled = json(&value!({"n": "{credits}", "ids": "{lead.ids}", "t": "no {credits}", "z": 1}), &values());
        assert_eq!(filled.unwrap(), value!({"n": 30, "ids": ["a", "b"], "t": "no 30", "z": 1}));
    }

    #[test]
    fn sql_binds_each_name_once() {
        let (statement, bound) = sql("SELECT f({key}::uuid, {credits}::bigint, {key})", &values()).unwrap();
        assert_eq!(statement, "SELECT f($1::uuid, $2::bigint, $1)");
        assert_eq!(bound, ["k-1", "30"]);
    }

    #[test]
    fn the_unknown_is_refused_with_what_is_known() {
        let error = text("{kee}", &values()).unwrap_err();
        assert_eq!(error.to_string(), "`{kee}` stands for nothing here; known: credits, key, lead.ids");
    }
}
