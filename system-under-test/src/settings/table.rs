//! The table of settings: one line each, from which the struct, the reading and docs/settings.md are made.

use std::net::SocketAddr;
use std::time::Duration;

use super::Given;
use super::kinds::{
    address, currency, flag, long_secret, milliseconds, networks, optional, seconds, secret, secrets, text, url, whole,
};
use super::{Secret, SettingsError};
use crate::network::Network;

/// What holds where a setting is not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// No default would be right.
    Required,
    /// It is simply not there.
    Nothing,
    /// This text.
    Is(&'static str),
    /// This text and the value of another setting.
    Before(&'static str, &'static str),
}

use Fallback::{Before, Is, Nothing, Required};

/// A line of the table, for the documentation and for the names.
#[derive(Debug)]
pub(super) struct Line {
    /// What it is about, shared with its neighbours.
    pub(super) group: &'static str,
    /// The name of the environment variable; in a file it is in lower case.
    pub(super) name: &'static str,
    /// What is accepted, with its unit.
    pub(super) expected: String,
    /// What holds without it.
    pub(super) default: Fallback,
    /// What it does, and why its default is what it is.
    pub(super) reason: &'static str,
    /// Whether its value is shown anywhere.
    pub(super) secret: bool,
}

macro_rules! settings {
    ($($group:literal { $($field:ident: $type:ty = $name:literal, $kind:expr, $default:expr, $reason:literal;)+ })+) => {
        /// The settings of one instance. docs/settings.md describes them.
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = concat!("`", $name, "`: ", $reason)] pub $field: $type,)+)+
        }

        /// Reads every setting, in the order of the table.
        pub(super) fn read(given: &Given<'_>) -> Result<Settings, SettingsError> {
            Ok(Settings { $($($field: given.read($name, &$kind, $default)?,)+)+ })
        }

        /// The lines of the table.
        pub(super) fn lines() -> Vec<Line> {
            vec![$($({
                let kind = $kind;
                Line {
                    group: $group, name: $name, expected: kind.expected, default: $default,
                    reason: $reason, secret: kind.secret,
                }
            },)+)+]
        }
    };
}

