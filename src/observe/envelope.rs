//! The outside of a JSON frame, read as its pieces come by: `type`, `id`, `method`, `event`, `ok`,
//! `error.code` and `error.details.code`, in any order. Everything else is stepped over, and the
//! message is never held.

use super::json_text::JsonText;
use crate::session::{Direction, Envelope};

/// How much of a message is read. What follows cannot be told.
const MAX_READ: u64 = 1 << 20;

/// Reads one message.
#[derive(Debug, Default)]
pub(super) struct EnvelopeReader {
    state: State,
    place: Place,
    /// Where the value under way belongs.
    field: Field,
    /// Open brackets of a value that is stepped over.
    depth: u32,
    read: u64,
    text: JsonText,
    found: Envelope,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Start,
    /// A key or the end of the object.
    Key,
    KeyText,
    Colon,
    Value,
    /// A string that is kept.
    ValueText,
    /// A number, `true`, `false` or `null`.
    Literal,
    /// A value that is not kept, outside of its strings.
    Step,
    StepText,
    StepEscape,
    After,
    /// All fields that matter are known.
    Done,
    NotJson,
    Broken,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Root,
    Error,
    Details,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Field {
    #[default]
    Other,
    Kind,
    Id,
    Method,
    Event,
    Ok,
    Error,
    Code,
    Details,
    DetailCode,
}

impl Field {
    fn of(place: Place, key: &[u8]) -> Self {
        match (place, key) {
            (Place::Root, b"type") => Self::Kind,
            (Place::Root, b"id") => Self::Id,
            (Place::Root, b"method") => Self::Method,
            (Place::Root, b"event") => Self::Event,
            (Place::Root, b"ok") => Self::Ok,
            (Place::Root, b"error") => Self::Error,
            (Place::Error, b"code") => Self::Code,
            (Place::Error, b"details") => Self::Details,
            (Place::Details, b"code") => Self::DetailCode,
            (Place::Root | Place::Error | Place::Details, _) => Self::Other,
        }
    }
}

impl EnvelopeReader {
    /// Takes the next piece of the (unmasked, inflated) message.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        let room = usize::try_from(MAX_READ - self.read).unwrap_or(usize::MAX);
        let (mut rest, beyond) = piece.split_at(piece.len().min(room));
        self.read += rest.len() as u64;
        while let Some((byte, after)) = rest.split_first() {
            rest = match self.state {
                State::Done | State::NotJson | State::Broken => return,
                State::StepText => self.step_text(rest),
                State::KeyText | State::ValueText => {
                    if self.text.push(*byte) {
                        self.text_ended();
                    }
                    after
                }
                State::StepEscape => {
                    self.state = State::StepText;
                    after
                }
                State::Step => {
                    self.step(*byte);
                    after
                }
                State::Start
                | State::Key
                | State::Colon
                | State::Value
                | State::Literal
                | State::After => {
                    self.structure(*byte);
                    after
                }
            };
        }
        if !beyond.is_empty() && self.state != State::Done && self.state != State::NotJson {
            self.state = State::Broken;
        }
    }

    /// What was found, when the message is over. Nothing when it is no JSON object.
    pub(super) fn finish(mut self, direction: Direction, frame: u64, len: u64) -> Option<Envelope> {
        if matches!(self.state, State::Start | State::NotJson) {
            return None;
        }
        self.found.direction = Some(direction);
        self.found.frame = frame;
        self.found.len = len;
        self.found.partial = self.state != State::Done;
        Some(self.found)
    }

    fn structure(&mut self, byte: u8) {
        if byte.is_ascii_whitespace() {
            if self.state == State::Literal {
                self.literal_ended();
            }
            return;
        }
        self.state = match (self.state, byte) {
            (State::Start, b'{') | (State::After, b',') => State::Key,
            (State::Start, _) => State::NotJson,
            (State::Key, b'"') => {
                self.text.clear();
                State::KeyText
            }
            (State::Key | State::After, b'}') => self.leave(),
            (State::Colon, b':') => State::Value,
            (State::Value, _) => self.value(byte),
            (State::Literal, b',' | b'}') => {
                self.literal_ended();
                if self.state == State::After {
                    self.structure(byte);
                }
                return;
            }
            (State::Literal, _) => {
                self.text.push(byte);
                State::Literal
            }
            _ => State::Broken,
        };
    }

    fn value(&mut self, byte: u8) -> State {
        self.text.clear();
        match byte {
            b'"' if self.keeps_text() => State::ValueText,
            b'"' => {
                self.depth = 0;
                State::StepText
            }
            b'{' if self.field == Field::Error => {
                self.place = Place::Error;
                State::Key
            }
            b'{' if self.field == Field::Details => {
                self.place = Place::Details;
                State::Key
            }
            b'{' | b'[' => {
                self.depth = 1;
                State::Step
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.text.push(byte);
                State::Literal
            }
            _ => State::Broken,
        }
    }

    fn keeps_text(&self) -> bool {
        !matches!(self.field, Field::Other | Field::Ok | Field::Error | Field::Details)
    }

