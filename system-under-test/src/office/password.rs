//! Passwords of staff: hashed with Argon2id, compared without telling anything by time.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::settings::Secret;

/// Shortest password that is accepted, in characters.
const SHORTEST: usize = 12;
/// Longest, in bytes: nobody types more, and hashing costs time for each.
const LONGEST: usize = 1_024;
/// Hashes at once. Each takes 19 MiB and some 20 ms of a core (Argon2id, m = 19456, t = 2, p = 1); whoever floods
/// the log-in page waits here, and not in the memory of the machine.
const AT_ONCE: usize = 2;
/// What is compared with where there is no such member: the same work, and never right. Salt and
/// hash are random: no password is known for it.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$LTo9n8iz8wkTFtRjeiM7zA$l4YXimMvlNKvLbffoZLOiO7mbiyEwk7WOH6+nzDQePo";

/// Compares passwords, few at a time.
#[derive(Debug)]
pub(crate) struct Passwords(Semaphore);

impl Default for Passwords {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

impl Passwords {
    /// Whether the password is the one of this hash. Without a hash the answer is no, after the same time.
    pub(crate) async fn matches(&self, password: Secret, hash: Option<String>) -> bool {
        // The semaphore is never closed.
        let Ok(_permit) = self.0.acquire().await else {
            return false;
        };
        let compared = tokio::task::spawn_blocking(move || {
            let right = verify(&password, hash.as_deref().unwrap_or(NOBODY));
            right && hash.is_some()
        });
        compared.await.unwrap_or(false)
    }
}

/// The hash of a new password, in the PHC string format.
pub(super) fn hash(password: &Secret) -> Result<String, Error> {
    let hashed: PasswordHash = Argon2::default().hash_password(password.expose().as_bytes())?;
    Ok(hashed.to_string())
}

/// Whether a new password will do.
pub(super) fn acceptable(password: &Secret) -> bool {
    password.expose().chars().count() >= SHORTEST && password.expose().len() <= LONGEST
}

fn verify(password: &Secret, hash: &str) -> bool {
    password.expose().len() <= LONGEST
        && PasswordHash::new(hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches_and_nobody_has_none() {
        let passwords = Passwords::default();
        let right = Secret::new("correct horse battery");
        let hashed = hash(&right).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, hash(&right).unwrap(), "each has a salt of its own");
        assert!(passwords.matches(right.clone(), Some(hashed.clone())).await);
        assert!(!passwords.matches(Secret::new("correct horse batter"), Some(hashed)).await);
        assert!(!passwords.matches(right.clone(), None).await);
        assert!(!passwords.matches(right, Some("not a hash".to_owned())).await);
    }

    #[test]
    fn the_hash_of_nobody_costs_as_much_as_any_other() {
        let nobody = PasswordHash::new(NOBODY).unwrap();
        let other = hash(&Secret::new("x")).unwrap();
        let other = PasswordHash::new(&other).unwrap();
        assert_eq!((nobody.algorithm, nobody.version, nobody.params), (other.algorithm, other.version, other.params));
        assert_eq!(nobody.hash.map(|h| h.len()), other.hash.map(|h| h.len()));
    }

    #[test]
    fn a_new_password_is_neither_short_nor_endless() {
        assert!(!acceptable(&Secret::new("eleven char")));
        assert!(acceptable(&Secret::new("twelve chars")));
        assert!(!acceptable(&Secret::new("x".repeat(LONGEST + 1))));
    }
}
