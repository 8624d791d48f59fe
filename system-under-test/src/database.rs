//! Connections, and when to try a call again.
//!
//! Every function of the database that a request calls is safe to repeat: purchases and grants by
//! their keys, webhooks by their event id, reads by nature. So a lost connection, after which nobody
//! knows whether the db_tx committed, is answered by asking again.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use futures::future::try_join_all;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::settings::Settings;

/// Tries of one call, the first included. Three survive a deadlock and a restart of the database.
const TRIES: u32 = 3;
/// Wait before the second and third try, times the try's number.
const PAUSE: Duration = Duration::from_millis(15);
/// Connections of the job queue itself: fetch, complete, heartbeat and sweep seldom coincide.
const QUEUE_POOL: u32 = 4;
/// Connections of the rate limits. Each call is a fraction of a millisecond, and many at once would only queue for the
/// same rows.
const LIMITS_POOL: u32 = 4;

/// What requests act as.
const APP: &str = "marketplace_app";
/// What jobs act as: the two may call nothing in common.
const WORKER: &str = "marketplace_worker";

/// How a connection works that acts as `role`.
fn options_of(role: &str, settings: &Settings) -> Result<PgConnectOptions, sqlx::Error> {
    let timeout = settings.request_timeout.as_millis().to_string();
    let options = PgConnectOptions::from_str(settings.database_url.expose())?;
    Ok(options.application_name("overdraft-reference").options([
        ("role", role),
        // Every statement is a call by key. Planning it for its values again and again finds the
        // same plan, and costs a third of a purchase.
        ("plan_cache_mode", "force_generic_plan"),
        ("statement_timeout", timeout.as_str()),
        ("idle_in_transaction_session_timeout", timeout.as_str()),
    ]))
}

/// The pool of requests.
pub(crate) async fn service_pool(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    let options = options_of(APP, settings)?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.db_pool)
        .min_connections(settings.db_pool)
        .acquire_timeout(settings.db_acquire_timeout)
        // A ping per request would double the round trips; a dead connection is found by using it.
        .test_before_acquire(false);
    let pool = opened(pool.connect_lazy_with(options)).await?;
    // Log in now: the first burst of buyers should not wait for it, one login after another. A database
    // that is too busy for that is no reason not to start: the rest of the logins goes on behind.
    match try_join_all((0..settings.db_pool).map(|_| pool.acquire())).await {
        Ok(_) => {}
        Err(sqlx::Error::PoolTimedOut) => tracing::warn!("starting before every connection is open"),
        Err(error) => return Err(error),
    }
    Ok(pool)
}

/// The pool of the rate limits, opened when it is first needed. Its commits do not wait for the disk: what a crash
/// of the database makes it forget is part of a budget of a minute.
pub(crate) fn limits_pool(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    let options = options_of(APP, settings)?.options([("synchronous_commit", "off")]);
    let pool = PgPoolOptions::new()
        .max_connections(LIMITS_POOL)
        .acquire_timeout(settings.db_acquire_timeout)
        .test_before_acquire(false);
    Ok(pool.connect_lazy_with(options))
}

/// The pool of job handlers and tickers, opened as they need it.
pub(crate) fn worker_pool(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    let options = options_of(WORKER, settings)?;
    let pool = PgPoolOptions::new()
        .max_connections(settings.job_db_pool)
        .acquire_timeout(settings.db_acquire_timeout)
        .test_before_acquire(false);
    Ok(pool.connect_lazy_with(options))
}

/// The pool of the job queue, as the login user, which owns the queue's tables.
pub(crate) async fn queue_pool(settings: &Settings) -> Result<PgPool, sqlx::Error> {
    let options =
        PgConnectOptions::from_str(settings.database_url.expose())?.application_name("overdraft-reference-jobs");
    let pool = PgPoolOptions::new().max_connections(QUEUE_POOL).acquire_timeout(settings.db_acquire_timeout);
    opened(pool.connect_lazy_with(options)).await
}

/// A pool that has logged in once. For that it may wait twice as long as a request: nobody waits for an answer yet,
/// and a service that gives up on a busy machine serves nobody.
async fn opened(pool: PgPool) -> Result<PgPool, sqlx::Error> {
    let first = match pool.acquire().await {
        Err(sqlx::Error::PoolTimedOut) => pool.acquire().await,
        done => done,
    };
    first.map(drop)?;
    Ok(pool)
}

/// Runs `call` until it succeeds, fails for a reason that repeating will not change, or was tried
/// often enough.
pub(crate) async fn retrying<T, F, Fut>(mut call: F) -> Result<T, sqlx::Error>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, sqlx::Error>>,
{
    let mut tried = 1;
    loop {
        match call().await {
            Err(error) if tried < TRIES && is_transient(&error) => {
                tracing::warn!(tried, %error, "database call failed, trying again");
                tokio::time::sleep(PAUSE * tried).await;
                tried += 1;
            }
            done => return done,
        }
    }
}

/// True if the same call may succeed a moment later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => matches!(
            error.code().as_deref(),
            // Serialization failure, deadlock; shutdown by the administrator, crash, starting up.
            Some("40001" | "40P01" | "57P01" | "57P02" | "57P03")
        ),
        _ => false,
    }
}

/// True if the database, rather than the request, is the cause.
pub(crate) fn is_unavailable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Protocol(_) => true,
        sqlx::Error::Database(error) => {
            // Connection trouble, lack of resources, operator's intervention, rollbacks.
            let code = error.code().unwrap_or_default().into_owned();
            ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
        }
        other => is_transient(other),
    }
}
