//! What goes along a stream, and what a toxic may do to it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::listener::End;

/// A piece of a stream and when it may be passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) at: Instant,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Data(Bytes),
    /// The end of the stream; the other direction goes on.
    Eof,
    /// The end of the connection.
    End(End),
}

/// A toxic at work on one direction of one connection. It only says what passes and when; others wait and send.
pub(super) trait Effect: Send + Sync {
    /// Takes a piece and gives what becomes of it. True if that is something else.
    fn pass(&mut self, piece: Piece, out: &mut Vec<Piece>) -> bool;

    /// When it ends the connection, after it began, and how.
    fn ends(&self) -> Option<(Duration, End)> {
        None
    }

    /// Whether its one effect on this connection is counted already, so that the end is none of its own.
    fn counted(&self) -> bool {
        false
    }
}

/// Longer than any run: what is late by this waits until the toxic is healed.
pub(super) const UNTIL_HEALED: Duration = Duration::from_secs(7 * 24 * 3600);

/// So much later, but not later than [`UNTIL_HEALED`]: a time from a scenario may be any number.
pub(super) fn later(at: Instant, by: Duration) -> Instant {
    at + by.min(UNTIL_HEALED)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Passes these pieces, each that many ms after `start`, and gives what becomes of them in the same form.
    pub(in crate::tcp) fn passed(
        effect: &mut dyn Effect,
        start: Instant,
        pieces: &[(u64, &'static str)],
    ) -> Vec<(u64, String)> {
        let mut out = Vec::new();
        for (ms, data) in pieces {
            let what = if data.is_empty() { What::Eof } else { What::Data(Bytes::from_static(data.as_bytes())) };
            effect.pass(Piece { at: start + Duration::from_millis(*ms), what }, &mut out);
        }
        let shown = |piece: &Piece| match &piece.what {
            What::Data(data) => String::from_utf8_lossy(data).into_owned(),
            other => format!("{other:?}"),
        };
        let ms = |piece: &Piece| u64::try_from((piece.at - start).as_millis()).unwrap();
        out.iter().map(|piece| (ms(piece), shown(piece))).collect()
    }
}
