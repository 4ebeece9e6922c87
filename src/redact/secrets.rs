//! The secrets of one session, and where they turn up again: raw, percent- or JSON-escaped, and
//! inside base64.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::percent;

/// Shorter values are too likely to stand in a text by chance.
const MIN_LEN: usize = 6;
const MAX_LEN: usize = 4096;
const MAX_SECRETS: usize = 16;

/// Values that were taken out of a session's texts.
#[derive(Clone, Default)]
pub struct Secrets(Vec<Secret>);

#[derive(Clone)]
struct Secret {
    value: Box<str>,
    strong: bool,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    pub(super) fn learn(&mut self, value: &str, strong: bool) {
        if value.chars().count() < MIN_LEN || value.len() > MAX_LEN {
            return;
        }
        if let Some(known) = self.0.iter_mut().find(|known| *known.value == *value) {
            known.strong |= strong;
            return;
        }
        if self.0.len() == MAX_SECRETS {
            let weak = self.0.iter().position(|known| !known.strong);
            match (weak, strong) {
                (Some(weak), _) => drop(self.0.remove(weak)),
                (None, true) => drop(self.0.remove(0)),
                (None, false) => return,
            }
        }
        self.0.push(Secret { value: value.into(), strong });
    }

    /// Whether a secret stands in the text as it is.
    pub(super) fn hold(&self, text: &str) -> bool {
        self.0.iter().any(|known| text.contains(&*known.value))
    }

    /// The text with every occurrence of a secret replaced by what `with` makes of it.
    pub(super) fn replace(&self, text: &str, mut with: impl FnMut(&str) -> String) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let forms = self.forms();
        let bytes = text.as_bytes();
        let mut out = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        while at < bytes.len() {
            let (first, width) = unit(&bytes[at..]);
            // An escape may also be meant as it stands, in a secret that holds `%` or a backslash.
            let literal = if width > 1 { forms.starting_with(bytes[at]) } else { &[] };
            let hit = forms.starting_with(first).iter().chain(literal).find_map(|form| {
                let end = at + form.len_at(&bytes[at..])?;
                text.get(at..end)?;
                Some((form, end))
            });
            if let Some((form, end)) = hit {
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str(&with(form.secret));
                copied = end;
                at = end;
            } else {
                at += width;
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }

    /// Longest first, so that a secret inside of another one does not leave the rest of it.
    fn forms(&self) -> Forms<'_> {
        let mut forms: Vec<Form<'_>> = self
            .0
            .iter()
            .flat_map(|known| {
                let secret = &*known.value;
                let raw = secret.as_bytes().to_vec();
                base64_cores(secret)
                    .into_iter()
                    .chain([raw])
                    .filter(|bytes| bytes.len() >= MIN_LEN)
                    .map(move |bytes| Form { secret, bytes })
            })
            .collect();
        forms.sort_by(|a, b| {
            a.bytes.first().cmp(&b.bytes.first()).then(b.bytes.len().cmp(&a.bytes.len()))
        });
        let mut begins = [false; 256];
        for form in &forms {
            if let Some(first) = form.bytes.first() {
                begins[usize::from(*first)] = true;
            }
        }
        Forms { forms, begins }
    }
}

/// How one secret may be written, less escapes.
struct Form<'a> {
    secret: &'a str,
    bytes: Vec<u8>,
}

struct Forms<'a> {
    forms: Vec<Form<'a>>,
    begins: [bool; 256],
}

impl<'a> Forms<'a> {
    fn starting_with(&self, first: u8) -> &[Form<'a>] {
        if !self.begins[usize::from(first)] {
            return &[];
        }
        let from = self.forms.partition_point(|form| form.bytes.first() < Some(&first));
        let to = self.forms.partition_point(|form| form.bytes.first() <= Some(&first));
        &self.forms[from..to]
    }
}

impl Form<'_> {
    /// How much of `text` this form takes up at its beginning, with whatever escapes.
    fn len_at(&self, text: &[u8]) -> Option<usize> {
        let mut at = 0;
        for expected in &self.bytes {
            let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
            let (byte, width) = unit(rest);
            if byte == *expected {
                at += width;
            } else if rest[0] == *expected || (rest[0] == b'+' && *expected == b' ') {
                at += 1;
            } else {
                return None;
            }
        }
        Some(at)
    }
}

/// The byte at the beginning of `text` with a percent or JSON escape undone, and its length.
fn unit(text: &[u8]) -> (u8, usize) {
    match text {
        [b'%', ..] => percent::escape(text).map_or((b'%', 1), |byte| (byte, 3)),
        [b'\\', b'u', b'0', b'0', high, low, ..] => {
            match (percent::digit(*high), percent::digit(*low)) {
                (Some(high), Some(low)) if high < 8 => (high << 4 | low, 6),
                _ => (b'\\', 1),
            }
        }
        [b'\\', b'n', ..] => (b'\n', 2),
        [b'\\', b't', ..] => (b'\t', 2),
        [b'\\', b'r', ..] => (b'\r', 2),
        [b'\\', escaped @ (b'"' | b'\\' | b'/'), ..] => (*escaped, 2),
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    }
}

/// The characters that base64 of any text around `secret` must contain: one form for each place
/// that the secret can have in a group of three bytes, in both alphabets.
fn base64_cores(secret: &str) -> Vec<Vec<u8>> {
    let mut cores = Vec::with_capacity(6);
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(secret.as_bytes());
            let encoded = engine.encode(&bytes).into_bytes();
            let from = (before * 8).div_ceil(6);
            let to = bytes.len() * 8 / 6;
            let core = encoded.get(from..to).unwrap_or_default().to_vec();
            if !cores.contains(&core) {
                cores.push(core);
            }
        }
    }
    cores
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(secrets: &Secrets, text: &str) -> String {
        secrets.replace(text, |secret| format!("<{}>", secret.len()))
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let mut secrets = Secrets::default();
        secrets.learn("s3cr/t \"x\"", true);
        for text in [
            "a s3cr/t \"x\" b",
            "a s3cr%2Ft%20%22x%22 b",
            "a s3cr%2ft+%22x%22 b",
            "a s3cr\\/t \\\"x\\\" b",
            "a \\u0073\\u0033cr/t \\u0022x\\u0022 b",
        ] {
            assert_eq!(replaced(&secrets, text), "a <10> b", "{text}");
        }
        for before in ["", "a", "ab", "abc"] {
            for after in ["", "z", "zz"] {
                let text = STANDARD_NO_PAD.encode(format!("{before}s3cr/t \"x\"{after}"));
                assert!(replaced(&secrets, &text).contains("<10>"), "{text}");
            }
        }
    }

    #[test]
    fn sixteen_are_kept_and_the_weak_go_first() {
        let mut secrets = Secrets::default();
        secrets.learn("short", true);
        secrets.learn("strong-one", true);
        for n in 0..20 {
            secrets.learn(&format!("weak-cookie-{n:02}"), false);
        }
        for n in 0..15 {
            secrets.learn(&format!("strong-token-{n:02}"), true);
        }
        assert_eq!(secrets.0.len(), MAX_SECRETS);
        assert_eq!(replaced(&secrets, "strong-one"), "<10>");
        assert_eq!(replaced(&secrets, "short"), "short");
        assert_eq!(format!("{secrets:?}"), "Secrets(16)");
    }
}
