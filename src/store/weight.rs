//! About how much memory an event holds beyond its own size.

use crate::session::{Event, Head, Traffic};

pub(super) fn weight(event: &Event) -> usize {
    /// For events with a few short strings.
    const SHORT: usize = 64;
    match event {
        Event::Tls { .. } | Event::Dial(_) | Event::Connect(_) | Event::Hello(_) => 8 * SHORT,
        Event::Request { head, changes } => of_head(head) + changes.len() * 3 * SHORT,
        Event::Response { head, .. } => of_head(head),
        Event::ResponseBody { text, .. } => text.len(),
        Event::Control(control) => control.payload.len(),
        Event::Captured(message) => {
            message.text.as_ref().map_or(0, String::len) + message.redactions.len() * 2 * SHORT
        }
        Event::Envelope(envelope) => [
            &envelope.kind,
            &envelope.id,
            &envelope.method,
            &envelope.event,
            &envelope.code,
            &envelope.detail_code,
        ]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum(),
        // `details` is what the gateway sent, within the bounds of one captured frame.
        Event::Refusal(_) => 16 * SHORT,
        Event::Note(note) => note.slug.len() + note.text.len(),
        Event::Traffic { .. } => size_of::<Traffic>() + 8 * SHORT,
        Event::Started(_)
        | Event::TlsFailed { .. }
        | Event::OwnAnswer(_)
        | Event::Opaque(_)
        | Event::Violated(_)
        | Event::Ending(_)
        | Event::Finished(_) => SHORT,
        Event::NotWebsocket { .. } | Event::Tcp(_) | Event::TlsRecords { .. } | Event::Gap(_) => 0,
    }
}

fn of_head(head: &Head) -> usize {
    head.raw.len() + head.redactions.len() * 64
}
