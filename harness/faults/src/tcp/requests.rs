//! Counts the HTTP/1 requests of a stream, each when its last byte has gone by.
//!
//! What is not HTTP/1, such as TLS or HTTP/2, has none.

/// Longer heads are taken for something else.
const LONGEST_HEAD: usize = 64 << 10;

pub(super) enum Requests {
    /// So far of a request line and header fields.
    Head(Vec<u8>),
    /// So many bytes of a body to come.
    Body(u64),
    /// So far of a line with a chunk's size.
    Size(Vec<u8>),
    /// So many bytes of a chunk and its line end to come.
    Chunk(u64),
    /// So far of a line after the last chunk.
    Trailer(Vec<u8>),
    Foreign,
}

impl Default for Requests {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Requests {
    /// How many requests end within these bytes.
    pub(super) fn ends_in(&mut self, bytes: &[u8]) -> u64 {
        let mut ended = 0;
        let mut rest = bytes;
        while let Some(byte) = rest.first().copied() {
            let mut used = 1;
            let next = match self {
                Self::Foreign => return ended,
                Self::Head(head) => {
                    head.push(byte);
                    let text = head.as_slice();
                    if text == b"\r\n" {
                        // Allowed between two requests.
                        Some(Self::default())
                    } else if !(text[0].is_ascii_uppercase() || text == b"\r") || text.len() > LONGEST_HEAD {
                        Some(Self::Foreign)
                    } else if text.ends_with(b"\r\n\r\n") {
                        Some(after_head(text))
                    } else {
                        None
                    }
                }
                Self::Body(left) | Self::Chunk(left) => {
                    used = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= used as u64;
                    match self {
                        Self::Body(0) => Some(Self::Body(0)),
                        Self::Chunk(0) => Some(Self::Size(Vec::new())),
                        _ => None,
                    }
                }
                Self::Size(line) => {
                    line.push(byte);
                    line.ends_with(b"\n").then(|| {
                        let text = String::from_utf8_lossy(line);
                        let digits = text.split([';', '\r', '\n']).next().unwrap_or_default().trim();
                        match u64::from_str_radix(digits, 16) {
                            Ok(0) => Self::Trailer(Vec::new()),
                            Ok(size) => Self::Chunk(size.saturating_add(2)),
                            Err(_) => Self::Foreign,
                        }
                    })
                }
                Self::Trailer(line) => {
                    line.push(byte);
                    line.ends_with(b"\n")
                        .then(|| if line.len() <= 2 { Self::Body(0) } else { Self::Trailer(Vec::new()) })
                }
            };
            rest = &rest[used..];
            match next {
                Some(Self::Body(0)) => {
                    ended += 1;
                    *self = Self::default();
                }
                Some(next) => *self = next,
                None => {}
            }
        }
        ended
    }
}

fn after_head(head: &[u8]) -> Requests {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    if !lines.next().is_some_and(|line| line.contains(" HTTP/1.")) {
        return Requests::Foreign;
    }
    let mut length = 0;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("transfer-encoding") && value.to_ascii_lowercase().contains("chunked") {
            return Requests::Size(Vec::new());
        }
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    Requests::Body(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\ncontent-length: 4\r\n\r\nGET_\
                         PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: 1\r\n\r\n";

    #[test]
    fn requests_are_counted_wherever_the_stream_is_cut() {
        for size in 1..THREE.len() {
            let mut requests = Requests::default();
            let ended: Vec<u64> = THREE.as_bytes().chunks(size).map(|part| requests.ends_in(part)).collect();
            assert_eq!(ended.iter().sum::<u64>(), 3, "in parts of {size}");
        }
        let mut requests = Requests::default();
        let (most, last) = THREE.as_bytes().split_at(THREE.len() - 1);
        assert_eq!((requests.ends_in(most), requests.ends_in(last)), (2, 1), "it ends with its last byte");
    }

    #[test]
    fn what_is_not_http_1_has_no_requests() {
        for text in
            ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n", "HELO me\r\n\r\nGET / HTTP/1.1\r\n\r\n"]
        {
            assert_eq!(Requests::default().ends_in(text.as_bytes()), 0, "{text:?}");
        }
    }
}
