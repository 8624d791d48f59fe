//! A service to break: this very program, started again by the harness as its target file says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
};

/// How far ahead its clock was put.
static AHEAD_MS: AtomicU64 = AtomicU64::new(0);

/// Serves for ever where the target file gave it a port; as a test it has nothing to do.
#[test]
fn serve() {
    let Ok(port) = std::env::var("SERVE_PORT") else { return };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(stream));
    }
}

/// One request, one answer: its process id and its clock.
fn answer(stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if first.starts_with("PUT /clock") {
        let asked: serde_json::Value = serde_json::from_slice(&body).ok()?;
        AHEAD_MS.store(asked["ahead_ms"].as_u64()?, Ordering::SeqCst);
    }
    let told = format!("{} {}", std::process::id(), AHEAD_MS.load(Ordering::SeqCst));
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{told}", told.len()).ok()
}
