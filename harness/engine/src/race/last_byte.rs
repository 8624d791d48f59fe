//! HTTP/1.1: each request on a connection of its own, all of it written but its last byte.

use std::{
    io::Write,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Flight, GATHER_WITHIN, Held, Lost, wire};
use crate::http::{Reply, Request};

/// The last byte of a request and the socket that it belongs on.
#[derive(Debug)]
pub(super) struct LastByte {
    socket: std::net::TcpStream,
    byte: u8,
}

impl LastByte {
    /// Writes it.
    pub(super) fn let_go(&self) -> std::io::Result<()> {
        (&self.socket).write_all(&[self.byte])
    }
}

/// Connects and writes all of a request but its last byte.
pub(super) async fn take_off(request: &Request) -> Result<Flight, Lost> {
    begin(request).await.map_err(Lost::unsent)
}

async fn begin(request: &Request) -> Result<Flight, String> {
    let url = url::Url::parse(&request.url).map_err(|error| error.to_string())?;
    let stream = wire::connect(&wire::address(&request.url)?).await?;
    let stream = stream.into_std().map_err(|error| error.to_string())?;
    let socket = stream.try_clone().map_err(|error| error.to_string())?;
    let stream = TcpStream::from_std(stream).map_err(|error| error.to_string())?;

    let body = request.body.clone().unwrap_or_default();
    let gate = Arc::new(Gate::default());
    let gated = Gated { stream, gate: Arc::clone(&gate), body: body.len(), seen: Vec::new() };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(gated)).await.map_err(|error| error.to_string())?;
    let request = wire::head(request, &url[url::Position::BeforePath..], body.len())
        .header("host", &url[url::Position::BeforeHost..url::Position::AfterPort])
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    let answer = AbortOnDropHandle::new(tokio::spawn(async move {
        let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
        let answered = async {
            let answer = sender.send_request(request).await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Reply { status, headers, body })
        };
        answered.await.map_err(|error| error.to_string())
    }));
    let held = tokio::time::timeout(GATHER_WITHIN, gate.wait()).await;
    let byte = held.map_err(|_| "the request could not be written")?;
    Ok(Flight { held: Held::Byte(LastByte { socket, byte }), answer })
}

/// Tells when the last byte was held back, and which it is.
#[derive(Debug, Default)]
struct Gate {
    byte: Mutex<Option<u8>>,
    held: Notify,
}

impl Gate {
    fn hold(&self, byte: u8) {
        *self.byte.lock().unwrap_or_else(PoisonError::into_inner) = Some(byte);
        self.held.notify_one();
    }

    async fn wait(&self) -> u8 {
        loop {
            self.held.notified().await;
            let byte = *self.byte.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(byte) = byte {
                return byte;
            }
        }
    }
}

/// A connection that swallows the last byte of its one request. The HTTP library above believes that all
/// was written; whoever holds the byte writes it past this stream.
#[derive(Debug)]
struct Gated {
    stream: TcpStream,
    gate: Arc<Gate>,
    /// Length of the request's body.
    body: usize,
    /// All that was written so far.
    seen: Vec<u8>,
}

impl Gated {
    /// The request's whole length, known once its head is complete.
    fn whole(&self, more: &[u8]) -> Option<usize> {
        let mut all = self.seen.clone();
        all.extend_from_slice(more);
        all.windows(4).position(|four| four == b"\r\n\r\n").map(|head| head + 4 + self.body)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let last = self.whole(bytes).is_some_and(|whole| self.seen.len() + bytes.len() >= whole);
        let forward = if last { &bytes[..bytes.len() - 1] } else { bytes };
        let written = match forward {
            [] => 0,
            forward => match Pin::new(&mut self.stream).poll_write(cx, forward) {
                Poll::Ready(Ok(written)) => written,
                other => return other,
            },
        };
        self.seen.extend_from_slice(&forward[..written]);
        if last && written == forward.len() {
            self.seen.push(bytes[bytes.len() - 1]);
            self.gate.hold(bytes[bytes.len() - 1]);
            return Poll::Ready(Ok(bytes.len()));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
