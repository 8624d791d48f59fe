//! Faults inside the database: backends terminated, connections used up, locks held, settings changed. Each needs
//! only a URL.
//!
//! The URL's role must be allowed to do it: a superuser, or the tables' owner for locks and a member of
//! `pg_signal_backend` for terminations.

mod connections;
mod lock;
mod settings;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

pub use self::{
    connections::{Terminator, exhaust},
    lock::hold,
    settings::{set, unset},
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

/// The `application_name` of the faults' own connections: other faults leave them alone.
const APPLICATION: &str = "overdraft fault";

fn options(url: &str) -> Result<PgConnectOptions, DatabaseError> {
    let options: PgConnectOptions = url.parse().map_err(cannot("connect"))?;
    Ok(options.application_name(APPLICATION))
}

async fn connect(url: &str) -> Result<PgConnection, DatabaseError> {
    PgConnection::connect_with(&options(url)?).await.map_err(cannot("connect"))
}
