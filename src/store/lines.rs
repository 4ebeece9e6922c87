//! How events are laid on disk: JSON lines of `[microseconds, event]`, one blob per session and
//! commit.
//!
//! The time stands outside the event, for several events have a field `at` of their own.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::session::{Event, Note, Offset, Timed};

/// Appends a line. Nothing is appended when the event cannot be written as JSON.
pub(super) fn put_line(lines: &mut Vec<u8>, timed: &Timed) -> bool {
    let before = lines.len();
    let written = serde_json::to_writer(&mut *lines, &(timed.at.0, &timed.event)).is_ok();
    if written {
        lines.push(b'\n');
    } else {
        lines.truncate(before);
    }
    written
}

/// The events of one blob. A line that cannot be read is shown as a note, never passed over.
pub(super) fn events(lines: &[u8]) -> impl Iterator<Item = Timed> {
    lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        let (at, event) = serde_json::from_slice::<(u64, Event)>(line).unwrap_or_else(|error| {
            let text = format!("a stored event cannot be read: {error}");
            (0, Event::Note(Note { slug: "unreadable_event".to_owned(), text }))
        });
        Timed { at: Offset(at), event }
    })
}

#[cfg(test)]
mod tests;
