//! Names and values in the text of a message.
//!
//! User agents, origins and close reasons stand in it as peers sent them, and may look like names
//! and values themselves. A name that the gateway writes before them is looked for from the front,
//! one that it writes behind them from the back.

use std::net::{IpAddr, SocketAddr};

use super::{Conn, Endpoints};

/// The marks that lines of the frame log begin with; they name the connection at their end.
const MARKS: [char; 4] = ['←', '→', '⇄', '✗'];

/// A line of the frame log without its mark.
pub(super) fn marked(message: &str) -> Option<&str> {
    message.strip_prefix(MARKS).map(str::trim_start)
}

pub(super) fn conn(message: &str) -> Option<Conn> {
    let value =
        if marked(message).is_some() { last(message, "conn") } else { first(message, "conn") };
    value.filter(|value| is_name(value)).map(Conn::new)
}

/// Hexadecimal digits and dashes, perhaps shortened.
fn is_name(value: &str) -> bool {
    let known = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | '…' | '.');
    (13..=36).contains(&value.chars().count()) && value.chars().all(known)
}

pub(super) fn peer(message: &str) -> Option<Endpoints> {
    let ends =
        if marked(message).is_some() { last(message, "endpoint") } else { first(message, "peer") };
    let ends = ends?;
    let (remote, local) = ends.split_once("->").unwrap_or((ends, ""));
    Some(Endpoints { remote: socket(remote)?, local: socket(local) })
}

/// `127.0.0.1:80`, `[::1]:80`, and `::1:80` as it is written without care.
fn socket(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.rsplit_once(':')?;
    let ip: IpAddr = ip.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(SocketAddr::new(ip.to_canonical(), port.parse().ok()?))
}

/// The value of the first `name=`, up to the next blank.
pub(super) fn first<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let pattern = pattern(name);
    let at = message.find(&pattern)?;
    word(&message[at + pattern.len()..])
}

/// The value of the last `name=`.
pub(super) fn last<'m>(message: &'m str, name: &str) -> Option<&'m str> {
    let pattern = pattern(name);
    let at = message.rfind(&pattern)?;
    word(&message[at + pattern.len()..])
}

/// The value of the first `name=` with the blanks in it, up to the last of each of `until`.
pub(super) fn phrase<'m>(message: &'m str, name: &str, until: &[&str]) -> Option<&'m str> {
    let begins = pattern(name);
    let mut rest = &message[message.find(&begins)? + begins.len()..];
    for name in until {
        rest = rest.rfind(&pattern(name)).map_or(rest, |end| &rest[..end]);
    }
    Some(rest.trim()).filter(|text| is_said(text))
}

fn pattern(name: &str) -> String {
    format!(" {name}=")
}

fn word(rest: &str) -> Option<&str> {
    rest.split(' ').next().filter(|word| is_said(word))
}

fn is_said(value: &str) -> bool {
    !matches!(value, "" | "n/a" | "?")
}

/// The text without what colours it on a terminal (ECMA-48, CSI … m).
pub(super) fn without_styles(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut parts = text.split("\u{1b}[");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| !matches!(c, '0'..='9' | ';')).unwrap_or(part.len());
        let rest = &part[end..];
        out.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    out
}

/// The beginning of a text.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}
