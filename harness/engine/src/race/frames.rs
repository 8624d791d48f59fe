//! Frames of HTTP/2 as far as a gate must know them: where each ends, and which of them complete a request.

/// What a client sends before its first frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Length, type, flags and stream of every frame.
const HEAD: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_STREAM: u8 = 0x1;

/// One whole frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Which stream it belongs to; 0 for the connection itself.
    pub(super) stream: u32,
    /// Whether nothing more of the request follows, but for the rest of its headers.
    pub(super) completes: bool,
    /// Whether it is part of a header block, which every later header block is compressed against.
    pub(super) headers: bool,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

/// Cuts what a client writes into frames.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    preface_seen: bool,
    pending: Vec<u8>,
}

/// A piece of what a client wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The bytes before the first frame.
    Preface(Vec<u8>),
    /// A frame.
    Frame(Frame),
}

impl Cutter {
    /// Takes more of what the client writes.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next piece that is whole.
    pub(super) fn next(&mut self) -> Option<Piece> {
        if !self.preface_seen {
            if self.pending.len() < PREFACE.len() {
                return None;
            }
            self.preface_seen = true;
            return Some(Piece::Preface(self.cut(PREFACE.len())));
        }
        let head = self.pending.get(..HEAD)?;
        let length = HEAD + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        (self.pending.len() >= length).then(|| {
            Piece::Frame(Frame {
                stream,
                completes: matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0,
                headers: matches!(kind, HEADERS | CONTINUATION),
                bytes: self.cut(length),
            })
        })
    }

    fn cut(&mut self, length: usize) -> Vec<u8> {
        let rest = self.pending.split_off(length);
        std::mem::replace(&mut self.pending, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    #[test]
    fn frames_are_cut_wherever_the_writes_end() {
        let sent = [
            PREFACE.to_vec(),
            frame(0x4, 0, 0, &[]),
            frame(HEADERS, 0x4, 1, b"headers"),
            frame(DATA, 0, 1, b"body"),
            frame(DATA, END_STREAM, 1, b"!"),
            frame(HEADERS, END_STREAM, 3, b"no body"),
            frame(CONTINUATION, 0x4, 3, b"more headers"),
            frame(0x8, END_STREAM, 3, b"xxxx"),
        ]
        .concat();
        let kinds = [(0, false, false), (1, false, true), (1, false, false), (1, true, false), (3, true, true)];
        let kinds = [&kinds[..], &[(3, false, true), (3, false, false)]].concat();
        for step in [1, 7, sent.len()] {
            let mut cutter = Cutter::default();
            let mut pieces = Vec::new();
            for bytes in sent.chunks(step) {
                cutter.take(bytes);
                pieces.extend(std::iter::from_fn(|| cutter.next()));
            }
            assert_eq!(pieces.remove(0), Piece::Preface(PREFACE.to_vec()));
            let frames: Vec<Frame> = pieces
                .into_iter()
                .map(|piece| match piece {
                    Piece::Frame(frame) => frame,
                    Piece::Preface(_) => panic!("a second preface"),
                })
                .collect();
            let seen: Vec<_> = frames.iter().map(|frame| (frame.stream, frame.completes, frame.headers)).collect();
            assert_eq!(seen, kinds, "in steps of {step}");
            assert_eq!(frames.iter().flat_map(|frame| frame.bytes.clone()).collect::<Vec<_>>(), sent[PREFACE.len()..]);
        }
    }
}
