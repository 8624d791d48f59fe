//! Sessions of staff at the pages: a random token that the browser keeps and the database knows by its hash.

use std::time::Duration;

use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use sha2::{Digest, Sha256};
use sqlx::{FromRow, PgPool};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::database::retrying;

/// Sets a session's hash apart from an API key's: no header can carry a NUL, so a token is never an API key.
const SESSION: &[u8] = b"session\0";

/// The secret of one session: 32 random bytes, as 64 hexadecimal digits.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    /// A new one.
    pub(crate) fn random() -> Self {
        Self(hex(&rand::rng().random::<[u8; 32]>()))
    }

    /// The token that a cookie holds, if it can be one.
    pub(crate) fn of(cookie: &str) -> Option<Self> {
        let digits = cookie.len() == 64 && cookie.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        digits.then(|| Self(cookie.to_owned()))
    }

    /// The token itself, for the cookie.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What the database knows it by.
    pub(crate) fn hash(&self) -> Vec<u8> {
        Sha256::new().chain_update(SESSION).chain_update(self.0.as_bytes()).finalize().to_vec()
    }

    /// What a form of this session must carry. It follows from the token, and nobody without the token can make it.
    pub(crate) fn form_key(&self) -> String {
        // HMAC takes a key of any length.
        Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .map(|mac| hex(&mac.chain_update(b"form").finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// Whether a form carried it, in a time that does not depend on how much of it was right.
    pub(crate) fn made(&self, form_key: &str) -> bool {
        let right = self.form_key();
        !right.is_empty() && bool::from(right.as_bytes().ct_eq(form_key.as_bytes()))
    }
}

/// Who is logged in.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Member {
    pub(crate) email: String,
    /// `admin` may do everything, `support` may look.
    pub(crate) role: String,
    /// What came of the last form, to be told once.
    pub(crate) notice: Option<String>,
}

impl Member {
    /// Whether this member may change things.
    pub(crate) fn acts(&self) -> bool {
        self.role == "admin"
    }
}

/// What an attempt to log in meets.
#[derive(Debug, FromRow)]
pub(crate) struct Guess {
    /// Seconds until the next attempt with this address is allowed; 0 if this one is.
    pub(crate) wait_s: i32,
    /// The member of staff with this address, if there is one.
    pub(crate) staff_id: Option<Uuid>,
    /// The hash of the password, if the member has one.
    pub(crate) password_hash: Option<String>,
}

impl Guess {
    /// Counts an attempt, and finds whom it is about. `burst` may follow at once, then one in each `every`.
    pub(crate) async fn begin(
        pool: &PgPool,
        email: &str,
        burst: i32,
        every: Duration,
        now: DateTime<Utc>,
    ) -> Result<Self, sqlx::Error> {
        // Not repeated when the connection is lost: that would count twice.
        sqlx::query_as("SELECT * FROM begin_login($1, $2, $3, $4)")
            .bind(email)
            .bind(burst)
            .bind(every)
            .bind(now)
            .fetch_one(pool)
            .await
    }
}

impl Token {
    /// Begins the session of `staff`; one that the browser had before ends.
    pub(crate) async fn open(
        &self,
        pool: &PgPool,
        staff: Uuid,
        replaced: Option<&Self>,
        lifetime: Duration,
        now: DateTime<Utc>,
    ) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT open_session($1, $2, $3, $4, $5)")
            .bind(staff)
            .bind(self.hash())
            .bind(replaced.map(Self::hash))
            .bind(lifetime)
            .bind(now)
            .execute(pool)
            .await
            .map(|_| ())
    }

    /// Whose session it is; nobody's if it is over.
    pub(crate) async fn read(
        &self,
        pool: &PgPool,
        idle: Duration,
        now: DateTime<Utc>,
    ) -> Result<Option<Member>, sqlx::Error> {
        let hash = self.hash();
        retrying(|| {
            sqlx::query_as("SELECT * FROM read_session($1, $2, $3)")
                .bind(&hash)
                .bind(idle)
                .bind(now)
                .fetch_optional(pool)
        })
        .await
    }

    /// Leaves a sentence for the next page.
    pub(crate) async fn leave_notice(&self, pool: &PgPool, notice: &str) -> Result<(), sqlx::Error> {
        let hash = self.hash();
        retrying(|| sqlx::query("SELECT leave_notice($1, $2)").bind(&hash).bind(notice).execute(pool)).await.map(|_| ())
    }

    /// Ends the session.
    pub(crate) async fn end(&self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
        let hash = self.hash();
        retrying(|| sqlx::query("SELECT end_session($1, $2)").bind(&hash).bind(now).execute(pool)).await.map(|_| ())
    }
}

/// Lowercase hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_key_belongs_to_its_token_alone() {
        let (one, two) = (Token::random(), Token::random());
        assert_ne!(one.expose(), two.expose());
        assert!(one.made(&one.form_key()));
        assert!(!one.made(&two.form_key()));
        assert!(!one.made(""));
        assert!(!one.made(&one.form_key()[..63]));
    }

    #[test]
    fn a_cookie_is_a_token_or_nothing() {
        let token = Token::random();
        assert_eq!(Token::of(token.expose()).unwrap().hash(), token.hash());
        for bad in ["", "abc", &"A".repeat(64), &"g".repeat(64), &"a".repeat(65)] {
            assert!(Token::of(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_no_api_key() {
        let token = Token::random();
        assert_ne!(token.hash(), Sha256::digest(token.expose().as_bytes()).to_vec());
    }
}
