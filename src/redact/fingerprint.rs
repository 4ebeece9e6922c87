//! Keyed hashes that stand for secrets: equal values have equal fingerprints, and without the key
//! a fingerprint tells nothing of a guessable value.

use std::fmt;

use ring::hmac;

/// The key of all fingerprints of a store, kept outside of it.
#[derive(Clone)]
pub struct FingerprintKey(hmac::Key);

impl FingerprintKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
    }

    /// The first eight hex digits of the value's HMAC-SHA256.
    pub fn fingerprint(&self, value: &[u8]) -> String {
        let tag = hmac::sign(&self.0, value);
        tag.as_ref()
            .first_chunk()
            .map_or_else(String::new, |first| format!("{:08x}", u32::from_be_bytes(*first)))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey")
    }
}
