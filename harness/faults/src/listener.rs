//! What both proxies stand on: a loopback port, a task per connection, and how a connection ends.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// Why a proxy cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Its port cannot be had.
    #[error("a proxy cannot listen on 127.0.0.1:{port}: {source}; free that port, or let the system choose with 0")]
    Listen {
        /// The port asked for.
        port: u16,
        /// What the system said.
        source: std::io::Error,
    },
    /// A fault's pattern is not a regular expression.
    #[error("`pattern` of a statement fault is not a regular expression: {0}")]
    Pattern(#[from] regex::Error),
    /// A fault's SQLSTATE is none.
    #[error("`{0}` is not an SQLSTATE: write five digits and capital letters that do not begin with 00, such as 40001")]
    Sqlstate(String),
}

/// How a connection ends when it is not by its peers' own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Both sides are closed: they read an end of file.
    Close,
    /// Both sides get a RST.
    Reset,
}

impl From<std::io::Error> for End {
    /// A peer that failed us failed its other peer too.
    fn from(_: std::io::Error) -> Self {
        Self::Reset
    }
}

/// A listening port. It and all its connections end when this drops.
pub(crate) struct Listener {
    address: SocketAddr,
    task: AbortHandle,
}

impl Listener {
    /// Listens on this loopback port (0: any free one) and gives each connection to `serve`, numbered from 0.
    pub(crate) async fn start<F, Fut>(port: u16, serve: F) -> Result<Self, ProxyError>
    where
        F: Fn(u64, TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let error = |source| ProxyError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        let task = tokio::spawn(accept(listener, serve)).abort_handle();
        Ok(Self { address, task })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept<F, Fut>(listener: TcpListener, serve: F)
where
    F: Fn(u64, TcpStream) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(number, stream));
                    number += 1;
                }
                // Out of descriptors, or the peer has gone: neither is repaired by trying again at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

/// Connects to where a proxy leads, without Nagle's delay.
pub(crate) async fn connect(upstream: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(upstream).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Closes with a RST: what is unsent is dropped, and the peer's next read or write fails.
pub(crate) fn reset(stream: TcpStream) {
    // If the option cannot be set the socket is closed in the usual way, which is the next best.
    drop(SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
}
