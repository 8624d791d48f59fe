//! The `Stripe-Signature` header: `t=<unix s>,v1=<hex>[,v1=<hex>]`.
//!
//! v1 is the lowercase hex HMAC-SHA256 of `"{t}.{raw body}"`, keyed with the whole `whsec_...` string.
//! The raw body matters: JSON that was parsed and written again has another signature.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use crate::settings::Secret;

/// Why an event is not believed. The message goes to the sender, and tells it nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignatureError {
    /// No header, no single timestamp, or no v1 signature in it.
    #[error("The Stripe-Signature header is missing or malformed.")]
    Malformed,
    /// No signature matches under any active secret.
    #[error("No signature matches the body.")]
    NoMatch,
    /// Signed longer ago than the tolerance: perhaps a replay.
    #[error("The signature is too old.")]
    Stale,
}

/// Believes the body if any v1 signature matches under any of the secrets, in constant time, and is
/// at most `tolerance` old. A timestamp in the future passes, as in Stripe's own libraries.
pub(crate) fn verify(
    header: &str,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Duration,
    now: i64,
) -> Result<(), SignatureError> {
    let (timestamp, signatures) = parse(header).ok_or(SignatureError::Malformed)?;
    let mut matched = Choice::from(0);
    for secret in secrets {
        let expected = sign(secret, timestamp, body);
        for signature in &signatures {
            matched |= expected.as_bytes().ct_eq(signature.as_bytes());
        }
    }
    if !bool::from(matched) {
        return Err(SignatureError::NoMatch);
    }
    let signed_at: i64 = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
    let tolerance = i64::try_from(tolerance.as_secs()).unwrap_or(i64::MAX);
    if now.saturating_sub(signed_at) > tolerance {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// The timestamp as it was written, and the v1 signatures. Exactly one timestamp: with two, Stripe's
/// own libraries disagree which one counts. Other schemes (v0) are skipped.
pub(crate) fn parse(header: &str) -> Option<(&str, Vec<&str>)> {
    let mut timestamp = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.split_once('=')? {
            ("t", value) if timestamp.is_none() => timestamp = Some(value),
            ("t", _) => return None,
            ("v1", value) => signatures.push(value),
            _ => {}
        }
    }
    let digits = |t: &&str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    (!signatures.is_empty()).then_some((timestamp.filter(digits)?, signatures))
}

/// The signature that Stripe would write.
pub(crate) fn sign(secret: &Secret, timestamp: &str, body: &[u8]) -> String {
    // HMAC takes a key of any length, so this cannot fail; an empty string matches no signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_test_1","object":"event"}"#;
    const T: i64 = 1_700_000_000;
    const GOOD: &str = "29ab30b7065c11b28e53ac114fac5d6c492ed811a12d11ed2c2aad5bb4cf9809";
    const ROLLED: &str = "9ded659a4b54a918d941e8e84c137213708ffb5554cc09395ff7ee8f87d6b907";

    fn check(header: &str, now: i64) -> Result<(), SignatureError> {
        let secrets = [Secret::new("whsec_test_secret")];
        verify(header, BODY, &secrets, Duration::from_secs(300), now)
    }

    #[test]
    fn known_answers_pass() {
        assert_eq!(sign(&Secret::new("whsec_test_secret"), "1700000000", BODY), GOOD);
        assert_eq!(sign(&Secret::new("whsec_rolled_secret"), "1700000000", BODY), ROLLED);
        assert_eq!(check(&format!("t={T},v1={GOOD}"), T), Ok(()));
        assert_eq!(check(&format!("t={T},v1={ROLLED},v1={GOOD},v0=x"), T), Ok(()));
    }

    #[test]
    fn any_active_secret_counts() {
        let secrets = [Secret::new("whsec_test_secret"), Secret::new("whsec_rolled_secret")];
        let header = format!("t={T},v1={ROLLED}");
        assert_eq!(verify(&header, BODY, &secrets, Duration::from_secs(300), T), Ok(()));
        assert_eq!(check(&header, T), Err(SignatureError::NoMatch));
    }

    #[test]
    fn tolerance_ends_after_the_second_and_the_future_is_fine() {
        let header = format!("t={T},v1={GOOD}");
        assert_eq!(check(&header, T + 300), Ok(()));
        assert_eq!(check(&header, T + 301), Err(SignatureError::Stale));
        assert_eq!(check(&header, T - 10_000), Ok(()));
    }

    #[test]
    fn everything_else_fails() {
        for header in [
            String::new(),
            format!("v1={GOOD}"),
            format!("t={T}"),
            format!("t=,v1={GOOD}"),
            format!("t={T},v0={GOOD}"),
            format!("t={T}, v1={GOOD}"),
            format!("t={T},v1={}", GOOD.to_uppercase()),
            format!("t={T},v1={}", &GOOD[..63]),
            format!("t={T},t={T},v1={GOOD}"),
            format!("t={},v1={GOOD}", T + 1),
            "nonsense".to_owned(),
        ] {
            assert!(check(&header, T).is_err(), "{header}");
        }
        let header = format!("t={T},v1={GOOD}");
        let secrets = [Secret::new("whsec_test_secret")];
        let shorter = &BODY[..BODY.len() - 1];
        let result = verify(&header, shorter, &secrets, Duration::from_secs(300), T);
        assert_eq!(result, Err(SignatureError::NoMatch));
    }
}
