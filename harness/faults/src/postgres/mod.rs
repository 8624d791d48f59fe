//! A proxy between a program and its PostgreSQL that understands what it passes on.
//!
//! It sees each statement on its way to the server, of the simple and of the extended protocol, and the end
//! of each db_tx, and a [`StatementFault`] strikes the statements it chooses. Everything else goes by
//! unchanged: SCRAM, COPY, notifications, pipelines, and cancellation, for which the server's key is passed
//! on as it is and the request to cancel is carried to the server. Encryption is refused, so a client that
//! insists on it cannot connect.
//!
//! A fault that is healed while it holds a statement lets it go at once.
//!
//! [`StatementFault`]: overdraft_model::fault::statement::StatementFault

mod backend;
mod frontend;
mod protocol;
mod rules;
mod session;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use bytes::{Bytes, BytesMut};
use overdraft_model::fault::statement::StatementFault;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub use self::rules::{Boundary, Strikes};
use self::{backend::Backend, frontend::Frontend, protocol::Startup, rules::Rules, session::Session};
use crate::{
    guard::Guard,
    listener::{End, Listener, ProxyError, connect, reset},
};

/// A proxy in front of one PostgreSQL server. Clones are the same proxy; it stops when the last one drops.
#[derive(Clone)]
pub struct PgProxy {
    listener: Arc<Listener>,
    rules: Arc<Rules>,
}

impl std::fmt::Debug for PgProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PgProxy").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// One connection, as both its directions see it.
struct Line {
    number: u64,
    rules: Arc<Rules>,
    session: Mutex<Session>,
}

impl PgProxy {
    /// Listens on a free loopback port, in front of `upstream`.
    ///
    /// # Errors
    /// Fails if no port can be had.
    pub async fn start(upstream: SocketAddr) -> Result<Self, ProxyError> {
        Self::start_at(0, upstream).await
    }

    /// Listens on this loopback port.
    ///
    /// # Errors
    /// Fails if the port cannot be had.
    pub async fn start_at(port: u16, upstream: SocketAddr) -> Result<Self, ProxyError> {
        let rules = Arc::<Rules>::default();
        let serving = Arc::clone(&rules);
        let listener =
            Listener::start(port, move |number, client| serve(number, client, upstream, Arc::clone(&serving))).await?;
        Ok(Self { listener: Arc::new(listener), rules })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Puts a fault behind those in place. It heals when the guard drops; its effects are the statements struck.
    ///
    /// # Errors
    /// Fails if the fault's pattern is not a regular expression or its SQLSTATE is none.
    pub fn inject(&self, fault: StatementFault) -> Result<Guard, ProxyError> {
        Ok(self.inject_watched(fault)?.0)
    }

    /// As [`PgProxy::inject`], and tells when it strikes: at a hold, the statement is being held by then; at a
    /// held or lost answer, it has been executed.
    ///
    /// # Errors
    /// As [`PgProxy::inject`].
    pub fn inject_watched(&self, fault: StatementFault) -> Result<(Guard, Strikes), ProxyError> {
        self.rules.put(fault)
    }

    /// Begins to record boundaries. Their indices, and `at_boundary`, count from here.
    pub fn mark(&self) {
        self.rules.mark();
    }

    /// The boundaries since the mark. A boundary is the execution of a statement, a COMMIT among them.
    #[must_use]
    pub fn boundaries(&self) -> Vec<Boundary> {
        self.rules.boundaries()
    }

    /// Ends the recording and returns the boundaries since the mark.
    #[must_use]
    pub fn take_boundaries(&self) -> Vec<Boundary> {
        self.rules.take()
    }
}

async fn serve(number: u64, mut client: TcpStream, upstream: SocketAddr, rules: Arc<Rules>) {
    drop(client.set_nodelay(true));
    let Ok((packet, application)) = greet(&mut client).await else { return reset(client) };
    let Ok(mut server) = connect(upstream).await else { return reset(client) };
    if server.write_all(&packet).await.is_err() {
        return reset(client);
    }
    let Some(application) = application else {
        // The server does what it is asked, then closes: only then may the client be told that it is done.
        drop(server.read(&mut [0]).await);
        return;
    };
    let line = Line { number, rules, session: Mutex::new(Session::new(&application)) };
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let unread = BytesMut::new;
        let frontend = Frontend { line: &line, client: from_client, server: to_server, unread: unread(), own: 0 };
        let backend =
            Backend { line: &line, server: from_server, client: to_client, unread: unread(), withheld: unread() };
        tokio::try_join!(frontend.run(), backend.run())
    };
    if ended == Err(End::Reset) {
        reset(client);
        reset(server);
    }
}

/// Reads up to the first packet that concerns the server: with an application's name if it begins a session.
async fn greet(client: &mut TcpStream) -> Result<(Bytes, Option<String>), End> {
    loop {
        // No more than the packet is read, for what follows belongs to others.
        let mut packet = BytesMut::zeroed(8);
        client.read_exact(&mut packet).await?;
        let length = protocol::startup_length(&packet)?.unwrap_or(8);
        packet.resize(length, 0);
        client.read_exact(&mut packet[8..]).await?;
        match protocol::startup(&packet) {
            Startup::Encryption => client.write_all(b"N").await?,
            Startup::Cancel => return Ok((packet.freeze(), None)),
            Startup::Session { application } => return Ok((packet.freeze(), Some(application))),
        }
    }
}
