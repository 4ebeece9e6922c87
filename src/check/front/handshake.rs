//! Trial: one upgrade, its heads compared header by header at both ends.

use super::compare;
use super::deviation::Deviation;
use super::head::pair;
use super::rig::{Ask, Heads};

pub(super) const NAME: &str = "handshake";

/// A handshake with headers that proxies like to touch.
pub(super) fn ask() -> Ask {
    Ask {
        more: vec![
            pair("Accept-Language", "en"),
            pair("Cookie", "wstap=1; other=2"),
            pair("X-Wstap-Twice", "one"),
            pair("X-Wstap-Twice", "two"),
        ],
        answer: vec![
            pair("Server", "upstream"),
            pair("Set-Cookie", "one=1"),
            pair("Set-Cookie", "two=2"),
            pair("X-Wstap-Answer", "1"),
        ],
        ..Ask::default()
    }
}

/// What the proxy changed, as far as the handshake came.
pub(super) fn compared(heads: &Heads) -> Vec<Deviation> {
    let Some(arrived) = &heads.arrived else { return Vec::new() };
    let mut found = compare::request(&heads.asked, arrived);
    if let (Some(answered), Some(received)) = (&heads.answered, &heads.received)
        && super::head::status(answered) == Some(101)
        && super::head::status(received) == Some(101)
    {
        found.extend(compare::response(answered, received, &heads.asked));
    }
    found
}
