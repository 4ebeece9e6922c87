//! The inside of one JSON string (RFC 8259 §7), decoded byte by byte and bounded.

/// The longest text that is kept, in characters.
const MAX_CHARS: usize = 128;
const MAX_BYTES: usize = MAX_CHARS * 4;

#[derive(Debug, Default)]
pub(super) struct JsonText {
    bytes: Vec<u8>,
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Backslash,
    Hex {
        left: u8,
        value: u16,
    },
}

impl JsonText {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.escape = Escape::None;
        self.high = None;
    }

    /// Takes the next byte; true when it was the closing quote.
    pub(super) fn push(&mut self, byte: u8) -> bool {
        match self.escape {
            Escape::None => match byte {
                b'"' => return true,
                b'\\' => self.escape = Escape::Backslash,
                other => self.put(&[other]),
            },
            Escape::Backslash => {
                self.escape = Escape::None;
                match byte {
                    b'n' => self.put(b"\n"),
                    b't' => self.put(b"\t"),
                    b'r' => self.put(b"\r"),
                    b'b' => self.put(&[8]),
                    b'f' => self.put(&[12]),
                    b'u' => self.escape = Escape::Hex { left: 4, value: 0 },
                    other => self.put(&[other]),
                }
            }
            Escape::Hex { left, value } => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let value = (value << 4) | u16::try_from(digit).unwrap_or_default();
                self.escape = Escape::Hex { left: left - 1, value };
                if left == 1 {
                    self.escape = Escape::None;
                    self.unit(value);
                }
            }
        }
        false
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn capped(&self) -> String {
        String::from_utf8_lossy(&self.bytes).chars().take(MAX_CHARS).collect()
    }

    fn unit(&mut self, unit: u16) {
        let units = [self.high.take().unwrap_or(unit), unit];
        if matches!(unit, 0xd800..0xdc00) {
            self.high = Some(unit);
            return;
        }
        let pair = if units[0] == unit { &units[1..] } else { &units[..] };
        for char in char::decode_utf16(pair.iter().copied()) {
            let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.put(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() <= MAX_BYTES {
            self.bytes.extend_from_slice(bytes);
        }
    }
}
