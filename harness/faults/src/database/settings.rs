//! Settings of the server that are others for a time.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{DatabaseError, cannot, connect};

/// How often a new session is asked whether the settings have arrived.
const LOOKS: u32 = 50;

/// Changes settings for every session of the server, present and new ones, and says how many a new session sees
/// changed. For a server of one's own: it outlives the connection, and needs a superuser.
///
/// # Errors
/// Fails if the server refuses one.
pub async fn set(url: &str, settings: &BTreeMap<String, String>) -> Result<u64, DatabaseError> {
    let mut session = connect(url).await?;
    let before = shown(url, settings.keys()).await?;
    for (name, value) in settings {
        let value = value.replace('\'', "''");
        run(&mut session, format!("ALTER SYSTEM SET {} = '{value}'", quoted(name))).await?;
    }
    run(&mut session, "SELECT pg_reload_conf()".to_owned()).await?;
    changed(url, settings.keys(), &before).await
}

/// Puts settings back to what the server's own files say.
///
/// # Errors
/// Fails if the server refuses it.
pub async fn unset(url: &str, names: &[String]) -> Result<(), DatabaseError> {
    let mut session = connect(url).await?;
    let before = shown(url, names.iter()).await?;
    for name in names {
        run(&mut session, format!("ALTER SYSTEM RESET {}", quoted(name))).await?;
    }
    run(&mut session, "SELECT pg_reload_conf()".to_owned()).await?;
    changed(url, names.iter(), &before).await.map(drop)
}

/// The reload is a signal, which takes a moment to arrive.
async fn changed(
    url: &str,
    names: impl Iterator<Item = &String> + Clone,
    before: &[String],
) -> Result<u64, DatabaseError> {
    let mut changed = 0;
    for _ in 0..LOOKS {
        let now = shown(url, names.clone()).await?;
        changed = now.iter().zip(before).filter(|(now, before)| now != before).count() as u64;
        if changed == before.len() as u64 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    Ok(changed)
}

/// What a new session sees.
async fn shown(url: &str, names: impl Iterator<Item = &String>) -> Result<Vec<String>, DatabaseError> {
    let mut session = connect(url).await?;
    let mut values = Vec::new();
    for name in names {
        let value = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&mut session).await;
        values.push(value.map_err(cannot("read a setting"))?);
    }
    Ok(values)
}

async fn run(session: &mut PgConnection, statement: String) -> Result<(), DatabaseError> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(session).await.map(drop).map_err(cannot("change a setting"))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
