//! A provider's HTTP server: hyper underneath, one function from request to reply on top.
//!
//! A reply may be lost: the request was worked on, then the connection closes without an answer. Nothing of a request
//! is kept here: a run may last for days.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, StatusCode, Uri,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::{calls::Calls, guard::locked};

/// What was asked, read to its end.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    /// A header's text, if it has one.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An answer, and how long it takes to come.
pub(crate) struct Response {
    answer: hyper::Response<Full<Bytes>>,
    after: Duration,
}

impl Response {
    /// One without a body, at once.
    pub(crate) fn new(status: u16) -> Self {
        let mut answer = hyper::Response::new(Full::default());
        *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self { answer, after: Duration::ZERO }
    }

    /// With a body.
    pub(crate) fn body(mut self, text: impl Into<Bytes>, content_type: &'static str) -> Self {
        *self.answer.body_mut() = Full::new(text.into());
        self.answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        self
    }

    /// With a document as its body.
    pub(crate) fn json(self, document: &Value) -> Self {
        self.body(document.to_string(), "application/json")
    }

    /// With a header; one that no header can hold is left out.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
        self
    }

    /// Later.
    pub(crate) const fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

/// What a request is met with.
pub(crate) enum Reply {
    /// An answer.
    Answer(Response),
    /// The connection closes without one.
    Lost,
}

/// Whatever answers requests. It is called for one request after the other.
pub(crate) trait Service: Send + Sync + 'static {
    /// Does what the request asks and replies.
    fn reply(&self, request: &Request) -> Reply;

    /// Its requests, one by one.
    fn calls(&self) -> &Calls;
}

/// A server on a loopback port. It and its connections end when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    accepting: JoinHandle<Infallible>,
}

impl Server {
    /// Starts on a free port.
    pub(crate) async fn start<S: Service>(service: Arc<S>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(accept(listener, Arc::new((service, Mutex::new(())))));
        Ok(Self { address, accepting })
    }

    /// Where it is, without a slash at the end.
    pub(crate) fn uri(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its connections belong to the task, and end with it.
        self.accepting.abort();
    }
}

/// A service, and the lock of whose turn it is.
type Shared<S> = Arc<(Arc<S>, Mutex<()>)>;

async fn accept<S: Service>(listener: TcpListener, shared: Shared<S>) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                let shared = Arc::clone(&shared);
                let answering = service_fn(move |request| answer(Arc::clone(&shared), request));
                // How it ended is the caller's business.
                connections.spawn(async move {
                    let _ = http1::Builder::new().header_read_timeout(None).serve_connection(TokioIo::new(stream), answering).await;
                });
            }
            Some(_) = connections.join_next() => {}
            // Out of descriptors: one may be free in a moment.
            else => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn answer<S: Service>(
    shared: Shared<S>,
    request: hyper::Request<Incoming>,
) -> io::Result<hyper::Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let request = Request { method: head.method, uri: head.uri, headers: head.headers, body };
    let reply = {
        let (service, turn) = &*shared;
        let _turn = locked(turn);
        service.calls().meet(&request, || service.reply(&request))
    };
    match reply {
        Reply::Lost => Err(io::ErrorKind::ConnectionReset.into()),
        Reply::Answer(Response { answer, after }) => {
            tokio::time::sleep(after).await;
            Ok(answer)
        }
    }
}
