//! What each toxic does on the wire, and that it heals.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    time::{Duration, Instant},
};

use overdraft_faults::tcp::TcpProxy;
use overdraft_model::fault::toxic::{After, Stream, Toxic, ToxicAction};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

const UP: Stream = Stream::Upstream;
const DOWN: Stream = Stream::Downstream;

/// Sends back whatever comes, and closes when its peer does.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn proxy() -> TcpProxy {
    TcpProxy::start(echo().await, 7).await.unwrap()
}

async fn connect(proxy: &TcpProxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Sends this and reads as much back.
async fn there_and_back(stream: &mut TcpStream, data: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(data).await?;
    let mut back = vec![0; data.len()];
    timeout(Duration::from_secs(20), stream.read_exact(&mut back)).await.expect("an answer or an end")?;
    Ok(back)
}

async fn passes(stream: &mut TcpStream) -> bool {
    there_and_back(stream, b"hello").await.is_ok_and(|back| back == b"hello")
}

fn is_reset(result: std::io::Result<Vec<u8>>) -> bool {
    result.is_err_and(|error| matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe))
}

#[tokio::test]
async fn without_a_toxic_all_passes_and_ends_are_passed_on() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let long: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect();
    let (mut from, mut to) = stream.split();
    let sends = async {
        to.write_all(&long).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut back = Vec::new();
    let (_, read) = tokio::join!(sends, from.read_to_end(&mut back));
    read.unwrap();
    assert!(back == long, "{} of {} bytes came back, or others", back.len(), long.len());
    let address = proxy.address();
    let mut open = connect(&proxy).await;
    assert!(passes(&mut open).await);
    drop(proxy);
    assert!(!passes(&mut open).await, "a connection outlived its proxy");
    assert!(TcpStream::connect(address).await.is_err(), "the port outlived its proxy");
}

