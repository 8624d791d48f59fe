//! One direction of a connection: reads, lets the toxics at it, waits, writes.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::BytesMut;
use overdraft_model::fault::toxic::Stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    fitted::{Fitted, Injected},
    piece::{Piece, What},
    requests::Requests,
};
use crate::{listener::End, row::Row};

/// Pieces that are read ahead while one waits.
const AHEAD: usize = 64;
/// The longest piece.
const LONGEST: usize = 16 << 10;

/// One connection, as both its directions see it.
pub(super) struct Wire {
    pub(super) number: u64,
    pub(super) seed: u64,
    pub(super) row: Arc<Row<Injected>>,
    /// HTTP requests that all connections of the proxy have carried.
    pub(super) requests: Arc<AtomicU64>,
    /// The number of the last one that this connection carried, from 1.
    pub(super) last_request: AtomicU64,
    pub(super) carried: Notify,
}

/// Runs one direction until its end, which is passed on.
pub(super) async fn pump(wire: &Wire, stream: Stream, reader: ReadHalf<'_>, writer: WriteHalf<'_>) -> Result<(), End> {
    let (ahead, pieces) = mpsc::channel(AHEAD);
    let changes = wire.row.changes();
    let pump = Pump { wire, stream, writer, pieces, changes, fitted: Vec::new(), counter: Requests::default() };
    tokio::try_join!(read(reader, ahead), pump.run()).map(drop)
}

async fn read(mut reader: ReadHalf<'_>, ahead: mpsc::Sender<Piece>) -> Result<(), End> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(LONGEST);
        let ended = reader.read_buf(&mut buffer).await? == 0;
        let what = if ended { What::Eof } else { What::Data(buffer.split().freeze()) };
        if ahead.send(Piece { at: Instant::now(), what }).await.is_err() || ended {
            return Ok(());
        }
    }
}

struct Pump<'a> {
    wire: &'a Wire,
    stream: Stream,
    writer: WriteHalf<'a>,
    pieces: mpsc::Receiver<Piece>,
    changes: watch::Receiver<u64>,
    fitted: Vec<Fitted>,
    counter: Requests,
}

impl Pump<'_> {
    async fn run(mut self) -> Result<(), End> {
        self.fit();
        loop {
            tokio::select! {
                biased;
                end = ended(&self.fitted) => return Err(end),
                _ = self.changes.changed() => self.fit(),
                () = self.wire.carried.notified(), if self.stream == Stream::Downstream => self.carried(),
                Some(piece) = self.pieces.recv() => {
                    self.carried();
                    let mut pieces = vec![piece];
                    for fitted in &mut self.fitted {
                        let mut out = Vec::with_capacity(pieces.len());
                        pieces.into_iter().for_each(|piece| fitted.pass(piece, &mut out));
                        pieces = out;
                    }
                    if self.send(pieces).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Sends pieces, each in its time; true after the end of the stream. If a toxic comes or goes meanwhile, those
    /// that wait go at once.
    async fn send(&mut self, pieces: Vec<Piece>) -> Result<bool, End> {
        let mut at_once = false;
        for piece in pieces {
            while !at_once && piece.at > Instant::now() {
                tokio::select! {
                    biased;
                    end = ended(&self.fitted) => return Err(end),
                    _ = self.changes.changed() => {
                        self.fit();
                        at_once = true;
                    }
                    () = self.wire.carried.notified(), if self.stream == Stream::Downstream => self.carried(),
                    () = sleep_until(piece.at) => {}
                }
            }
            match piece.what {
                What::Data(data) => {
                    tokio::select! {
                        biased;
                        end = ended(&self.fitted) => return Err(end),
                        written = self.writer.write_all(&data) => written?,
                    }
                    self.count(&data);
                }
                What::Eof => {
                    self.writer.shutdown().await?;
                    return Ok(true);
                }
                What::End(end) => return Err(end),
            }
        }
        Ok(false)
    }

    /// Takes up the toxics in place, and leaves those that were healed.
    fn fit(&mut self) {
        let all = self.wire.row.all();
        self.fitted.retain(|fitted| all.iter().any(|active| active.is(&fitted.active)));
        for active in all {
            let new = !self.fitted.iter().any(|fitted| fitted.active.is(&active));
            if new && active.value().toxic.stream == self.stream {
                self.fitted.push(Fitted::new(active, self.wire.seed, self.wire.number, Instant::now()));
            }
        }
    }

    /// Counts requests that were passed on whole, and wakes the toxics that wait for them.
    fn count(&mut self, data: &[u8]) {
        if self.stream == Stream::Downstream {
            return;
        }
        let ended = self.counter.ends_in(data);
        if ended > 0 {
            let before = self.wire.requests.fetch_add(ended, Ordering::SeqCst);
            self.wire.last_request.store(before + ended, Ordering::SeqCst);
            self.carried();
            self.wire.carried.notify_one();
        }
    }

    fn carried(&mut self) {
        if self.fitted.is_empty() {
            return;
        }
        let (last, now) = (self.wire.last_request.load(Ordering::SeqCst), Instant::now());
        self.fitted.iter_mut().for_each(|fitted| fitted.carried(last, now));
    }
}

/// Waits until a toxic ends the connection; for ever if none does.
async fn ended(fitted: &[Fitted]) -> End {
    let first = fitted.iter().filter_map(|fitted| Some((fitted.ends()?, fitted))).min_by_key(|((at, _), _)| *at);
    let Some(((at, end), fitted)) = first else { return std::future::pending().await };
    sleep_until(at).await;
    fitted.ended();
    end
}