settings! {
    "Service" {
        database_url: Secret = "DATABASE_URL", secret("postgres://user:password@host/database"), Required,
            "PostgreSQL, as the login user that ran the migrations.";
        listen: SocketAddr = "LISTEN", address(), Is("127.0.0.1:8080"),
            "Address and port of HTTP. A laptop is not a public host, so the default is loopback.";
        public_url: String = "PUBLIC_URL", url(), Before("http://", "LISTEN"),
            "Where clients reach us, for links.";
        db_pool: u32 = "DB_POOL", whole("connections", 1, 500), Is("16"),
            "For requests. More than the cores can use only lengthens the queues inside PostgreSQL.";
        db_acquire_timeout: Duration = "DB_ACQUIRE_TIMEOUT_MS", milliseconds(), Is("5000"),
            "How long a request waits for a connection: fail while the client still listens.";
        request_timeout: Duration = "REQUEST_TIMEOUT_MS", milliseconds(), Is("20000"),
            "Bound on a request, and on each of its statements: longer than three tries at the payment provider.";
        body_limit: usize = "BODY_LIMIT_BYTES", whole("bytes", 1_024, 16 << 20), Is("262144"),
            "Largest request body. Stripe's events stay well below.";
        shutdown_grace: Duration = "SHUTDOWN_GRACE_MS", milliseconds(), Is("8000"),
            "Time for requests and jobs in flight: below the 10 s after which common supervisors kill.";
    }
    "Workspaces" {
        key_secret: Secret = "KEY_SECRET", long_secret(), Required,
            "What API keys and unsubscribe links are derived from, the same for all instances. Another one makes the links in sent emails useless, and lets no sign-up be repeated; keys go on working.";
        signup_bonus_credits: i64 = "SIGNUP_BONUS_CREDITS", whole("credits", 0, 1_000_000), Is("10"),
            "What a new workspace begins with: enough to try a cheap lead.";
    }
    "Rate limits" {
        rate_limit_reads: i32 = "RATE_LIMIT_READS", whole("requests per minute", 0, 1_000_000), Is("100"),
            "What changes nothing, per workspace (or address, without a valid key). 0 for no limit; so are the next three.";
        rate_limit_writes: i32 = "RATE_LIMIT_WRITES", whole("requests per minute", 0, 1_000_000), Is("30"),
            "What changes something, the next two apart: more than a person does.";
        rate_limit_purchases: i32 = "RATE_LIMIT_PURCHASES", whole("requests per minute", 0, 1_000_000), Is("10"),
            "Purchases of leads. A purchase can name a hundred leads.";
        rate_limit_credit_purchases: i32 = "RATE_LIMIT_CREDIT_PURCHASES", whole("requests per minute", 0, 1_000_000), Is("5"),
            "Purchases of credits: each is a call to Stripe, and a tester of stolen cards needs many.";
        trusted_proxies: Vec<Network> = "TRUSTED_PROXIES", networks(), Nothing,
            "Proxies whose X-Forwarded-For counts. Without any, the other end of the connection is the caller.";
        rate_limit_sweep: Duration = "RATE_LIMIT_SWEEP_MS", milliseconds(), Is("60000"),
            "How often budgets that are whole again are forgotten: a budget is whole after a minute.";
    }
    "Staff" {
        staff_session: Duration = "STAFF_SESSION_S", seconds(), Is("28800"),
            "How long a log-in at the pages lasts: a working day.";
        staff_idle: Duration = "STAFF_IDLE_S", seconds(), Is("1800"),
            "After so long without a look at a page a log-in is over: a desk that was left.";
        login_burst: i32 = "LOGIN_BURST", whole("attempts", 1, 1_000), Is("5"),
            "Log-ins that may be tried at once with one address: enough for a slip of the finger or two.";
        login_every: Duration = "LOGIN_EVERY_S", seconds(), Is("60"),
            "After those, one attempt in each such time. Guessing a password at this pace takes for ever.";
    }
    "Stripe" {
        stripe_api_base: String = "STRIPE_API_BASE", url(), Is("https://api.stripe.com"),
            "Stripe's API.";
        stripe_api_key: Secret = "STRIPE_API_KEY", secret("a secret key of Stripe"), Required,
            "The key to Stripe's API.";
        stripe_api_version: String = "STRIPE_API_VERSION", text(), Is("2026-10-28.endive"),
            "Sent with each request. The default is the version that the event parser was written against.";
        stripe_webhook_secrets: Vec<Secret> = "STRIPE_WEBHOOK_SECRET", secrets("one or more signing secrets, separated by commas"), Required,
            "Signing secret of the webhook endpoint; while it is rolled, the old and the new one.";
        stripe_tolerance: Duration = "STRIPE_TOLERANCE_S", seconds(), Is("300"),
            "Oldest acceptable signature, as in Stripe's libraries.";
        stripe_livemode: bool = "STRIPE_LIVEMODE", flag(), Is("false"),
            "The mode this service runs in; events of the other are ignored. Real money is opted into.";
    }
    "Email and alerts" {
        email_api_base: String = "EMAIL_API_BASE", url(), Is("https://api.resend.com"),
            "The email provider's API (Resend's).";
        email_api_key: Secret = "EMAIL_API_KEY", secret("an API key of the email provider"), Required,
            "The key to the email provider's API.";
        email_from: String = "EMAIL_FROM", text(), Is("Overdraft <no-reply@overdraft.dev>"),
            "The sender of every email.";
        alert_hook_url: Option<Secret> = "ALERT_HOOK_URL", optional(secret("a Slack-compatible hook")), Nothing,
            "Where alerts are posted, secret because its path is. Without it nothing is posted.";
        alert_email: Option<String> = "ALERT_EMAIL", optional(text()), Nothing,
            "Who gets each alert by email. Without it nobody; in the log it is in any case.";
    }
    "Money" {
        credit_price_cents: i64 = "CREDIT_PRICE_CENTS", whole("cents", 1, 1_000_000), Is("100"),
            "Price of one credit.";
        credit_currency: String = "CREDIT_CURRENCY", currency(), Is("usd"),
            "What credits are paid in, as Stripe writes it.";
        commission_percent: i32 = "COMMISSION_PERCENT", whole("percent", 0, 100), Is("20"),
            "The partner's share of a sale, rounded down to whole credits.";
        credit_lifetime_days: i32 = "CREDIT_LIFETIME_DAYS", whole("days", 1, 3_650), Is("90"),
            "How long credits can be spent, however they were come by. What is left then goes to the platform.";
        expiry_tick: Duration = "EXPIRY_TICK_MS", milliseconds(), Is("60000"),
            "How often expired credits are swept. They cannot be spent before that either, so nothing is urgent.";
    }
    "Jobs" {
        job_concurrency: usize = "JOB_CONCURRENCY", whole("jobs", 1, 200), Is("8"),
            "At once per instance. They wait for providers, not for us.";
        job_db_pool: u32 = "JOB_DB_POOL", whole("connections", 1, 500), Is("8"),
            "For job handlers and tickers, which act as a role of their own. As many as jobs at once; none is held while a provider answers.";
        job_max_attempts: i32 = "JOB_MAX_ATTEMPTS", whole("attempts", 1, 100), Is("3"),
            "Tries before a dead letter.";
        parked_attempts: i32 = "PARKED_ATTEMPTS", whole("attempts", 1, 100), Is("8"),
            "Tries before a dead letter for an event whose predecessor has not come: with the other defaults a minute and a half.";
        job_backoff_base: Duration = "JOB_BACKOFF_BASE_MS", milliseconds(), Is("1000"),
            "Wait after the first failure, doubled each time.";
        job_backoff_cap: Duration = "JOB_BACKOFF_CAP_MS", milliseconds(), Is("30000"),
            "Longest wait between attempts.";
        job_dead_after: Duration = "JOB_DEAD_AFTER_MS", milliseconds(), Is("4000"),
            "Silence of a worker after which its jobs are given to others. It says that it lives four times as often.";
        job_poll: Duration = "JOB_POLL_MS", milliseconds(), Is("200"),
            "How often a worker looks for jobs: one indexed query, and no confirmation is urgent to the tenth of a second.";
        provider_timeout: Duration = "PROVIDER_TIMEOUT_MS", milliseconds(), Is("5000"),
            "Bound on one call to Stripe, the email provider or the alert hook.";
        tick: Duration = "TICK_MS", milliseconds(), Is("1000"),
            "How often an instance looks for what has fallen due: a step of a campaign, a lead to enrich. An indexed query each.";
        consistency_tick: Duration = "CONSISTENCY_TICK_MS", milliseconds(), Is("300000"),
            "How often an instance sees to it that the day's check of the stored data is queued. A day is long.";
        enrichment_api_base: Option<String> = "ENRICHMENT_API_BASE", optional(url()), Nothing,
            "The provider that knows more about a lead: `POST /enrich`. Without it no lead is enriched, and all wait.";
        data_sync_url: Option<Secret> = "DATA_SYNC_URL", optional(secret("a URL that takes pages of new leads and purchases")), Nothing,
            "Where new leads and purchases are pushed to, secret because it may carry a token. Without it nothing is pushed, and all waits.";
        data_sync_tick: Duration = "DATA_SYNC_TICK_MS", milliseconds(), Is("60000"),
            "How often a sync begins, if there is something to push.";
        data_sync_page: i32 = "DATA_SYNC_PAGE", whole("rows", 1, 10_000), Is("500"),
            "Rows in one page: well below what receivers take in one request.";
        data_sync_lag: Duration = "DATA_SYNC_LAG_MS", milliseconds(), Is("60000"),
            "What is younger is left for the next sync. It must be longer than any db_tx can take, three times REQUEST_TIMEOUT_MS, or a row that commits late is skipped.";
    }
}
