//! Request and response heads: every byte stays as it was but for the values that are secret.

use super::found::Found;
use super::names::{self, HeaderKind};
use super::scrub;

/// One character for each byte.
pub(super) fn latin1(raw: &[u8]) -> String {
    raw.iter().map(|byte| char::from(*byte)).collect()
}

/// The head without its secrets.
pub(super) fn redacted(raw: &[u8], found: &mut Found<'_>) -> String {
    let text = latin1(raw);
    let mut out = String::with_capacity(text.len());
    let mut name = None;
    let mut announced = false;
    for (at, line) in text.split_inclusive(['\n', '\r']).enumerate() {
        let content = line.trim_end_matches(['\n', '\r']);
        let ending = &line[content.len()..];
        if at == 0 {
            out.push_str(&scrub::scrubbed_start_line(content, found));
        } else if content.starts_with([' ', '\t']) {
            // A folded line (RFC 9112 §5.2) goes on with the value of the header before it.
            let folded = match name {
                Some(name) => continued(name, content, found),
                None => scrub::scrubbed(content, found),
            };
            out.push_str(&folded);
        } else if let Some((before, after)) = content.split_once(':') {
            name = Some(before);
            out.push_str(&scrub::scrubbed(before, found));
            out.push(':');
            // A list may go on in another line of the same name (RFC 9110 §5.3).
            if announced && names::header(before) == HeaderKind::Subprotocol {
                out.push_str(&continued(before, after, found));
                announced = false;
            } else {
                announced = announces(before, after);
                out.push_str(&value(before, after, found));
            }
        } else {
            out.push_str(&scrub::scrubbed(content, found));
        }
        out.push_str(ending);
    }
    found.known(&out)
}

/// The value of one header without its secrets; surrounding whitespace stays.
pub(super) fn value(name: &str, value: &str, found: &mut Found<'_>) -> String {
    let field = name.trim();
    let inner = value.trim_matches([' ', '\t']);
    let lead = &value[..value.len() - value.trim_start_matches([' ', '\t']).len()];
    let trail = &value[lead.len() + inner.len()..];
    let inner = match names::header(name) {
        HeaderKind::Plain => inner.to_owned(),
        HeaderKind::Text => scrub::scrubbed(inner, found),
        HeaderKind::Secret => found.take(field, inner),
        HeaderKind::Credentials => credentials(field, inner, found),
        HeaderKind::Challenge => challenge(field, inner, found),
        HeaderKind::Cookie => pairs(field, inner, found, |_, _| true),
        HeaderKind::SetCookie => {
            pairs(field, inner, found, |at, name| at == 0 || !is_attribute(name))
        }
        HeaderKind::Subprotocol => subprotocols(field, inner, found),
    };
    format!("{lead}{inner}{trail}")
}

fn continued(name: &str, content: &str, found: &mut Found<'_>) -> String {
    match names::header(name) {
        HeaderKind::Secret
        | HeaderKind::Credentials
        | HeaderKind::Cookie
        | HeaderKind::SetCookie
        | HeaderKind::Subprotocol => {
            let inner = content.trim_matches([' ', '\t']);
            let lead = &content[..content.len() - content.trim_start_matches([' ', '\t']).len()];
            let trail = &content[lead.len() + inner.len()..];
            format!("{lead}{}{trail}", found.take(name.trim(), inner))
        }
        HeaderKind::Text | HeaderKind::Plain | HeaderKind::Challenge => {
            scrub::scrubbed(content, found)
        }
    }
}

/// `Bearer …` keeps its scheme word (RFC 9110 §11.4).
fn credentials(field: &str, value: &str, found: &mut Found<'_>) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let Some((scheme, secret)) = value.split_once([' ', '\t']) else {
        return found.take(field, value);
    };
    let token = secret.trim_start_matches([' ', '\t']);
    let space = &value[scheme.len()..value.len() - token.len()];
    if scheme.eq_ignore_ascii_case("basic")
        && let Ok(pair) = STANDARD.decode(token)
        && let Ok(pair) = String::from_utf8(pair)
    {
        found.learn(&pair);
        if let Some((_, password)) = pair.split_once(':') {
            found.learn(password);
        }
    }
    format!("{scheme}{space}{}", found.take(field, token))
}

