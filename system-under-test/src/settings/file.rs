//! Settings from a TOML file: the names of the environment variables in lower case, and no others.

use std::collections::BTreeMap;
use std::path::Path;

use super::{SettingsError, table};

/// How alike two names must be for the one to have been meant by the other.
const ALIKE: f64 = 0.75;

/// Reads the file. No message repeats a value: it may be a secret.
pub(super) fn read(path: &Path) -> Result<BTreeMap<&'static str, String>, SettingsError> {
    let failed = |reason: String| SettingsError::File { path: path.display().to_string(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    parse(&text).map_err(failed)
}

fn parse(text: &str) -> Result<BTreeMap<&'static str, String>, String> {
    // The error's own text would quote the line it stumbled over, and there may be a key in it.
    let at_line = |error: toml::de::Error| {
        let line = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count()) + 1;
        format!("line {line} is not TOML: {}", error.message())
    };
    let table: toml::Table = toml::from_str(text).map_err(at_line)?;
    let lines = table::lines();
    let mut values = BTreeMap::new();
    for (key, value) in table {
        let Some(line) = lines.iter().find(|line| line.name.to_lowercase() == key) else {
            return Err(unknown(&key, lines.iter().map(|line| line.name.to_lowercase())));
        };
        let value = plain(&value).ok_or_else(|| format!("{key} is no text, number, truth value or list of texts"))?;
        values.insert(line.name, value);
    }
    Ok(values)
}

/// As the environment would have it.
fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(toml::Value::as_str).collect();
            parts.map(|parts| parts.join(","))
        }
        _ => None,
    }
}

fn unknown(key: &str, known: impl Iterator<Item = String>) -> String {
    let alike = known.map(|name| (strsim::jaro_winkler(key, &name), name)).max_by(|a, b| a.0.total_cmp(&b.0));
    match alike.filter(|(score, _)| *score > ALIKE) {
        Some((_, name)) => format!("there is no setting `{key}`; did you mean `{name}`?"),
        None => format!("there is no setting `{key}`; docs/settings.md lists them all"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_value_becomes_what_the_environment_would_hold() {
        let text = "db_pool = 4\nstripe_livemode = true\nstripe_webhook_secret = ['a', 'b']\nemail_from = 'x'";
        let values = parse(text).unwrap();
        let value = |name: &str| values[name].as_str();
        assert_eq!((value("DB_POOL"), value("STRIPE_LIVEMODE"), value("EMAIL_FROM")), ("4", "true", "x"));
        assert_eq!(value("STRIPE_WEBHOOK_SECRET"), "a,b");
    }

    #[test]
    fn what_is_not_a_setting_is_refused_with_what_was_meant() {
        assert_eq!(parse("db_pol = 4").unwrap_err(), "there is no setting `db_pol`; did you mean `db_pool`?");
        assert!(parse("DB_POOL = 4").is_err(), "one way to write each");
        assert!(parse("xyzzy = 4").unwrap_err().contains("docs/settings.md"));
        assert!(parse("[stripe_livemode]").unwrap_err().starts_with("stripe_livemode is no text"));
    }

    #[test]
    fn a_broken_line_is_named_but_not_shown() {
        let error = parse("db_pool = 4\nstripe_api_key = \"sk_hidden\nlisten = 1").unwrap_err();
        assert!(error.starts_with("line 2 is not TOML") && !error.contains("hidden"), "{error}");
    }
}
