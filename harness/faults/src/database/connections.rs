//! Connections that are ended from the server's side, and connections that leave none for others.

use std::time::Duration;

use futures::future::join_all;
use sqlx::{Connection, PgConnection};
use tokio::sync::oneshot;

use super::{APPLICATION, DatabaseError, cannot, connect, options};
use crate::guard::{Active, Guard};

/// What PostgreSQL answers when it has no connection left.
const TOO_MANY: &str = "53300";
/// How often it is tried to take one more: others that were ended leave room.
const AGAIN: Duration = Duration::from_millis(50);
/// Connections opened at once.
const AT_ONCE: usize = 32;

/// Ends other sessions' connections, by a session of its own.
#[derive(Debug)]
pub struct Terminator(PgConnection);

impl Terminator {
    /// Opens the session.
    ///
    /// # Errors
    /// Fails if the database cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, DatabaseError> {
        connect(url).await.map(Self)
    }

    /// Terminates the backends of this database, all or those of one `application_name`, and says how many. Those of
    /// other faults stay.
    ///
    /// # Errors
    /// Fails if the database cannot be asked or refuses it.
    pub async fn strike(&mut self, application: Option<&str>) -> Result<u64, DatabaseError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
             AND application_name <> $2 AND ($1 IS NULL OR application_name = $1)",
        )
        .bind(application)
        .bind(APPLICATION)
        .fetch_one(&mut self.0)
        .await
        .map_err(cannot("terminate backends"))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

/// Opens connections until the server has none left, at most so many, and holds them until the guard drops; what
/// becomes free meanwhile is taken too.
///
/// It has effects, one for each connection held, only if the server came to refuse one.
///
/// # Errors
/// Fails if a connection is refused for another reason.
pub async fn exhaust(url: &str, at_most: usize) -> Result<Guard, DatabaseError> {
    let mut held = Vec::new();
    let active = Active::new(());
    let refused = take(url, at_most, &mut held).await?;
    if refused {
        held.iter().for_each(|_| active.hit());
    }
    let (heal, mut healed) = oneshot::channel::<()>();
    let (url, counted) = (url.to_owned(), active.clone());
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = &mut healed => break,
                () = tokio::time::sleep(AGAIN) => {}
            }
            let before = held.len();
            // Whatever else is wrong with the server now is another fault's doing.
            if take(&url, at_most, &mut held).await.unwrap_or(false) {
                held.iter().skip(before).for_each(|_| counted.hit());
            }
        }
    });
    Ok(Guard::new(&active, move || drop(heal)))
}

/// Takes connections until the server refuses one, which it says, or there are enough.
async fn take(url: &str, at_most: usize, held: &mut Vec<PgConnection>) -> Result<bool, DatabaseError> {
    let options = options(url)?;
    while held.len() < at_most {
        let mut refused = false;
        let more = AT_ONCE.min(at_most - held.len());
        for connected in join_all((0..more).map(|_| PgConnection::connect_with(&options))).await {
            match connected {
                Ok(connection) => held.push(connection),
                Err(error) if is_too_many(&error) => refused = true,
                Err(error) => return Err(cannot("use up connections")(error)),
            }
        }
        if refused {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_too_many(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == TOO_MANY)
}
