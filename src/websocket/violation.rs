//! The rules of RFC 6455 that a frame can break, by name. A breach is recorded, never acted upon.

use super::close_code::is_sendable;
use super::{ClosePayload, FrameHeader, Opcode};

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Violation {
    /// An opcode without meaning (§5.2).
    ReservedOpcode,
    /// An RSV bit that no extension claims (§5.2).
    ReservedBits,
    /// A frame of the client without a mask (§5.1).
    NotMasked,
    /// A frame of the server with a mask (§5.1).
    Masked,
    /// A control frame over 125 bytes (§5.5).
    ControlTooLong,
    /// A control frame without FIN (§5.5).
    ControlFragmented,
    /// A length in more bytes than it needs (§5.2).
    LengthNotMinimal,
    /// A length of 2^63 or more (§5.2).
    LengthTooLarge,
    /// A continuation with nothing to continue (§5.4).
    UnexpectedContinuation,
    /// A new message before the last one was complete (§5.4).
    MessageInterrupted,
    /// A frame after the Close frame of the same side (§5.5.1).
    FrameAfterClose,
    /// A close code that must not be sent (§7.4).
    CloseCodeInvalid,
    /// A Close frame of one byte, or with a reason that is not UTF-8 (§5.5.1).
    ClosePayloadMalformed,
    /// A text message that is not UTF-8 (§5.6); looked for only where payload is read.
    TextNotUtf8,
}

impl Violation {
    /// A stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReservedOpcode => "reserved_opcode",
            Self::ReservedBits => "reserved_bits",
            Self::NotMasked => "not_masked",
            Self::Masked => "masked",
            Self::ControlTooLong => "control_too_long",
            Self::ControlFragmented => "control_fragmented",
            Self::LengthNotMinimal => "length_not_minimal",
            Self::LengthTooLarge => "length_too_large",
            Self::UnexpectedContinuation => "unexpected_continuation",
            Self::MessageInterrupted => "message_interrupted",
            Self::FrameAfterClose => "frame_after_close",
            Self::CloseCodeInvalid => "close_code_invalid",
            Self::ClosePayloadMalformed => "close_payload_malformed",
            Self::TextNotUtf8 => "text_not_utf8",
        }
    }
}

/// What the frames of one direction may look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether frames must be masked: true from the client, false from the server.
    pub masked: bool,
    /// RSV bits that an extension claims, in their places of the first byte.
    pub rsv: u8,
}

impl Rules {
    /// The rules that a header breaks by itself.
    pub fn broken_by(self, header: &FrameHeader) -> impl Iterator<Item = Violation> {
        let opcode = header.opcode();
        [
            (matches!(opcode, Opcode::Reserved(_)), Violation::ReservedOpcode),
            (header.rsv() & !self.rsv != 0, Violation::ReservedBits),
            (self.masked && header.mask.is_none(), Violation::NotMasked),
            (!self.masked && header.mask.is_some(), Violation::Masked),
            (opcode.is_control() && header.len > 125, Violation::ControlTooLong),
            (opcode.is_control() && !header.fin(), Violation::ControlFragmented),
            (!header.minimal, Violation::LengthNotMinimal),
            (header.len >= 1 << 63, Violation::LengthTooLarge),
        ]
        .into_iter()
        .filter_map(|(broken, violation)| broken.then_some(violation))
    }

    /// Whether these bytes are no frame at all: an impossible length, or two broken rules in one
    /// header. A faulty peer breaks one; bytes of another protocol break several at once.
    pub fn is_not_a_frame(self, header: &FrameHeader) -> bool {
        header.len >= 1 << 63 || self.broken_by(header).nth(1).is_some()
    }

    /// The rules that the payload of a Close frame breaks.
    pub fn broken_by_close(payload: &ClosePayload) -> impl Iterator<Item = Violation> {
        [
            (payload.code.is_some_and(|code| !is_sendable(code)), Violation::CloseCodeInvalid),
            (payload.malformed, Violation::ClosePayloadMalformed),
        ]
        .into_iter()
        .filter_map(|(broken, violation)| broken.then_some(violation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(rules: Rules, bytes: &[u8]) -> Vec<Violation> {
        rules.broken_by(&FrameHeader::parse(bytes).unwrap().0).collect()
    }

    const CLIENT: Rules = Rules { masked: true, rsv: 0 };
    const SERVER: Rules = Rules { masked: false, rsv: 0 };

    #[test]
    fn each_rule_is_named() {
        assert_eq!(broken(SERVER, &[0x81, 0x02]), []);
        assert_eq!(broken(SERVER, &[0x83, 0x02]), [Violation::ReservedOpcode]);
        assert_eq!(broken(SERVER, &[0xc1, 0x02]), [Violation::ReservedBits]);
        assert_eq!(broken(CLIENT, &[0x81, 0x02]), [Violation::NotMasked]);
        assert_eq!(broken(SERVER, &[0x81, 0x80, 0, 0, 0, 0]), [Violation::Masked]);
        assert_eq!(broken(SERVER, &[0x89, 126, 0, 126]), [Violation::ControlTooLong]);
        assert_eq!(broken(SERVER, &[0x09, 0]), [Violation::ControlFragmented]);
        assert_eq!(broken(SERVER, &[0x81, 126, 0, 1]), [Violation::LengthNotMinimal]);
        assert_eq!(
            broken(SERVER, &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]),
            [Violation::LengthTooLarge]
        );
        assert_eq!(broken(Rules { masked: false, rsv: 0x40 }, &[0xc1, 0x02]), []);
    }

    #[test]
    fn text_of_another_protocol_is_not_a_frame() {
        let (header, _) = FrameHeader::parse(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        assert!(SERVER.is_not_a_frame(&header));
        let (header, _) = FrameHeader::parse(&[0x83, 0x02]).unwrap();
        assert!(!SERVER.is_not_a_frame(&header));
    }

    #[test]
    fn close_payloads_are_judged() {
        let of =
            |payload: &[u8]| Rules::broken_by_close(&ClosePayload::of(payload)).collect::<Vec<_>>();
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[0x03, 0xe8]), []);
        assert_eq!(of(&[0x03]), [Violation::ClosePayloadMalformed]);
        assert_eq!(of(&[0x03, 0xee]), [Violation::CloseCodeInvalid]); // 1006
        assert_eq!(of(&[0x03, 0xe8, 0xff]), [Violation::ClosePayloadMalformed]);
    }
}
