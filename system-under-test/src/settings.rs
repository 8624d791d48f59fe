//! Every setting: its name, unit, default and reason. No other module holds a number that an
//! operator could want to change, and none reads the environment.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// A value that must never reach a log: its `Debug` shows only that it is there.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that sends or compares it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// A setting that was refused, with what would have been accepted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    /// No default is sensible and none was given.
    #[error("{name} is not set, expected {expected}")]
    Missing {
        /// The setting's name.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The value cannot be used.
    #[error("{name} is {value:?}, expected {expected}")]
    Invalid {
        /// The setting's name.
        name: &'static str,
        /// The value as given; `<secret>` for secrets.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The settings of one instance.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`: PostgreSQL, as the login user that ran the migrations. Required.
    pub database_url: Secret,
    /// `LISTEN`: address and port of HTTP. Default `127.0.0.1:8080`: a laptop is not a public host.
    pub listen: SocketAddr,
    /// `PUBLIC_URL`: where clients reach us, for links. Default `http://` and the listen address.
    pub public_url: String,
    /// `DB_POOL`: connections for requests and job handlers. Default 16: more than the cores can use
    /// only lengthens the queues inside PostgreSQL.
    pub db_pool: u32,
    /// `DB_ACQUIRE_TIMEOUT_MS`: how long a request waits for a connection. Default 5000 ms: fail
    /// while the client still listens.
    pub db_acquire_timeout: Duration,
    /// `REQUEST_TIMEOUT_MS`: bound on a request, and on each of its statements. Default 20000 ms:
    /// longer than three tries at the payment provider.
    pub request_timeout: Duration,
    /// `BODY_LIMIT_BYTES`: largest request body. Default 262144: Stripe's events stay well below.
    pub body_limit: usize,
    /// `SHUTDOWN_GRACE_MS`: time for requests and jobs in flight. Default 8000 ms: below the 10 s
    /// after which common supervisors kill.
    pub shutdown_grace: Duration,

    /// `STRIPE_API_BASE`. Default `https://api.stripe.com`.
    pub stripe_api_base: String,
    /// `STRIPE_API_KEY`. Required.
    pub stripe_api_key: Secret,
    /// `STRIPE_API_VERSION`. Default `2026-10-28.endive`, the version the event parser was written
    /// against.
    pub stripe_api_version: String,
    /// `STRIPE_WEBHOOK_SECRET`: one or, while a secret is rolled, several, separated by commas.
    /// Required.
    pub stripe_webhook_secrets: Vec<Secret>,
    /// `STRIPE_TOLERANCE_S`: oldest acceptable signature. Default 300 s, as in Stripe's libraries.
    pub stripe_tolerance: Duration,
    /// `STRIPE_LIVEMODE`: the mode this service runs in. Default false: real money is opted into.
    pub stripe_livemode: bool,

    /// `EMAIL_API_BASE`. Default `https://api.resend.com`.
    pub email_api_base: String,
    /// `EMAIL_API_KEY`. Required.
    pub email_api_key: Secret,
    /// `EMAIL_FROM`. Default `Overdraft <no-reply@overdraft.dev>`.
    pub email_from: String,
    /// `ALERT_HOOK_URL`: a Slack-compatible hook, secret because its path is. Default none: alerts
    /// are then logged only.
    pub alert_hook_url: Option<Secret>,

    /// `CREDIT_PRICE_CENTS`: price of one credit. Default 100.
    pub credit_price_cents: i64,
    /// `CREDIT_CURRENCY`: ISO 4217, lowercase as Stripe writes it. Default `usd`.
    pub credit_currency: String,
    /// `COMMISSION_PERCENT`: the partner's share of a sale, rounded down. Default 20.
    pub commission_percent: i32,

    /// `JOB_CONCURRENCY`: jobs at once per instance. Default 8: they wait for providers, not for us.
    pub job_concurrency: usize,
    /// `JOB_MAX_ATTEMPTS`: tries before a dead letter. Default 3.
    pub job_max_attempts: i32,
    /// `JOB_BACKOFF_BASE_MS`: wait after the first failure, doubled each time. Default 1000 ms.
    pub job_backoff_base: Duration,
    /// `JOB_BACKOFF_CAP_MS`: longest wait. Default 30000 ms.
    pub job_backoff_cap: Duration,
    /// `JOB_POLL_MS`: how often a worker looks for jobs. Default 200 ms: one indexed query, and no
    /// confirmation is urgent to the tenth of a second.
    pub job_poll: Duration,
    /// `PROVIDER_TIMEOUT_MS`: bound on one call to Stripe, the email provider or the alert hook.
    /// Default 5000 ms.
    pub provider_timeout: Duration,
}

impl Settings {
    /// Reads the settings through `lookup`, which maps a name to its value, if there is one.
    ///
    /// # Errors
    /// The first setting that is missing or cannot be used.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let read = Reader { lookup };
        let listen: SocketAddr = read.parsed("LISTEN", "127.0.0.1:8080", "address:port")?;
        let settings = Self {
            database_url: read.secret("DATABASE_URL", "postgres://user:password@host/database")?,
            listen,
            public_url: read.url("PUBLIC_URL", &format!("http://{listen}"))?,
            db_pool: read.within("DB_POOL", 16, 1, 500, "a number from 1 to 500")?,
            db_acquire_timeout: read.millis("DB_ACQUIRE_TIMEOUT_MS", 5_000)?,
            request_timeout: read.millis("REQUEST_TIMEOUT_MS", 20_000)?,
            body_limit: read.within("BODY_LIMIT_BYTES", 262_144, 1_024, 16 << 20, "1024 to 16777216")?,
            shutdown_grace: read.millis("SHUTDOWN_GRACE_MS", 8_000)?,
            stripe_api_base: read.url("STRIPE_API_BASE", "https://api.stripe.com")?,
            stripe_api_key: read.secret("STRIPE_API_KEY", "a secret key of Stripe")?,
            stripe_api_version: read.text("STRIPE_API_VERSION", "2026-10-28.endive"),
            stripe_webhook_secrets: read.secrets("STRIPE_WEBHOOK_SECRET")?,
            stripe_tolerance: Duration::from_secs(read.within(
                "STRIPE_TOLERANCE_S",
                300,
                1,
                86_400,
                "seconds from 1 to 86400",
            )?),
            stripe_livemode: read.parsed("STRIPE_LIVEMODE", "false", "true or false")?,
            email_api_base: read.url("EMAIL_API_BASE", "https://api.resend.com")?,
            email_api_key: read.secret("EMAIL_API_KEY", "an API key of the email provider")?,
            email_from: read.text("EMAIL_FROM", "Overdraft <no-reply@overdraft.dev>"),
            alert_hook_url: (read.lookup)("ALERT_HOOK_URL").filter(|v| !v.is_empty()).map(Secret),
            credit_price_cents: read.within("CREDIT_PRICE_CENTS", 100, 1, 1_000_000, "cents from 1 to 1000000")?,
            credit_currency: read.text("CREDIT_CURRENCY", "usd"),
            commission_percent: read.within("COMMISSION_PERCENT", 20, 0, 100, "percent, 0 to 100")?,
            job_concurrency: read.within("JOB_CONCURRENCY", 8, 1, 200, "a number from 1 to 200")?,
            job_max_attempts: read.within("JOB_MAX_ATTEMPTS", 3, 1, 100, "a number from 1 to 100")?,
            job_backoff_base: read.millis("JOB_BACKOFF_BASE_MS", 1_000)?,
            job_backoff_cap: read.millis("JOB_BACKOFF_CAP_MS", 30_000)?,
            job_poll: read.millis("JOB_POLL_MS", 200)?,
            provider_timeout: read.millis("PROVIDER_TIMEOUT_MS", 5_000)?,
        };
        let currency = &settings.credit_currency;
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_lowercase()) {
            return Err(SettingsError::Invalid {
                name: "CREDIT_CURRENCY",
                value: currency.clone(),
                expected: "three lowercase letters",
            });
        }
        Ok(settings)
    }
}

