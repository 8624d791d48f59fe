//! A database of our own in a server, and the roles that came with it.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::PostgresError;

/// A database that we made.
#[derive(Debug)]
pub struct Database {
    admin_url: String,
    name: String,
    url: String,
    /// Roles that were not there before us.
    roles: Vec<String>,
}

impl Database {
    pub(super) async fn create(admin_url: &str, name: &str, roles: &[String]) -> Result<Self, PostgresError> {
        let wrong = |problem| PostgresError::Connection { at: without_password(admin_url), problem };
        let mut connection = PgConnection::connect(admin_url).await.map_err(wrong)?;
        let there: Vec<String> = sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname = ANY($1)")
            .bind(roles)
            .fetch_all(&mut connection)
            .await
            .map_err(wrong)?;
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {} TEMPLATE template0", quoted(name))))
            .execute(&mut connection)
            .await
            .map_err(wrong)?;
        let _ = connection.close().await;
        Ok(Self {
            admin_url: admin_url.to_owned(),
            name: name.to_owned(),
            url: with_database(admin_url, name),
            roles: roles.iter().filter(|role| !there.contains(role)).cloned().collect(),
        })
    }

    /// Its URL, as the server's administrator.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Drops it, and the roles that came with it and that nothing else uses by now.
    ///
    /// # Errors
    /// Fails if the server refuses it.
    pub async fn remove(self) -> Result<(), PostgresError> {
        let wrong = |problem| PostgresError::Connection { at: without_password(&self.admin_url), problem };
        let mut connection = PgConnection::connect(&self.admin_url).await.map_err(wrong)?;
        sqlx::raw_sql(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name))))
            .execute(&mut connection)
            .await
            .map_err(wrong)?;
        for role in &self.roles {
            // Refused while another run's database still depends on the role: that run drops it then.
            let drop = format!("DROP ROLE IF EXISTS {}", quoted(role));
            let _ = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await;
        }
        let _ = connection.close().await;
        Ok(())
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            parsed.set_path(name);
            parsed.into()
        }
        Err(_) => url.to_owned(),
    }
}

/// A URL that may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) => {
            let _ = parsed.set_password(None);
            parsed.into()
        }
        Err(_) => "an unreadable URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_their_server_and_lose_their_password() {
        let url = "postgres://me:secret@127.0.0.1:5433/postgres?sslmode=disable";
        assert_eq!(with_database(url, "ours"), "postgres://me:secret@127.0.0.1:5433/ours?sslmode=disable");
        assert_eq!(without_password(url), "postgres://me@127.0.0.1:5433/postgres?sslmode=disable");
    }
}
