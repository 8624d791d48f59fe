//! What the proxy knows of one session: its prepared statements, its db_tx, and which answers are due.
//!
//! Each message from the client that will be answered is put in a queue; the server's answers take them from
//! it. So it is known which statement an answer belongs to, even where many are in the pipeline. Nothing
//! here waits or sends.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    protocol::text,
    rules::{Strike, Ticket},
};

/// A message of the client that the server reacts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A simple query: any number of answers, then `ReadyForQuery`.
    Query,
    Parse,
    Bind,
    Describe,
    Execute,
    Close,
    Sync,
    /// A function call, of the old kind.
    Call,
    /// Not answered; what was asked before it is sent at once.
    Flush,
    /// Not answered; the end of what is copied in.
    CopyEnd,
}

/// What becomes of the answers.
pub(super) enum Fate {
    /// The client gets them.
    Pass,
    /// The client never asked, and gets none of them.
    Own,
    /// As `Own`, and this takes the place of the error that is provoked.
    Error(Bytes),
    /// Withheld from the first on.
    Withhold(Strike),
}

struct Awaited {
    asked: Asked,
    fate: Fate,
    /// The boundary that it executes.
    ticket: Option<Ticket>,
}

/// What becomes of one message of the server.
pub(super) enum Onward {
    /// It is passed on.
    Pass,
    /// The client must not see it.
    Drop,
    /// The client sees this instead.
    Replace(Bytes),
    /// It is kept until it is known that the statement was executed.
    Withhold,
    /// It is kept, and the statement was executed: so many rows.
    Executed(Strike, u64),
}

/// One session.
pub(super) struct Session {
    application: Arc<str>,
    status: u8,
    awaited: VecDeque<Awaited>,
    statements: HashMap<Vec<u8>, Arc<str>>,
    portals: HashMap<Vec<u8>, Arc<str>>,
    /// The server passes over everything until the next Sync, which has not been sent yet.
    failed: bool,
    copying_in: bool,
    withheld: Option<Strike>,
    /// Rows of the statement whose answer is withheld.
    withheld_rows: u64,
    /// The last statement.
    previous: Arc<str>,
    /// The boundary that the next message executes.
    coming: Option<Ticket>,
    /// Boundaries that were executed, with their rows.
    executed: Vec<(Ticket, u64)>,
}

impl Session {
    pub(super) fn new(application: &str) -> Self {
        Self {
            application: application.into(),
            status: b'I',
            awaited: VecDeque::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            failed: false,
            copying_in: false,
            withheld: None,
            withheld_rows: 0,
            previous: "".into(),
            coming: None,
            executed: Vec::new(),
        }
    }

    pub(super) const fn application(&self) -> &Arc<str> {
        &self.application
    }

    pub(super) const fn previous(&self) -> &Arc<str> {
        &self.previous
    }

    /// This statement is executed by the message that is sent next.
    pub(super) fn executing(&mut self, statement: Arc<str>, ticket: Ticket) {
        self.previous = statement;
        self.coming = Some(ticket);
    }

    /// What was executed since this was asked.
    pub(super) fn take_executed(&mut self) -> Vec<(Ticket, u64)> {
        std::mem::take(&mut self.executed)
    }

    /// Whether its db_tx had failed when the server last said.
    pub(super) const fn has_failed_db_tx(&self) -> bool {
        self.status == b'E'
    }

    /// Whether rows may go by without being looked at.
    pub(super) fn passes_rows(&self) -> bool {
        self.withheld.is_none() && self.awaited.front().is_none_or(|awaited| matches!(awaited.fate, Fate::Pass))
    }

    /// The statement that this message of the client executes.
    pub(super) fn executes(&self, kind: u8, body: &[u8]) -> Option<Arc<str>> {
        match kind {
            b'Q' => Some(String::from_utf8_lossy(text(body, 0)).into()),
            b'E' if !self.failed => Some(self.portals.get(text(body, 0)).cloned().unwrap_or_else(|| "".into())),
            _ => None,
        }
    }

    /// The client's message is about to be sent.
    pub(super) fn sent(&mut self, kind: u8, body: &[u8], fate: Fate) {
        if self.failed && kind != b'S' {
            return;
        }
        let asked = match kind {
            b'Q' => Asked::Query,
            b'P' => {
                let statement = String::from_utf8_lossy(text(body, 1)).into();
                self.statements.insert(text(body, 0).to_vec(), statement);
                Asked::Parse
            }
            b'B' => {
                let statement = self.statements.get(text(body, 1)).cloned().unwrap_or_else(|| "".into());
                self.portals.insert(text(body, 0).to_vec(), statement);
                Asked::Bind
            }
            b'D' => Asked::Describe,
            b'E' => Asked::Execute,
            b'C' => {
                let name = body.get(1..).map(|rest| text(rest, 0)).unwrap_or_default();
                let names = if body.first() == Some(&b'S') { &mut self.statements } else { &mut self.portals };
                names.remove(name);
                Asked::Close
            }
            // The server passes over these while it copies in.
            b'S' | b'H' if self.copying_in => return,
            b'S' => {
                self.failed = false;
                Asked::Sync
            }
            b'H' => Asked::Flush,
            b'F' => Asked::Call,
            b'c' | b'f' => {
                self.copying_in = false;
                Asked::CopyEnd
            }
            _ => return,
        };
        let executes = matches!(asked, Asked::Query | Asked::Execute);
        let ticket = if executes { self.coming.take() } else { None };
        self.awaited.push_back(Awaited { asked, fate, ticket });
    }

