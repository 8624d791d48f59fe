//! How far apart 100 requests of one race arrive, for each way of releasing them. What criterion shows as time
//! is that spread: from the first request that the server had whole to the last.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::{Request as Incoming, Response, body, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use overdraft_engine::{
    clock::Clock,
    http::Request,
    progress::Progress,
    race::Rendezvous,
    recorder::{self, Recorder},
};
use overdraft_model::{history::Body, release::Release};
use tokio::{net::TcpListener, runtime::Runtime, sync::Barrier};
use tokio_util::sync::CancellationToken;

const RACERS: usize = 100;
const WITHIN: Duration = Duration::from_secs(30);

/// When the server had each request whole.
type Arrivals = Arc<Mutex<Vec<Instant>>>;

/// A server of HTTP/1.1 and HTTP/2 on a runtime of its own.
fn server(arrivals: Arrivals) -> (Runtime, String) {
    let runtime = Runtime::new().expect("a runtime");
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            let arrivals = Arc::clone(&arrivals);
            let service = service_fn(move |request: Incoming<body::Incoming>| {
                let arrivals = Arc::clone(&arrivals);
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
                    Ok::<_, hyper::Error>(Response::new(Full::new(body)))
                }
            });
            tokio::spawn(async move {
                auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    (runtime, format!("http://{address}/buy"))
}

/// The first to the last arrival; every request must be there.
fn spread(arrivals: &Arrivals) -> Duration {
    let arrivals = std::mem::take(&mut *arrivals.lock().unwrap_or_else(PoisonError::into_inner));
    assert_eq!(arrivals.len(), RACERS, "requests went astray");
    let (first, last) = (arrivals.iter().min().expect("an arrival"), arrivals.iter().max().expect("an arrival"));
    *last - *first
}

/// Clients with a warm connection each behind a barrier: what most load generators do.
async fn plain(clients: &[reqwest::Client], url: &str) {
    let barrier = Arc::new(Barrier::new(RACERS));
    let racing = clients.iter().map(|client| {
        let (barrier, request) = (Arc::clone(&barrier), client.post(url).body("{\"x\":1}"));
        tokio::spawn(async move {
            barrier.wait().await;
            request.send().await.expect("an answer").bytes().await.expect("a body")
        })
    });
    join_all(racing).await.into_iter().for_each(|racer| assert!(!racer.expect("a racer").is_empty()));
}

async fn released(release: Release, url: &str, recorder: &Recorder) {
    let rendezvous = Arc::new(Rendezvous::new("bench", RACERS, release));
    let request = Request {
        method: reqwest::Method::POST,
        url: url.to_owned(),
        headers: vec![("content-type".into(), "application/json".into())],
        body: Some(b"{\"x\":1}".to_vec()),
    };
    let racing = (0..RACERS as u64).map(|op| {
        let (rendezvous, request, recorder) = (Arc::clone(&rendezvous), request.clone(), recorder.clone());
        tokio::spawn(async move {
            let ready = rendezvous.get_ready(&request, &CancellationToken::new()).await.expect("a request");
            rendezvous.release(ready, op, &recorder, WITHIN).await.expect("a record").expect("an answer")
        })
    });
    join_all(racing).await.into_iter().for_each(|racer| assert_eq!(racer.expect("a racer").status, 200));
}

fn spreads(criterion: &mut Criterion) {
    let arrivals = Arrivals::default();
    let (_server, url) = server(Arc::clone(&arrivals));
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, _writer) =
        recorder::open(&folder.path().join("history.jsonl"), Clock::start(), Progress::default()).expect("a file");
    runtime.block_on(recorder.mark(Body::Scenario { name: "bench".into() })).expect("a record");
    let clients: Vec<reqwest::Client> = (0..RACERS).map(|_| reqwest::Client::new()).collect();
    runtime.block_on(plain(&clients, &url));
    spread(&arrivals);
    let mut group = criterion.benchmark_group("spread of 100 requests");
    group.bench_function("warm clients behind a barrier", |bencher| {
        bencher.iter_custom(|races| {
            let one = |_| {
                runtime.block_on(plain(&clients, &url));
                spread(&arrivals)
            };
            (0..races).map(one).sum()
        });
    });
    for release in [Release::LastByte, Release::SingleWrite] {
        group.bench_function(release.to_string(), |bencher| {
            bencher.iter_custom(|races| {
                let one = |_| {
                    runtime.block_on(released(release, &url, &recorder));
                    spread(&arrivals)
                };
                (0..races).map(one).sum()
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // A spread of a millisecond costs a race of a hundred: the times are nominal, the samples count.
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(20));
    targets = spreads
}
criterion_main!(benches);
