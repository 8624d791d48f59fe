//! Room in a report: pieces are taken while they fit, and what does not fit is counted, so that the
//! report can say what it left out.

/// Bytes that are left.
#[derive(Debug)]
pub struct Budget {
    left: usize,
}

impl Budget {
    /// Room for `bytes`.
    pub const fn new(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// Whether a piece fits; if so, its room is used up.
    pub const fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            return false;
        }
        self.left -= bytes;
        true
    }

    /// Sets aside a part of the room, in hundredths of what is left, as a budget of its own.
    pub const fn part(&mut self, hundredths: usize) -> Self {
        let part = self.left / 100 * hundredths;
        self.left -= part;
        Self { left: part }
    }

    /// Gives back what a part did not use.
    pub const fn give_back(&mut self, part: Self) {
        self.left += part.left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_costs_nothing() {
        let mut budget = Budget::new(1_000);
        let mut part = budget.part(60);
        assert!(part.take(500) && !part.take(101) && part.take(100));
        budget.give_back(part);
        assert!(!budget.take(401) && budget.take(400));
    }
}
