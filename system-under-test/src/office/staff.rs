//! Adding those who run the marketplace, and shutting them out: from the machine that may reach the database, never over HTTP.

use chrono::Utc;
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};

use super::password::{acceptable, hash};
use super::session::hex;
use crate::error::Error;
use crate::settings::Secret;

/// The roles there are: `admin` may do everything, `support` may look.
const ROLES: [&str; 2] = ["admin", "support"];

/// Adds a member of staff, and returns the API key, which nothing keeps. Without a password the member can use the
/// API, but not log in at the pages.
///
/// `database_url` names the login user that ran the migrations.
///
/// # Errors
/// If the address, the role or the password will not do, if somebody has the address already, or if the database
/// cannot be reached.
pub async fn add_staff(
    database_url: &str,
    email: &str,
    role: &str,
    password: Option<&Secret>,
) -> Result<Secret, Error> {
    let email = email.trim();
    let (name, host) = email.split_once('@').unwrap_or_default();
    if name.is_empty() || host.is_empty() || email.len() > 254 || email.contains(char::is_whitespace) {
        return Err(Error::Staff("the email is not an address".to_owned()));
    }
    if !ROLES.contains(&role) {
        return Err(Error::Staff(format!("there is no role {role}, expected {}", ROLES.join(" or "))));
    }
    if password.is_some_and(|password| !acceptable(password)) {
        return Err(Error::Staff("a password has at least 12 characters, and at most 1024 bytes".to_owned()));
    }
    let hashed = password.map(hash).transpose().map_err(|error| Error::Staff(format!("password: {error}")))?;
    let key = format!("staff_{}", hex(&rand::rng().random::<[u8; 32]>()));

    let mut connection = PgConnection::connect(database_url).await?;
    sqlx::query("SET ROLE marketplace_operator").execute(&mut connection).await?;
    let added = sqlx::query(
        "INSERT INTO staff (email, role, api_key_hash, password_hash) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(email)
    .bind(role)
    .bind(Sha256::digest(key.as_bytes()).to_vec())
    .bind(hashed)
    .execute(&mut connection)
    .await?;
    connection.close().await?;
    if added.rows_affected() == 0 {
        return Err(Error::Staff(format!("{email} is already a member of staff")));
    }
    Ok(Secret::new(key))
}

/// Shuts a member of staff out: neither API key nor password works any more, and every session is over. With
/// `disabled` false it lets them in again, with the key and the password that they had.
///
/// `database_url` names the login user that ran the migrations.
///
/// # Errors
/// If nobody has the address, if it is so already, or if the database cannot be reached.
pub async fn disable_staff(database_url: &str, email: &str, disabled: bool) -> Result<(), Error> {
    let email = email.trim();
    let mut connection = PgConnection::connect(database_url).await?;
    sqlx::query("SET ROLE marketplace_operator").execute(&mut connection).await?;
    let changed: bool = sqlx::query_scalar("SELECT disable_staff($1, $2, $3)")
        .bind(email)
        .bind(disabled)
        .bind(Utc::now())
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    if !changed {
        let state = if disabled { "enabled" } else { "disabled" };
        return Err(Error::Staff(format!("no member of staff that is {state} has the address {email}")));
    }
    Ok(())
}
