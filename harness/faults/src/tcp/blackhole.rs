//! `timeout`, `reset_peer` and `down`: nothing passes, and after a time the connection ends, or never.
//!
//! What is kept back passes when the toxic is healed before the end: no stream ever has a hole.

use std::time::Duration;

use super::piece::{Effect, Piece, UNTIL_HEALED};
use crate::listener::End;

pub(super) struct Blackhole {
    /// When it ends the connection, after it began.
    pub(super) after: Option<Duration>,
    pub(super) end: End,
    /// Whether it kept anything back: a connection counts once.
    pub(super) held: bool,
}

impl Effect for Blackhole {
    fn pass(&mut self, mut piece: Piece, out: &mut Vec<Piece>) -> bool {
        piece.at += UNTIL_HEALED;
        out.push(piece);
        !std::mem::replace(&mut self.held, true)
    }

    fn ends(&self) -> Option<(Duration, End)> {
        self.after.map(|after| (after, self.end))
    }

    fn counted(&self) -> bool {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn nothing_passes_before_the_end() {
        let mut hole = Blackhole { after: Some(Duration::from_millis(9)), end: End::Reset, held: false };
        let out = passed(&mut hole, tokio::time::Instant::now(), &[(3, "a")]);
        assert_eq!(out, [(3 + 7 * 24 * 3_600_000, "a".to_owned())]);
        assert!(hole.counted());
        assert_eq!(hole.ends(), Some((Duration::from_millis(9), End::Reset)));
    }
}
