//! Which statement is struck by which fault, and the record of the boundaries that went by.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use overdraft_model::fault::statement::{BoundaryKind, StatementAction, StatementFault};
use regex::Regex;
use tokio::sync::watch;

use crate::{
    guard::{Active, Guard, locked},
    listener::ProxyError,
    row::Row,
};

/// A record is complete up to here; a longer one is cut, so that a forgotten mark does not fill the memory.
const MOST_BOUNDARIES: usize = 100_000;

/// One execution of a statement, as the proxy saw it on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary {
    /// Its number since the last mark, from 0, over all connections.
    pub index: u64,
    /// Which connection, numbered from 0 as they were accepted.
    pub connection: u64,
    /// The connection's `application_name`.
    pub application: Arc<str>,
    /// The statement's text; that of the prepared statement if it was prepared before.
    pub statement: Arc<str>,
    /// Whether it commits a db_tx that was opened before.
    pub kind: BoundaryKind,
    /// The statement before it on the same connection; empty for the first.
    pub previous: Arc<str>,
    /// When it went by.
    pub at: Instant,
    /// How many rows it returned or changed; none as long as it has not been executed.
    pub rows: Option<u64>,
}

/// Names a boundary in the record, so that what it came to can be noted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The mark since which it counts.
    mark: u64,
    index: u64,
}

/// A fault in place.
pub(super) struct Rule {
    fault: StatementFault,
    /// `matching` in small letters.
    matching: Option<String>,
    pattern: Option<Regex>,
    follows: Option<Regex>,
    fitted: AtomicU32,
    struck: AtomicU32,
    told: watch::Sender<Option<Boundary>>,
}

/// A struck statement and the fault that struck it.
#[derive(Clone)]
pub(super) struct Strike {
    pub(super) rule: Active<Rule>,
    pub(super) boundary: Boundary,
}

impl Strike {
    pub(super) fn action(&self) -> &StatementAction {
        &self.rule.value().fault.action
    }

    /// Whether it waits for what the statement comes to.
    pub(super) fn waits(&self) -> bool {
        self.rule.value().fault.effective
    }

    /// Whether one that waited strikes a statement that came to so many rows.
    pub(super) fn strikes(&self, rows: u64) -> bool {
        rows > 0 && self.rule.value().claims()
    }

    /// Counts the effect and wakes whoever waits for it.
    pub(super) fn lands(&self) {
        self.rule.hit();
        self.rule.value().told.send_replace(Some(self.boundary.clone()));
    }
}

/// Tells when the fault it belongs to strikes.
pub struct Strikes(watch::Receiver<Option<Boundary>>);

impl Strikes {
    /// Waits for the next strike that was not seen yet, and returns the latest; none once the fault is healed.
    pub async fn next(&mut self) -> Option<Boundary> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

#[derive(Default)]
struct Record {
    marks: u64,
    next: u64,
    open: bool,
    boundaries: Vec<Boundary>,
}

/// All faults of a proxy, and its record.
#[derive(Default)]
pub(super) struct Rules {
    row: Row<Rule>,
    record: Mutex<Record>,
}

impl Rules {
    /// Puts a fault in place.
    pub(super) fn put(&self, fault: StatementFault) -> Result<(Guard, Strikes), ProxyError> {
        if let StatementAction::Answer { sqlstate, .. } = &fault.action {
            let fits = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_uppercase();
            if sqlstate.len() != 5 || !sqlstate.bytes().all(fits) || sqlstate.starts_with("00") {
                return Err(ProxyError::Sqlstate(sqlstate.clone()));
            }
        }
        let (told, strikes) = watch::channel(None);
        let guard = self.row.put(Rule {
            matching: fault.matching.as_ref().map(|text| text.to_ascii_lowercase()),
            pattern: fault.pattern.as_deref().map(Regex::new).transpose()?,
            follows: fault.follows.as_deref().map(Regex::new).transpose()?,
            fitted: AtomicU32::new(0),
            struck: AtomicU32::new(0),
            told,
            fault,
        });
        Ok((guard, Strikes(strikes)))
    }

    /// Waits until this fault is healed.
    pub(super) async fn gone(&self, rule: &Active<Rule>) {
        self.row.gone(rule).await;
    }

    /// Begins a new record; indices begin at 0 again.
    pub(super) fn mark(&self) {
        let mut record = locked(&self.record);
        *record = Record { open: true, marks: record.marks + 1, ..Record::default() };
    }

    /// Ends the record and returns it.
    pub(super) fn take(&self) -> Vec<Boundary> {
        let mut record = locked(&self.record);
        record.open = false;
        std::mem::take(&mut record.boundaries)
    }

    /// The record so far.
    pub(super) fn boundaries(&self) -> Vec<Boundary> {
        locked(&self.record).boundaries.clone()
    }

