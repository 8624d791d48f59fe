//! `bandwidth`: a stream of so many thousand bytes per second.

use std::time::Duration;

use tokio::time::Instant;

use super::piece::{Effect, Piece, What, later};

pub(super) struct Bandwidth {
    /// Thousands of bytes per second.
    pub(super) rate: u64,
    pub(super) busy_until: Option<Instant>,
}

impl Effect for Bandwidth {
    fn pass(&mut self, piece: Piece, out: &mut Vec<Piece>) -> bool {
        let mut at = self.busy_until.map_or(piece.at, |busy| busy.max(piece.at));
        let What::Data(mut data) = piece.what else {
            out.push(Piece { at, what: piece.what });
            return false;
        };
        let rate = self.rate.max(1);
        // A tenth of a second at a time: a long piece does not come all at once at the end.
        let most = usize::try_from(rate.saturating_mul(100)).unwrap_or(usize::MAX);
        while !data.is_empty() {
            let part = data.split_to(most.min(data.len()));
            at = later(at, Duration::from_micros((part.len() as u64).saturating_mul(1_000) / rate));
            out.push(Piece { at, what: What::Data(part) });
        }
        self.busy_until = Some(at);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn takes_as_long_as_its_bytes() {
        let start = Instant::now();
        let mut slow = Bandwidth { rate: 1, busy_until: None };
        let long: &'static str = "0123456789".repeat(25).leak();
        let out = passed(&mut slow, start, &[(0, long), (1, "0123456789"), (900, "x"), (950, "")]);
        let sizes: Vec<_> = out.iter().map(|(ms, text)| (*ms, text.len())).collect();
        assert_eq!(sizes, [(100, 100), (200, 100), (250, 50), (260, 10), (901, 1), (950, "Eof".len())]);
    }
}
