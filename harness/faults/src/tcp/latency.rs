//! `latency`: everything is late, and stays in its order.

use std::time::Duration;

use tokio::time::Instant;

use super::piece::{Effect, Piece, later};
use crate::draw::Draw;

pub(super) struct Latency {
    pub(super) latency: u64,
    pub(super) jitter: u64,
    pub(super) draw: Draw,
    pub(super) last: Option<Instant>,
}

impl Effect for Latency {
    fn pass(&mut self, mut piece: Piece, out: &mut Vec<Piece>) -> bool {
        let more = self.draw.up_to(self.jitter.saturating_mul(2));
        let late = self.latency.saturating_add(more).saturating_sub(self.jitter);
        piece.at = later(piece.at, Duration::from_millis(late));
        if let Some(last) = self.last {
            piece.at = piece.at.max(last);
        }
        self.last = Some(piece.at);
        out.push(piece);
        late > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::piece::tests::passed;

    #[test]
    fn all_is_late_by_about_as_much_and_in_order() {
        let start = Instant::now();
        let mut exact = Latency { latency: 100, jitter: 0, draw: Draw::of(1, &[]), last: None };
        assert_eq!(passed(&mut exact, start, &[(0, "a"), (5, "b")]), [(100, "a".to_owned()), (105, "b".to_owned())]);
        let mut rough = Latency { latency: 100, jitter: 50, draw: Draw::of(1, &[]), last: None };
        let apart: Vec<(u64, &str)> = (0..50).map(|n| (n * 1_000, "x")).collect();
        let late = |(n, (ms, _)): (u64, (u64, String))| ms - n * 1_000;
        let late: Vec<u64> = (0..).zip(passed(&mut rough, start, &apart)).map(late).collect();
        assert!(late.iter().all(|ms| (50..=150).contains(ms)), "{late:?}");
        assert!(late.iter().any(|ms| *ms < 90) && late.iter().any(|ms| *ms > 110), "{late:?}");
        assert!(!late.is_sorted(), "{late:?}");
        let mut close = Latency { latency: 100, jitter: 50, draw: Draw::of(1, &[]), last: None };
        let times: Vec<u64> = passed(&mut close, start, &[(0, "x"); 50]).into_iter().map(|(ms, _)| ms).collect();
        assert!(times.is_sorted() && times.iter().all(|ms| (50..=150).contains(ms)), "none overtakes: {times:?}");
    }
}
