//! Every setting: its name, unit, default and reason, in one table (`table.rs`). No other module holds a number that
//! an operator could want to change, and none reads the environment.

mod documentation;
mod file;
mod kinds;
mod secret;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use self::kinds::Kind;
pub use self::secret::Secret;
use self::table::Fallback;
pub use self::table::Settings;

/// A setting that was refused, with what would have been accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// No default is sensible and none was given.
    #[error("{name} is not set, expected {expected}")]
    Missing {
        /// The setting's name.
        name: &'static str,
        /// What it should be.
        expected: String,
    },
    /// The value cannot be used.
    #[error("{name} is {value:?}, expected {expected}")]
    Invalid {
        /// The setting's name.
        name: &'static str,
        /// The value as given; `<secret>` for secrets.
        value: String,
        /// What it should be.
        expected: String,
    },
    /// The file of settings cannot be used.
    #[error("settings file {path}: {reason}")]
    File {
        /// The file, as it was named.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Settings {
    /// docs/settings.md: every setting, what it takes, its default and the reason for it.
    #[must_use]
    pub fn documentation() -> String {
        documentation::document()
    }

    /// Reads the settings through `lookup`, which maps a name to its value, if there is one.
    ///
    /// # Errors
    /// The first setting that is missing or cannot be used.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        Self::load(None, lookup)
    }

    /// The same, with a TOML file behind `lookup`: what `lookup` has a value for wins.
    ///
    /// # Errors
    /// If the file cannot be read or holds something that is no setting; and as [`Settings::from_env`].
    pub fn load(file: Option<&Path>, lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let file = file.map(file::read).transpose()?.unwrap_or_default();
        table::read(&Given { lookup: &lookup, file })
    }
}

/// What was given, before it means anything.
struct Given<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    file: BTreeMap<&'static str, String>,
}

impl Given<'_> {
    /// One setting.
    fn read<T>(&self, name: &'static str, kind: &Kind<T>, default: Fallback) -> Result<T, SettingsError> {
        let Some(value) = self.text(name, default) else {
            let missing = || SettingsError::Missing { name, expected: kind.expected.clone() };
            return kind.absent.map(|absent| absent()).ok_or_else(missing);
        };
        (kind.parse)(value.trim()).ok_or_else(|| SettingsError::Invalid {
            name,
            value: if kind.secret { "<secret>".to_owned() } else { value },
            expected: kind.expected.clone(),
        })
    }

    /// Its text: as given, or by default. A default that refers to another setting must come after that.
    fn text(&self, name: &str, default: Fallback) -> Option<String> {
        let given = (self.lookup)(name).or_else(|| self.file.get(name).cloned());
        given.filter(|value| !value.is_empty()).or_else(|| match default {
            Fallback::Required | Fallback::Nothing => None,
            Fallback::Is(text) => Some(text.to_owned()),
            Fallback::Before(text, other) => {
                let line = table::lines().into_iter().find(|line| line.name == other)?;
                Some(format!("{text}{}", self.text(other, line.default)?))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(name: &str) -> Option<String> {
        let value = match name {
            "DATABASE_URL" => "postgres://u:hidden@h/d",
            "STRIPE_API_KEY" => "sk_hidden",
            "STRIPE_WEBHOOK_SECRET" => "whsec_hidden",
            "EMAIL_API_KEY" => "re_hidden",
            "KEY_SECRET" => "hidden and long enough",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn with(name: &'static str, value: &'static str) -> Result<Settings, SettingsError> {
        Settings::from_env(|asked| if asked == name { Some(value.to_owned()) } else { required(asked) })
    }

    #[test]
    fn defaults_are_complete_and_secrets_stay_out_of_debug() {
        let settings = with("LISTEN", "127.0.0.1:9").unwrap();
        assert_eq!(settings.public_url, "http://127.0.0.1:9");
        assert_eq!(settings.alert_hook_url, None);
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn a_bad_value_names_itself_and_what_was_expected() {
        let error = with("COMMISSION_PERCENT", "101").unwrap_err().to_string();
        assert_eq!(error, "COMMISSION_PERCENT is \"101\", expected a whole number of percent from 0 to 100");
        assert!(with("LISTEN", "nowhere").is_err());
        assert!(with("DATABASE_URL", "").unwrap_err().to_string().starts_with("DATABASE_URL is not set"));
        assert!(with("KEY_SECRET", "too short").is_err());
        let hidden = with("STRIPE_WEBHOOK_SECRET", ",").unwrap_err().to_string();
        assert!(hidden.contains("<secret>"), "{hidden}");
    }

    #[test]
    fn the_file_stands_behind_the_environment() {
        let path = std::env::temp_dir().join(format!("overdraft-settings-{}.toml", uuid::Uuid::new_v4()));
        std::fs::write(&path, "db_pool = 4\njob_concurrency = 5\ncommission_percent = 900").unwrap();
        let lookup = |name: &str| match name {
            "DB_POOL" => Some("7".to_owned()),
            "COMMISSION_PERCENT" => Some(String::new()),
            name => required(name),
        };
        let settings = Settings::load(Some(&path), lookup).unwrap();
        let wrong = Settings::load(Some(&path), required).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!((settings.db_pool, settings.job_concurrency), (7, 5));
        assert_eq!(settings.commission_percent, 20, "empty is not given, and covers the file");
        assert!(wrong.to_string().starts_with("COMMISSION_PERCENT is \"900\""));
        let gone = Settings::load(Some(&path), required).unwrap_err().to_string();
        assert!(gone.contains(&path.display().to_string()), "{gone}");
    }
}
