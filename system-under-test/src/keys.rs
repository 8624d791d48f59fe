//! What is derived from `KEY_SECRET` instead of being stored: API keys, and the tokens in unsubscribe links.
//!
//! Each use has a label of its own, so that no value of one use can be passed off as one of another.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::settings::Secret;

/// Bytes of the proof in an unsubscribe token: 128 bits cannot be guessed, and keep the link on one line.
const PROOF: usize = 16;

/// Derives and checks.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Secret);

impl Keys {
    /// Keys derived from `secret`.
    pub(crate) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The id of what a sign-up with this idempotency key creates: any instance finds it again, and nobody
    /// without the secret can tell it in advance.
    pub(crate) fn sign_up_id(&self, label: &str, idempotency_key: &str) -> Uuid {
        let bytes = self.derive(&format!("sign-up {label}"), idempotency_key.as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[..16]);
        uuid::Builder::from_custom_bytes(id).into_uuid()
    }

    /// The API key of the owner of a workspace.
    pub(crate) fn api_key(&self, workspace: Uuid) -> String {
        format!("od_{}", hex(&self.derive("api key", workspace.as_bytes())))
    }

    /// What the database keeps of an API key.
    pub(crate) fn hash(api_key: &str) -> Vec<u8> {
        Sha256::digest(api_key.as_bytes()).to_vec()
    }

    /// The token of a recipient's unsubscribe link: who, and the proof that the link is ours.
    pub(crate) fn unsubscribe_token(&self, recipient: Uuid) -> String {
        format!("{}{}", recipient.simple(), self.proof(recipient))
    }

    /// The recipient of a token that we made.
    pub(crate) fn unsubscriber(&self, token: &str) -> Option<Uuid> {
        let (id, proof) = token.split_at_checked(32)?;
        let recipient = Uuid::try_parse(id).ok()?;
        bool::from(self.proof(recipient).as_bytes().ct_eq(proof.as_bytes())).then_some(recipient)
    }

    fn proof(&self, recipient: Uuid) -> String {
        hex(&self.derive("unsubscribe", recipient.as_bytes())[..PROOF])
    }

    fn derive(&self, label: &str, input: &[u8]) -> [u8; 32] {
        // HMAC takes keys of any length, and no other error exists.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()) else {
            unreachable!("HMAC takes keys of any length")
        };
        mac.update(label.as_bytes());
        mac.update([0].as_slice());
        mac.update(input);
        mac.finalize().into_bytes().into()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: &str) -> Keys {
        Keys::new(Secret::new(secret))
    }

    #[test]
    fn a_token_names_its_recipient_and_cannot_be_changed_or_made_without_the_secret() {
        let (ours, theirs) = (keys("one"), keys("two"));
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = ours.unsubscribe_token(a);
        assert_eq!(ours.unsubscriber(&token), Some(a));
        assert_eq!(theirs.unsubscriber(&token), None);
        let moved = format!("{}{}", b.simple(), &token[32..]);
        for forged in [moved.as_str(), &token[..63], &token[..32], "", "no token at all, but as long as one has to be"]
        {
            assert_eq!(ours.unsubscriber(forged), None, "{forged}");
        }
    }

    #[test]
    fn what_is_derived_depends_on_its_input_its_use_and_the_secret_and_on_nothing_else() {
        let (ours, theirs) = (keys("one"), keys("two"));
        let id = ours.sign_up_id("workspace", "key");
        assert_eq!(id, keys("one").sign_up_id("workspace", "key"));
        assert_ne!(id, ours.sign_up_id("member", "key"));
        assert_ne!(id, ours.sign_up_id("workspace", "other"));
        assert_ne!(id, theirs.sign_up_id("workspace", "key"));
        assert_eq!(ours.api_key(id), keys("one").api_key(id));
        assert_ne!(ours.api_key(id), theirs.api_key(id));
        assert_eq!(ours.api_key(id).len(), 67);
        assert_eq!(Keys::hash("x").len(), 32);
    }
}
