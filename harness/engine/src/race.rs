//! Requests released together: each is on the wire but for its last byte, then all last bytes leave at once.
//!
//! A barrier before ordinary requests spreads their arrival over milliseconds, because each still has to
//! be written, routed and parsed. With last-byte synchronisation the server holds all of them complete
//! but for one byte. The technique is James Kettle's ("Smashing the state machine", 2023).

use std::{
    io::Write,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use overdraft_model::history::Body;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{Notify, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Reply, Request},
    recorder::{Recorder, RecorderError},
};

/// How long the first to arrive waits for the last.
const GATHER_WITHIN: Duration = Duration::from_secs(10);
/// Between the last request's arrival and the release, so that servers have read what is there.
const SETTLE: Duration = Duration::from_millis(50);

/// Where the requests of one race meet.
#[derive(Debug)]
pub struct Rendezvous {
    name: String,
    planned: usize,
    line: Mutex<Line>,
    sealed: watch::Sender<bool>,
    released: watch::Sender<bool>,
}

/// Who takes part is settled once, when the race is sealed: everybody has arrived, or gathering took too
/// long. From then on all who are in it will fall in, and the last one to do so releases all.
#[derive(Debug, Default)]
struct Line {
    arrived: usize,
    sealed: bool,
    fallen_in: Vec<(u64, Option<Held>)>,
}

/// The last byte of a request and the socket that it belongs on.
#[derive(Debug)]
struct Held {
    socket: std::net::TcpStream,
    byte: u8,
}

/// A request on its way but for its last byte.
#[derive(Debug)]
pub struct Ready {
    /// None if it could not be brought that far, with the reason.
    flight: Result<Flight, String>,
    joined: bool,
}

#[derive(Debug)]
struct Flight {
    held: Held,
    answer: JoinHandle<Result<Reply, String>>,
}

/// No answer came.
#[derive(Debug)]
pub struct Lost {
    /// Whether the request had left.
    pub sent: bool,
    /// What happened on the wire.
    pub problem: String,
}

impl Rendezvous {
    /// A meeting place for `planned` requests.
    #[must_use]
    pub fn new(name: impl Into<String>, planned: usize) -> Self {
        Self {
            name: name.into(),
            planned,
            line: Mutex::default(),
            sealed: watch::channel(false).0,
            released: watch::channel(false).0,
        }
    }

