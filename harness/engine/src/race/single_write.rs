//! HTTP/2: the requests to one instance share a connection, and what completes them leaves in one write.
//!
//! The technique is the "single-packet attack" of James Kettle ("Smashing the state machine", 2023): the
//! kernel sends one write of this size as one segment, so that jitter of the network cannot spread it.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::{
    Flight, GATHER_WITHIN, Held, Lost,
    gate::Gate,
    wire::{self, Address},
};
use crate::http::{Reply, Request};

/// Requests on one connection: as many as every server is asked to allow (RFC 9113, 6.5.2).
const STREAMS: usize = 100;

/// The connections of one race, by address.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    open: tokio::sync::Mutex<HashMap<Address, Vec<Lane>>>,
}

/// A connection and what it holds back.
#[derive(Debug, Clone)]
struct Lane {
    sender: SendRequest<Bytes>,
    gate: Arc<Gate>,
    taken: usize,
    /// The connection ends with the last request on it.
    connection: Arc<AbortOnDropHandle<()>>,
}

impl Lanes {
    /// Brings a request onto a connection that it shares with others of its race, but for what completes it.
    pub(super) async fn take_off(&self, request: &Request) -> Result<Flight, Lost> {
        let address = wire::address(&request.url).map_err(Lost::unsent)?;
        let lane = self.lane(address).await.map_err(Lost::unsent)?;
        send(lane, request).await
    }

    /// Forgets the connections: each ends when the answers on it are there.
    pub(super) async fn close(&self) {
        self.open.lock().await.clear();
    }

    /// A connection with room for one more.
    async fn lane(&self, address: Address) -> Result<Lane, String> {
        let mut open = self.open.lock().await;
        let lanes = open.entry(address.clone()).or_default();
        if lanes.last().is_none_or(|lane| lane.taken >= STREAMS.min(lane.sender.current_max_send_streams())) {
            lanes.push(connect(&address).await?);
        }
        let lane = lanes.last_mut().ok_or("no connection")?;
        lane.taken += 1;
        Ok(lane.clone())
    }
}

/// The same on a connection of its own.
pub(super) async fn take_off_alone(request: &Request) -> Result<Flight, Lost> {
    let address = wire::address(&request.url).map_err(Lost::unsent)?;
    let lane = connect(&address).await.map_err(Lost::unsent)?;
    send(lane, request).await
}

/// Whether an instance speaks HTTP/2 without being asked first.
pub(super) async fn spoken(base_url: &str) -> Result<(), String> {
    connect(&wire::address(base_url)?).await.map(drop)
}

async fn connect(address: &Address) -> Result<Lane, String> {
    let stream = wire::connect(address).await?;
    let shaken = tokio::time::timeout(GATHER_WITHIN, shake_hands(stream));
    shaken.await.map_err(|_| "nobody speaks HTTP/2 there".to_owned())?
}

/// The server's settings say how many streams it allows: nothing is asked before they are there.
async fn shake_hands(stream: TcpStream) -> Result<Lane, String> {
    let (gate, gated) = Gate::new(stream).map_err(|error| error.to_string())?;
    let (sender, mut connection) = h2::client::handshake(gated).await.map_err(|error| error.to_string())?;
    let pong = connection.ping_pong().ok_or("no ping on this connection")?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // What goes wrong is told to every request on it.
        let _ = connection.await;
    }));
    ping(pong).await?;
    Ok(Lane { sender, gate, taken: 0, connection: Arc::new(connection) })
}

async fn ping(mut pong: h2::PingPong) -> Result<(), String> {
    let speaks = |error: h2::Error| format!("it does not speak HTTP/2: {error}");
    pong.ping(h2::Ping::opaque()).await.map(drop).map_err(speaks)
}

async fn send(lane: Lane, request: &Request) -> Result<Flight, Lost> {
    let Lane { sender, gate, connection, .. } = lane;
    let body = Bytes::from(request.body.clone().unwrap_or_default());
    let head =
        wire::head(request, &request.url, body.len()).body(()).map_err(|error| Lost::unsent(error.to_string()))?;
    let mut sender = sender.ready().await.map_err(|error| Lost::unsent(error.to_string()))?;
    let refused = |error: h2::Error| Lost { sent: true, problem: error.to_string() };
    let (answer, mut stream) = sender.send_request(head, body.is_empty()).map_err(refused)?;
    let number = answer.stream_id().as_u32();
    if !body.is_empty() {
        let last = body.len() - 1;
        if last > 0 {
            stream.send_data(body.slice(..last), false).map_err(refused)?;
        }
        stream.send_data(body.slice(last..), true).map_err(refused)?;
    }
    let mut answer = AbortOnDropHandle::new(tokio::spawn(async move {
        let reply = read(answer).await.map_err(|error| error.to_string());
        drop((stream, connection));
        reply
    }));
    let lost = |problem: String| Err(Lost { sent: true, problem });
    tokio::select! {
        () = gate.holds(number) => Ok(Flight { held: Held::Gate(gate), answer }),
        early = &mut answer => match early {
            Ok(Ok(reply)) => lost(format!("answered {} before the request was complete", reply.status)),
            Ok(Err(problem)) => lost(problem),
            Err(join) => lost(join.to_string()),
        },
        () = tokio::time::sleep(GATHER_WITHIN) => lost("the request could not be written".into()),
    }
}

async fn read(answer: ResponseFuture) -> Result<Reply, h2::Error> {
    let (head, mut incoming) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = incoming.data().await {
        let data = data?;
        incoming.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: body.into() })
}
