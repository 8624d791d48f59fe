//! `slow_close`: the end of the stream is late.

use std::time::Duration;

use super::piece::{Effect, Piece, What, later};

pub(super) struct SlowClose {
    pub(super) delay: u64,
}

impl Effect for SlowClose {
    fn pass(&mut self, mut piece: Piece, out: &mut Vec<Piece>) -> bool {
        let ends = piece.what == What::Eof;
        if ends {
            piece.at = later(piece.at, Duration::from_millis(self.delay));
        }
        out.push(piece);
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn only_the_end_is_late() {
        let out = passed(&mut SlowClose { delay: 70 }, tokio::time::Instant::now(), &[(0, "a"), (1, "")]);
        assert_eq!(out, [(0, "a".to_owned()), (71, "Eof".to_owned())]);
    }
}
