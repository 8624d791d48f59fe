//! A provider's HTTP server: wiremock underneath, one function from request to reply on top.
//!
//! A reply may be lost: the request was worked on, then the connection closes without an answer.
//! wiremock decides by a mock's matcher whether an answer or an error follows, so the work is done inside
//! the first mock's matcher. wiremock takes one lock from the first matcher to the answer of one request
//! (`MountedMockSet::handle_request`), hence one request's answer never meets another request.

use std::{
    io,
    sync::{Arc, Mutex},
};

use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate, matchers::any};

use crate::{calls::Calls, guard::locked};

/// What a request is met with.
pub(crate) enum Reply {
    /// An answer.
    Answer(ResponseTemplate),
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

struct Worker<S> {
    service: Arc<S>,
    answer: Arc<Mutex<Option<ResponseTemplate>>>,
}

impl<S: Service> Match for Worker<S> {
    fn matches(&self, request: &Request) -> bool {
        match self.service.calls().meet(request, || self.service.reply(request)) {
            Reply::Lost => true,
            Reply::Answer(answer) => {
                *locked(&self.answer) = Some(answer);
                false
            }
        }
    }
}

/// Starts a server on a free loopback port. It stops when the returned value drops.
pub(crate) async fn serve<S: Service>(service: Arc<S>) -> MockServer {
    let server = MockServer::builder().disable_request_recording().start().await;
    let answer = Arc::default();
    Mock::given(Worker { service, answer: Arc::clone(&answer) })
        .respond_with_err(|_: &Request| io::Error::from(io::ErrorKind::ConnectionReset))
        .with_priority(1)
        .mount(&server)
        .await;
    Mock::given(any())
        .respond_with(move |_: &Request| locked(&answer).take().unwrap_or_else(|| ResponseTemplate::new(500)))
        .with_priority(2)
        .mount(&server)
        .await;
    server
}
