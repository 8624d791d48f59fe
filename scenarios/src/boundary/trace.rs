//! Which boundaries a pass went by, and which of them belong to the operation.
//!
//! A target does things by itself: it polls for jobs, says that it lives, sweeps. What is seen while nothing is asked
//! of it is its background, and belongs to no operation. The same statement may be both: a poll that finds nothing,
//! and the poll that fetches the operation's job. One that never came to a row in the background is the operation's
//! where it came to some; it can be struck only once that is known, hence after it.

use std::{collections::BTreeMap, time::Instant};

use overdraft_engine::faults::{calls::Call, postgres::Boundary};
use overdraft_model::{
    boundary::{Blow, Counted, Kind},
    fault::statement,
};

use super::shape;

/// Longer statements are cut in the record.
const LONGEST: usize = 160;
/// Of so many dry passes a boundary must be in two, or it is chance.
pub(super) const DRY_PASSES: usize = 3;

/// What makes boundaries of two passes the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) kind: Kind,
    /// The shape of a statement, method and path of a call, the status of an answer.
    pub(super) what: String,
    /// Of a COMMIT: the shape of the statement before it, for all COMMITs read the same.
    pub(super) follows: Option<String>,
    /// It is of the background too, and belongs to the operation only where it came to rows.
    pub(super) effective: bool,
    /// The provider of a call.
    pub(super) provider: Option<Provider>,
}

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Provider {
    /// The payment provider.
    Stripe,
    /// The email provider and the alert hook.
    Email,
}

/// The n-th boundary of its kind in a pass.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) key: Key,
    /// From 0.
    pub(super) nth: usize,
}

/// A place, and on which side of the client's answer it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) place: Place,
    /// Whether it was gone by before the client was answered.
    pub(super) before_answer: bool,
}

/// The boundaries that a pass went by, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trace(pub(super) Vec<Found>);

/// What was seen while nothing was asked: keys with the most rows that one came to.
#[derive(Debug, Clone, Default)]
pub(super) struct Background(BTreeMap<Key, u64>);

impl Background {
    /// Adds what was seen.
    pub(super) fn learn(&mut self, seen: &[Boundary]) {
        for boundary in seen {
            let rows = self.0.entry(key(boundary)).or_default();
            *rows = (*rows).max(boundary.rows.unwrap_or(0));
        }
    }

    /// How many different statements there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of a statement that belongs to the operation; none for the background's.
    pub(super) fn foreground(&self, boundary: &Boundary) -> Option<Key> {
        let key = key(boundary);
        match self.0.get(&key) {
            None => Some(key),
            Some(0) if boundary.rows.is_some_and(|rows| rows > 0) => Some(Key { effective: true, ..key }),
            Some(_) => None,
        }
    }
}

fn key(boundary: &Boundary) -> Key {
    let commits = boundary.kind == statement::BoundaryKind::Commit;
    Key {
        kind: if commits { Kind::Commit } else { Kind::Statement },
        what: shape::of(&boundary.statement),
        follows: commits.then(|| shape::of(&boundary.previous)),
        effective: false,
        provider: None,
    }
}

impl Trace {
    /// From what was recorded in one pass; `answered` is the status of the answer and when it came.
    pub(super) fn of(
        background: &Background,
        statements: &[Boundary],
        calls: &[(Provider, Vec<Call>)],
        answered: Option<(u16, Instant)>,
    ) -> Self {
        let statements = statements.iter().filter_map(|seen| Some((seen.at, background.foreground(seen)?)));
        let called = calls.iter().flat_map(|(provider, calls)| {
            calls.iter().map(|call| (call.at, Key::of(Kind::ProviderCall, call.what.clone(), Some(*provider))))
        });
        let answer = answered.map(|(status, at)| (at, Key::of(Kind::Answer, status.to_string(), None)));
        let mut seen: Vec<(Instant, Key)> = statements.chain(called).chain(answer).collect();
        seen.sort_by_key(|(at, _)| *at);
        let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
        let found = seen.into_iter().map(|(at, key)| {
            let nth = counts.entry(key.clone()).or_default();
            let place = Place { key, nth: *nth };
            *nth += 1;
            // A poll is on its way before there is anything to fetch.
            let before_answer = answered.is_none_or(|(_, answered)| at <= answered) && !place.key.effective;
            Found { place, before_answer }
        });
        Self(found.collect())
    }

    /// What several dry passes agree on: in the order of the first that saw it, before the answer only if it never
    /// came after it, for what comes after may be early by chance.
    pub(super) fn agreed(passes: &[Self]) -> Self {
        let mut agreed: Vec<Found> = Vec::new();
        for found in passes.iter().flat_map(|pass| &pass.0) {
            if agreed.iter().any(|known| known.place == found.place) {
                continue;
            }
            let times = passes.iter().filter_map(|pass| pass.0.iter().find(|seen| seen.place == found.place));
            let times: Vec<&Found> = times.collect();
            if times.len() * 2 > passes.len() {
                let before_answer = times.iter().all(|seen| seen.before_answer);
                agreed.push(Found { place: found.place.clone(), before_answer });
            }
        }
        Self(agreed)
    }

