//! What never leaves the process: secrets in heads, URLs, messages and free text are replaced by
//! their length and a keyed fingerprint before anything is stored or shown.
//!
//! A [`Redactor`] serves all sessions; each session has its own [`Secrets`], which learns every
//! value that was taken out, so that its later texts are searched for it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod fingerprint;
mod found;
mod head;
mod json;
mod message;
mod names;
mod percent;
mod scrub;
mod secrets;

pub use fingerprint::FingerprintKey;
pub use message::{Keep, RawMessage};
pub use secrets::Secrets;

use crate::session::Head;
use found::Found;

/// Takes secrets out of everything that is about to be stored or shown.
#[derive(Clone, Debug)]
pub struct Redactor {
    key: FingerprintKey,
    enabled: bool,
}

impl Redactor {
    /// With `enabled` false everything passes as it is (`--no-redact`).
    pub const fn new(key: FingerprintKey, enabled: bool) -> Self {
        Self { key, enabled }
    }

    /// The keyed hash that stands for a secret.
    pub fn fingerprint(&self, secret: &str) -> String {
        self.key.fingerprint(secret.as_bytes())
    }

    /// The same for a secret of a session, which is looked for in its later texts.
    pub fn secret(&self, secret: &str, secrets: &mut Secrets) -> String {
        secrets.learn(secret, true);
        self.fingerprint(secret)
    }

    /// A request or response head as it was on the wire, less its secrets.
    pub fn head(&self, raw: &[u8], secrets: &mut Secrets) -> Head {
        let mut found = Found::new(&self.key, secrets);
        let text = if self.enabled { head::redacted(raw, &mut found) } else { head::latin1(raw) };
        Head { raw: text, bytes: raw.len(), redactions: found.redactions(), verbatim: true }
    }

    /// The value of one header, as in [`Redactor::head`].
    pub fn header_value(&self, name: &str, value: &str, secrets: &mut Secrets) -> String {
        if !self.enabled {
            return value.to_owned();
        }
        let mut found = Found::new(&self.key, secrets);
        let value = head::value(name, value, &mut found);
        found.known(&value)
    }

    /// Free text: a close reason, a body, an error, the message of a refusal.
    pub fn line(&self, text: &str, secrets: &mut Secrets) -> String {
        if !self.enabled {
            return text.to_owned();
        }
        let mut found = Found::new(&self.key, secrets);
        let text = scrub::scrubbed(text, &mut found);
        found.known(&text)
    }

    /// Whether a short word of a message must pass [`Redactor::line`].
    pub fn is_suspect(&self, word: &str, secrets: &Secrets) -> bool {
        self.enabled
            && (word.contains(['=', '/', '%', ' ']) || word.contains("eyJ") || secrets.hold(word))
    }

    /// The payload of a Ping, Pong or Close: text when it is printable, else hex after `hex:`.
    pub fn control(&self, payload: &[u8], secrets: &mut Secrets) -> String {
        if let Ok(text) = str::from_utf8(payload)
            && !text.chars().any(|char| char.is_control() && !char.is_ascii_whitespace())
        {
            return self.line(text, secrets);
        }
        let mut found = Found::new(&self.key, secrets);
        if self.enabled && message::may_hide_a_secret(payload, &mut found) {
            return found.placeholder(payload);
        }
        payload.iter().fold("hex:".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    /// A JSON value that is to be shown by itself, as the details of a refusal.
    pub fn json(&self, value: &mut serde_json::Value, secrets: &mut Secrets) {
        if self.enabled {
            let mut found = Found::new(&self.key, secrets);
            json::redact(value, &mut found);
            json::replace_known(value, &mut found);
        }
    }
}

#[cfg(test)]
mod tests;
