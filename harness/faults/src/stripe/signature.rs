//! `Stripe-Signature`: the header that proves who wrote a webhook's body, and when.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header's value: `t=<unix seconds>,v1=<signature>`, with a signature by each secret.
pub(super) fn header(secrets: &[&str], timestamp: i64, body: &[u8]) -> String {
    let signatures = secrets.iter().map(|secret| format!(",v1={}", v1(secret, timestamp, body)));
    format!("t={timestamp}{}", signatures.collect::<String>())
}

/// Lower-case hexadecimal HMAC-SHA256 of `"{timestamp}.{body}"` under the whole `whsec_…` text.
fn v1(secret: &str, timestamp: i64, body: &[u8]) -> String {
    // HMAC takes keys of every length: the error exists for other constructions behind the same trait.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Executed with the official library, see `stripe.md`.
    #[test]
    fn known_answers() {
        let body = br#"{"id":"evt_test_1","object":"event"}"#;
        let known = [
            ("whsec_test_secret", "29ab30b7065c11b28e53ac114fac5d6c492ed811a12d11ed2c2aad5bb4cf9809"),
            ("whsec_rolled_secret", "9ded659a4b54a918d941e8e84c137213708ffb5554cc09395ff7ee8f87d6b907"),
        ];
        for (secret, known) in known {
            assert_eq!(v1(secret, 1_700_000_000, body), known);
            assert_eq!(header(&[secret], 1_700_000_000, body), format!("t=1700000000,v1={known}"));
        }
        let both = format!("t=1700000000,v1={},v1={}", known[0].1, known[1].1);
        assert_eq!(header(&[known[0].0, known[1].0], 1_700_000_000, body), both, "while a roll overlaps");
    }
}
