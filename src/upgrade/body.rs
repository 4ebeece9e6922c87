//! Where an HTTP/1.1 body ends (RFC 9112 §6), found beside the bytes and without changing them.

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    None,
    Length(u64),
    Chunked,
    /// The body lasts as long as the connection.
    UntilClose,
}

impl BodyLength {
    /// The length that header lines announce, if they do.
    pub(super) fn announced(headers: &[httparse::Header<'_>]) -> Option<Self> {
        let values = |name: &'static str| {
            headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(name)).map(|h| h.value)
        };
        if let Some(codings) = values("transfer-encoding").next_back() {
            let last = codings.rsplit(|b| *b == b',').next().unwrap_or_default();
            return Some(if last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                Self::Chunked
            } else {
                Self::UntilClose
            });
        }
        let length = values("content-length").next()?;
        let length = str::from_utf8(length).ok()?.trim().parse().ok()?;
        Some(if length == 0 { Self::None } else { Self::Length(length) })
    }
}

/// Follows one body through its bytes.
#[derive(Debug)]
pub struct Body {
    state: State,
    /// Bytes of content so far, without chunk framing.
    content: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Done,
    Content(u64),
    UntilClose,
    ChunkSize {
        size: u64,
        digits: bool,
    },
    ChunkExtension {
        size: u64,
    },
    ChunkData(u64),
    ChunkEnd,
    /// Trailer lines; true while the current line is empty so far.
    Trailer(bool),
}

impl Body {
    pub const fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::None => State::Done,
            BodyLength::Length(length) => State::Content(length),
            BodyLength::Chunked => State::ChunkSize { size: 0, digits: false },
            BodyLength::UntilClose => State::UntilClose,
        };
        Self { state, content: 0 }
    }

    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes of content so far.
    pub const fn content(&self) -> u64 {
        self.content
    }

    /// Takes the next bytes; gives how many of them belong to the body. `content` is called for
    /// each piece of content. A chunk size that is none makes the rest a body until close.
    pub fn feed(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> usize {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            let rest = &bytes[at..];
            at += match self.state {
                State::Content(left) | State::ChunkData(left) => {
                    let take = usize::try_from(left).map_or(rest.len(), |n| n.min(rest.len()));
                    content(&rest[..take]);
                    self.content += take as u64;
                    let left = left - take as u64;
                    self.state = match (self.state, left) {
                        (State::Content(_), 0) => State::Done,
                        (State::Content(_), left) => State::Content(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::ChunkData(left),
                    };
                    take
                }
                State::UntilClose => {
                    content(rest);
                    self.content += rest.len() as u64;
                    rest.len()
                }
                State::ChunkSize { .. }
                | State::ChunkExtension { .. }
                | State::ChunkEnd
                | State::Trailer(_) => {
                    self.framing(rest[0]);
                    1
                }
                State::Done => 0,
            };
        }
        at
    }

    /// One byte of chunk framing (RFC 9112 §7.1).
    fn framing(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::ChunkSize { size, digits: true } | State::ChunkExtension { size }, b'\n') => {
                Self::after_size(size)
            }
            (State::ChunkSize { size, digits: true }, b'\r' | b';' | b' ' | b'\t') => {
                State::ChunkExtension { size }
            }
            (State::ChunkSize { size, .. }, digit) => {
                let value = char::from(digit).to_digit(16).map(u64::from);
                let longer = value.and_then(|v| size.checked_mul(16)?.checked_add(v));
                longer.map_or(State::UntilClose, |size| State::ChunkSize { size, digits: true })
            }
            (State::ChunkEnd, b'\n') => State::ChunkSize { size: 0, digits: false },
            (State::Trailer(true), b'\n') => State::Done,
            (State::Trailer(_), b'\n') => State::Trailer(true),
            (State::Trailer(empty), b'\r') => State::Trailer(empty),
            (State::Trailer(_), _) => State::Trailer(false),
            (unchanged, _) => unchanged,
        };
    }

    const fn after_size(size: u64) -> State {
        if size == 0 { State::Trailer(true) } else { State::ChunkData(size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(length: BodyLength, bytes: &[u8]) -> (usize, Vec<u8>, bool) {
        let mut seen = None;
        for cut in 0..=bytes.len() {
            let (mut body, mut content) = (Body::new(length), Vec::new());
            let (a, b) = bytes.split_at(cut);
            let mut used = body.feed(a, |piece| content.extend_from_slice(piece));
            if used == a.len() {
                used += body.feed(b, |piece| content.extend_from_slice(piece));
            }
            let result = (used, content, body.is_done());
            assert_eq!(*seen.get_or_insert_with(|| result.clone()), result, "cut at {cut}");
        }
        seen.unwrap()
    }

    #[test]
    fn each_kind_of_body_ends_where_it_should() {
        assert_eq!(whole(BodyLength::None, b"next"), (0, vec![], true));
        assert_eq!(whole(BodyLength::Length(3), b"abcnext"), (3, b"abc".to_vec(), true));
        assert_eq!(whole(BodyLength::Length(9), b"abc"), (3, b"abc".to_vec(), false));
        assert_eq!(whole(BodyLength::UntilClose, b"abc"), (3, b"abc".to_vec(), false));
    }

    #[test]
    fn chunks_extensions_and_trailers_are_framing() {
        let body = b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n";
        let mut stream = body.to_vec();
        stream.extend(b"GET");
        assert_eq!(
            whole(BodyLength::Chunked, &stream),
            (body.len(), b"abc0123456789".to_vec(), true)
        );
        assert!(!whole(BodyLength::Chunked, b"zz").2);
    }
}
