//! Secrets in text of no particular form: URLs, `Bearer …`, JSON Web Tokens, `token=…`.

use std::ops::Range;

use super::found::Found;
use super::{names, percent};

/// How long the name before `=` or `:` may be.
const MAX_KEY: usize = 96;

/// What stands before the token of OpenClaw's scoped node paths.
const CAPABILITY: &str = "/__openclaw__/cap/";

/// A value to be taken out.
struct Hit {
    field: String,
    span: Range<usize>,
}

/// What a text is, as far as that tells where a value in it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Free,
    /// A request line: nothing but a space ends its target, whatever a URL should be.
    RequestLine,
}

/// The text with what looks like a secret replaced.
pub(super) fn scrubbed(text: &str, found: &mut Found<'_>) -> String {
    scrubbed_as(Form::Free, text, found)
}

/// The first line of a request or a response without what looks like a secret.
pub(super) fn scrubbed_start_line(line: &str, found: &mut Found<'_>) -> String {
    scrubbed_as(Form::RequestLine, line, found)
}

fn scrubbed_as(form: Form, text: &str, found: &mut Found<'_>) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        match hit_at(form, text, at).filter(|hit| !hit.span.is_empty()) {
            Some(Hit { field, span }) => {
                out.push_str(text.get(copied..span.start).unwrap_or_default());
                let value = text.get(span.clone()).unwrap_or_default();
                out.push_str(&found.take(&field, value));
                copied = span.end;
                at = span.end;
            }
            None => at += 1,
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

/// The value that begins behind the mark at `at`, if a mark is there and the value is a secret.
fn hit_at(form: Form, text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b'=' => assignment(form, text, at),
        b':' if bytes[at..].starts_with(b"://") => userinfo(text, at + 3),
        b':' => statement(text, at),
        b'%' => encoded_assignment(text, at),
        b'/' if text[at..].starts_with(CAPABILITY) => {
            let from = at + CAPABILITY.len();
            let span = from..end_of(bytes, from, |byte| matches!(byte, b'/' | b'?' | b'#'));
            Some(Hit { field: "path:cap".to_owned(), span })
        }
        b'/' if form == Form::RequestLine => segment(text, at),
        b'B' | b'b' => credentials(text, at),
        b'e' if begins_word(bytes, at) => {
            let span = at..jwt_end(bytes, at)?;
            Some(Hit { field: "jwt".to_owned(), span })
        }
        _ => None,
    }
}

/// `?token=…`, `&code=…`, `#access_token=…`; outside of URLs `token=…` and `token="…"`.
fn assignment(form: Form, text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let is_key = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%' | b'[' | b']')
    };
    let key = key_before(text, trim_back(bytes, at), is_key)?;
    let in_url = key.start > 0 && matches!(bytes[key.start - 1], b'?' | b'&' | b'#' | b';');
    let name = text.get(key)?.trim_end_matches(['[', ']']);
    let quoted = quote_after(bytes, at + 1);
    let in_query = in_url && names::query_key(name);
    if in_query {
        let span = at + 1..end_in_url(form, bytes, at + 1);
        if !span.is_empty() {
            return Some(Hit { field: format!("query:{}", percent::decoded(name)), span });
        }
    }
    if !in_query && !names::text_key(name) && !is_named_attribute(text, at, name) {
        return None;
    }
    let span = if let Some(inside) = quoted {
        inside
    } else {
        let from = skip_spaces(bytes, at + 1);
        from..end_of(bytes, from, |byte| matches!(byte, b'&' | b'#' | b',' | b';' | b')'))
    };
    Some(Hit { field: format!("text:{name}"), span })
}

/// The end of a parameter of a URL. Browsers leave backquotes and backslashes in a query as they
/// are, and other clients any byte but a space.
fn end_in_url(form: Form, bytes: &[u8], from: usize) -> usize {
    let also = |byte: u8| matches!(byte, b'&' | b'#');
    match form {
        Form::Free => end_of(bytes, from, also),
        Form::RequestLine => {
            let rest = bytes.get(from..).unwrap_or_default();
            from + rest.iter().take_while(|byte| **byte > b' ' && !also(**byte)).count()
        }
    }
}

/// `value="…"` or `content="…"` of an HTML element whose name says that it is secret.
fn is_named_attribute(text: &str, at: usize, attribute: &str) -> bool {
    const FARTHEST: usize = 256;
    if !attribute.eq_ignore_ascii_case("value") && !attribute.eq_ignore_ascii_case("content") {
        return false;
    }
    let from = text.floor_char_boundary(at.saturating_sub(FARTHEST));
    let Some((_, element)) = text[from..at].rsplit_once('<') else { return false };
    element.split(['"', '\'']).any(names::text_key)
}

/// `/token/…` in a path, and a capability whose path is percent-encoded.
fn segment(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let ends = |byte: &u8| *byte <= b' ' || matches!(byte, b'/' | b'?' | b'#');
    let from = at + 1;
    let span = from..from + bytes[from..].iter().take_while(|byte| !ends(byte)).count();
    let mut before = text[..at].rsplit('/').map(percent::decoded);
    let name = before.next()?;
    let capability = name == "cap" && before.next().is_some_and(|word| word == "__openclaw__");
    let token = names::text_key(&name) && looks_random(text.get(span.clone())?);
    (capability || token).then(|| Hit { field: format!("path:{name}"), span })
}