    /// Notes what a statement came to. A simple query may hold several: their rows add up.
    pub(super) fn executed(&self, ticket: Ticket, rows: u64) {
        let mut record = locked(&self.record);
        if record.marks != ticket.mark {
            return;
        }
        // Where the record is complete, places and numbers agree.
        let at = usize::try_from(ticket.index).unwrap_or(usize::MAX);
        if let Some(boundary) = record.boundaries.get_mut(at) {
            boundary.rows = Some(boundary.rows.unwrap_or(0) + rows);
        }
    }

    /// Takes note of a statement that is about to reach the server, and finds what strikes it, in the order of
    /// injection. After a fault that keeps it from the server no other is asked. In a db_tx that has failed
    /// already (`failed`) no error is put in a statement's place: there the server answers errors by itself.
    pub(super) fn strikes(
        &self,
        connection: u64,
        application: &Arc<str>,
        previous: &Arc<str>,
        statement: &Arc<str>,
        failed: bool,
    ) -> (Ticket, Vec<Strike>) {
        let (ticket, boundary) = {
            let mut record = locked(&self.record);
            let index = record.next;
            record.next += 1;
            let kind = kind(statement);
            let (application, previous) = (Arc::clone(application), Arc::clone(previous));
            let (statement, at) = (Arc::clone(statement), Instant::now());
            let boundary = Boundary { index, connection, application, statement, kind, previous, at, rows: None };
            if record.open && record.boundaries.len() < MOST_BOUNDARIES {
                record.boundaries.push(boundary.clone());
            }
            (Ticket { mark: record.marks, index }, boundary)
        };
        let mut strikes = Vec::new();
        for rule in self.row.all() {
            let action = &rule.value().fault.action;
            let answers = matches!(action, StatementAction::Answer { .. });
            let last = answers || matches!(action, StatementAction::CutBefore {});
            if (failed && answers) || !rule.value().strikes(&boundary) {
                continue;
            }
            strikes.push(Strike { rule: rule.clone(), boundary: boundary.clone() });
            if last {
                break;
            }
        }
        (ticket, strikes)
    }
}

impl Rule {
    /// Whether it strikes this statement, or, where it depends on what the statement comes to, may strike it.
    fn strikes(&self, boundary: &Boundary) -> bool {
        let fault = &self.fault;
        let fits = fault.only.is_none_or(|kind| kind == boundary.kind)
            && fault.at_boundary.is_none_or(|index| index == boundary.index)
            && fault.application.as_deref().is_none_or(|name| name == &*boundary.application)
            && self.matching.as_ref().is_none_or(|text| boundary.statement.to_ascii_lowercase().contains(text))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(&boundary.statement))
            && self.follows.as_ref().is_none_or(|pattern| pattern.is_match(&boundary.previous));
        fits && (fault.effective || self.claims())
    }

    /// Claims one of the strikes that are left, after those that are skipped.
    fn claims(&self) -> bool {
        let fault = &self.fault;
        let more = |n: u32| n.checked_add(1);
        if self.fitted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok_and(|before| before < fault.skip) {
            return false;
        }
        let left = |struck: u32| if fault.times.is_some_and(|times| struck >= times) { None } else { more(struck) };
        self.struck.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok()
    }
}

/// How long a strike holds a statement back; none means until it is healed.
pub(super) async fn pause(rules: &Rules, strike: &Strike, length: Option<Duration>) {
    tokio::select! {
        () = rules.gone(&strike.rule) => {}
        () = async {
            match length {
                Some(length) => tokio::time::sleep(length).await,
                None => std::future::pending().await,
            }
        } => {}
    }
}

