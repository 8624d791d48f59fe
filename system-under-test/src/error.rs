//! What can stop a migration or an instance. Errors of a request are in [`crate::problem`].

use crate::settings::SettingsError;

/// Why [`crate::migrate`], [`crate::serve`] or [`crate::audit()`] gave up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database cannot be reached, or refused a statement.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A migration failed.
    #[error("migration: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A planted defect does not fit the function that it changes.
    #[error("defect {defect}: the text that it replaces stands {found} times in {function}, expected once: {text:?}")]
    Overlay {
        /// The defect's name.
        defect: &'static str,
        /// The function's name.
        function: &'static str,
        /// What was looked for.
        text: &'static str,
        /// How often it is there.
        found: usize,
    },
    /// The job queue could not be prepared.
    #[error("job queue: {0}")]
    JobQueue(String),
    /// The address cannot be listened on.
    #[error("listen on {address}: {source}")]
    Listen {
        /// The address of the setting `LISTEN`.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database is not the service's, is not migrated, or may not be read.
    #[error("this is no database of the reference service that this user may read: {0}")]
    Unreadable(String),
    /// A member of staff cannot be added.
    #[error("staff: {0}")]
    Staff(String),
    /// The HTTP server stopped by itself.
    #[error("http server: {0}")]
    Http(std::io::Error),
    /// The OpenAPI document could not be written as JSON.
    #[error("openapi document: {0}")]
    Document(#[from] serde_json::Error),
    /// The HTTP client for the providers could not be built.
    #[error("http client: {0}")]
    Client(#[from] reqwest::Error),
}
