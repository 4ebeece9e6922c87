//! Sent bytes against received bytes, with the difference named.

/// What differs between two heads; `None` when nothing does.
pub(super) fn heads(want: &[u8], got: &[u8]) -> Option<String> {
    if want == got {
        return None;
    }
    let (wanted, received) = (Head::parse(want), Head::parse(got));
    let mut found = Vec::new();
    if wanted.start_line != received.start_line {
        found.push(format!("start line {:?} -> {:?}", wanted.start_line, received.start_line));
    }
    for (name, value) in &received.headers {
        if received.count(name) > wanted.count(name) {
            found.push(format!("added {name}:{}", shown(value)));
        }
    }
    for (name, value) in &wanted.headers {
        match received.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
            None => found.push(format!("removed {name}")),
            Some(_) if received.headers.contains(&(name.clone(), value.clone())) => {}
            Some((_, other)) if other != value => {
                found.push(format!("changed {name}:{} ->{}", shown(value), shown(other)));
            }
            Some((other, _)) => found.push(format!("case {name} -> {other}")),
        }
    }
    if wanted.names_shared_with(&received) != received.names_shared_with(&wanted) {
        found.push("header order".to_owned());
    }
    if found.is_empty() {
        found.push("bytes differ (white space)".to_owned());
    }
    Some(found.join("; "))
}

fn shown(value: &str) -> String {
    value.chars().take(60).collect()
}

struct Head {
    start_line: String,
    headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Self {
        let text: String = bytes.iter().copied().map(char::from).collect();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n").map(str::to_owned);
        let start_line = lines.next().unwrap_or_default();
        let headers = lines.map(|line| match line.split_once(':') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (line, String::new()),
        });
        Self { start_line, headers: headers.collect() }
    }

    fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name)).count()
    }

    fn names_shared_with(&self, other: &Self) -> Vec<String> {
        let names = self.headers.iter().map(|(name, _)| name);
        names.filter(|name| other.count(name) > 0).map(|name| name.to_ascii_lowercase()).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StreamDifference {
    /// The same frames under other mask keys.
    Remasked(String),
    Bytes(String),
}

/// What differs between two streams of frames, or of plain bytes.
pub(super) fn streams(want: &[u8], got: &[u8], framed: bool) -> Option<StreamDifference> {
    if want == got {
        return None;
    }
    if !framed {
        let altered = if want.len() == got.len() { ", altered" } else { "" };
        return Some(StreamDifference::Bytes(format!(
            "{} bytes sent, {} received{altered}",
            want.len(),
            got.len()
        )));
    }
    if want.starts_with(got) {
        return Some(StreamDifference::Bytes(format!(
            "lost: {} of {} bytes received",
            got.len(),
            want.len()
        )));
    }
    if let Some(added) = got.strip_prefix(want) {
        let start = added.iter().take(60).copied().collect::<Vec<u8>>().escape_ascii().to_string();
        return Some(StreamDifference::Bytes(format!(
            "added: {} bytes more: {start}",
            added.len()
        )));
    }
    let (wanted, received) = (frames(want), frames(got));
    if wanted == received {
        return Some(StreamDifference::Remasked(format!(
            "{} frames have other mask keys",
            wanted.len()
        )));
    }
    let text = match wanted.iter().zip(&received).enumerate().find(|(_, (w, r))| w != r) {
        Some((index, (w, r))) => format!(
            "frame {index}: {} differ (0x{:02x} len {} -> 0x{:02x} len {})",
            w.differences(r).join(", "),
            w.first,
            w.len,
            r.first,
            r.len
        ),
        None => format!("{} frames sent, {} received", wanted.len(), received.len()),
    };
    Some(StreamDifference::Bytes(text))
}

/// A frame without its mask key.
#[derive(PartialEq, Eq)]
struct Frame {
    first: u8,
    masked: bool,
    len: usize,
    payload: Vec<u8>,
}

impl Frame {
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let parts = [
            (self.first != other.first, "first byte (FIN/RSV/opcode)"),
            (self.masked != other.masked, "mask bit"),
            (self.len != other.len, "length"),
            (self.payload != other.payload, "payload"),
        ];
        parts.into_iter().filter_map(|(differs, name)| differs.then_some(name)).collect()
    }
}

fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut found = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let extended = match second & 127 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let (length, rest) = rest.split_at(extended.min(rest.len()));
        let len = match length {
            [] => usize::from(second & 127),
            bytes => bytes.iter().fold(0, |len, &byte| len << 8 | usize::from(byte)),
        };
        let masked = second & 128 != 0;
        let (key, rest) = rest.split_at(if masked { rest.len().min(4) } else { 0 });
        let (payload, rest) = rest.split_at(len.min(rest.len()));
        let payload = match key {
            [] => payload.to_vec(),
            key => payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect(),
        };
        found.push(Frame { first: *first, masked, len, payload });
        bytes = rest;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\n\r\n";

    #[test]
    fn each_change_of_a_head_is_named() {
        let cases: [(&[u8], &str); 7] = [
            (b"GET /x HTTP/1.1\r\nHost: a\r\nOrigin: b\r\n\r\n", "start line"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: b\r\nVia: c\r\n\r\n", "added Via"),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "removed Origin"),
            (b"GET / HTTP/1.1\r\nHost: a\r\nOrigin: c\r\n\r\n", "changed Origin"),
            (b"GET / HTTP/1.1\r\nhost: a\r\nOrigin: b\r\n\r\n", "case Host -> host"),
            (b"GET / HTTP/1.1\r\nOrigin: b\r\nHost: a\r\n\r\n", "header order"),
            (b"GET / HTTP/1.1\r\nHost: a\nOrigin: b\r\n\r\n", "changed Host"),
        ];
        for (got, named) in cases {
            let found = heads(HEAD, got).expect(named);
            assert!(found.contains(named), "{found} for {named}");
        }
        assert_eq!(heads(HEAD, HEAD), None);
    }

    #[test]
    fn other_mask_keys_are_told_from_other_payload() {
        let sent = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
        let remasked = [0x81, 0x82, 9, 9, 9, 9, b'h' ^ 9, b'i' ^ 9];
        let altered = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'o' ^ 2];
        assert!(matches!(streams(&sent, &remasked, true), Some(StreamDifference::Remasked(_))));
        assert!(
            matches!(streams(&sent, &altered, true), Some(StreamDifference::Bytes(text)) if text.contains("payload"))
        );
        assert_eq!(streams(&sent, &sent, true), None);
    }
}