/// `COMMIT`, and `END`, which means the same; `COMMIT PREPARED` commits too.
fn kind(statement: &str) -> BoundaryKind {
    let first = statement.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if first.eq_ignore_ascii_case("commit") || first.eq_ignore_ascii_case("end") {
        BoundaryKind::Commit
    } else {
        BoundaryKind::Statement
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(rules: &Rules, application: &str, statement: &str, failed: bool) -> usize {
        rules.strikes(3, &application.into(), &"BEGIN".into(), &statement.into(), failed).1.len()
    }

    fn cut() -> StatementFault {
        StatementFault::every(StatementAction::CutBefore {})
    }

    #[test]
    fn every_condition_narrows() {
        let rules = Rules::default();
        let strikes = |fault: StatementFault, statement: &str| {
            let (_guard, _) = rules.put(fault).unwrap();
            ask(&rules, "shop", statement, false) == 1
        };
        assert!(strikes(cut(), "SELECT 1"));
        let matching = StatementFault { matching: Some("Into Leads".into()), ..cut() };
        assert!(strikes(matching.clone(), "insert INTO leads") && !strikes(matching, "INSERT INTO sales"));
        let pattern = StatementFault { pattern: Some(r"^UPDATE \w+".into()), ..cut() };
        assert!(strikes(pattern.clone(), "UPDATE leads") && !strikes(pattern, " UPDATE leads"));
        let commit = StatementFault { only: Some(BoundaryKind::Commit), ..cut() };
        assert!(strikes(commit.clone(), " commit;") && strikes(commit.clone(), "END") && !strikes(commit, "COMMITTED"));
        let application = |name: &str| StatementFault { application: Some(name.into()), ..cut() };
        assert!(strikes(application("shop"), "x") && !strikes(application("sho"), "x"));
        let follows = |text: &str| StatementFault { follows: Some(text.into()), ..cut() };
        assert!(strikes(follows("^BEGIN$"), "x") && !strikes(follows("SELECT"), "x"));
        rules.mark();
        assert!(!strikes(StatementFault { at_boundary: Some(1), ..cut() }, "x"), "that was the first");
        assert!(strikes(StatementFault { at_boundary: Some(1), ..cut() }, "x"));
    }

    #[test]
    fn skips_then_strikes_so_many_times() {
        let rules = Rules::default();
        let (_guard, _) = rules.put(StatementFault { skip: 2, times: Some(3), ..cut() }).unwrap();
        let struck: Vec<usize> = (0..7).map(|_| ask(&rules, "", "x", false)).collect();
        assert_eq!(struck, [0, 0, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn delays_add_up_and_nothing_is_asked_after_the_statement_is_lost() {
        let rules = Rules::default();
        let delay = StatementFault::every(StatementAction::Delay { by: overdraft_model::span::Span::from_ms(1) });
        let guards = [rules.put(delay.clone()), rules.put(cut()), rules.put(delay)].map(Result::unwrap);
        assert_eq!(ask(&rules, "", "x", false), 2);
        drop(guards);
        assert_eq!(ask(&rules, "", "x", false), 0);
    }

    #[test]
    fn a_failed_db_tx_gets_no_error_of_ours() {
        let rules = Rules::default();
        let action = StatementAction::Answer { sqlstate: "40001".into(), message: String::new() };
        let (_guard, _) = rules.put(StatementFault::every(action)).unwrap();
        assert_eq!((ask(&rules, "", "ROLLBACK", true), ask(&rules, "", "SELECT", false)), (0, 1));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let rules = Rules::default();
        for sqlstate in ["4000", "40 01", "00000", "40p01"] {
            let action = StatementAction::Answer { sqlstate: sqlstate.into(), message: String::new() };
            assert!(matches!(rules.put(StatementFault::every(action)), Err(ProxyError::Sqlstate(_))), "{sqlstate}");
        }
        let pattern = StatementFault { pattern: Some("(".into()), ..cut() };
        assert!(matches!(rules.put(pattern), Err(ProxyError::Pattern(_))));
    }

    #[test]
    fn one_that_depends_on_rows_claims_only_where_there_are_some() {
        let rules = Rules::default();
        let (_guard, _) =
            rules.put(StatementFault { effective: true, skip: 1, times: Some(1), ..cut_after() }).unwrap();
        let struck: Vec<bool> = [0, 2, 0, 1, 1]
            .map(|rows| {
                let strikes = rules.strikes(3, &"".into(), &"".into(), &"x".into(), false).1;
                strikes[0].waits() && strikes[0].strikes(rows)
            })
            .into();
        assert_eq!(struck, [false, false, false, true, false]);
    }

    fn cut_after() -> StatementFault {
        StatementFault::every(StatementAction::CutAfter {})
    }

    #[test]
    fn what_a_statement_came_to_is_noted_until_the_next_mark() {
        let rules = Rules::default();
        rules.mark();
        let ticket = rules.strikes(3, &"".into(), &"".into(), &"x".into(), false).0;
        rules.executed(ticket, 1);
        rules.executed(ticket, 2);
        assert_eq!(rules.boundaries()[0].rows, Some(3));
        rules.mark();
        ask(&rules, "", "y", false);
        rules.executed(ticket, 9);
        assert_eq!(rules.boundaries()[0].rows, None);
    }

    #[test]
    fn the_record_begins_at_the_mark_and_ends_when_taken() {
        let rules = Rules::default();
        ask(&rules, "a", "SELECT 0", false);
        rules.mark();
        ask(&rules, "a", "SELECT 1", false);
        ask(&rules, "b", "COMMIT", false);
        let seen: Vec<_> = rules.boundaries().iter().map(|b| (b.index, b.application.to_string(), b.kind)).collect();
        assert_eq!(seen, [(0, "a".into(), BoundaryKind::Statement), (1, "b".into(), BoundaryKind::Commit)]);
        assert_eq!(rules.take().len(), 2);
        ask(&rules, "a", "SELECT 2", false);
        assert!(rules.boundaries().is_empty());
    }
}
