//! Close frames as they were on the wire, and what an application would report of them.
//!
//! RFC 6455 §7.1.5 gives an application 1006 when no Close frame arrived and 1005 when the frame
//! had no code. Neither is ever on the wire, so neither is a code here: see [`Reported`].

use serde::{Deserialize, Serialize};

use super::{Direction, Offset};

/// One Close frame that was on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloseFrame {
    pub from: Direction,
    pub at: Offset,
    /// Absent when the payload was empty (RFC 6455 §5.5.1).
    pub code: Option<u16>,
    /// At most 123 bytes; redacted like any text.
    pub reason: String,
    /// The payload was one byte, or the reason was not UTF-8.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub malformed: bool,
}

/// How a WebSocket session closed, in the form other tools rely on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Close {
    /// Which side sent the first Close frame: `client`, `gateway`, or null when there was none.
    pub from: Option<String>,
    /// The code of that frame; null when there was no frame, or it had no code. Never invented.
    pub code: Option<u16>,
    /// The reason of that frame.
    pub reason: Option<String>,
    /// What the application on the client's side would report.
    pub seen_by_client: Option<Reported>,
    /// What the application on the gateway's side would report.
    pub seen_by_gateway: Option<Reported>,
}

/// A close code as an application reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    pub code: u16,
    pub reason: String,
    /// True when the code was not on the wire: 1005 (frame without a code) or 1006 (no frame).
    pub derived: bool,
}

impl Reported {
    /// What a side reports that received `frame`, or that received none.
    pub fn of(frame: Option<&CloseFrame>) -> Self {
        match frame {
            Some(CloseFrame { code: Some(code), reason, .. }) => {
                Self { code: *code, reason: reason.clone(), derived: false }
            }
            Some(CloseFrame { code: None, .. }) => {
                Self { code: 1005, reason: String::new(), derived: true }
            }
            None => Self { code: 1006, reason: String::new(), derived: true },
        }
    }
}
