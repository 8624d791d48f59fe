//! Connections that are ended from the server's side, and connections that leave none for others.

use std::sync::Mutex;

use sqlx::{Connection, PgConnection};

use super::{DatabaseError, cannot, connect};
use crate::guard::{Active, Guard};

/// What PostgreSQL answers when it has no connection left.
const TOO_MANY: &str = "53300";

/// Terminates the backends of this database, all or those of one `application_name`, and says how many.
///
/// # Errors
/// Fails if the database cannot be asked or refuses it.
pub async fn terminate(url: &str, application: Option<&str>) -> Result<u64, DatabaseError> {
    let count: i64 = sqlx::query_scalar(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
         AND ($1 IS NULL OR application_name = $1)",
    )
    .bind(application)
    .fetch_one(&mut connect(url).await?)
    .await
    .map_err(cannot("terminate backends"))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Opens connections until the server has none left, at most so many, and holds them until the guard drops.
///
/// It has effects, one for each connection held, only if the server came to refuse one.
///
/// # Errors
/// Fails if a connection is refused for another reason.
pub async fn exhaust(url: &str, at_most: usize) -> Result<Guard, DatabaseError> {
    let mut held = Vec::new();
    let mut refused = false;
    while held.len() < at_most && !refused {
        match PgConnection::connect(url).await {
            Ok(connection) => held.push(connection),
            Err(error) => {
                refused = error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == TOO_MANY);
                if !refused {
                    return Err(cannot("use up connections")(error));
                }
            }
        }
    }
    let active = Active::new(());
    if refused {
        held.iter().for_each(|_| active.hit());
    }
    let held = Mutex::new(held);
    Ok(Guard::new(&active, move || drop(held)))
}
