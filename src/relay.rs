//! Bytes across, both ways, and ends as they came: FIN as FIN, reset as reset.
//!
//! Knows nothing of HTTP or frames. Whoever watches is told after each write and cannot say no.

mod duplex;
mod half;
mod lent;
mod teardown;

pub use duplex::{End, Settings, relay};

use std::time::Instant;

use crate::session::{Direction, EndingKind, Leg, TlsEnd};
use crate::socket::{Failure, Stream};

/// Is told what went across, afterwards.
pub trait Watch {
    /// A chunk was read and, as far as the far side took it, written.
    fn chunk(&mut self, direction: Direction, now: Instant, bytes: &[u8]);

    /// Something ended a leg, or one direction of it.
    fn ended(&mut self, leg: Leg, now: Instant, what: Seen);

    /// Now and then, while bytes move: a look at what the kernel knows of each leg.
    fn sample(&mut self, now: Instant, leg: Leg, stream: &Stream);

    /// Whether the exchange is over, so that further bytes of the client begin another one:
    /// asked after each chunk of the server. Such bytes are handed back, not relayed.
    fn exchange_over(&self) -> bool;
}

/// What the relay saw of an end. Frames are not its business.
#[derive(Debug)]
pub enum Seen {
    Fin,
    Tls(TlsEnd),
    /// RST, with the bytes of the other direction's source that could not be delivered.
    Reset {
        undelivered: u64,
    },
    /// The kernel gave up, by its name for the reason.
    Failed(String),
    /// The other leg's reset could not be passed on to this one.
    ResetNotPassed,
    /// Cut on our own account.
    Cut,
}

impl Seen {
    /// The end that a failed read or write stands for.
    pub fn of(failure: &Failure, undelivered: u64) -> Self {
        match failure {
            Failure::Reset => Self::Reset { undelivered },
            Failure::Kernel(name) => Self::Failed(name.clone()),
            Failure::TlsTruncated => Self::Tls(TlsEnd::Truncated),
            Failure::TlsAlert(name) => Self::Tls(TlsEnd::Alert(name.clone())),
            Failure::TlsBroken(why) => Self::Tls(TlsEnd::Broken(why.clone())),
        }
    }

    /// As it is recorded where no frame is under way.
    pub fn kind(self, why_cut: &str) -> EndingKind {
        match self {
            Self::Fin => EndingKind::Fin,
            Self::Tls(end) => EndingKind::Tls { end },
            Self::Reset { undelivered } => EndingKind::Reset { undelivered, missing: None },
            Self::Failed(error) => EndingKind::Failed { error },
            Self::ResetNotPassed => EndingKind::ResetNotPassed,
            Self::Cut => EndingKind::CutByWstap { why: why_cut.to_owned() },
        }
    }
}
