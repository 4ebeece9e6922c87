//! The changes to request heads that options ask for: line by line, everything else untouched.

use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

/// All changes that were asked for.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    pub edits: Vec<Edit>,
    pub forwarded: Option<Forwarded>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Replaces the first line of that name and removes its duplicates, or adds a line at the end.
    Set {
        name: String,
        value: String,
    },
    Remove {
        name: String,
    },
}

/// What to tell the upstream of the client's address (`--forwarded`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Adds the client to X-Forwarded-For; -Proto and -Host only where they are missing.
    Append,
    /// Removes whatever the client said and writes all three.
    Replace,
}

/// An edited head and what was changed in it.
#[derive(Debug)]
pub struct Edited {
    pub raw: Vec<u8>,
    pub changes: Vec<Changed>,
}

/// One changed line, its value not redacted yet.
#[derive(Debug, PartialEq, Eq)]
pub struct Changed {
    /// `set`, `appended` or `removed`.
    pub what: &'static str,
    pub header: String,
    pub value: Option<String>,
    pub option: &'static str,
}

/// The option's value is not `Name: value`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseEditError {
    #[error("write it as \"Name: value\"")]
    NoColon,
    #[error("\"{0}\" is not a header name: letters, digits and -_.~!#$%&'*+^`| only")]
    BadName(String),
    #[error("a header value cannot hold line breaks or control characters")]
    BadValue,
}

impl Edit {
    /// Reads the value of `--remove-header`.
    pub fn removal(name: &str) -> Result<Self, ParseEditError> {
        Ok(Self::Remove { name: header_name(name)? })
    }
}

impl FromStr for Edit {
    type Err = ParseEditError;

    /// Reads the value of `--set-header`.
    fn from_str(text: &str) -> Result<Self, ParseEditError> {
        let (name, value) = text.split_once(':').ok_or(ParseEditError::NoColon)?;
        let value = value.trim();
        if http::HeaderValue::from_str(value).is_err() {
            return Err(ParseEditError::BadValue);
        }
        Ok(Self::Set { name: header_name(name)?, value: value.to_owned() })
    }
}

fn header_name(text: &str) -> Result<String, ParseEditError> {
    let name = text.trim();
    match http::HeaderName::from_str(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(ParseEditError::BadName(name.to_owned())),
    }
}

impl Edits {
    pub const fn is_empty(&self) -> bool {
        self.edits.is_empty() && self.forwarded.is_none()
    }

    /// Applies everything to a complete head. `client` is the address to forward, `tls` whether
    /// the client's leg is TLS.
    pub fn apply(&self, head: &[u8], client: Option<IpAddr>, tls: bool) -> Edited {
        let mut lines = Lines::of(head);
        let mut changes = Vec::new();
        if let Some(forwarded) = self.forwarded {
            lines.forward(forwarded, client, tls, &mut changes);
        }
        for edit in &self.edits {
            match edit {
                Edit::Set { name, value } => {
                    lines.set(name, value);
                    changes.push(Changed {
                        what: "set",
                        header: name.clone(),
                        value: Some(value.clone()),
                        option: "--set-header",
                    });
                }
                Edit::Remove { name } => {
                    if lines.remove(name) {
                        changes.push(removed(name, "--remove-header"));
                    }
                }
            }
        }
        Edited { raw: lines.join(), changes }
    }
}

fn removed(name: &str, option: &'static str) -> Changed {
    Changed { what: "removed", header: name.to_owned(), value: None, option }
}

/// A head as its lines, each with its line break.
struct Lines {
    start: Vec<u8>,
    fields: Vec<Vec<u8>>,
    end: Vec<u8>,
}

