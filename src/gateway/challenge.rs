//! The challenge that opens every session, and the random values of a session.
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

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
    let random = fastrand::u128(..);
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
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
    fn a_uuid_says_version_4_variant_1() {
        for _ in 0..64 {
            let uuid = uuid();
            assert_eq!(uuid.len(), 36);
            assert_eq!(&uuid[14..15], "4");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }

    #[test]
    fn the_challenge_is_as_long_as_the_recorded_one() {
        assert_eq!(event(&uuid()).len(), 164);
    }
}
