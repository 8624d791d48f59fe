//! From the server to the client: here it is seen what was executed, and answers are lost.

use bytes::BytesMut;
use overdraft_model::{fault::statement::StatementAction, span::Span};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
};

use super::{
    Line, protocol,
    rules::{Strike, pause},
    session::Onward,
};
use crate::{guard::locked, listener::End};

/// This direction of a connection.
pub(super) struct Backend<'a> {
    pub(super) line: &'a Line,
    pub(super) server: ReadHalf<'a>,
    pub(super) client: WriteHalf<'a>,
    pub(super) unread: BytesMut,
    /// Answers of a struck statement.
    pub(super) withheld: BytesMut,
}

/// What comes after the messages that may pass.
enum Then {
    /// More must be read. So many bytes of the message under way may pass unseen.
    Read(usize),
    /// A message of this length that may not just pass.
    Turn(usize, Onward),
}

impl Backend<'_> {
    /// Runs until the server goes, which the client is told.
    pub(super) async fn run(mut self) -> Result<(), End> {
        loop {
            let (pass, then) = self.walk()?;
            if pass > 0 {
                let passing = self.unread.split_to(pass);
                self.client.write_all(&passing).await?;
            }
            match then {
                Then::Turn(length, onward) => {
                    let message = self.unread.split_to(length);
                    match onward {
                        Onward::Pass => self.client.write_all(&message).await?,
                        Onward::Drop => {}
                        Onward::Replace(other) => self.client.write_all(&other).await?,
                        Onward::Withhold => self.withheld.extend_from_slice(&message),
                        Onward::Executed(strike, rows) => {
                            self.withheld.extend_from_slice(&message);
                            if strike.waits() && !strike.strikes(rows) {
                                let withheld = self.withheld.split();
                                self.client.write_all(&withheld).await?;
                            } else {
                                self.strike(&strike).await?;
                            }
                        }
                    }
                }
                Then::Read(mut unseen) => loop {
                    if self.server.read_buf(&mut self.unread).await? == 0 {
                        self.client.shutdown().await?;
                        return Ok(());
                    }
                    let passing = self.unread.split_to(unseen.min(self.unread.len()));
                    unseen -= passing.len();
                    self.client.write_all(&passing).await?;
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
            // Rows and what is copied out may be long, and are of no interest unless they are withheld.
            let row = matches!(head.kind, b'D' | b'd') && session.passes_rows();
            if !head.whole {
                if row {
                    return Ok((self.unread.len(), Then::Read(head.total - rest.len())));
                }
                self.unread.reserve(head.total);
                break;
            }
            if !row {
                let onward = session.answered(head.kind, &rest[5..head.total]);
                if head.kind == b'C' {
                    session
                        .take_executed()
                        .into_iter()
                        .for_each(|(ticket, rows)| self.line.rules.executed(ticket, rows));
                }
                match onward {
                    Onward::Pass => {}
                    onward => return Ok((at, Then::Turn(head.total, onward))),
                }
            }
            at += head.total;
        }
        drop(session);
        self.unread.reserve(16 << 10);
        Ok((at, Then::Read(0)))
    }

    async fn strike(&mut self, strike: &Strike) -> Result<(), End> {
        strike.lands();
        if let StatementAction::HoldAnswer { length } = strike.action() {
            pause(&self.line.rules, strike, length.map(Span::duration)).await;
            let withheld = self.withheld.split();
            self.client.write_all(&withheld).await?;
            return Ok(());
        }
        Err(End::Reset)
    }
}
