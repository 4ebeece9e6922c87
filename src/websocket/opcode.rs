//! Opcodes (RFC 6455 §5.2, §11.8).

/// What a frame is. Every nibble is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
    /// 0x3-0x7 and 0xb-0xf.
    Reserved(u8),
}

impl Opcode {
    /// The opcode in the low half of a frame's first byte.
    pub const fn of(first_byte: u8) -> Self {
        match first_byte & 0x0f {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            other => Self::Reserved(other),
        }
    }

    pub const fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
            Self::Reserved(nibble) => nibble,
        }
    }

    /// Control frames have the highest bit of the opcode set (§5.5), reserved ones too.
    pub const fn is_control(self) -> bool {
        self.nibble() & 0x8 != 0
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Continuation => "continuation",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Close => "close",
            Self::Ping => "ping",
            Self::Pong => "pong",
            Self::Reserved(_) => "reserved",
        }
    }
}