/// `Negotiate …` is a token; `Bearer realm="…"` keeps its parameters.
fn challenge(field: &str, value: &str, found: &mut Found<'_>) -> String {
    let token = value.split_once(' ').filter(|(_, rest)| {
        !rest.trim_end_matches('=').contains(['=', ',', ' ', '"']) && !rest.is_empty()
    });
    match token {
        Some((scheme, token)) => format!("{scheme} {}", found.take(field, token)),
        None => scrub::scrubbed(value, found),
    }
}

/// Whether a list of subprotocols ends with a word that says that a token comes next.
fn announces(name: &str, value: &str) -> bool {
    names::header(name) == HeaderKind::Subprotocol
        && value.rsplit(',').next().is_some_and(|last| announces_token(last.trim()))
}

fn announces_token(word: &str) -> bool {
    names::text_key(word)
        || ["bearer", "auth"].iter().any(|announcing| word.eq_ignore_ascii_case(announcing))
}

/// `a=1; b=2`: names stay.
fn pairs(
    field: &str,
    value: &str,
    found: &mut Found<'_>,
    is_secret: impl Fn(usize, &str) -> bool,
) -> String {
    let items = value.split(';').enumerate().map(|(at, item)| {
        let trimmed = item.trim();
        let lead = &item[..item.len() - item.trim_start().len()];
        match trimmed.split_once('=') {
            Some((name, _)) if !is_secret(at, name) => item.to_owned(),
            Some((name, secret)) => {
                let inside = secret.trim_matches('"');
                let taken = found.take_weak(&format!("{field}:{name}"), inside);
                format!(
                    "{lead}{name}={}",
                    secret.replacen(inside, &taken, usize::from(!inside.is_empty()))
                )
            }
            None if !is_secret(at, trimmed) => item.to_owned(),
            None => format!("{lead}{}", found.take_weak(field, trimmed)),
        }
    });
    items.collect::<Vec<_>>().join(";")
}

/// The attributes of Set-Cookie (RFC 6265 §5.2 and what came after it).
fn is_attribute(name: &str) -> bool {
    const ATTRIBUTES: [&str; 9] = [
        "path",
        "domain",
        "expires",
        "max-age",
        "secure",
        "httponly",
        "samesite",
        "partitioned",
        "priority",
    ];
    ATTRIBUTES.iter().any(|attribute| name.eq_ignore_ascii_case(attribute))
}

/// Browsers cannot set Authorization on a WebSocket, so tokens travel as subprotocols.
fn subprotocols(field: &str, value: &str, found: &mut Found<'_>) -> String {
    let mut announced = false;
    let mut out = Vec::new();
    for item in value.split(',') {
        let name = item.trim();
        let lead = &item[..item.len() - item.trim_start().len()];
        let lower = name.to_ascii_lowercase();
        let secret_from = if announced || scrub::jwt_end(name.as_bytes(), 0).is_some() {
            Some(0)
        } else if let Some(at) = lower.find("bearer.") {
            Some(at + "bearer.".len())
        } else if let Some(at) = name
            .find(['.', '-', '_', '~', ':', '=', ' '])
            .filter(|at| announces_token(&name[..*at]))
        {
            Some(at + 1)
        } else {
            looks_like_token(name).then_some(0)
        };
        announced = announces_token(name);
        match secret_from.filter(|from| *from < name.len()) {
            Some(from) => {
                let taken = found.take(field, &name[from..]);
                out.push(format!("{lead}{}{taken}", &name[..from]));
            }
            None => out.push(item.to_owned()),
        }
    }
    out.join(",")
}

/// Long, of the characters of base64url, and with digits: no name of a protocol. Those have
/// separators between their words.
fn looks_like_token(item: &str) -> bool {
    let digits = item.bytes().filter(u8::is_ascii_digit).count();
    let one_word = item.len() >= 16 && item.bytes().all(|b| b.is_ascii_alphanumeric());
    let long = item.len() >= 24
        && item
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'='));
    one_word && digits >= 3 || long && digits >= 2
}
