//! A verdict in a few words.

use super::clean::clean;
use crate::session::{Confidence, Record, State, Verdict};

/// `pairing: not_paired (gateway, certain)`.
pub fn verdict_in_words(verdict: &Verdict) -> String {
    let Verdict { layer, cause, who, confidence, .. } = verdict;
    let words = format!("{}: {cause} ({}, {})", layer.name(), who.name(), confidence.name());
    clean(&words).into_owned()
}

/// The cause for a narrow place: a question mark where it is possible and no more.
pub(super) fn cause(record: &Record) -> String {
    let Some(verdict) = &record.verdict else { return "-".to_owned() };
    let doubt = match verdict.confidence {
        Confidence::Possible => "?",
        Confidence::Likely | Confidence::Certain => "",
    };
    clean(&format!("{}{doubt}{}", verdict.cause, so_far(record))).into_owned()
}

/// What an open session's verdict is worth.
pub(super) const fn so_far(record: &Record) -> &'static str {
    match record.state {
        State::Open => ", so far",
        State::Ended | State::Interrupted => "",
    }
}
