//! A proxy for any TCP connection, with Toxiproxy's toxics, and some that begin by count.
//!
//! It understands nothing of what it carries, so TLS and HTTP/2 go through as they are; only to count requests
//! it reads HTTP/1. Toxics work in the order of their injection. A new connection while it is `down` is accepted
//! and reset at once, not refused: what is refused by the system cannot be counted as an effect.

mod bandwidth;
mod blackhole;
mod fitted;
mod latency;
mod limit_data;
mod piece;
mod pump;
mod requests;
mod slicer;
mod slow_close;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use overdraft_model::fault::toxic::{Stream, Toxic, ToxicAction};
use tokio::{net::TcpStream, sync::Notify};

use self::{
    fitted::Injected,
    pump::{Wire, pump},
};
use crate::{
    guard::Guard,
    listener::{End, Listener, ProxyError, connect, reset},
    row::Row,
};

/// A proxy in front of one address. Clones are the same proxy; it stops when the last one drops.
#[derive(Clone)]
pub struct TcpProxy {
    listener: Arc<Listener>,
    row: Arc<Row<Injected>>,
    requests: Arc<AtomicU64>,
    injections: Arc<AtomicU64>,
}

impl std::fmt::Debug for TcpProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpProxy").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl TcpProxy {
    /// Listens on a free loopback port, in front of `upstream`. What toxics leave to chance comes from the seed.
    ///
    /// # Errors
    /// Fails if no port can be had.
    pub async fn start(upstream: SocketAddr, seed: u64) -> Result<Self, ProxyError> {
        Self::start_at(0, upstream, seed).await
    }

    /// Listens on this loopback port.
    ///
    /// # Errors
    /// Fails if the port cannot be had.
    pub async fn start_at(port: u16, upstream: SocketAddr, seed: u64) -> Result<Self, ProxyError> {
        let (row, requests) = (Arc::<Row<Injected>>::default(), Arc::<AtomicU64>::default());
        let (of_wires, counted) = (Arc::clone(&row), Arc::clone(&requests));
        let listener = Listener::start(port, move |number, client| {
            let wire = Wire {
                number,
                seed,
                row: Arc::clone(&of_wires),
                requests: Arc::clone(&counted),
                last_request: AtomicU64::new(0),
                carried: Notify::new(),
            };
            serve(wire, client, upstream)
        })
        .await?;
        Ok(Self { listener: Arc::new(listener), row, requests, injections: Arc::default() })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// Puts a toxic behind those in place. It heals when the guard drops: what it kept back passes then.
    pub fn inject(&self, toxic: &Toxic) -> Guard {
        self.row.put(Injected {
            toxic: toxic.clone(),
            number: self.injections.fetch_add(1, Ordering::SeqCst),
            requests_before: self.requests.load(Ordering::SeqCst),
            hit: AtomicU32::new(0),
        })
    }
}

async fn serve(wire: Wire, mut client: TcpStream, upstream: SocketAddr) {
    drop(client.set_nodelay(true));
    for active in wire.row.all() {
        let injected = active.value();
        let down = matches!(injected.toxic.action, ToxicAction::Down {}) && injected.toxic.after.is_none();
        if down && injected.chooses(wire.seed, wire.number) && injected.claims() {
            active.hit();
            return reset(client);
        }
    }
    let Ok(mut server) = connect(upstream).await else { return reset(client) };
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::try_join!(
            pump(&wire, Stream::Upstream, from_client, to_server),
            pump(&wire, Stream::Downstream, from_server, to_client),
        )
    };
    if matches!(ended, Err(End::Reset)) {
        reset(client);
        reset(server);
    }
}
