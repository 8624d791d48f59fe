//! HTTP/1.1 as far as this bench needs it: messages with a `content-length`, one after the other.

use std::io::{Error, ErrorKind, Result};

use tokio::{io::AsyncReadExt, net::TcpStream};

/// Reads one whole message into the buffer, whose former content is forgotten. False at the end of the stream.
pub(crate) async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return if buffer.is_empty() { Ok(false) } else { Err(ErrorKind::UnexpectedEof.into()) };
        }
        if let Some(head) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
            && buffer.len() >= head + 4 + body_length(&buffer[..head])?
        {
            return Ok(true);
        }
    }
}

/// The status of an answer.
pub(crate) fn status(message: &[u8]) -> Option<u16> {
    std::str::from_utf8(message.get(9..12)?).ok()?.parse().ok()
}

fn body_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).map_err(Error::other)?;
    let value = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then_some(value)
    });
    value.map_or(Ok(0), |value| value.trim().parse().map_err(Error::other))
}
