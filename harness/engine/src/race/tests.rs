//! The meeting place against servers that count what is complete.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use overdraft_model::history::Event;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{clock::Clock, progress::Progress, recorder};

/// What a server saw.
#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    complete: AtomicUsize,
}

impl Seen {
    fn complete(&self) -> usize {
        self.complete.load(Ordering::SeqCst)
    }
}

/// Answers each request with its own body once all of it is there.
async fn server(seen: Arc<Seen>, release: Release) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::SeqCst);
            let seen = Arc::clone(&seen);
            let service = service_fn(move |request: hyper::Request<Incoming>| {
                let seen = Arc::clone(&seen);
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    seen.complete.fetch_add(1, Ordering::SeqCst);
                    let answer = hyper::Response::builder().status(201).header("x-seen", "1").body(Full::new(body));
                    Ok::<_, hyper::Error>(answer.unwrap())
                }
            });
            let io = TokioIo::new(stream);
            match release {
                Release::LastByte => tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                }),
                Release::SingleWrite => tokio::spawn(async move {
                    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(io, service).await;
                }),
            };
        }
    });
    format!("http://{address}/buy?x=1")
}

fn request(url: &str, body: Option<&str>) -> Request {
    Request {
        method: if body.is_some() { reqwest::Method::POST } else { reqwest::Method::GET },
        url: url.to_owned(),
        headers: vec![("x-test".into(), "1".into())],
        body: body.map(|body| body.as_bytes().to_vec()),
    }
}

/// Has so many requests race, each with the body of its number; returns how many were complete when the last
/// one was ready, each one's answer, and the history.
async fn race(
    rendezvous: Rendezvous,
    seen: Arc<Seen>,
    url: &str,
    racers: usize,
    body: impl Fn(usize) -> Option<String>,
) -> (usize, Vec<Reply>, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let (recorder, writer) =
        recorder::open(&folder.path().join("h.jsonl"), Clock::start(), Progress::default()).unwrap();
    recorder.mark(Body::Scenario { name: "s".into() }).await.unwrap();
    let rendezvous = Arc::new(rendezvous);
    let racing = (0..racers).map(|op| {
        let (rendezvous, recorder, seen) = (Arc::clone(&rendezvous), recorder.clone(), Arc::clone(&seen));
        let request = request(url, body(op).as_deref());
        tokio::spawn(async move {
            let ready = rendezvous.get_ready(&request, &CancellationToken::new()).await.unwrap();
            // Nobody releases before everybody is recorded, and this one is not yet.
            let before = seen.complete();
            let told = rendezvous.release(ready, op as u64, &recorder, Duration::from_secs(20)).await.unwrap();
            (before, told.unwrap())
        })
    });
    let (mut before, mut replies) = (0, Vec::new());
    for racer in futures::future::join_all(racing).await {
        let (complete, reply) = racer.unwrap();
        before = before.max(complete);
        replies.push(reply);
    }
    drop(recorder);
    (before, replies, writer.finish().unwrap())
}

fn numbered(op: usize) -> Option<String> {
    Some(format!("{{\"op\":{op}}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_complete_before_all_are_released() {
    const RACERS: usize = 130;
    for (release, connections) in [(Release::LastByte, RACERS), (Release::SingleWrite, 2)] {
        let seen = Arc::new(Seen::default());
        let url = server(Arc::clone(&seen), release).await;
        let rendezvous = Rendezvous::new("r", RACERS, release);
        let (before, replies, events) = race(rendezvous, Arc::clone(&seen), &url, RACERS, numbered).await;
        assert_eq!(before, 0, "{release}: complete before the release");
        for (op, reply) in replies.iter().enumerate() {
            assert_eq!((reply.status, reply.headers.get("x-seen").is_some()), (201, true), "{release}");
            assert_eq!(Some(String::from_utf8_lossy(&reply.body).into_owned()), numbered(op), "{release}");
        }
        assert_eq!(seen.complete(), RACERS, "{release}");
        assert_eq!(seen.connections.load(Ordering::SeqCst), connections, "{release}");
        let Some(Body::Race { operations, planned, release: recorded, apart: None, .. }) =
            events.last().map(|event| event.body.clone())
        else {
            panic!("no race was recorded: {events:?}");
        };
        assert_eq!((operations.len(), planned, recorded), (RACERS, RACERS, release));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_with_and_without_a_body_share_a_write() {
    let seen = Arc::new(Seen::default());
    let url = server(Arc::clone(&seen), Release::SingleWrite).await;
    let body = |op: usize| match op % 3 {
        0 => None,
        1 => Some("x".into()),
        _ => Some("y".repeat(40_000)),
    };
    let rendezvous = Rendezvous::new("r", 30, Release::SingleWrite);
    let (before, replies, _) = race(rendezvous, Arc::clone(&seen), &url, 30, body).await;
    assert_eq!((before, seen.complete(), seen.connections.load(Ordering::SeqCst)), (0, 30, 1));
    for (op, reply) in replies.iter().enumerate() {
        assert_eq!(reply.body, Bytes::from(body(op).unwrap_or_default()), "request {op}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_released_as_far_apart_as_asked() {
    for release in [Release::LastByte, Release::SingleWrite] {
        let seen = Arc::new(Seen::default());
        let url = server(Arc::clone(&seen), release).await;
        let rendezvous = Rendezvous::new("r", 2, release).apart(Duration::from_millis(3));
        assert_eq!(rendezvous.spread(), None);
        let (before, replies, events) = race(rendezvous, Arc::clone(&seen), &url, 2, numbered).await;
        assert_eq!((before, replies.len(), seen.connections.load(Ordering::SeqCst)), (0, 2, 2));
        let Some(Body::Race { operations, spread, apart, .. }) = events.last().map(|event| event.body.clone()) else {
            panic!("no race was recorded: {events:?}");
        };
        assert_eq!((operations.len(), apart), (2, Some(3_000_000)));
        // Each moment is read beside its write, so a hair may be missing.
        assert!(spread >= 2_900_000, "{release}: {spread} ns apart");
    }
}

#[tokio::test]
async fn whoever_waits_for_others_leaves_when_stopped() {
    for release in [Release::LastByte, Release::SingleWrite] {
        let seen = Arc::new(Seen::default());
        let url = server(Arc::clone(&seen), release).await;
        let (rendezvous, stop) = (Rendezvous::new("r", 2, release), CancellationToken::new());
        stop.cancel();
        assert!(rendezvous.get_ready(&request(&url, Some("{}")), &stop).await.is_none());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(seen.complete(), 0, "{release}: a request that left the race was completed");
    }
}

#[tokio::test]
async fn nobody_there_is_not_sent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let request = request(&format!("http://{closed}/"), None);
    assert!(!last_byte::take_off(&request).await.unwrap_err().sent);
    assert!(!Lanes::default().take_off(&request).await.unwrap_err().sent);
}

#[tokio::test]
async fn who_does_not_speak_http_2_is_told_so_and_was_not_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let url = format!("http://{address}/");
    let lost = Lanes::default().take_off(&request(&url, Some("{}"))).await.unwrap_err();
    assert!(!lost.sent && lost.problem.contains("does not speak HTTP/2"), "{lost:?}");
    assert!(possible(Release::SingleWrite, &url).await.unwrap_err().contains("does not speak HTTP/2"));
    assert_eq!(possible(Release::LastByte, &url).await, Ok(()));
    let speaks = server(Arc::default(), Release::SingleWrite).await;
    assert_eq!(possible(Release::SingleWrite, &speaks).await, Ok(()));
}
