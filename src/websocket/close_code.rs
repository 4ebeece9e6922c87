//! Close codes (RFC 6455 §7.4, IANA registry) and the payload of a Close frame (§5.5.1).

/// A Close frame's payload taken apart. Any bytes give one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosePayload {
    /// Absent when the payload is shorter than two bytes.
    pub code: Option<u16>,
    pub reason: String,
    /// One byte long, or a reason that is not UTF-8.
    pub malformed: bool,
}

impl ClosePayload {
    /// Reads an unmasked payload.
    pub fn of(payload: &[u8]) -> Self {
        let Some((code, reason)) = payload.split_first_chunk::<2>() else {
            return Self { code: None, reason: String::new(), malformed: !payload.is_empty() };
        };
        Self {
            code: Some(u16::from_be_bytes(*code)),
            reason: String::from_utf8_lossy(reason).into_owned(),
            malformed: str::from_utf8(reason).is_err(),
        }
    }
}

/// Whether a code may stand in a Close frame (§7.4.1, §7.4.2).
pub(super) const fn is_sendable(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The registered name of a code, or what its range is for.
pub const fn close_code_name(code: u16) -> &'static str {
    match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status received",
        1006 => "abnormal closure",
        1007 => "invalid payload data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "mandatory extension",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        1015 => "TLS handshake failed",
        3000 => "unauthorized",
        3003 => "forbidden",
        3008 => "timeout",
        3001..=3999 => "registered by a library",
        4000..=4999 => "private use",
        _ => "unassigned",
    }
}
