//! PostgreSQL's messages, version 3: how they are cut from a stream, read and written. Nothing here waits.

use bytes::{BufMut, Bytes, BytesMut};

use crate::listener::End;

const SSL_REQUEST: u32 = 80_877_103;
const GSS_REQUEST: u32 = 80_877_104;
const CANCEL_REQUEST: u32 = 80_877_102;
/// PostgreSQL's own limit on what comes before authentication.
const LONGEST_STARTUP: usize = 10_000;
/// PostgreSQL's own limit on a message.
const LONGEST: usize = 0x4000_0000;

/// The first packet of a connection, which has no type byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Startup {
    /// Asks for encryption, which is answered `N`.
    Encryption,
    /// Asks to cancel what another connection runs.
    Cancel,
    /// Begins a session.
    Session {
        /// `application_name`, empty if there is none.
        application: String,
    },
}

/// How many bytes the first packet has, once its length has come.
pub(super) fn startup_length(bytes: &[u8]) -> Result<Option<usize>, End> {
    let Some(length) = word(bytes, 0).map(|length| length as usize) else { return Ok(None) };
    if (8..=LONGEST_STARTUP).contains(&length) { Ok(Some(length)) } else { Err(End::Close) }
}

/// Reads a whole first packet.
pub(super) fn startup(packet: &[u8]) -> Startup {
    match word(packet, 4) {
        Some(SSL_REQUEST | GSS_REQUEST) => Startup::Encryption,
        Some(CANCEL_REQUEST) => Startup::Cancel,
        _ => {
            let mut words = packet.get(8..).unwrap_or_default().split(|byte| *byte == 0);
            let mut application = String::new();
            while let (Some(name), Some(value)) = (words.next(), words.next()) {
                if name == b"application_name" {
                    application = String::from_utf8_lossy(value).into_owned();
                }
            }
            Startup::Session { application }
        }
    }
}

/// The beginning of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The type byte.
    pub(super) kind: u8,
    /// Bytes of the message with type and length.
    pub(super) total: usize,
    /// Whether all of it is here.
    pub(super) whole: bool,
}

/// Reads the head of the message at the beginning of `bytes`, if it has come.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, End> {
    let (Some(kind), Some(length)) = (bytes.first(), word(bytes, 1)) else { return Ok(None) };
    let length = length as usize;
    if !(4..=LONGEST).contains(&length) {
        return Err(End::Close);
    }
    let total = length + 1;
    Ok(Some(Head { kind: *kind, total, whole: bytes.len() >= total }))
}

/// The `n`th zero-terminated text of a message's body, counted from 0.
pub(super) fn text(body: &[u8], n: usize) -> &[u8] {
    body.split(|byte| *byte == 0).nth(n).unwrap_or_default()
}

/// A message that consists of texts and what follows them.
pub(super) fn message(kind: u8, texts: &[&str], rest: &[u8]) -> Bytes {
    let length = 4 + texts.iter().map(|text| text.len() + 1).sum::<usize>() + rest.len();
    let mut bytes = BytesMut::with_capacity(1 + length);
    bytes.put_u8(kind);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    for text in texts {
        bytes.put_slice(text.as_bytes());
        bytes.put_u8(0);
    }
    bytes.put_slice(rest);
    bytes.freeze()
}

/// An `ErrorResponse`.
pub(super) fn error(sqlstate: &str, words: &str) -> Bytes {
    let fields = ["SERROR", "VERROR", &format!("C{sqlstate}"), &format!("M{}", words.replace('\0', " "))];
    message(b'E', &fields, &[0])
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(code: u32, rest: &[u8]) -> Vec<u8> {
        let mut packet = u32::try_from(8 + rest.len()).unwrap().to_be_bytes().to_vec();
        packet.extend(code.to_be_bytes());
        packet.extend(rest);
        packet
    }

    #[test]
    fn first_packets_are_told_apart() {
        assert_eq!(startup(&first(SSL_REQUEST, b"")), Startup::Encryption);
        assert_eq!(startup(&first(GSS_REQUEST, b"")), Startup::Encryption);
        assert_eq!(startup(&first(CANCEL_REQUEST, &[0; 8])), Startup::Cancel);
        let packet = first(196_608, b"user\0me\0application_name\0shop\0\0");
        assert_eq!(startup_length(&packet), Ok(Some(packet.len())));
        assert_eq!(startup(&packet), Startup::Session { application: "shop".into() });
        assert_eq!(
            startup(&first(196_608, b"user\0application_name\0\0")),
            Startup::Session { application: "".into() }
        );
    }

    #[test]
    fn a_length_that_cannot_be_is_refused() {
        assert_eq!(startup_length(&[0, 0]), Ok(None));
        assert_eq!(startup_length(b"GET / HTTP/1.1"), Err(End::Close));
        assert_eq!(head(&[b'Q', 0, 0, 0, 3]), Err(End::Close));
        assert_eq!(head(&[b'Q', 0xff, 0, 0, 0]), Err(End::Close));
        assert_eq!(head(b"Q\0\0"), Ok(None));
    }

    #[test]
    fn messages_are_read_as_they_are_written() {
        let parse = message(b'P', &["name", "SELECT 1"], &[0, 0]);
        assert_eq!(head(&parse), Ok(Some(Head { kind: b'P', total: parse.len(), whole: true })));
        assert_eq!(head(&parse[..9]), Ok(Some(Head { kind: b'P', total: parse.len(), whole: false })));
        assert_eq!((text(&parse[5..], 0), text(&parse[5..], 1)), (&b"name"[..], &b"SELECT 1"[..]));
        assert_eq!(&error("40001", "no\0t")[5..], b"SERROR\0VERROR\0C40001\0Mno t\0\0");
    }
}
