//! The file that makes a gate of the trial: which origins are to be accepted, and which refused.
//!
//! One per line, `accept ORIGIN` or `refuse ORIGIN`; `absent` stands for no Origin header, `#`
//! begins a comment.

use serde::Serialize;
use thiserror::Error;

use super::{ABSENT, Candidate, Why};

/// What is expected of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    Accept,
    Refuse,
}

impl Expectation {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Refuse => "refuse",
        }
    }

    pub(super) fn fits(self, accepted: Option<bool>) -> bool {
        accepted == Some(self == Self::Accept)
    }
}

/// A whole file of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected(Vec<(Option<String>, Expectation)>);

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: type `accept ORIGIN` or `refuse ORIGIN` (`absent` for no Origin header)")]
pub struct ExpectError {
    line: usize,
}

impl Expected {
    pub fn parse(text: &str) -> Result<Self, ExpectError> {
        let mut all = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let mut words = line.split_whitespace();
            let expectation = match words.next() {
                Some("accept") => Expectation::Accept,
                Some("refuse") => Expectation::Refuse,
                Some(_) | None => return Err(ExpectError { line: number + 1 }),
            };
            let (Some(origin), None) = (words.next(), words.next()) else {
                return Err(ExpectError { line: number + 1 });
            };
            all.push(((origin != ABSENT).then(|| origin.to_owned()), expectation));
        }
        Ok(Self(all))
    }

    pub(super) fn of(&self, origin: Option<&str>) -> Option<Expectation> {
        let found = self.0.iter().find(|(expected, _)| expected.as_deref() == origin);
        found.map(|(_, expectation)| *expectation)
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = Candidate> {
        self.0.iter().map(|(origin, _)| Candidate { origin: origin.clone(), why: Why::Expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_mistakes_are_placed() {
        let text = "# ours\naccept https://a:8443 # the page\n\nrefuse absent\nrefuse null\n";
        let expected = Expected::parse(text).unwrap();
        assert_eq!(expected.of(Some("https://a:8443")), Some(Expectation::Accept));
        assert_eq!(expected.of(None), Some(Expectation::Refuse));
        assert_eq!(expected.of(Some("https://b")), None);
        assert!(Expected::parse("\nallow x").unwrap_err().to_string().contains("line 2"));
        assert!(Expected::parse("accept a b").is_err());
        assert!(!Expectation::Accept.fits(None));
    }
}
