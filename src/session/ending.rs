//! How a leg ended: each fact by itself, in the order in which it was seen.

use serde::{Deserialize, Serialize};

use super::{Leg, Offset, TlsEnd};

/// One thing that ended a leg, or a direction of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// The leg on which it was seen (or, for our own doing, to which it was done).
    pub leg: Leg,
    pub at: Offset,
    #[serde(flatten)]
    pub kind: EndingKind,
}

/// What ended it. Only what the socket told is here; who was to blame is for the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum EndingKind {
    /// A Close frame came from this leg.
    CloseFrame { code: Option<u16>, reason: String },
    /// FIN after a whole frame, or where no frames are.
    Fin,
    /// FIN inside a frame; inside its header, its length is not known.
    FinMidFrame { opcode: u8, declared: Option<u64>, missing: Option<u64> },
    /// RST.
    Reset {
        /// Bytes taken from this leg that could not be delivered to the other one in time.
        #[serde(default, skip_serializing_if = "is_zero")]
        undelivered: u64,
        /// The frame under way when it came, as in `fin_mid_frame`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        missing: Option<u64>,
    },
    /// The kernel gave the connection up: its name, `ETIMEDOUT`, `EHOSTUNREACH`, ….
    Failed { error: String },
    /// How TLS on this leg ended, before or instead of the FIN.
    Tls { end: TlsEnd },
    /// wstap ended it.
    CutByWstap { why: String },
    /// A reset of the other leg could not be passed on to this one, for both FINs had been sent.
    ResetNotPassed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl EndingKind {
    /// The word that `wstap sessions --ending` filters by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CloseFrame { .. } => "close_frame",
            Self::Fin => "fin",
            Self::FinMidFrame { .. } => "fin_mid_frame",
            Self::Reset { .. } => "reset",
            Self::Failed { .. } => "failed",
            Self::Tls { .. } => "tls",
            Self::CutByWstap { .. } => "cut_by_wstap",
            Self::ResetNotPassed => "reset_not_passed",
        }
    }
}
