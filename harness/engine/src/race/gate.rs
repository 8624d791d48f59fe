//! A connection that holds back what completes the requests of a race, until all of it leaves in one write.
//!
//! HTTP/2 forbids some orders: header blocks are compressed one against the other and streams open in the
//! order of their numbers. So once the headers of a request without a body are held, every header block
//! after them waits too; what belongs to a stream that is held waits behind it. Frames of the connection
//! itself pass always: without their acknowledgements the server would give the connection up.

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Write},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
};

use super::frames::{Cutter, Frame, Piece};

/// What a connection holds back. Open for good once it was let go.
#[derive(Debug)]
pub(super) struct Gate {
    socket: std::net::TcpStream,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: bool,
    /// Streams of which a frame is held.
    streams: BTreeSet<u32>,
    /// Streams whose last frame is held.
    complete: BTreeSet<u32>,
    headers_held: bool,
    held: Vec<u8>,
    /// What is to leave now.
    outgoing: Vec<u8>,
    writer: Option<Waker>,
}

impl State {
    fn sort(&mut self, frame: Frame) {
        let waits = frame.completes || self.streams.contains(&frame.stream) || (frame.headers && self.headers_held);
        if self.open || frame.stream == 0 || !waits {
            self.outgoing.extend(frame.bytes);
            return;
        }
        self.headers_held |= frame.headers;
        self.streams.insert(frame.stream);
        if frame.completes {
            self.complete.insert(frame.stream);
        }
        self.held.extend(frame.bytes);
    }

    fn written(&mut self, bytes: usize) {
        self.outgoing.drain(..bytes);
    }
}

impl Gate {
    /// A closed gate before this socket, and the stream to write requests to.
    pub(super) fn new(stream: TcpStream) -> std::io::Result<(Arc<Self>, Gated)> {
        let stream = stream.into_std()?;
        let socket = stream.try_clone()?;
        let stream = TcpStream::from_std(stream)?;
        let gate = Arc::new(Self { socket, state: Mutex::default(), changed: Notify::new() });
        Ok((Arc::clone(&gate), Gated { stream, gate, cutter: Cutter::default() }))
    }

    /// Waits until nothing of a stream is missing but what is held.
    pub(super) async fn holds(&self, stream: u32) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let held = {
                let state = self.state();
                state.open || state.complete.contains(&stream)
            };
            if held {
                return;
            }
            changed.await;
        }
    }

    /// Writes all that is held at once, and holds nothing back from now on.
    pub(super) fn let_go(&self) -> std::io::Result<()> {
        let mut state = self.state();
        state.open = true;
        let held = std::mem::take(&mut state.held);
        state.outgoing.extend(held);
        while !state.outgoing.is_empty() {
            match (&self.socket).write(&state.outgoing) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => state.written(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The rest leaves as soon as there is room for it.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if let Some(writer) = state.writer.take() {
                        writer.wake();
                    }
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the HTTP library writes its requests to. It believes that all was written.
#[derive(Debug)]
pub(super) struct Gated {
    stream: TcpStream,
    gate: Arc<Gate>,
    cutter: Cutter,
}

impl Gated {
    /// Writes what is to leave now.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut state = self.gate.state();
        state.writer = Some(cx.waker().clone());
        while !state.outgoing.is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, &state.outgoing) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => state.written(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.drain(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
        let this = &mut *self;
        this.cutter.take(bytes);
        let mut state = this.gate.state();
        while let Some(piece) = this.cutter.next() {
            match piece {
                Piece::Preface(bytes) => state.outgoing.extend(bytes),
                Piece::Frame(frame) => state.sort(frame),
            }
        }
        drop(state);
        this.gate.changed.notify_waiters();
        // What cannot leave yet does so with the next write or flush.
        match this.drain(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.drain(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_flush(cx),
            other => other,
        }
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn frame(stream: u32, completes: bool, headers: bool, bytes: &[u8]) -> Frame {
        Frame { stream, completes, headers, bytes: bytes.to_vec() }
    }

    #[test]
    fn what_completes_a_request_waits_and_what_may_not_overtake_it_too() {
        let mut state = State::default();
        for (stream, completes, headers, bytes) in [
            (0, false, false, "settings "),
            (1, false, true, "headers-1 "),
            (1, false, false, "body-1 "),
            (1, true, false, "last-1 "),
            (3, true, true, "headers-3 "),
            (3, false, true, "more-3 "),
            (5, false, true, "headers-5 "),
            (5, true, false, "last-5 "),
            (1, false, false, "reset-1 "),
            (0, false, false, "ping "),
        ] {
            state.sort(frame(stream, completes, headers, bytes.as_bytes()));
        }
        assert_eq!(String::from_utf8_lossy(&state.outgoing), "settings headers-1 body-1 ping ");
        let held = String::from_utf8_lossy(&state.held).into_owned();
        assert_eq!(held, "last-1 headers-3 more-3 headers-5 last-5 reset-1 ");
        assert_eq!(state.complete, [1, 3, 5].into());
        state.open = true;
        state.sort(frame(7, true, true, b"headers-7"));
        assert!(state.outgoing.ends_with(b"headers-7"));
    }

    #[tokio::test]
    async fn all_that_is_held_leaves_in_one_write() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let (gate, mut gated) = Gate::new(client).unwrap();
        let raw = |kind: u8, flags: u8, stream: u8, payload: &[u8]| {
            let length = u8::try_from(payload.len()).unwrap();
            [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
        };
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let headers: Vec<u8> = (0..100).flat_map(|n| raw(0x1, 0x4, 2 * n + 1, b"head")).collect();
        let last: Vec<u8> = (0..100).flat_map(|n| raw(0x0, 0x1, 2 * n + 1, b"!")).collect();
        gated.write_all(&[preface.clone(), headers.clone(), last.clone()].concat()).await.unwrap();
        gated.flush().await.unwrap();
        gate.holds(199).await;
        let mut early = vec![0; preface.len() + headers.len()];
        server.read_exact(&mut early).await.unwrap();
        assert_eq!(early, [preface, headers].concat());
        let mut buffer = vec![0; 65_536];
        assert!(server.try_read(&mut buffer).is_err(), "something left before it was let go");
        gate.let_go().unwrap();
        let read = server.read(&mut buffer).await.unwrap();
        assert_eq!(buffer[..read], last, "it came in more than one piece");
    }
}
