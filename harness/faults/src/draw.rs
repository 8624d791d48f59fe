//! Seeded draws: the seed and a name in, a stream of numbers out.
//!
//! Each thing that is left to chance has its own stream, named by what it is about and never by when it
//! is asked. So threads may race for it in any order and get the same answers.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use sha2::{Digest, Sha256};

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// One stream of draws.
pub(crate) struct Draw(ChaCha8Rng);

impl Draw {
    /// The stream of a name. Parts are separated by their lengths: `["a", "bc"]` is not `["ab", "c"]`.
    pub(crate) fn of(seed: u64, name: &[&str]) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        for part in name {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        Self(ChaCha8Rng::from_seed(hash.finalize().into()))
    }

    /// Whether something that happens to this share of all things happens to this one.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        // 53 bits: as many as an f64 holds exactly, so 0 is never hit and 1 always is.
        let unit = (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < share
    }

    /// A whole number from 0 to `most`, both included.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let wide = u128::from(self.0.next_u64()) * (u128::from(most) + 1);
        u64::try_from(wide >> 64).unwrap_or(most)
    }

    /// Letters and digits, as providers build their ids.
    pub(crate) fn word(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(LETTERS[self.0.next_u32() as usize % LETTERS.len()])).collect()
    }

    /// Sixteen bytes, for a UUID.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_gives_the_same_stream_and_another_name_another() {
        let word = |seed, name: &[&str]| Draw::of(seed, name).word(24);
        assert_eq!(word(7, &["a", "bc"]), word(7, &["a", "bc"]));
        assert_ne!(word(7, &["a", "bc"]), word(7, &["ab", "c"]));
        assert_ne!(word(7, &["a"]), word(8, &["a"]));
    }

    #[test]
    fn a_share_is_kept_and_its_ends_are_exact() {
        let hits = |share| (0..10_000).filter(|n: &i32| Draw::of(1, &[&n.to_string()]).chance(share)).count();
        assert_eq!(hits(0.0), 0);
        assert_eq!(hits(1.0), 10_000);
        assert!((2_300..2_700).contains(&hits(0.25)), "{}", hits(0.25));
    }

    #[test]
    fn up_to_reaches_both_ends_and_stays_inside() {
        let mut draw = Draw::of(3, &["dice"]);
        let mut seen = [0; 6];
        for _ in 0..600 {
            seen[usize::try_from(draw.up_to(5)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| *count > 50), "{seen:?}");
        assert_eq!(draw.up_to(0), 0);
        assert!(draw.up_to(u64::MAX) > 0);
    }
}
