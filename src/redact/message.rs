//! What may be kept of one message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::found::Found;
use super::secrets::Secrets;
use super::{Redactor, json, scrub};
use crate::session::{Captured, Direction, Unstored};
use crate::websocket::Opcode;

/// A message as it was on the wire: unmasked, defragmented, inflated.
#[derive(Clone, Copy, Debug)]
pub struct RawMessage<'a> {
    pub direction: Direction,
    pub frame: u64,
    pub opcode: Opcode,
    /// Length of the whole message.
    pub len: u64,
    pub bytes: &'a [u8],
    /// Whether `bytes` is all of it.
    pub whole: bool,
    /// Why the message is not to be had.
    pub missing: Option<Unstored>,
}

/// How much of messages is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The longest text, in bytes.
    pub limit: usize,
    /// Whether text that is not JSON was asked for; the opening exchange alone needs none.
    pub any_text: bool,
}

/// A text that may be kept.
struct Kept {
    text: String,
    cut: bool,
}

impl Redactor {
    /// What is stored of a message.
    pub fn message(&self, raw: RawMessage<'_>, keep: Keep, secrets: &mut Secrets) -> Captured {
        let mut found = Found::new(&self.key, secrets);
        let kept = match raw.missing {
            Some(reason) => Err(reason),
            None if !self.enabled => Ok(as_it_is(&raw, keep)),
            None => redacted(&raw, keep, &mut found),
        };
        let (text, cut, unstored) = match kept {
            Ok(Kept { text, cut }) => (Some(text), cut, None),
            Err(reason) => (None, false, Some(reason)),
        };
        Captured {
            direction: raw.direction,
            frame: raw.frame,
            opcode: raw.opcode.nibble(),
            len: raw.len,
            text,
            cut,
            redactions: if unstored.is_none() { found.redactions() } else { Vec::new() },
            unstored,
        }
    }
}

fn as_it_is(raw: &RawMessage<'_>, keep: Keep) -> Kept {
    match text_of(raw) {
        Some(text) => cut(text.to_owned(), raw.whole, keep.limit),
        None => encoded(raw, keep),
    }
}

fn redacted(raw: &RawMessage<'_>, keep: Keep, found: &mut Found<'_>) -> Result<Kept, Unstored> {
    let Some(text) = text_of(raw) else {
        if !keep.any_text || may_hide_a_secret(raw.bytes, found) {
            return Err(Unstored::NotText);
        }
        return Ok(encoded(raw, keep));
    };
    if text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']).starts_with(['{', '[']) {
        if !raw.whole {
            return Err(Unstored::TooLong);
        }
        let mut value: Value = serde_json::from_str(text).map_err(|_| Unstored::UnparsableJson)?;
        json::redact(&mut value, found);
        let text = value.to_string();
        return Ok(cut(found.known(&text), true, keep.limit));
    }
    if !keep.any_text {
        return Err(Unstored::NotJson);
    }
    // The last word of a text that was cut may be the beginning of a secret.
    let text = if raw.whole {
        text
    } else {
        text.rfind(char::is_whitespace).map_or("", |end| &text[..end])
    };
    let text = scrub::scrubbed(text, found);
    Ok(cut(found.known(&text), raw.whole, keep.limit))
}

/// Bytes that are not text are searched for what names a secret: they cannot be redacted.
pub(super) fn may_hide_a_secret(bytes: &[u8], found: &mut Found<'_>) -> bool {
    const WORDS: [&str; 7] =
        ["token", "passw", "secret", "apikey", "api_key", "authorization", "bearer"];
    let text: String =
        bytes.iter().map(|byte| char::from(if byte.is_ascii() { *byte } else { b' ' })).collect();
    let lower = text.to_ascii_lowercase();
    let before = found.count();
    scrub::scrubbed(&text, found);
    WORDS.iter().any(|word| lower.contains(word)) || found.count() > before || found.knows(&text)
}

/// The bytes as text, less a character that was cut in two.
fn text_of<'a>(raw: &RawMessage<'a>) -> Option<&'a str> {
    match str::from_utf8(raw.bytes) {
        Ok(text) => Some(text),
        Err(error) if !raw.whole && error.error_len().is_none() => {
            str::from_utf8(&raw.bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

fn encoded(raw: &RawMessage<'_>, keep: Keep) -> Kept {
    let bytes = &raw.bytes[..raw.bytes.len().min(keep.limit)];
    let cut = !raw.whole || bytes.len() < raw.bytes.len();
    Kept { text: format!("base64:{}", STANDARD.encode(bytes)), cut }
}

fn cut(mut text: String, whole: bool, limit: usize) -> Kept {
    let end = text.floor_char_boundary(limit);
    let cut = end < text.len();
    text.truncate(end);
    Kept { text, cut: cut || !whole }
}
