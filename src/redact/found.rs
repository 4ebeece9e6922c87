//! What was taken out of one text.

use super::fingerprint::FingerprintKey;
use super::percent;
use super::secrets::Secrets;
use crate::session::Redaction;

/// How many redactions are listed. All are made.
const MAX_LISTED: usize = 256;
const MAX_FIELD: usize = 96;

/// Makes placeholders, lists them, and teaches the session's secrets.
pub(super) struct Found<'a> {
    key: &'a FingerprintKey,
    secrets: &'a mut Secrets,
    list: Vec<Redaction>,
}

impl<'a> Found<'a> {
    pub(super) const fn new(key: &'a FingerprintKey, secrets: &'a mut Secrets) -> Self {
        Self { key, secrets, list: Vec::new() }
    }

    /// Takes a value out, and gives what stands in its place.
    pub(super) fn take(&mut self, field: &str, value: &str) -> String {
        self.take_as(field, value, true)
    }

    /// The same for a value that need not be secret, as that of a cookie: it is forgotten first.
    pub(super) fn take_weak(&mut self, field: &str, value: &str) -> String {
        self.take_as(field, value, false)
    }

    /// Learns a value that stands inside of one that was taken out.
    pub(super) fn learn(&mut self, value: &str) {
        self.secrets.learn(value, true);
    }

    /// Replaces what earlier texts of the session, or earlier parts of this one, have taught.
    pub(super) fn known(&mut self, text: &str) -> String {
        let Self { key, secrets, list } = self;
        secrets.replace(text, |secret| list_one(list, key, "repeated", secret.as_bytes(), secret))
    }

    pub(super) fn knows(&self, text: &str) -> bool {
        let mut found = false;
        self.secrets.replace(text, |_| {
            found = true;
            String::new()
        });
        found
    }

    /// What stands for bytes that are not listed.
    pub(super) fn placeholder(&self, value: &[u8]) -> String {
        placeholder(value.len(), &self.key.fingerprint(value))
    }

    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    pub(super) fn redactions(mut self) -> Vec<Redaction> {
        for redaction in &mut self.list {
            let field: String = redaction.field.chars().take(MAX_FIELD).collect();
            redaction.field = self.secrets.replace(&field, |_| "…".to_owned());
        }
        self.list
    }

    fn take_as(&mut self, field: &str, value: &str, strong: bool) -> String {
        if value.is_empty() || value.starts_with("[redacted len=") {
            return value.to_owned();
        }
        // The decoded form is compared, so that a token in a URL is the same one as in JSON.
        let decoded = percent::decoded(value);
        self.secrets.learn(&decoded, strong);
        list_one(&mut self.list, self.key, field, value.as_bytes(), &decoded)
    }
}

fn list_one(
    list: &mut Vec<Redaction>,
    key: &FingerprintKey,
    field: &str,
    wire: &[u8],
    value: &str,
) -> String {
    let fingerprint = key.fingerprint(value.as_bytes());
    let text = placeholder(wire.len(), &fingerprint);
    if list.len() < MAX_LISTED {
        list.push(Redaction { field: field.to_owned(), len: wire.len(), fingerprint });
    }
    text
}

fn placeholder(len: usize, fingerprint: &str) -> String {
    format!("[redacted len={len} fp={fingerprint}]")
}
