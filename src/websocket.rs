//! RFC 6455 and RFC 7692 as data: frames found in bytes, opcodes, masks, the handshake's hash,
//! extensions, and the rules a frame can break. Decoding never fails.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod close_code;
mod extensions;
mod handshake;
mod inflate;
mod mask;
mod opcode;
mod scanner;
mod violation;

pub use close_code::{ClosePayload, close_code_name};
pub use extensions::DeflateParams;
pub use handshake::accept_for;
pub use inflate::{Inflated, Inflater};
pub use mask::unmask;
pub use opcode::Opcode;
pub use scanner::{FrameHeader, Interest, Scanner, Sink, Unfinished};
pub use violation::{Rules, Violation};
