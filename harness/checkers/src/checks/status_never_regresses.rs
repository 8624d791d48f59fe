//! `status.never-regresses`: what was told to be further on is never told, later, to be further back.
//!
//! A status is a step of an order that only rises. It is read by clients, each read at some moment between question
//! and answer: of two reads of which one had ended before the other was asked, the later must not tell less. Rows are
//! held against each other in their own order, and the last of them against every read, once the target is quiet. A
//! status that the order does not know is a gap in the target file, not a fault of the target.

use std::collections::BTreeMap;

use overdraft_model::{
    evidence::StatusRow,
    fill,
    history::Call,
    operation::{Operation, Outcome},
    promises::StatusOrder,
};

use crate::{case::Case, story::Tale, trial::Trial, words::counted};

pub(crate) const ID: &str = "status.never-regresses";

/// All that is known of one thing's status.
#[derive(Default)]
struct Seen<'a> {
    reads: Vec<Read<'a>>,
    rows: Vec<&'a StatusRow>,
}

/// One read of a status.
#[derive(Clone, Copy)]
struct Read<'a> {
    call: &'a Call,
    status: &'a str,
    rank: usize,
}

/// Judges one scenario.
pub(crate) fn check(case: &Case<'_>) -> Trial {
    let mut trial = Trial::new(ID);
    let (mut things, mut reads) = (0, 0);
    for (kind, order) in &case.manifest.stated.statuses {
        for (subject, seen) in gather(case, kind, order, &mut trial) {
            if seen.reads.len() + seen.rows.len() < 2 {
                continue;
            }
            things += 1;
            reads += seen.reads.len();
            trial.saw(seen.reads.len() + seen.rows.len() - 1);
            let thing = Thing { case, kind, subject: &subject, order, seen: &seen };
            thing.reads(&mut trial);
            thing.rows(&mut trial);
        }
    }
    if things > 0 {
        trial.fact(format!("{} of {}", counted(reads, "read"), counted(things, "thing")));
    }
    trial
}

fn gather<'a>(case: &Case<'a>, kind: &str, order: &'a StatusOrder, trial: &mut Trial) -> BTreeMap<String, Seen<'a>> {
    let mut all: BTreeMap<String, Seen<'a>> = BTreeMap::new();
    let mut unknown = |status: &str| {
        trial.doubt(format!("the target file's order of statuses.{kind} does not hold `{status}`"));
    };
    for call in case.history.calls.iter().filter(|call| call.outcome == Outcome::Ok) {
        let Operation::Custom { name, with, .. } = &call.operation else { continue };
        let (Some(subject), Some(status)) = (with.get(&order.of), call.answer.text(&order.status)) else { continue };
        if *name != order.operation {
            continue;
        }
        match order.rank(status) {
            Some(rank) => all.entry(fill::plain(subject)).or_default().reads.push(Read { call, status, rank }),
            None => unknown(status),
        }
    }
    for row in case.database().statuses.iter().flatten().filter(|row| row.kind == kind) {
        match order.rank(&row.status) {
            Some(_) => all.entry(row.subject.clone()).or_default().rows.push(row),
            None => unknown(&row.status),
        }
    }
    all
}

struct Thing<'c, 'a> {
    case: &'c Case<'a>,
    kind: &'c str,
    subject: &'c str,
    order: &'c StatusOrder,
    seen: &'c Seen<'a>,
}

impl Thing<'_, '_> {
    /// No read tells less than one that had ended before it was asked.
    fn reads(&self, trial: &mut Trial) {
        let reads = &self.seen.reads;
        let end = |read: &Read<'_>| read.call.end.unwrap_or(u64::MAX);
        let mut ended: Vec<&Read<'_>> = reads.iter().collect();
        ended.sort_by_key(|read| (end(read), read.call.op));
        let mut ended = ended.into_iter().peekable();
        let mut furthest: Option<&Read<'_>> = None;
        // In order of asking, as the history is.
        for read in reads {
            while let Some(earlier) = ended.next_if(|earlier| end(earlier) < read.call.start) {
                if furthest.is_none_or(|known| known.rank <= earlier.rank) {
                    furthest = Some(earlier);
                }
            }
            let Some(known) = furthest.filter(|known| known.rank > read.rank) else { continue };
            let who = read.call.operation.workspace().unwrap_or("somebody");
            let same = if known.call.process == read.call.process { "the same client" } else { "another client" };
            let summary = format!(
                "{who} was told that {} {} is {}, after {same} had been told that it is {}",
                self.kind, self.subject, read.status, known.status
            );
            trial.found(|| self.tale(summary).calls([known.call, read.call]).rows(self.lines()).end());
            return;
        }
    }

    /// No row goes back behind the one before it, and what the rows end with is no less than what was told.
    fn rows(&self, trial: &mut Trial) {
        let rank = |row: &StatusRow| self.order.rank(&row.status);
        let back = self.seen.rows.windows(2).find(|pair| rank(pair[1]) < rank(pair[0]));
        if let Some([before, after]) = back {
            let summary = format!("{} {} went from {} to {}", self.kind, self.subject, before.status, after.status);
            trial.found(|| self.tale(summary).calls(self.calls()).rows(self.lines()).end());
            return;
        }
        let Some(last) = self.seen.rows.last() else { return };
        let ahead = self.seen.reads.iter().find(|read| Some(read.rank) > rank(last));
        if let Some(read) = ahead {
            let who = read.call.operation.workspace().unwrap_or("somebody");
            let summary = format!(
                "{who} was told that {} {} is {}, and in the end it is {}",
                self.kind, self.subject, read.status, last.status
            );
            trial.disagree(self.case.quiet(), || self.tale(summary).calls([read.call]).rows(self.lines()).end());
        }
    }

    fn tale(&self, summary: String) -> Tale<'_> {
        Tale::new(self.case.history, summary)
    }

    /// What may have brought it about: the reads themselves, and what was delivered meanwhile about its order.
    fn calls(&self) -> impl Iterator<Item = &Call> {
        let named = self.order.captured_as.as_deref().and_then(|field| {
            let mut orders = self.case.orders_answered();
            orders.find(|(call, _)| call.answer.fields.get(field).is_some_and(|id| fill::plain(id) == self.subject))
        });
        let about = named.map(|(_, session)| self.case.calls_about(session)).unwrap_or_default();
        self.seen.reads.iter().map(|read| read.call).chain(about)
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        self.seen.rows.iter().map(|row| format!("status {} of {} {}: {}", row.place, row.kind, row.subject, row.status))
    }
}
