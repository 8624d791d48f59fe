//! `limit_data`: the connection is closed after so many bytes.

use super::piece::{Effect, Piece, What};
use crate::listener::End;

pub(super) struct LimitData {
    /// How many still pass.
    pub(super) bytes: u64,
}

impl Effect for LimitData {
    fn pass(&mut self, piece: Piece, out: &mut Vec<Piece>) -> bool {
        let What::Data(mut data) = piece.what else {
            out.push(piece);
            return false;
        };
        let left = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        let over = data.len() >= left;
        data.truncate(left);
        self.bytes -= data.len() as u64;
        if !data.is_empty() {
            out.push(Piece { at: piece.at, what: What::Data(data) });
        }
        if over {
            out.push(Piece { at: piece.at, what: What::End(End::Close) });
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn so_many_bytes_pass_and_then_it_ends() {
        let out = passed(&mut LimitData { bytes: 5 }, tokio::time::Instant::now(), &[(0, "abc"), (1, "defg")]);
        assert_eq!(out, [(0, "abc".to_owned()), (1, "de".to_owned()), (1, "End(Close)".to_owned())]);
    }
}
