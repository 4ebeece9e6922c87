//! What a hop changed in the heads, as both taps recorded them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::session::{Head, Record};

/// One header (or the start line) that is not the same on both sides of the hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `start-line`, or the header's name in lower case.
    pub name: String,
    /// As it was before the hop; every line of that name.
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// From the client to the gateway.
pub(super) fn request(front: &Record, behind: &Record) -> Vec<Difference> {
    let head = |record: &Record| record.request.as_ref().map(|request| request.head.clone());
    differences(head(front), head(behind))
}

/// From the gateway to the client.
pub(super) fn response(front: &Record, behind: &Record) -> Vec<Difference> {
    let head = |record: &Record| record.response.as_ref().map(|response| response.head.clone());
    differences(head(behind), head(front))
}

fn differences(before: Option<Head>, after: Option<Head>) -> Vec<Difference> {
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let comparable = same_key(&before, &after);
    let mut found = Vec::new();
    let mut compare = |name: &str, was: Vec<String>, is: Vec<String>| {
        let plain = |all: &[String]| -> Vec<String> {
            all.iter().map(|value| without_fingerprints(value)).collect()
        };
        let same = if comparable { was == is } else { plain(&was) == plain(&is) };
        if !same {
            found.push(Difference { name: name.to_owned(), before: was, after: is });
        }
    };
    let start = |head: &Head| vec![head.start_line().to_owned()];
    compare("start-line", start(&before), start(&after));
    let mut seen = BTreeSet::new();
    let names = before.headers().chain(after.headers()).map(|(name, _)| name.to_ascii_lowercase());
    for name in names.filter(|name| seen.insert(name.clone())).collect::<Vec<_>>() {
        compare(&name, values(&before, &name), values(&after, &name));
    }
    found
}

fn values(head: &Head, name: &str) -> Vec<String> {
    let of = head.headers().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    of.map(|(_, value)| value.to_owned()).collect()
}

/// Fingerprints of two stores compare only if both were made with one key, which shows when any
/// of them is equal.
fn same_key(before: &Head, after: &Head) -> bool {
    before
        .redactions
        .iter()
        .any(|one| after.redactions.iter().any(|other| other.fingerprint == one.fingerprint))
}

/// `[redacted len=10 fp=1a2b3c4d]` without the fingerprint.
fn without_fingerprints(value: &str) -> String {
    let mut pieces = value.split(" fp=");
    let mut all = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        all.push_str(piece.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    all
}
