//! The challenge that opens every session, and the random values of a session.
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::openclaw;

/// The `connect.challenge` event that carries this nonce.
pub(super) fn event(nonce: &str) -> String {
    json!({
        "type": "event",
        "event": "connect.challenge",
        "payload": {
            "nonce": nonce,
            "ts": now_ms(),
            "capabilities": ["model-catalog-snapshot"],
        },
    })
    .to_string()
}

/// A random version 4 UUID.
pub(super) fn uuid() -> String {
    openclaw::uuid(fastrand::u128(..))
}

/// A random value in the shape of a device token.
pub(super) fn secret() -> String {
    let mut bytes = [0; 32];
    fastrand::fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_as_long_as_the_recorded_one() {
        assert_eq!(event(&uuid()).len(), 164);
    }
}
