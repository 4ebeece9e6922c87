//! The header facts of frames, in runs of equal ones: what is kept of every frame.

use serde::{Deserialize, Serialize};

use super::{Direction, Offset};

/// Consecutive frames of one direction with equal headers, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRun {
    pub shape: FrameShape,
    /// Payload length of each of them.
    pub len: u64,
    pub count: u64,
}

/// A frame's header without its length and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameShape {
    /// FIN, RSV1-3 and opcode, as on the wire (RFC 6455 §5.2).
    pub first: u8,
    pub masked: bool,
    /// Whether the length was written in the fewest bytes.
    pub minimal: bool,
}

/// One frame as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFact {
    /// When the read returned that completed its header.
    pub at: Offset,
    pub direction: Direction,
    /// Number in its direction, from 0.
    pub number: u64,
    /// First byte of the header: FIN, RSV1-3, opcode.
    pub first: u8,
    pub masked: bool,
    pub minimal: bool,
    /// Payload length in bytes.
    pub len: u64,
}
