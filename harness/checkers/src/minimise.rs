//! The smallest part of something that still shows what the whole shows, by delta debugging (Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", 2002). Knows nothing of what the parts are.

/// The smallest part found for which `still` says yes; leaving out any one piece of it would make that no, unless
/// `still` gave up before (none), in which case the smallest so far is returned. `still` is never asked about the
/// whole, which is taken to show it.
pub fn smallest<T: Clone>(whole: &[T], mut still: impl FnMut(&[T]) -> Option<bool>) -> Vec<T> {
    let mut kept = whole.to_vec();
    match if kept.is_empty() { None } else { still(&[]) } {
        Some(true) => return Vec::new(),
        Some(false) => {}
        None => return kept,
    }
    let mut pieces = 2;
    while kept.len() > 1 {
        let size = kept.len().div_ceil(pieces);
        match reduce(&kept, size, &mut still) {
            Reduced::ToPiece(piece) => (kept, pieces) = (piece, 2),
            Reduced::Without(rest) => (kept, pieces) = (rest, (pieces - 1).max(2)),
            Reduced::No if size > 1 => pieces = (2 * pieces).min(kept.len()),
            Reduced::No | Reduced::GivenUp => break,
        }
    }
    kept
}

/// What one round of delta debugging came to.
enum Reduced<T> {
    ToPiece(Vec<T>),
    Without(Vec<T>),
    No,
    GivenUp,
}

fn reduce<T: Clone>(kept: &[T], size: usize, still: &mut impl FnMut(&[T]) -> Option<bool>) -> Reduced<T> {
    for piece in kept.chunks(size) {
        match still(piece) {
            None => return Reduced::GivenUp,
            Some(true) => return Reduced::ToPiece(piece.to_vec()),
            Some(false) => {}
        }
    }
    // Of two halves, each is what is left without the other.
    let complements = if size * 2 >= kept.len() { 0 } else { kept.len().div_ceil(size) };
    for at in 0..complements {
        let (from, to) = (at * size, ((at + 1) * size).min(kept.len()));
        let rest = [&kept[..from], &kept[to..]].concat();
        match still(&rest) {
            None => return Reduced::GivenUp,
            Some(true) => return Reduced::Without(rest),
            Some(false) => {}
        }
    }
    Reduced::No
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(whole: &[u32], wanted: &[u32]) -> (Vec<u32>, usize) {
        let mut asked = 0;
        let found = smallest(whole, |part| {
            asked += 1;
            Some(wanted.iter().all(|one| part.contains(one)))
        });
        (found, asked)
    }

    #[test]
    fn exactly_what_is_needed_is_left_wherever_it_lies() {
        let whole: Vec<u32> = (0..200).collect();
        for wanted in [vec![], vec![0], vec![199], vec![3, 4], vec![0, 199], vec![5, 90, 91, 170]] {
            let (found, asked) = of(&whole, &wanted);
            assert_eq!(found, wanted);
            assert!(asked < 200, "{asked} questions for {wanted:?}");
        }
        assert_eq!(of(&whole, &whole).0, whole);
        assert!(of(&[], &[]).0.is_empty());
        assert_eq!(of(&[1], &[1]).0, [1]);
    }

    #[test]
    fn who_is_stopped_keeps_the_smallest_so_far() {
        let whole: Vec<u32> = (0..64).collect();
        let mut left = 3;
        let found = smallest(&whole, |part| {
            left -= 1;
            (left >= 0).then(|| part.contains(&1))
        });
        assert_eq!(found, (0..16).collect::<Vec<_>>());
        assert_eq!(smallest(&whole, |_| None), whole);
    }
}