/// Reads one setting at a time.
struct Reader<F> {
    lookup: F,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn text(&self, name: &'static str, default: &str) -> String {
        (self.lookup)(name).unwrap_or_else(|| default.to_owned())
    }

    fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        default: &str,
        expected: &'static str,
    ) -> Result<T, SettingsError> {
        let value = self.text(name, default);
        value.trim().parse().map_err(|_| SettingsError::Invalid { name, value, expected })
    }

    fn within<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        name: &'static str,
        default: T,
        min: T,
        max: T,
        expected: &'static str,
    ) -> Result<T, SettingsError> {
        let value: T = self.parsed(name, &default.to_string(), expected)?;
        if value < min || value > max {
            return Err(SettingsError::Invalid { name, value: value.to_string(), expected });
        }
        Ok(value)
    }

    fn millis(&self, name: &'static str, default: u64) -> Result<Duration, SettingsError> {
        self.within(name, default, 1, 3_600_000, "milliseconds from 1 to 3600000").map(Duration::from_millis)
    }

    fn url(&self, name: &'static str, default: &str) -> Result<String, SettingsError> {
        let value = self.text(name, default);
        if !(value.starts_with("http://") || value.starts_with("https://")) {
            return Err(SettingsError::Invalid { name, value, expected: "an http or https URL" });
        }
        Ok(value.trim_end_matches('/').to_owned())
    }

    fn secret(&self, name: &'static str, expected: &'static str) -> Result<Secret, SettingsError> {
        match (self.lookup)(name) {
            Some(value) if !value.is_empty() => Ok(Secret(value)),
            _ => Err(SettingsError::Missing { name, expected }),
        }
    }

    fn secrets(&self, name: &'static str) -> Result<Vec<Secret>, SettingsError> {
        let all = self.secret(name, "one or more signing secrets, separated by commas")?;
        let secrets: Vec<Secret> =
            all.expose().split(',').map(str::trim).filter(|part| !part.is_empty()).map(Secret::new).collect();
        if secrets.is_empty() {
            return Err(SettingsError::Invalid {
                name,
                value: "<secret>".to_owned(),
                expected: "one or more signing secrets, separated by commas",
            });
        }
        Ok(secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Settings, SettingsError> {
        Settings::from_env(|asked| match asked {
            _ if asked == name => Some(value.to_owned()),
            "DATABASE_URL" => Some("postgres://u:hidden@h/d".to_owned()),
            "STRIPE_API_KEY" => Some("sk_hidden".to_owned()),
            "STRIPE_WEBHOOK_SECRET" => Some("whsec_hidden".to_owned()),
            "EMAIL_API_KEY" => Some("re_hidden".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn defaults_are_complete_and_secrets_stay_out_of_debug() {
        let settings = with("LISTEN", "127.0.0.1:9").unwrap();
        assert_eq!(settings.public_url, "http://127.0.0.1:9");
        assert!(!format!("{settings:?}").contains("hidden"));
    }

    #[test]
    fn a_bad_value_names_itself_and_what_was_expected() {
        let error = with("COMMISSION_PERCENT", "101").unwrap_err().to_string();
        assert_eq!(error, "COMMISSION_PERCENT is \"101\", expected percent, 0 to 100");
        assert!(with("LISTEN", "nowhere").is_err());
        assert!(with("STRIPE_API_BASE", "ftp://x").is_err());
        assert!(with("CREDIT_CURRENCY", "USD").is_err());
        assert!(with("DATABASE_URL", "").is_err());
    }

    #[test]
    fn a_rolled_webhook_secret_is_a_list() {
        let settings = with("STRIPE_WEBHOOK_SECRET", "whsec_a, whsec_b").unwrap();
        assert_eq!(settings.stripe_webhook_secrets.len(), 2);
        assert_eq!(settings.stripe_webhook_secrets[1].expose(), "whsec_b");
    }
}
