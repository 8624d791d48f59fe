//! `slicer`: data passes in small pieces, with a pause between them.

use std::time::Duration;

use super::piece::{Effect, Piece, What, later};
use crate::draw::Draw;

pub(super) struct Slicer {
    pub(super) average_size: u64,
    pub(super) size_variation: u64,
    /// Microseconds.
    pub(super) delay: u64,
    pub(super) draw: Draw,
}

impl Effect for Slicer {
    fn pass(&mut self, piece: Piece, out: &mut Vec<Piece>) -> bool {
        let What::Data(mut data) = piece.what else {
            out.push(piece);
            return false;
        };
        let mut at = piece.at;
        let before = out.len();
        while !data.is_empty() {
            let more = self.draw.up_to(self.size_variation.saturating_mul(2));
            let size = self.average_size.saturating_add(more).saturating_sub(self.size_variation).max(1);
            let size = usize::try_from(size).unwrap_or(usize::MAX).min(data.len());
            out.push(Piece { at, what: What::Data(data.split_to(size)) });
            at = later(at, Duration::from_micros(self.delay));
        }
        out.len() > before + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn pieces_are_small_and_apart_and_nothing_is_lost() {
        let start = tokio::time::Instant::now();
        let mut even = Slicer { average_size: 2, size_variation: 0, delay: 3_000, draw: Draw::of(1, &[]) };
        let out = passed(&mut even, start, &[(0, "abcde")]);
        assert_eq!(out, [(0, "ab".to_owned()), (3, "cd".to_owned()), (6, "e".to_owned())]);
        let mut odd = Slicer { average_size: 4, size_variation: 2, delay: 0, draw: Draw::of(1, &[]) };
        let out = passed(&mut odd, start, &[(0, "0123456789012345678901234567890123456789")]);
        assert_eq!(out.iter().map(|(_, text)| text.as_str()).collect::<String>().len(), 40);
        assert!(out[..out.len() - 1].iter().all(|(_, text)| (2..=6).contains(&text.len())), "{out:?}");
    }
}