/// `token%3D…` inside of a URL that is a parameter of another one.
fn encoded_assignment(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    if percent::escape(&bytes[at..])? != b'=' {
        return None;
    }
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let mut key = key_before(text, at, is_key)?;
    if key.start > 0 && bytes[key.start - 1] == b'%' {
        key.start = (key.start + 2).min(key.end);
    }
    let name = text.get(key)?;
    if !names::query_key(name) {
        return None;
    }
    let from = at + 3;
    let mut to = end_of(bytes, from, |byte| matches!(byte, b'&' | b'#'));
    for place in from..to {
        if matches!(percent::escape(&bytes[place..to]), Some(b'&' | b'#')) {
            to = place;
            break;
        }
    }
    Some(Hit { field: format!("query:{name}"), span: from..to })
}

/// `"token": "…"`, and `password: …` when what follows does not look like a word of a sentence.
fn statement(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let key = key_before(text, trim_back(bytes, at), is_key)?;
    let name = text.get(key)?;
    if !names::text_key(name) {
        return None;
    }
    let span = if let Some(inside) = quote_after(bytes, at + 1) {
        inside
    } else {
        let from = skip_spaces(bytes, at + 1);
        let span = from..end_of(bytes, from, |byte| matches!(byte, b',' | b';' | b')' | b'}'));
        if !looks_random(text.get(span.clone())?) {
            return None;
        }
        span
    };
    Some(Hit { field: format!("text:{name}"), span })
}

/// `user:password@` before a host.
fn userinfo(text: &str, from: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let authority = from..end_of(bytes, from, |byte| matches!(byte, b'/' | b'?' | b'#' | b','));
    let at_sign = text.get(authority)?.rfind('@')?;
    Some(Hit { field: "userinfo".to_owned(), span: from..from + at_sign })
}

/// `Bearer …` and `Basic …`.
fn credentials(text: &str, at: usize) -> Option<Hit> {
    let bytes = text.as_bytes();
    let scheme = ["bearer", "basic"].into_iter().find(|scheme| {
        bytes[at..]
            .get(..scheme.len())
            .is_some_and(|word| word.eq_ignore_ascii_case(scheme.as_bytes()))
    })?;
    let after = at + scheme.len();
    let spaced =
        matches!(bytes.get(after), Some(b' ' | b'\t')) || bytes.get(after..)?.starts_with(b"%20");
    if !begins_word(bytes, at) || !spaced {
        return None;
    }
    let from = if bytes[after] == b'%' { after + 3 } else { skip_spaces(bytes, after) };
    let span = from..end_of(bytes, from, |byte| matches!(byte, b',' | b';' | b')'));
    let word = text.get(span.clone())?;
    // `Bearer realm="…"` is a challenge (RFC 9110 §11.3).
    let parameter = word.ends_with('=') && bytes.get(span.end) == Some(&b'"');
    let random = looks_random(word) && !parameter;
    random.then(|| Hit { field: scheme.to_owned(), span })
}

/// Where a JSON Web Token (RFC 7519 §3) ends that begins at `at`.
pub(super) fn jwt_end(bytes: &[u8], at: usize) -> Option<usize> {
    let part = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            .count()
    };
    if !bytes.get(at..)?.starts_with(b"eyJ") {
        return None;
    }
    let header = part(at);
    if header < at + 10 || bytes.get(header) != Some(&b'.') {
        return None;
    }
    let mut end = part(header + 1);
    while bytes.get(end) == Some(&b'.') {
        end = part(end + 1);
    }
    Some(end)
}

/// Whether a word is unlikely to be one of a language: it is long, or holds a digit or a mark.
pub(super) fn looks_random(word: &str) -> bool {
    let word = word.trim_end_matches(['.', '!', '?']);
    word.len() >= 6
        && (word.len() >= 20
            || word
                .bytes()
                .any(|b| b.is_ascii_digit() || matches!(b, b'+' | b'/' | b'=' | b'_' | b'~')))
}

fn key_before(text: &str, end: usize, is_key: impl Fn(u8) -> bool) -> Option<Range<usize>> {
    let before = &text.as_bytes()[..end];
    let len = before.iter().rev().take(MAX_KEY).take_while(|byte| is_key(**byte)).count();
    (len > 0).then(|| end - len..end)
}

/// The end of a name that may be followed by a quote and spaces.
fn trim_back(bytes: &[u8], mut end: usize) -> usize {
    while end > 0 && matches!(bytes[end - 1], b' ' | b'\t') {
        end -= 1;
    }
    while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'\\') {
        end -= 1;
    }
    end
}

/// The inside of a quoted value that begins at `at`, spaces aside.
fn quote_after(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let mut from = skip_spaces(bytes, at);
    // JSON in a text of JSON in a text of JSON: each level doubles the backslashes.
    let depth = bytes.get(from..)?.iter().take_while(|byte| **byte == b'\\').count();
    let escaped = depth > 0;
    from += depth;
    let quote = *bytes.get(from).filter(|byte| matches!(byte, b'"' | b'\''))?;
    from += 1;
    let mut end = from;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\\' if escaped => {
                let run = bytes[end..].iter().take_while(|byte| **byte == b'\\').count();
                if run <= depth && bytes.get(end + run) == Some(&quote) {
                    break;
                }
                end += run + usize::from(bytes.get(end + run) == Some(&quote));
            }
            b'\\' => end += 2,
            byte if *byte == quote => break,
            _ => end += 1,
        }
    }
    let end = end.min(bytes.len());
    Some(from..end)
}

fn skip_spaces(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// Where a value ends: at what ends any word, or at what `also` names.
fn end_of(bytes: &[u8], from: usize, also: impl Fn(u8) -> bool) -> usize {
    let ends = |byte: u8| {
        byte <= b' ' || matches!(byte, b'"' | b'<' | b'>' | b'`' | b'\\' | 0x7f) || also(byte)
    };
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| !ends(**byte)).count()
}

fn begins_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || matches!(bytes[at - 1], b'-' | b'_'))
}
