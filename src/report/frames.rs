//! The frames of a session as a list: headers only, each as it comes.

use std::collections::HashMap;

use serde::Serialize;

use super::clean::{clean, clean_json};
use super::quantity::number;
use crate::session::{Direction, Envelope, FrameFact, Offset};
use crate::websocket::Opcode;

/// Writes frames beside what is known of their contents.
#[derive(Debug, Default)]
pub struct FrameList {
    envelopes: HashMap<(Direction, u64), Envelope>,
}

/// A frame as the JSON shows it.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    frame: &'a FrameFact,
    opcode: &'static str,
    fin: bool,
    rsv: [bool; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<&'a Envelope>,
}

impl FrameList {
    pub fn new(envelopes: impl IntoIterator<Item = (Offset, Envelope)>) -> Self {
        let place = |envelope: &Envelope| Some((envelope.direction?, envelope.frame));
        let envelopes =
            envelopes.into_iter().filter_map(|(_, envelope)| Some((place(&envelope)?, envelope)));
        Self { envelopes: envelopes.collect() }
    }

    /// The heads over the lines of [`Self::line`].
    pub fn header() -> String {
        format!(
            "{:>14}  DIR  {:>8}  {:<12}  {:<16}  {:>12}",
            "AT", "FRAME", "OPCODE", "FLAGS", "PAYLOAD"
        )
    }

    /// One frame as a line of text.
    pub fn line(&self, frame: &FrameFact) -> String {
        let envelope = self.envelope(frame).map(in_words).unwrap_or_default();
        let line = format!(
            "{:>14}  {}  {:>8}  {:<12}  {:<16}  {:>12}  {}",
            format!("{:.3} ms", frame.at.millis()),
            frame.direction.name(),
            frame.number,
            opcode(frame),
            flags(frame),
            format!("{} B", number(frame.len)),
            clean(&envelope),
        );
        line.trim_end().to_owned()
    }

    /// One frame as a line of NDJSON.
    pub fn json(&self, frame: &FrameFact) -> serde_json::Result<String> {
        let listed = Listed {
            frame,
            opcode: Opcode::of(frame.first).name(),
            fin: frame.first & 0x80 != 0,
            rsv: [0x40, 0x20, 0x10].map(|bit| frame.first & bit != 0),
            envelope: self.envelope(frame),
        };
        serde_json::to_string(&listed).map(clean_json)
    }

    fn envelope(&self, frame: &FrameFact) -> Option<&Envelope> {
        self.envelopes.get(&(frame.direction, frame.number))
    }
}

fn opcode(frame: &FrameFact) -> String {
    match Opcode::of(frame.first) {
        Opcode::Reserved(nibble) => format!("reserved {nibble:#x}"),
        known => known.name().to_owned(),
    }
}

fn flags(frame: &FrameFact) -> String {
    let bits = [
        (frame.first & 0x80 != 0, "FIN"),
        (frame.first & 0x40 != 0, "RSV1"),
        (frame.first & 0x20 != 0, "RSV2"),
        (frame.first & 0x10 != 0, "RSV3"),
        (frame.masked, "mask"),
        (!frame.minimal, "long"),
    ];
    bits.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect::<Vec<_>>().join(" ")
}

/// `req connect id=1`, `res ok id=1`, `event tick`.
fn in_words(envelope: &Envelope) -> String {
    let mut words: Vec<String> = Vec::new();
    words.extend(envelope.kind.clone());
    words.extend(envelope.method.clone());
    words.extend(envelope.event.clone());
    words.extend(envelope.ok.map(|ok| if ok { "ok" } else { "error" }.to_owned()));
    words.extend(envelope.code.clone());
    words.extend(envelope.detail_code.clone());
    words.extend(envelope.id.as_ref().map(|id| format!("id={id}")));
    if envelope.partial {
        words.push("(not read to its end)".to_owned());
    }
    words.join(" ")
}