    fn text_ended(&mut self) {
        if self.state == State::KeyText {
            self.field = Field::of(self.place, self.text.bytes());
            self.state = State::Colon;
            return;
        }
        let text = Some(self.text.capped());
        match self.field {
            Field::Kind => self.found.kind = text,
            Field::Id => self.found.id = text,
            Field::Method => self.found.method = text,
            Field::Event => self.found.event = text,
            Field::Code => self.found.code = text,
            Field::DetailCode => self.found.detail_code = text,
            Field::Other | Field::Ok | Field::Error | Field::Details => {}
        }
        self.value_ended();
    }

    fn literal_ended(&mut self) {
        match (self.field, self.text.bytes()) {
            (Field::Ok, b"true") => self.found.ok = Some(true),
            (Field::Ok, b"false") => self.found.ok = Some(false),
            (Field::Id, _) => self.found.id = Some(self.text.capped()),
            _ => {}
        }
        self.value_ended();
    }

    /// Stops early when nothing that follows can matter.
    fn value_ended(&mut self) {
        let found = &self.found;
        let settled = match found.kind.as_deref() {
            Some("event") => found.event.is_some(),
            Some("req") => found.id.is_some() && found.method.is_some(),
            Some("res") => found.id.is_some() && found.ok == Some(true),
            _ => false,
        };
        self.state = if settled { State::Done } else { State::After };
    }

    /// The end of an object whose keys are read.
    fn leave(&mut self) -> State {
        match self.place {
            Place::Root => return State::Done,
            Place::Error => self.place = Place::Root,
            Place::Details => self.place = Place::Error,
        }
        State::After
    }

    fn step(&mut self, byte: u8) {
        match byte {
            b'"' => self.state = State::StepText,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.value_ended();
                }
            }
            _ => {}
        }
    }

    fn step_text<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = memchr::memchr2(b'"', b'\\', bytes) else { return &[] };
        if bytes[at] == b'\\' {
            self.state = State::StepEscape;
        } else if self.depth > 0 {
            self.state = State::Step;
        } else {
            self.value_ended();
        }
        &bytes[at + 1..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Option<Envelope> {
        let mut reader = EnvelopeReader::default();
        for piece in pieces {
            reader.feed(piece);
        }
        reader.finish(Direction::ServerToClient, 3, 99)
    }

    fn words(text: &str) -> Vec<String> {
        let bytes = text.as_bytes();
        let whole = read(&[bytes]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
        }
        let found = whole.unwrap();
        let mut words: Vec<String> = [
            found.kind,
            found.id,
            found.method,
            found.event,
            found.ok.map(|ok| ok.to_string()),
            found.code,
            found.detail_code,
        ]
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect();
        if found.partial {
            words.push("partial".to_owned());
        }
        words
    }

    #[test]
    fn the_three_shapes_are_read() {
        assert_eq!(
            words(r#"{"type":"event","event":"tick","payload":{"ts":1}}"#),
            ["event", "", "", "tick", "", "", ""]
        );
        assert_eq!(
            words(r#"{"type":"req","id":"1:a","method":"health","params":{"id":"no"}}"#),
            ["req", "1:a", "health", "", "", "", ""]
        );
        assert_eq!(
            words(r#"{"type":"res","id":"1","ok":true,"payload":{"type":"no"}}"#),
            ["res", "1", "", "", "true", "", ""]
        );
        assert_eq!(
            words(
                r#"{"type":"res","id":"1","ok":false,"error":{"code":"NOT_PAIRED","message":"x","details":{"code":"PAIRING_REQUIRED","a":[{}]}}}"#
            ),
            ["res", "1", "", "", "false", "NOT_PAIRED", "PAIRING_REQUIRED"]
        );
    }

    #[test]
    fn any_order_nesting_and_escapes_are_read() {
        assert_eq!(
            words(
                r#" { "params" : {"type":"no","x":["}","\"",{"id":"no"}]} , "error":{"details":{"x":{"code":"no"},"code":"D\u00e9\ud83d\ude00"},"code":"C"}, "n":-1.5e3 , "ok" : false ,"\u0069d":"a\"\n", "type":"res" } "#
            ),
            ["res", "a\"\n", "", "", "false", "C", "Dé😀"]
        );
        assert_eq!(words(r#"{"error":"flat","id":7}"#), ["", "7", "", "", "", "", ""]);
    }

    #[test]
    fn what_is_broken_is_partial_and_what_is_no_object_is_nothing() {
        assert_eq!(
            words(r#"{"type":"res","id":"1" x"#),
            ["res", "1", "", "", "", "", "", "partial"]
        );
        assert_eq!(words(r#"{"type":"re"#).last().unwrap(), "partial");
        for text in ["", "  ", "[1]", "hello", "\u{1f600}"] {
            assert_eq!(read(&[text.as_bytes()]), None, "{text}");
        }
    }

    #[test]
    fn long_values_and_long_messages_are_bounded() {
        let long = "é".repeat(4000);
        let found = read(&[format!(r#"{{"id":"{long}"}}"#).as_bytes()]).unwrap();
        assert_eq!(found.id.unwrap().chars().count(), 128);
        let mut reader = EnvelopeReader::default();
        reader.feed(br#"{"payload":""#);
        for _ in 0..40 {
            reader.feed(&vec![b'a'; 1 << 16]);
        }
        reader.feed(br#"","id":"1"}"#);
        let found = reader.finish(Direction::ClientToServer, 0, 0).unwrap();
        assert_eq!((found.id, found.partial), (None, true));
        assert!(size_of::<EnvelopeReader>() < 400);
    }
}
