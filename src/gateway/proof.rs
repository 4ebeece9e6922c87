//! Whether a device proof fits this connection's challenge.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::json;

use super::refusal::Refusal;
use super::schema::{Connect, Device};
use crate::openclaw::{Signed, device_id};

const SIGNATURE_LIFETIME_MS: i64 = 120_000;

/// Checks the proof in the gateway's order, so that only its first fault shows.
pub(super) fn verify(
    connect: &Connect,
    device: &Device,
    nonce: &str,
    now_ms: i64,
) -> Result<(), Refusal> {
    let Ok(key) = URL_SAFE_NO_PAD.decode(device.public_key.trim_end_matches('=')) else {
        return Err(fault("public key invalid", "PUBLIC_KEY_INVALID", "device-public-key"));
    };
    if device_id(&key) != device.id {
        return Err(fault("identity mismatch", "DEVICE_ID_MISMATCH", "device-id-mismatch"));
    }
    if now_ms.abs_diff(device.signed_at) > SIGNATURE_LIFETIME_MS.unsigned_abs() {
        return Err(fault("signature expired", "SIGNATURE_EXPIRED", "device-signature-stale"));
    }
    if device.nonce.trim().is_empty() {
        return Err(fault("nonce required", "NONCE_REQUIRED", "device-nonce-missing"));
    }
    if device.nonce.trim() != nonce {
        return Err(fault("nonce mismatch", "NONCE_MISMATCH", "device-nonce-mismatch"));
    }
    let offered = &connect.auth;
    let token = [&offered.token, &offered.device_token, &offered.bootstrap_token]
        .into_iter()
        .find_map(|token| token.as_deref())
        .unwrap_or_default();
    let signed = Signed {
        client_id: &connect.client.id,
        client_mode: &connect.client.mode,
        role: &connect.role,
        scopes: &connect.scopes,
        token,
        platform: &connect.client.platform,
        device_family: &connect.client.device_family,
    };
    let signature =
        URL_SAFE_NO_PAD.decode(device.signature.trim_end_matches('=')).unwrap_or_default();
    let key = UnparsedPublicKey::new(&ED25519, key);
    let fits = [
        signed.version_3(&device.id, device.signed_at, nonce),
        signed.version_2(&device.id, device.signed_at, nonce),
    ]
    .iter()
    .any(|text| key.verify(text.as_bytes(), &signature).is_ok());
    if fits {
        return Ok(());
    }
    Err(fault("signature invalid", "SIGNATURE_INVALID", "device-signature"))
}

fn fault(what: &str, code: &str, reason: &str) -> Refusal {
    Refusal::new("INVALID_REQUEST", format!("device {what}")).details(json!({
        "code": format!("DEVICE_AUTH_{code}"),
        "reason": reason,
    }))
}
