//! Brings a database to the shape this version expects. Safe to run twice, and at once.

use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::defects::Defect;
use crate::error::Error;

/// Runs the job queue's migrations, then our own, then the overlay of `defect`, if one is planted.
///
/// `database_url` names the login user that owns the schema. It needs the right to create roles,
/// unless the three roles of `migrations/0001_roles.sql` exist and it is a member of them.
///
/// # Errors
/// If the database cannot be reached or refuses a statement.
pub async fn migrate(database_url: &str, defect: Option<Defect>) -> Result<(), Error> {
    let pool = PgPoolOptions::new().max_connections(2).connect(database_url).await?;
    // Ours refer to the queue's tables, so those come first. Initialising a worker migrates them.
    graphile_worker::WorkerOptions::default()
        .pg_pool(pool.clone())
        .listen_os_shutdown_signals(false)
        .init()
        .await
        .map_err(|error| Error::JobQueue(error.to_string()))?;
    sqlx::migrate!("./migrations").run(&pool).await?;
    if let Some(defect) = defect {
        apply_overlay(&pool, defect).await?;
    }
    pool.close().await;
    Ok(())
}

/// Applies the defect's changes once; the row in `applied_defects` says that they were.
async fn apply_overlay(pool: &PgPool, defect: Defect) -> Result<(), Error> {
    let mut db_tx = pool.begin().await?;
    let added = sqlx::query("INSERT INTO applied_defects (name) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(defect.name())
        .execute(&mut *db_tx)
        .await?;
    if added.rows_affected() == 1 {
        defect.change(&mut db_tx).await?;
    }
    db_tx.commit().await?;
    Ok(())
}
