//! A lock that somebody else holds.

use std::{collections::BTreeSet, time::Duration};

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::sync::oneshot;

use super::{DatabaseError, cannot, connect};
use crate::guard::{Active, Guard};

/// How often it is looked who waits.
const GLANCE: Duration = Duration::from_millis(20);

/// Runs a statement that takes a lock, such as `LOCK TABLE leads` or `SELECT 1 FROM leads WHERE .. FOR UPDATE`, in a
/// db_tx of its own, and holds the lock until the guard drops. Its effects are the statements seen waiting for it.
///
/// # Errors
/// Fails if the lock cannot be had.
pub async fn hold(url: &str, statement: &str) -> Result<Guard, DatabaseError> {
    let what = cannot("hold a lock");
    let (mut holder, watcher) = (connect(url).await?, connect(url).await?);
    sqlx::raw_sql("BEGIN").execute(&mut holder).await.map_err(&what)?;
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut holder).await.map_err(&what)?;
    let pid = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.map_err(&what)?;
    let active = Active::new(());
    let (heal, healed) = oneshot::channel::<()>();
    tokio::spawn(watch(holder, watcher, pid, active.clone(), healed));
    Ok(Guard::new(&active, move || drop(heal)))
}

/// Counts those who wait, until it is healed; the end of the holder's connection ends its db_tx.
async fn watch(
    holder: PgConnection,
    mut watcher: PgConnection,
    pid: i32,
    active: Active<()>,
    mut healed: oneshot::Receiver<()>,
) {
    let mut seen = BTreeSet::new();
    loop {
        tokio::select! {
            _ = &mut healed => break,
            () = tokio::time::sleep(GLANCE) => {}
        }
        let waiting: Result<Vec<(i32, Option<String>)>, _> = sqlx::query_as(
            "SELECT pid, query_start::text FROM pg_stat_activity \
             WHERE wait_event_type = 'Lock' AND $1 = ANY (pg_blocking_pids(pid))",
        )
        .bind(pid)
        .fetch_all(&mut watcher)
        .await;
        for waits in waiting.unwrap_or_default() {
            if seen.insert(waits) {
                active.hit();
            }
        }
    }
    drop(holder);
}