    /// Brings a request onto the wire but for its last byte, and waits until everybody has. None if `stop` came
    /// first: the request was then never completed.
    pub async fn get_ready(&self, request: &Request, stop: &CancellationToken) -> Option<Ready> {
        let flight = take_off(request).await;
        let joined = self.arrive();
        let mut sealed = self.sealed.subscribe();
        tokio::select! {
            biased;
            _ = sealed.wait_for(|sealed| *sealed) => {}
            () = stop.cancelled() => if self.leave() { return None },
            () = tokio::time::sleep(GATHER_WITHIN) => self.seal(),
        }
        tokio::time::sleep(SETTLE).await;
        Some(Ready { flight, joined })
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request is part of the race.
    fn arrive(&self) -> bool {
        let mut line = self.line();
        if line.sealed {
            return false;
        }
        line.arrived += 1;
        if line.arrived >= self.planned {
            line.sealed = true;
            self.sealed.send_replace(true);
        }
        true
    }

    /// Whether leaving was still possible.
    fn leave(&self) -> bool {
        let mut line = self.line();
        if !line.sealed {
            line.arrived -= 1;
        }
        !line.sealed
    }

    fn seal(&self) {
        self.line().sealed = true;
        self.sealed.send_replace(true);
    }

    /// Waits until everybody else is recorded too, lets the last byte go, and waits for the answer.
    ///
    /// # Errors
    /// Fails if the race cannot be recorded. A lost answer is not an error.
    pub async fn release(
        &self,
        ready: Ready,
        op: u64,
        recorder: &Recorder,
        within: Duration,
    ) -> Result<Result<Reply, Lost>, RecorderError> {
        let (held, answer) = match ready.flight {
            Ok(flight) => (Some(flight.held), Ok(flight.answer)),
            Err(problem) => (None, Err(problem)),
        };
        if ready.joined {
            self.fall_in(op, held, recorder).await?;
        } else if let Some(held) = held {
            // Too late for the race: an ordinary request, not counted among the racers.
            let _ = let_go(&held);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(problem) => return Ok(Err(Lost { sent: false, problem })),
        };
        let abort = answer.abort_handle();
        Ok(match tokio::time::timeout(within, answer).await {
            Ok(Ok(Ok(answered))) => Ok(answered),
            Ok(Ok(Err(problem))) => Err(Lost { sent: true, problem }),
            Ok(Err(join)) => Err(Lost { sent: true, problem: join.to_string() }),
            Err(_) => {
                abort.abort();
                Err(Lost { sent: true, problem: "timed out".into() })
            }
        })
    }

    /// The last one to fall in releases all.
    async fn fall_in(&self, op: u64, held: Option<Held>, recorder: &Recorder) -> Result<(), RecorderError> {
        let everybody = {
            let mut line = self.line();
            line.fallen_in.push((op, held));
            (line.fallen_in.len() >= line.arrived).then(|| std::mem::take(&mut line.fallen_in))
        };
        let Some(everybody) = everybody else {
            let _ = self.released.subscribe().wait_for(|released| *released).await;
            return Ok(());
        };
        let before = recorder.clock().ns();
        let mut operations = Vec::with_capacity(everybody.len());
        let mut last = before;
        for (op, held) in &everybody {
            if held.as_ref().is_some_and(|held| let_go(held).is_ok()) {
                operations.push(*op);
                last = recorder.clock().ns();
            }
        }
        self.released.send_replace(true);
        let spread = last - before;
        recorder.mark(Body::Race { name: self.name.clone(), operations, planned: self.planned, spread }).await
    }
}

fn let_go(held: &Held) -> std::io::Result<()> {
    (&held.socket).write_all(&[held.byte])
}

/// Connects and writes all of a request but its last byte.
async fn take_off(request: &Request) -> Result<Flight, String> {
    let url = url::Url::parse(&request.url).map_err(|error| error.to_string())?;
    if url.scheme() != "http" {
        return Err("races are released on plain HTTP only".into());
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let stream = TcpStream::connect((host.as_str(), port)).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream = stream.into_std().map_err(|error| error.to_string())?;
    let socket = stream.try_clone().map_err(|error| error.to_string())?;
    let stream = TcpStream::from_std(stream).map_err(|error| error.to_string())?;

    let body = request.body.clone().unwrap_or_default();
    let gate = Arc::new(Gate::default());
    let gated = Gated { stream, gate: Arc::clone(&gate), body: body.len(), seen: Vec::new() };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(gated)).await.map_err(|error| error.to_string())?;
    let path = url[url::Position::BeforePath..].to_owned();
    let mut builder = hyper::Request::builder()
        .method(request.method.clone())
        .uri(path)
        .header("host", url[url::Position::BeforeHost..url::Position::AfterPort].to_owned());
    if !body.is_empty() {
        builder = builder.header("content-length", body.len());
    }
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    let request = builder.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())?;
    let answer = tokio::spawn(async move {
        let connection = tokio::spawn(connection);
        let answered = async {
            let answer = sender.send_request(request).await?;
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let body = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Reply { status, headers, body })
        }
        .await;
        connection.abort();
        answered.map_err(|error| error.to_string())
    });
    match tokio::time::timeout(GATHER_WITHIN, gate.wait()).await {
        Ok(byte) => Ok(Flight { held: Held { socket, byte }, answer }),
        Err(_) => {
            answer.abort();
            Err("the request could not be written".into())
        }
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::{clock::Clock, progress::Progress, recorder};

    /// Answers each request once its whole body is there, and counts the complete ones.
    async fn server(complete: Arc<AtomicUsize>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let complete = Arc::clone(&complete);
                tokio::spawn(async move {
                    let mut seen = Vec::new();
                    while !seen.ends_with(b"{\"x\":1}") {
                        let mut buffer = [0; 512];
                        let read = stream.read(&mut buffer).await.unwrap();
                        assert!(read > 0, "the connection closed after {seen:?}");
                        seen.extend_from_slice(&buffer[..read]);
                    }
                    complete.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                });
            }
        });
        format!("http://{address}/buy?x=1")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_request_is_complete_before_all_are_released() {
        const RACERS: usize = 100;
        let complete = Arc::new(AtomicUsize::new(0));
        let url = server(Arc::clone(&complete)).await;
        let folder = tempfile::tempdir().unwrap();
        let (recorder, writer) =
            recorder::open(&folder.path().join("h.jsonl"), Clock::start(), Progress::default()).unwrap();
        recorder.mark(Body::Scenario { name: "s".into() }).await.unwrap();
        let rendezvous = Arc::new(Rendezvous::new("r", RACERS));
        let request = Request {
            method: reqwest::Method::POST,
            url,
            headers: vec![("x-test".into(), "1".into())],
            body: Some(b"{\"x\":1}".to_vec()),
        };
        let racers = (0..RACERS as u64).map(|op| {
            let (rendezvous, request, recorder, complete) =
                (Arc::clone(&rendezvous), request.clone(), recorder.clone(), Arc::clone(&complete));
            tokio::spawn(async move {
                let ready = rendezvous.get_ready(&request, &CancellationToken::new()).await.unwrap();
                let before = complete.load(Ordering::SeqCst);
                let told = rendezvous.release(ready, op, &recorder, Duration::from_secs(5)).await.unwrap();
                (before, told.unwrap())
            })
        });
        for racer in futures::future::join_all(racers).await {
            let (_, Reply { status, body, .. }) = racer.unwrap();
            assert_eq!((status, body.as_ref()), (201, b"ok".as_slice()));
        }
        assert_eq!(complete.load(Ordering::SeqCst), RACERS);
        drop(recorder);
        let events = writer.finish().unwrap();
        let Some(Body::Race { operations, planned, .. }) = events.last().map(|event| event.body.clone()) else {
            panic!("no race was recorded: {events:?}");
        };
        assert_eq!((operations.len(), planned), (RACERS, RACERS));
    }

    #[tokio::test]
    async fn the_last_byte_is_held_until_it_is_let_go() {
        let complete = Arc::new(AtomicUsize::new(0));
        let url = server(Arc::clone(&complete)).await;
        let request =
            Request { method: reqwest::Method::POST, url, headers: vec![], body: Some(b"{\"x\":1}".to_vec()) };
        let flight = take_off(&request).await.unwrap();
        assert_eq!(flight.held.byte, b'}');
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(complete.load(Ordering::SeqCst), 0, "the request was complete before its last byte");
        let_go(&flight.held).unwrap();
        assert_eq!(flight.answer.await.unwrap().unwrap().status, 201);
    }

    #[tokio::test]
    async fn whoever_waits_for_others_leaves_when_stopped() {
        let complete = Arc::new(AtomicUsize::new(0));
        let url = server(Arc::clone(&complete)).await;
        let request =
            Request { method: reqwest::Method::POST, url, headers: vec![], body: Some(b"{\"x\":1}".to_vec()) };
        let (rendezvous, stop) = (Rendezvous::new("r", 2), CancellationToken::new());
        stop.cancel();
        assert!(rendezvous.get_ready(&request, &stop).await.is_none());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(complete.load(Ordering::SeqCst), 0, "a request that left the race was completed");
    }

    #[tokio::test]
    async fn nobody_there_is_not_sent() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let request =
            Request { method: reqwest::Method::GET, url: format!("http://{closed}/"), headers: vec![], body: None };
        assert!(take_off(&request).await.is_err());
    }
}
