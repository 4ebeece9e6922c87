//! An HTTP/1.1 head as it was on the wire, less what must not be kept.

use serde::{Deserialize, Serialize};

/// A request or response head, from its first byte to its empty line.
///
/// The bytes stand in `raw` one character each (ISO 8859-1), so that order, case, duplicates and
/// whitespace are as they came. Redacted spans are replaced; `redactions` says where and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub raw: String,
    /// Length on the wire, before redaction.
    pub bytes: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redactions: Vec<Redaction>,
    /// False when a library rebuilt the head and order or whitespace may differ from the wire.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub verbatim: bool,
}

const fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_true(b: &bool) -> bool {
    *b
}

/// One value that was taken out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redaction {
    /// Where it stood: a header's name, `query:token`, a JSON path as `params.auth.token`.
    pub field: String,
    /// Length of the value in bytes.
    pub len: usize,
    /// First eight hex digits of a keyed hash: equal values have equal fingerprints.
    pub fingerprint: String,
}

impl Head {
    /// `GET / HTTP/1.1`, `HTTP/1.1 101 Switching Protocols`.
    pub fn start_line(&self) -> &str {
        self.raw.lines().next().unwrap_or_default().trim_end()
    }

    /// Header lines in their order, names in their case, values without surrounding whitespace.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.raw
            .split('\n')
            .skip(1)
            .map(|line| line.trim_end_matches('\r'))
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim_matches([' ', '\t'])))
    }

    /// The first value of a header, by its name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Every value of a header joined by `, `, as RFC 9110 §5.3 lets a recipient do.
    pub fn header_joined(&self, name: &str) -> Option<String> {
        let values: Vec<&str> = self
            .headers()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_order_case_and_duplicates() {
        let head = Head {
            raw: "GET /x HTTP/1.1\r\nX-Dup:  a \r\nuPgrade: websocket\r\nx-dup: b\r\n\r\n".into(),
            bytes: 66,
            redactions: Vec::new(),
            verbatim: true,
        };
        assert_eq!(head.start_line(), "GET /x HTTP/1.1");
        assert_eq!(
            head.headers().collect::<Vec<_>>(),
            [("X-Dup", "a"), ("uPgrade", "websocket"), ("x-dup", "b")]
        );
        assert_eq!(head.header("UPGRADE"), Some("websocket"));
        assert_eq!(head.header_joined("x-dup").as_deref(), Some("a, b"));
    }
}
