//! From the client to the server: here statements are recognised and struck.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use overdraft_model::{
    fault::statement::{BoundaryKind, StatementAction},
    span::Span,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
};

use super::{
    Line,
    protocol::{self, Head},
    rules::{Strike, pause},
    session::Fate,
};
use crate::{guard::locked, listener::End};

/// What a client may send while its statement is held, before it is no longer read.
const MOST_UNREAD: usize = 1 << 20;
/// Fails whatever db_tx it runs in; the client gets another error in the place of this one.
const FAIL: &str = "DO $$BEGIN RAISE EXCEPTION 'answered in place of a statement'; END$$";

/// This direction of a connection.
pub(super) struct Frontend<'a> {
    pub(super) line: &'a Line,
    pub(super) client: ReadHalf<'a>,
    pub(super) server: WriteHalf<'a>,
    pub(super) unread: BytesMut,
    /// Statements that we prepared so far, so that each has a name of its own.
    pub(super) own: u64,
}

/// What comes after the messages that may pass.
enum Then {
    /// More must be read. So many bytes of the message under way may pass unseen.
    Read(usize),
    /// A statement that is struck.
    Struck(Head, Vec<Strike>),
}

impl Frontend<'_> {
    /// Runs until the client goes, which the server is told.
    pub(super) async fn run(mut self) -> Result<(), End> {
        loop {
            let (pass, then) = self.walk()?;
            if pass > 0 {
                let passing = self.unread.split_to(pass);
                self.server.write_all(&passing).await?;
            }
            match then {
                Then::Struck(head, strikes) => {
                    let message = self.unread.split_to(head.total).freeze();
                    self.strike(head, message, strikes).await?;
                }
                Then::Read(mut unseen) => loop {
                    if self.client.read_buf(&mut self.unread).await? == 0 {
                        self.server.shutdown().await?;
                        return Ok(());
                    }
                    let passing = self.unread.split_to(unseen.min(self.unread.len()));
                    unseen -= passing.len();
                    self.server.write_all(&passing).await?;
                    if unseen == 0 {
                        break;
                    }
                },
            }
        }
    }

    /// How far what has been read may pass.
    fn walk(&mut self) -> Result<(usize, Then), End> {
        let mut session = locked(&self.line.session);
        let mut at = 0;
        loop {
            let rest = &self.unread[at..];
            let Some(head) = protocol::head(rest)? else { break };
            // Only what is copied in is long and of no interest.
            if !head.whole {
                if head.kind == b'd' {
                    return Ok((self.unread.len(), Then::Read(head.total - rest.len())));
                }
                self.unread.reserve(head.total);
                break;
            }
            let body = &rest[5..head.total];
            if let Some(statement) = session.executes(head.kind, body) {
                let failed = session.has_failed_db_tx();
                let (application, previous) = (session.application(), session.previous());
                let (ticket, strikes) =
                    self.line.rules.strikes(self.line.number, application, previous, &statement, failed);
                session.executing(statement, ticket);
                if !strikes.is_empty() {
                    return Ok((at, Then::Struck(head, strikes)));
                }
            }
            session.sent(head.kind, body, Fate::Pass);
            at += head.total;
        }
        drop(session);
        self.unread.reserve(8 << 10);
        Ok((at, Then::Read(0)))
    }

    async fn strike(&mut self, head: Head, message: Bytes, strikes: Vec<Strike>) -> Result<(), End> {
        let mut fate = Fate::Pass;
        for strike in strikes {
            match strike.action() {
                StatementAction::Delay { by } => {
                    strike.lands();
                    pause(&self.line.rules, &strike, Some(by.duration())).await;
                }
                StatementAction::Hold { length } => {
                    strike.lands();
                    self.hold(&strike, length.map(Span::duration)).await?;
                }
                StatementAction::CutBefore {} => {
                    strike.lands();
                    return Err(End::Reset);
                }
                StatementAction::Answer { sqlstate, message } => {
                    let error = protocol::error(sqlstate, message);
                    let substitute = self.substitute(head.kind, strike.boundary.kind, error);
                    // Counted first, so that whoever has the answer finds it counted.
                    strike.lands();
                    self.server.write_all(&substitute).await?;
                    return Ok(());
                }
                // The first holds: there is but one answer.
                StatementAction::CutAfter {} | StatementAction::HoldAnswer { .. } => {
                    if matches!(fate, Fate::Pass) {
                        fate = Fate::Withhold(strike);
                    }
                }
            }
        }
        locked(&self.line.session).sent(head.kind, &message[5..], fate);
        self.server.write_all(&message).await?;
        Ok(())
    }

    /// Holds a statement back. If its client goes meanwhile it never happened.
    async fn hold(&mut self, strike: &Strike, length: Option<Duration>) -> Result<(), End> {
        let held = pause(&self.line.rules, strike, length);
        tokio::pin!(held);
        loop {
            tokio::select! {
                () = &mut held => return Ok(()),
                read = self.client.read_buf(&mut self.unread), if self.unread.len() < MOST_UNREAD => {
                    if read? == 0 {
                        return Err(End::Close);
                    }
                }
            }
        }
    }

    /// What is sent in a statement's place, so that the server itself fails the db_tx as the client believes
    /// it has. A COMMIT that fails has ended its db_tx.
    fn substitute(&mut self, kind: u8, boundary: BoundaryKind, error: Bytes) -> BytesMut {
        let mut session = locked(&self.line.session);
        let commit = boundary == BoundaryKind::Commit;
        let mut sent = BytesMut::new();
        if kind == b'Q' {
            let text = if commit { format!("ROLLBACK; {FAIL}") } else { FAIL.to_owned() };
            let query = protocol::message(b'Q', &[&text], &[]);
            session.sent(b'Q', &query[5..], Fate::Error(error));
            sent.extend(query);
            return sent;
        }
        let texts: &[&str] = if commit { &["ROLLBACK", FAIL] } else { &[FAIL] };
        for text in texts {
            self.own += 1;
            let name = format!("overdraft_{}", self.own);
            let parts = [
                protocol::message(b'P', &[&name, text], &[0, 0]),
                protocol::message(b'B', &[&name, &name], &[0; 6]),
                protocol::message(b'E', &[&name], &[0; 4]),
            ];
            for part in parts {
                let provokes = *text == FAIL && part[0] == b'E';
                let fate = if provokes { Fate::Error(error.clone()) } else { Fate::Own };
                session.sent(part[0], &part[5..], fate);
                sent.extend(part);
            }
        }
        sent
    }
}
