//! What the kernel knew of a TCP connection at one moment (Linux `TCP_INFO`).

use serde::{Deserialize, Serialize};

use super::{Leg, Offset};

/// A sample of one socket. The proof of "network, not application", or of the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSample {
    pub leg: Leg,
    pub at: Offset,
    /// Smoothed round trip and its variance, microseconds.
    pub rtt_us: u32,
    pub rttvar_us: u32,
    /// Segments sent again since the connection began.
    pub retransmits: u32,
    /// Segments in flight, not acknowledged yet.
    pub unacked: u32,
    /// Bytes in the send queue that the peer has not acknowledged.
    pub unacked_bytes: u32,
    pub snd_mss: u32,
    pub rcv_mss: u32,
    pub snd_cwnd: u32,
    /// State of RFC 9293 §3.3.2 by Linux's number: 1 is ESTABLISHED, 7 is CLOSE.
    pub state: u8,
}
