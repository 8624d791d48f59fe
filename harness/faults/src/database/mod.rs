//! Faults inside the database: backends terminated, connections used up, locks held. Each needs only a URL.
//!
//! The URL's role must be allowed to do it: a superuser, or the tables' owner for locks and a member of
//! `pg_signal_backend` for terminations.

mod connections;
mod lock;

use sqlx::{Connection, PgConnection};

pub use self::{
    connections::{exhaust, terminate},
    lock::hold,
};

/// Why a fault could not be put in place.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} in the database: {source}; the role of the URL must be allowed to")]
pub struct DatabaseError {
    /// What was tried.
    what: &'static str,
    /// What the database said.
    #[source]
    source: sqlx::Error,
}

fn cannot(what: &'static str) -> impl Fn(sqlx::Error) -> DatabaseError {
    move |source| DatabaseError { what, source }
}

async fn connect(url: &str) -> Result<PgConnection, DatabaseError> {
    PgConnection::connect(url).await.map_err(cannot("connect"))
}