impl Lines {
    fn of(head: &[u8]) -> Self {
        let mut lines = head.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec);
        let start = lines.next().unwrap_or_default();
        let mut fields: Vec<Vec<u8>> = lines.collect();
        let end = fields.pop().unwrap_or_default();
        Self { start, fields, end }
    }

    fn join(self) -> Vec<u8> {
        [self.start, self.fields.concat(), self.end].concat()
    }

    fn positions(&self, name: &str) -> Vec<usize> {
        let is = |line: &[u8]| {
            line.split(|b| *b == b':')
                .next()
                .is_some_and(|n| n.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.fields.iter().enumerate().filter(|(_, line)| is(line)).map(|(at, _)| at).collect()
    }

    /// The values of all lines of that name, as one list (RFC 9110 §5.3).
    fn value(&self, name: &str) -> Option<String> {
        let value = |at: &usize| {
            let value = self.fields.get(*at)?.splitn(2, |b| *b == b':').nth(1)?;
            Some(String::from_utf8_lossy(value.trim_ascii()).into_owned())
        };
        let values: Vec<String> = self.positions(name).iter().filter_map(value).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    fn set(&mut self, name: &str, value: &str) {
        let places = self.positions(name);
        let line = format!("{name}: {value}\r\n").into_bytes();
        for at in places.iter().skip(1).rev() {
            self.fields.remove(*at);
        }
        match places.first() {
            Some(at) => self.fields[*at] = line,
            None => self.fields.push(line),
        }
    }

    fn remove(&mut self, name: &str) -> bool {
        let places = self.positions(name);
        for at in places.iter().rev() {
            self.fields.remove(*at);
        }
        !places.is_empty()
    }

    fn forward(
        &mut self,
        how: Forwarded,
        client: Option<IpAddr>,
        tls: bool,
        changes: &mut Vec<Changed>,
    ) {
        const OPTION: &str = "--forwarded";
        let address = client.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string());
        if how == Forwarded::Replace {
            for name in ["Forwarded", "X-Real-IP"] {
                if self.remove(name) {
                    changes.push(removed(name, OPTION));
                }
            }
        }
        let earlier = self.value("X-Forwarded-For").filter(|_| how == Forwarded::Append);
        let what = if earlier.is_some() { "appended" } else { "set" };
        let chain = earlier.map_or_else(|| address.clone(), |chain| format!("{chain}, {address}"));
        let host = self.value("Host");
        let proto = if tls { "https" } else { "http" };
        let wanted = [
            ("X-Forwarded-For", Some(chain), what),
            ("X-Forwarded-Proto", Some(proto.to_owned()), "set"),
            ("X-Forwarded-Host", host, "set"),
        ];
        for (name, value, what) in wanted {
            let keep = how == Forwarded::Append && name != "X-Forwarded-For";
            if keep && !self.positions(name).is_empty() {
                continue;
            }
            if let Some(value) = value {
                self.set(name, &value);
                changes.push(Changed {
                    what,
                    header: name.to_owned(),
                    value: Some(value),
                    option: OPTION,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] =
        b"GET /x HTTP/1.1\r\nHost:  a:1 \r\nX-dup: 1\r\nUPGRADE: websocket\r\nx-DUP: 2\r\n\r\n";

    fn edited(edits: &Edits) -> (String, Vec<Changed>) {
        let edited = edits.apply(HEAD, Some([10, 0, 0, 7].into()), false);
        (String::from_utf8(edited.raw).unwrap(), edited.changes)
    }

    #[test]
    fn no_edit_changes_no_byte() {
        assert_eq!(edited(&Edits::default()).0.as_bytes(), HEAD);
    }

    #[test]
    fn set_and_remove_touch_only_their_lines() {
        let edits = vec!["X-Dup: new".parse().unwrap(), Edit::removal("upgrade").unwrap()];
        let (text, changes) = edited(&Edits { edits, forwarded: None });
        assert_eq!(text, "GET /x HTTP/1.1\r\nHost:  a:1 \r\nX-Dup: new\r\n\r\n");
        assert_eq!(changes.iter().map(|c| c.what).collect::<Vec<_>>(), ["set", "removed"]);
    }

    #[test]
    fn forwarded_appends_or_replaces() {
        let (text, _) = edited(&Edits { edits: vec![], forwarded: Some(Forwarded::Append) });
        assert!(text.ends_with(
            "x-DUP: 2\r\nX-Forwarded-For: 10.0.0.7\r\nX-Forwarded-Proto: http\r\n\
             X-Forwarded-Host: a:1\r\n\r\n"
        ));
        let head = b"GET / HTTP/1.1\r\nX-Forwarded-For: 1.2.3.4\r\nX-Real-IP: 9.9.9.9\r\n\r\n";
        let append = Edits { edits: vec![], forwarded: Some(Forwarded::Append) };
        let text = append.apply(head, Some([10, 0, 0, 7].into()), true).raw;
        assert!(
            String::from_utf8(text).unwrap().contains("X-Forwarded-For: 1.2.3.4, 10.0.0.7\r\n")
        );
        let replace = Edits { edits: vec![], forwarded: Some(Forwarded::Replace) };
        let text = replace.apply(head, Some([10, 0, 0, 7].into()), true).raw;
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "GET / HTTP/1.1\r\nX-Forwarded-For: 10.0.0.7\r\nX-Forwarded-Proto: https\r\n\r\n"
        );
    }

    #[test]
    fn bad_edits_say_what_to_type() {
        assert_eq!("x".parse::<Edit>(), Err(ParseEditError::NoColon));
        assert_eq!("a b: c".parse::<Edit>(), Err(ParseEditError::BadName("a b".into())));
        assert_eq!("a: b\nc".parse::<Edit>(), Err(ParseEditError::BadValue));
    }
}