    /// The places on one side of the answer.
    pub(super) fn side(&self, before_answer: bool) -> Vec<Place> {
        let side = self.0.iter().filter(|found| found.before_answer == before_answer);
        side.map(|found| found.place.clone()).collect()
    }
}

impl Trace {
    /// Boundaries of this pass whose like no dry pass had: what a blow brings forth, besides the same again.
    pub(super) fn new_beside(&self, known: &[Place]) -> Vec<Place> {
        let mut new: Vec<Place> = Vec::new();
        for Found { place, .. } in &self.0 {
            let like = |other: &Place| other.key == place.key;
            if place.key.kind != Kind::Answer && !known.iter().any(like) && !new.iter().any(like) {
                new.push(place.clone());
            }
        }
        new
    }
}

impl Key {
    fn of(kind: Kind, what: String, provider: Option<Provider>) -> Self {
        Self { kind, what, follows: None, effective: false, provider }
    }
}

impl Place {
    /// What is to be done here.
    pub(super) fn blows(&self) -> Vec<Blow> {
        let all = self.key.kind.blows().iter().copied();
        all.filter(|blow| !self.key.effective || matches!(blow, Blow::KillAfter | Blow::LoseAnswer)).collect()
    }

    /// As it is recorded.
    pub(super) fn counted(&self, after: Option<(usize, Blow)>) -> Counted {
        Counted { kind: self.key.kind, what: self.what(), blows: self.blows(), after }
    }

    /// A short text of what it is.
    pub(super) fn what(&self) -> String {
        let mut what: String = self.key.what.chars().take(LONGEST).collect();
        if what.len() < self.key.what.len() {
            what.push('…');
        }
        if let Some(follows) = &self.key.follows {
            what = format!("{what} after {}", follows.chars().take(LONGEST / 2).collect::<String>());
        }
        if self.nth > 0 {
            what = format!("{what} ({})", self.nth + 1);
        }
        what
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn boundary(text: &str, previous: &str, rows: u64, ms: u64, from: Instant) -> Boundary {
        let commits = text == "COMMIT";
        Boundary {
            index: 0,
            connection: 0,
            application: "".into(),
            statement: text.into(),
            kind: if commits { statement::BoundaryKind::Commit } else { statement::BoundaryKind::Statement },
            previous: previous.into(),
            at: from + Duration::from_millis(ms),
            rows: Some(rows),
        }
    }

    #[test]
    fn the_background_is_left_out_but_for_what_it_fetched() {
        let now = Instant::now();
        let mut background = Background::default();
        background.learn(&[
            boundary("SELECT get_job()", "", 0, 0, now),
            boundary("UPDATE heart SET beat = 1", "", 1, 0, now),
            boundary("COMMIT", "UPDATE heart SET beat = 2", 0, 0, now),
        ]);
        let seen = [
            boundary("SELECT get_job()", "", 0, 1, now),
            boundary("UPDATE heart SET beat = 9", "", 1, 2, now),
            boundary("COMMIT", "UPDATE heart SET beat = 9", 0, 3, now),
            boundary("SELECT buy(1)", "", 1, 4, now),
            boundary("COMMIT", "SELECT buy(1)", 0, 5, now),
            boundary("SELECT get_job()", "", 2, 7, now),
        ];
        let answered = Some((201, now + Duration::from_millis(6)));
        let trace = Trace::of(&background, &seen, &[], answered);
        let told: Vec<(String, bool, bool)> =
            trace.0.iter().map(|f| (f.place.what(), f.place.key.effective, f.before_answer)).collect();
        let expected = [
            ("SELECT buy(?)", false, true),
            ("COMMIT after SELECT buy(?)", false, true),
            ("201", false, true),
            ("SELECT get_job()", true, false),
        ];
        assert_eq!(told, expected.map(|(what, effective, before)| (what.to_owned(), effective, before)));
        assert_eq!(trace.0[3].place.blows(), [Blow::KillAfter, Blow::LoseAnswer]);
    }

    #[test]
    fn dry_passes_agree_on_what_most_of_them_saw_and_doubt_an_early_one() {
        let found = |what: &str, before_answer| Found {
            place: Place { key: Key::of(Kind::Statement, what.into(), None), nth: 0 },
            before_answer,
        };
        let passes = [
            Trace(vec![found("a", true), found("job", true), found("chance", true)]),
            Trace(vec![found("a", true), found("job", false)]),
            Trace(vec![found("job", false), found("a", true)]),
        ];
        assert_eq!(Trace::agreed(&passes), Trace(vec![found("a", true), found("job", false)]));
    }

    #[test]
    fn the_same_again_is_nothing_new() {
        let found = |what: &str, nth| Found {
            place: Place { key: Key::of(Kind::Statement, what.into(), None), nth },
            before_answer: true,
        };
        let known = vec![found("a", 0).place];
        let struck = Trace(vec![found("a", 0), found("a", 1), found("undo", 0), found("undo", 1)]);
        assert_eq!(struck.new_beside(&known), [found("undo", 0).place]);
    }
}
