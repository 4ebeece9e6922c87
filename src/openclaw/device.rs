//! The device proof: an Ed25519 signature over one connection's challenge.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// What goes into the signed string besides the device's own fields.
#[derive(Debug)]
pub struct Signed<'a> {
    pub client_id: &'a str,
    pub client_mode: &'a str,
    pub role: &'a str,
    pub scopes: &'a [String],
    pub token: &'a str,
    pub platform: &'a str,
    pub device_family: &'a str,
}

impl Signed<'_> {
    /// The string of older clients.
    pub fn version_2(&self, device_id: &str, signed_at: i64, nonce: &str) -> String {
        format!(
            "v2|{device_id}|{}|{}|{}|{}|{signed_at}|{}|{nonce}",
            self.client_id,
            self.client_mode,
            self.role,
            self.scopes.join(","),
            self.token
        )
    }

    pub fn version_3(&self, device_id: &str, signed_at: i64, nonce: &str) -> String {
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

    pub fn id(&self) -> String {
        device_id(self.pair.public_key().as_ref())
    }

    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref())
    }

    pub fn sign(&self, text: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.pair.sign(text.as_bytes()).as_ref())
    }
}

/// Lowercase hex SHA-256 of the raw public key.
pub fn device_id(public_key: &[u8]) -> String {
    digest(&SHA256, public_key).as_ref().iter().fold(String::with_capacity(64), |mut id, byte| {
        // Writing to a String cannot fail.
        let _written = write!(id, "{byte:02x}");
        id
    })
}

/// When a proof is signed, over which nonce, and which nonce is sent with it. For a good one the
/// time is the challenge's and both nonces are.
#[derive(Clone, Copy, Debug)]
pub struct Proof<'a> {
    pub signed_at: i64,
    pub signed_nonce: &'a str,
    pub sent_nonce: &'a str,
}

/// The `device` member that proves `key` for these params of `connect`.
pub fn device_block(key: &DeviceKey, params: &Value, proof: Proof<'_>) -> Value {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let scopes: Vec<String> = params["scopes"]
        .as_array()
        .map(|scopes| scopes.iter().map(text).collect())
        .unwrap_or_default();
    let auth = &params["auth"];
    let token = ["token", "deviceToken", "bootstrapToken"]
        .into_iter()
        .find_map(|key| auth[key].as_str())
        .unwrap_or_default();
    let client = &params["client"];
    let signed = Signed {
        client_id: &text(&client["id"]),
        client_mode: &text(&client["mode"]),
        role: params["role"].as_str().unwrap_or("operator"),
        scopes: &scopes,
        token,
        platform: &text(&client["platform"]),
        device_family: &text(&client["deviceFamily"]),
    }
    .version_3(&key.id(), proof.signed_at, proof.signed_nonce);
    json!({
        "id": key.id(),
        "publicKey": key.public_key(),
        "signature": key.sign(&signed),
        "signedAt": proof.signed_at,
        "nonce": proof.sent_nonce,
    })
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