    /// The server's message has come: what becomes of it.
    pub(super) fn answered(&mut self, kind: u8, body: &[u8]) -> Onward {
        if kind == b'S' && text(body, 0) == b"application_name" {
            self.application = String::from_utf8_lossy(text(body, 1)).into();
        }
        // These come at any time and answer nothing.
        if matches!(kind, b'A' | b'N' | b'S') {
            let own = kind == b'N' && self.awaited.front().is_some_and(|front| !matches!(front.fate, Fate::Pass));
            return if self.withheld.is_some() {
                Onward::Withhold
            } else if own {
                Onward::Drop
            } else {
                Onward::Pass
            };
        }
        self.pass_over(&[Asked::Flush, Asked::CopyEnd]);
        let mut onward = Onward::Pass;
        if let Some(front) = self.awaited.front_mut() {
            match &front.fate {
                Fate::Pass => {}
                Fate::Own | Fate::Error(_) => onward = Onward::Drop,
                Fate::Withhold(strike) => {
                    if self.withheld.is_none() {
                        self.withheld = Some(strike.clone());
                        self.withheld_rows = 0;
                    }
                    front.fate = Fate::Pass;
                }
            }
            if kind == b'C' {
                let rows = rows(body);
                self.withheld_rows += rows;
                self.executed.extend(front.ticket.map(|ticket| (ticket, rows)));
            }
        }
        if kind == b'E' && matches!(onward, Onward::Drop) {
            let provoked = self.awaited.iter().find_map(|awaited| match &awaited.fate {
                Fate::Error(error) => Some(error.clone()),
                _ => None,
            });
            onward = provoked.map_or(Onward::Pass, Onward::Replace);
        }
        let executed = self.takes(kind, body);
        if kind == b'Z' && matches!(onward, Onward::Drop) {
            onward = Onward::Pass;
        }
        if self.withheld.is_none() {
            return onward;
        }
        // A statement of the extended protocol is durable only when its Sync was answered; where the client
        // asked for the answer by a Flush alone, it has no right to more than to have been executed.
        let asked = |what| self.awaited.iter().any(|awaited| awaited.asked == what);
        if kind == b'Z' || (executed && asked(Asked::Flush) && !asked(Asked::Sync)) {
            return self.withheld.take().map_or(onward, |strike| Onward::Executed(strike, self.withheld_rows));
        }
        Onward::Withhold
    }

    /// Takes from the queue what this message is the last answer to. True at the end of an execution.
    fn takes(&mut self, kind: u8, body: &[u8]) -> bool {
        let front = self.awaited.front().map(|awaited| awaited.asked);
        match (kind, front) {
            (b'Z', _) => {
                self.status = body.first().copied().unwrap_or(b'I');
                self.copying_in = false;
                let ends = |awaited: &Awaited| matches!(awaited.asked, Asked::Query | Asked::Sync | Asked::Call);
                let taken = self.awaited.iter().position(ends).map_or(0, |at| at + 1);
                self.awaited.drain(..taken);
            }
            (b'E', Some(Asked::Parse | Asked::Bind | Asked::Describe | Asked::Execute | Asked::Close)) => {
                let next = self.awaited.iter().position(|awaited| awaited.asked == Asked::Sync);
                self.failed = next.is_none();
                let flushed = self.awaited.iter().any(|awaited| awaited.asked == Asked::Flush);
                self.awaited.drain(..next.unwrap_or(self.awaited.len()));
                if self.failed && flushed {
                    // Keeps the Flush in mind for an answer that is withheld.
                    self.awaited.push_back(Awaited { asked: Asked::Flush, fate: Fate::Pass, ticket: None });
                }
                self.copying_in = false;
                return true;
            }
            (b'G', _) => self.copies_in(),
            (b'1', Some(Asked::Parse))
            | (b'2', Some(Asked::Bind))
            | (b'3', Some(Asked::Close))
            | (b'T' | b'n', Some(Asked::Describe)) => drop(self.awaited.pop_front()),
            (b'C' | b'I' | b's', Some(Asked::Execute)) => {
                self.awaited.pop_front();
                return true;
            }
            _ => {}
        }
        false
    }

    /// The server begins to copy in: what was sent meanwhile, up to the end of the copied, is passed over by it.
    fn copies_in(&mut self) {
        let end = self.awaited.iter().position(|awaited| awaited.asked == Asked::CopyEnd);
        self.copying_in = end.is_none();
        let end = end.unwrap_or(self.awaited.len());
        let mut at = 0;
        self.awaited.retain(|awaited| {
            let passed_over = at > 0 && at < end && matches!(awaited.asked, Asked::Sync | Asked::Flush);
            at += 1;
            !passed_over
        });
    }

    fn pass_over(&mut self, unanswered: &[Asked]) {
        while self.awaited.front().is_some_and(|front| unanswered.contains(&front.asked)) {
            self.awaited.pop_front();
        }
    }
}

/// How many rows a completed statement returned or changed: the last word of its tag, where that is a number.
fn rows(tag: &[u8]) -> u64 {
    let tag = String::from_utf8_lossy(text(tag, 0));
    tag.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tag_tells_the_rows() {
        let tags = [&b"SELECT 3\0"[..], b"INSERT 0 2\0", b"UPDATE 0\0", b"COMMIT\0", b""];
        assert_eq!(tags.map(super::rows), [3, 2, 0, 0, 0]);
    }
}
