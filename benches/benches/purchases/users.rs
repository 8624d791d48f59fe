//! Users of the service: each has a connection of its own and buys one lead after the other.

use std::{
    error::Error,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot};

use crate::{
    shop::{SHOPPERS, lead_of},
    wire,
};

/// What the users did.
pub(crate) struct Driven {
    pub(crate) purchases: usize,
    pub(crate) took: Duration,
    /// Latency of each purchase, in microseconds.
    pub(crate) micros: Vec<u32>,
}

impl Driven {
    pub(crate) fn per_second(&self) -> f64 {
        self.purchases as f64 / self.took.as_secs_f64()
    }
}

/// Drives the service from a thread of its own for so many seconds. Each purchase must be answered 201.
pub(crate) async fn drive(address: &str, users: usize, first: u64, seconds: u64) -> Result<Driven, Box<dyn Error>> {
    let (tell, told) = oneshot::channel();
    let address = address.to_owned();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = runtime.map_err(|error| error.to_string());
        let done = done.and_then(|runtime| runtime.block_on(all(&address, users, first, seconds)));
        // Nobody listens any more if the bench was given up.
        let _ = tell.send(done);
    });
    Ok(told.await??)
}

async fn all(address: &str, users: usize, first: u64, seconds: u64) -> Result<Driven, String> {
    let connect = || async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let streams = try_join_all((0..users).map(|_| connect())).await.map_err(|error| error.to_string())?;
    let next = AtomicU64::new(first);
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let micros = try_join_all(streams.into_iter().map(|stream| one(stream, &next, until))).await?.concat();
    Ok(Driven { purchases: micros.len(), took: began.elapsed(), micros })
}

async fn one(mut stream: TcpStream, next: &AtomicU64, until: Instant) -> Result<Vec<u32>, String> {
    let mut micros = Vec::new();
    let mut answer = Vec::with_capacity(1 << 12);
    while Instant::now() < until {
        let request = request(next.fetch_add(1, Ordering::Relaxed));
        let asked = Instant::now();
        let exchange = async {
            stream.write_all(request.as_bytes()).await?;
            wire::read(&mut stream, &mut answer).await
        };
        let answered = exchange.await.map_err(|error| error.to_string())?;
        if !answered || wire::status(&answer) != Some(201) {
            return Err(format!("a purchase was answered {}", String::from_utf8_lossy(&answer)));
        }
        micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(micros)
}

fn request(number: u64) -> String {
    let body = format!(r#"{{"lead_ids":["{}"]}}"#, lead_of(number));
    format!(
        "POST /v1/purchases HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer buyer-{}\r\nIdempotency-Key: n-{number}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        number % SHOPPERS,
        body.len()
    )
}
