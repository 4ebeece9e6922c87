//! The device proof: an Ed25519 signature over this connection's challenge.
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::json;

use super::refusal::Refusal;
use super::schema::{Connect, Device};

const SIGNATURE_LIFETIME_MS: i64 = 120_000;

/// What goes into the signed string besides the device's own fields.
#[derive(Debug)]
pub(super) struct Signed<'a> {
    pub(super) client_id: &'a str,
    pub(super) client_mode: &'a str,
    pub(super) role: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) token: &'a str,
    pub(super) platform: &'a str,
    pub(super) device_family: &'a str,
}

impl Signed<'_> {
    fn version_2(&self, device_id: &str, signed_at: i64, nonce: &str) -> String {
        format!(
            "v2|{device_id}|{}|{}|{}|{}|{signed_at}|{}|{nonce}",
            self.client_id,
            self.client_mode,
            self.role,
            self.scopes.join(","),
            self.token
        )
    }

    pub(super) fn version_3(&self, device_id: &str, signed_at: i64, nonce: &str) -> String {
        let common = self.version_2(device_id, signed_at, nonce);
        format!(
            "v3{}|{}|{}",
            common.strip_prefix("v2").unwrap_or(&common),
            self.platform.to_lowercase(),
            self.device_family.to_lowercase()
        )
    }
}

/// A device's key pair and the id that follows from it.
pub struct DeviceKey {
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DeviceKey").field(&self.id()).finish()
    }
}

impl DeviceKey {
    /// The key of a 32-byte seed; `None` never happens for a seed of that length.
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        Some(Self { pair })
    }

    /// Lowercase hex SHA-256 of the raw public key.
    pub fn id(&self) -> String {
        device_id(self.pair.public_key().as_ref())
    }

    pub(super) fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    pub(super) fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).as_ref())
    }
}

fn device_id(public_key: &[u8]) -> String {
    digest(&SHA256, public_key).as_ref().iter().fold(String::with_capacity(64), |mut id, byte| {
        // Writing to a String cannot fail.
        let _written = write!(id, "{byte:02x}");
        id
    })
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_strings_have_the_documented_fields() {
        let scopes = ["a".to_owned(), "b".to_owned()];
        let signed = Signed {
            client_id: "cli",
            client_mode: "cli",
            role: "operator",
            scopes: &scopes,
            token: "t",
            platform: "Linux",
            device_family: "",
        };
        assert_eq!(signed.version_3("d", 7, "n"), "v3|d|cli|cli|operator|a,b|7|t|n|linux|");
        assert_eq!(signed.version_2("d", 7, "n"), "v2|d|cli|cli|operator|a,b|7|t|n");
    }
}