#[tokio::test]
async fn down_resets_what_is_open_and_what_comes() {
    let proxy = proxy().await;
    let mut open = connect(&proxy).await;
    assert!(passes(&mut open).await);
    let guard = proxy.inject(&Toxic::new(DOWN, ToxicAction::Down {}));
    assert!(is_reset(there_and_back(&mut open, b"x").await));
    assert!(!passes(&mut connect(&proxy).await).await);
    assert_eq!(guard.heal(), 2);
    assert!(passes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn reset_peer_resets_and_heals() {
    let proxy = proxy().await;
    let guard = proxy.inject(&Toxic::new(DOWN, ToxicAction::ResetPeer { timeout: 30 }));
    let mut stream = connect(&proxy).await;
    assert!(is_reset(there_and_back(&mut stream, b"x").await));
    assert!(guard.heal() >= 1);
    assert!(passes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn latency_is_added_in_its_direction_and_healing_lets_go() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let late = ToxicAction::Latency { latency: 120, jitter: 0 };
    let guards = [UP, DOWN].map(|stream| proxy.inject(&Toxic::new(stream, late)));
    let began = Instant::now();
    assert!(passes(&mut stream).await);
    assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
    assert!(guards.map(|guard| guard.heal()).iter().all(|effects| *effects >= 1));
    let guard = proxy.inject(&Toxic::new(UP, ToxicAction::Latency { latency: 3_600_000, jitter: 0 }));
    stream.write_all(b"hello").await.unwrap();
    while guard.effects() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(guard);
    let mut back = [0; 5];
    timeout(Duration::from_secs(20), stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"hello");
}

#[tokio::test]
async fn bandwidth_and_slicer_take_their_time_and_lose_nothing() {
    let proxy = proxy().await;
    let mut stream = connect(&proxy).await;
    let data = vec![b'x'; 20_000];
    for toxic in [
        ToxicAction::Bandwidth { rate: 100 },
        ToxicAction::Slicer { average_size: 1_000, size_variation: 100, delay: 15_000 },
    ] {
        let guard = proxy.inject(&Toxic::new(UP, toxic));
        let began = Instant::now();
        assert_eq!(there_and_back(&mut stream, &data).await.unwrap(), data);
        assert!(began.elapsed() >= Duration::from_millis(150), "{toxic:?}: {:?}", began.elapsed());
        assert!(guard.heal() >= 1);
    }
    assert!(passes(&mut stream).await);
}

#[tokio::test]
async fn timeout_stops_everything_then_closes() {
    let proxy = proxy().await;
    let guard = proxy.inject(&Toxic::new(DOWN, ToxicAction::Timeout { timeout: 80 }));
    let mut stream = connect(&proxy).await;
    let error = there_and_back(&mut stream, b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(guard.heal() >= 1);
    let guard = proxy.inject(&Toxic::new(DOWN, ToxicAction::Timeout { timeout: 0 }));
    let mut stream = connect(&proxy).await;
    stream.write_all(b"kept").await.unwrap();
    let mut back = [0; 4];
    assert!(timeout(Duration::from_millis(150), stream.read_exact(&mut back)).await.is_err(), "it answered");
    assert_eq!(guard.heal(), 1);
    timeout(Duration::from_secs(20), stream.read_exact(&mut back)).await.unwrap().unwrap();
    assert_eq!(&back, b"kept");
}

#[tokio::test]
async fn slow_close_delays_the_end_only() {
    let proxy = proxy().await;
    for injects in [true, false] {
        let toxic = Toxic::new(DOWN, ToxicAction::SlowClose { delay: 150 });
        let guard = injects.then(|| proxy.inject(&toxic));
        let mut stream = connect(&proxy).await;
        assert!(passes(&mut stream).await);
        let began = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        assert!(!injects || began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
        assert_eq!(guard.map_or(0, |guard| guard.heal()), u64::from(injects));
    }
}

#[tokio::test]
async fn limit_data_closes_after_so_many_bytes() {
    let proxy = proxy().await;
    let guard = proxy.inject(&Toxic::new(DOWN, ToxicAction::LimitData { bytes: 7 }));
    let mut stream = connect(&proxy).await;
    assert!(passes(&mut stream).await);
    stream.write_all(b"world").await.unwrap();
    let mut rest = Vec::new();
    drop(stream.read_to_end(&mut rest).await);
    assert_eq!(rest, b"wo");
    assert_eq!(guard.heal(), 1);
    assert!(passes(&mut connect(&proxy).await).await);
}

#[tokio::test]
async fn toxics_begin_by_count() {
    let proxy = proxy().await;
    let reset =
        |stream, after| Toxic { after: Some(after), ..Toxic::new(stream, ToxicAction::ResetPeer { timeout: 0 }) };
    let guard = proxy.inject(&reset(UP, After::Bytes(10)));
    let mut stream = connect(&proxy).await;
    assert!(passes(&mut stream).await);
    assert!(is_reset(there_and_back(&mut stream, b"hello!").await));
    drop(guard);
    let guard = proxy.inject(&reset(UP, After::Messages(3)));
    let mut stream = connect(&proxy).await;
    assert!(passes(&mut stream).await && passes(&mut stream).await);
    there_and_back(&mut stream, b"x").await.ok();
    assert!(is_reset(there_and_back(&mut stream, b"x").await));
    drop(guard);
    // The third request, on whichever connection, is passed on and its answer is lost; the fourth is not hit.
    let request = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    let late = proxy.inject(&Toxic::new(DOWN, ToxicAction::Latency { latency: 40, jitter: 0 }));
    let third = Toxic { times: Some(1), ..reset(DOWN, After::Requests(3)) };
    let guard = proxy.inject(&third);
    let (mut one, mut two) = (connect(&proxy).await, connect(&proxy).await);
    assert!(there_and_back(&mut one, request).await.is_ok());
    assert!(there_and_back(&mut two, request).await.is_ok());
    assert!(is_reset(there_and_back(&mut one, request).await));
    assert!(there_and_back(&mut two, request).await.is_ok());
    assert_eq!(guard.heal(), 1);
    drop(late);
}

#[tokio::test]
async fn toxicity_is_a_share_of_connections_drawn_from_the_seed() {
    let upstream = echo().await;
    let fates = async || {
        let proxy = TcpProxy::start(upstream, 11).await.unwrap();
        let toxic = Toxic { toxicity: 0.5, ..Toxic::new(DOWN, ToxicAction::ResetPeer { timeout: 0 }) };
        let guard = proxy.inject(&toxic);
        let mut fates = Vec::new();
        for _ in 0..40 {
            fates.push(passes(&mut connect(&proxy).await).await);
        }
        assert_eq!(guard.heal(), fates.iter().filter(|passed| !**passed).count() as u64);
        fates
    };
    let first = fates().await;
    assert_eq!(first, fates().await);
    assert!((8..=32).contains(&first.iter().filter(|passed| **passed).count()), "{first:?}");
}

#[tokio::test]
async fn a_toxic_that_never_begins_has_no_effect() {
    let proxy = proxy().await;
    let guards = [After::Bytes(1_000), After::Requests(1)]
        .map(|after| proxy.inject(&Toxic { after: Some(after), ..Toxic::new(UP, ToxicAction::Down {}) }));
    assert!(passes(&mut connect(&proxy).await).await);
    assert_eq!(guards.map(|guard| guard.heal()), [0, 0]);
}
