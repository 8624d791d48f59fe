//! What the proxies add: a message and a statement through each, beside the same over a direct connection.

use std::{net::SocketAddr, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{Postgres, PostgresOptions, Way},
};
use overdraft_faults::{postgres::PgProxy, tcp::TcpProxy};
use sqlx::{Connection, PgConnection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use url::Url;

/// A message, and what is sent at once where throughput is measured.
const SIZES: [usize; 2] = [100, 1 << 20];

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                stream.set_nodelay(true).ok();
                let (mut from, mut to) = stream.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    address
}

async fn there_and_back(stream: &mut TcpStream, data: &[u8], back: &mut [u8]) {
    let (mut from, mut to) = stream.split();
    let (sent, read) = tokio::join!(to.write_all(data), from.read_exact(back));
    sent.and(read).expect("an echo");
}

fn tcp(criterion: &mut Criterion, runtime: &Runtime) {
    let upstream = runtime.block_on(echo());
    let proxy = runtime.block_on(TcpProxy::start(upstream, 1)).expect("a port");
    for size in SIZES {
        let mut group = criterion.benchmark_group(format!("tcp, {size} bytes and back"));
        group.throughput(Throughput::Bytes(size as u64));
        for (name, address) in [("direct", upstream), ("proxy", proxy.address())] {
            let mut stream = runtime.block_on(TcpStream::connect(address)).expect("a connection");
            stream.set_nodelay(true).expect("an option");
            let (data, mut back) = (vec![7; size], vec![0; size]);
            group.bench_function(name, |bencher| {
                bencher.iter(|| runtime.block_on(there_and_back(&mut stream, &data, &mut back)));
            });
        }
    }
}

fn postgres(criterion: &mut Criterion, runtime: &Runtime) {
    let keeper = Keeper::start().expect("a shell");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let options = PostgresOptions {
        url: None,
        way: Way::Auto,
        image: "postgres:17".into(),
        cache: folder.join("cache"),
        scratch: std::env::temp_dir(),
        log: folder.join("bench-proxy-postgresql.log"),
    };
    let server = runtime.block_on(Postgres::start(&options, &keeper)).expect("a PostgreSQL");
    let database = runtime.block_on(server.create_database("bench_proxy", &[])).expect("a database");
    let mut url = Url::parse(database.url()).expect("a URL");
    let upstream = url.socket_addrs(|| Some(5432)).expect("an address")[0];
    let proxy = runtime.block_on(PgProxy::start(upstream)).expect("a port");
    let mut group = criterion.benchmark_group("postgresql");
    for (name, port) in [("direct", upstream.port()), ("proxy", proxy.address().port())] {
        url.set_port(Some(port)).expect("a URL with a port");
        let mut connection = runtime.block_on(PgConnection::connect(url.as_str())).expect("a connection");
        for (what, rows) in [("a row", 1), ("100,000 rows", 100_000)] {
            group.bench_function(format!("{what}, {name}"), |bencher| {
                bencher.iter(|| {
                    let read =
                        sqlx::query("SELECT n FROM generate_series(1, $1) n").bind(rows).fetch_all(&mut connection);
                    runtime.block_on(read).expect("rows").len()
                });
            });
        }
    }
    group.finish();
    runtime.block_on(database.remove()).expect("dropped");
    runtime.block_on(server.stop());
}

fn proxies(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    tcp(criterion, &runtime);
    postgres(criterion, &runtime);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = proxies
}
criterion_main!(benches);
