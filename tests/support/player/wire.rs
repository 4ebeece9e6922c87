//! Recorded heads and frames turned back into the bytes that were on the wire.

use super::trace::{CutFrame, Frame, Head};

const CLOSE: u8 = 8;

/// The head as sent; empty when none was recorded.
pub(super) fn head(head: &Head) -> Vec<u8> {
    let Some(start_line) = &head.start_line else { return Vec::new() };
    let mut text = format!("{start_line}\r\n");
    for (name, value) in &head.headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect()
}

/// Cuts or fills to exactly `len` bytes.
pub(super) fn fit(mut bytes: Vec<u8>, len: usize, fill: u8) -> Vec<u8> {
    bytes.resize(len, fill);
    bytes
}

pub(super) fn frame(frame: &Frame, rng: &mut fastrand::Rng) -> Vec<u8> {
    let first = (u8::from(frame.fin) << 7) | ((frame.rsv & 7) << 4) | (frame.opcode & 15);
    encode(first, frame.len, frame.masked.then_some(rng), &payload(frame))
}

/// A cut frame up to the recorded byte and no further.
pub(super) fn cut_frame(cut: CutFrame, rng: Option<&mut fastrand::Rng>) -> Vec<u8> {
    let mut bytes =
        encode(0x80 | (cut.opcode & 15), cut.len, rng, &vec![b'x'; cut.have.min(cut.len)]);
    bytes.truncate(cut.have);
    bytes
}

fn encode(first: u8, declared: usize, mask: Option<&mut fastrand::Rng>, payload: &[u8]) -> Vec<u8> {
    let mask_bit = u8::from(mask.is_some()) << 7;
    let mut bytes = vec![first];
    match (u8::try_from(declared), u16::try_from(declared)) {
        (Ok(len @ 0..126), _) => bytes.push(mask_bit | len),
        (_, Ok(len)) => {
            bytes.push(mask_bit | 0x7e);
            bytes.extend(len.to_be_bytes());
        }
        (_, Err(_)) => {
            bytes.push(mask_bit | 0x7f);
            bytes.extend((declared as u64).to_be_bytes());
        }
    }
    match mask {
        None => bytes.extend(payload),
        Some(rng) => {
            // No zero byte in a key: an unmasked byte must never look the same as a masked one.
            let key: [u8; 4] = std::array::from_fn(|_| rng.u8(1..));
            bytes.extend(key);
            bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        }
    }
    bytes
}

fn payload(frame: &Frame) -> Vec<u8> {
    let len = frame.len;
    if frame.opcode == CLOSE {
        return match &frame.close {
            Some(close) if len > 0 => match close.code {
                Some(code) => {
                    fit([&code.to_be_bytes(), close.reason.as_bytes()].concat(), len, b' ')
                }
                None => Vec::new(),
            },
            Some(_) | None => Vec::new(),
        };
    }
    if let Some(hex) = &frame.hex {
        return fit(from_hex(hex), len, 0);
    }
    let Some(text) = &frame.text else { return vec![b'x'; len] };
    if text.len() == len {
        return text.clone().into_bytes();
    }
    if let Some(kept) = without_cut_mark(text) {
        return pad_json(kept, len).unwrap_or_else(|| fit(kept.as_bytes().to_vec(), len, b'x'));
    }
    if text.contains('\u{fffd}') {
        // The recorder replaced invalid UTF-8; the wire must carry something invalid again.
        let parts: Vec<&[u8]> = text.split('\u{fffd}').map(str::as_bytes).collect();
        return fit(parts.join(&[0xff][..]), len, 0xff);
    }
    fit(text.clone().into_bytes(), len, b' ')
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
    digits.chunks_exact(2).map(|pair| (pair[0] << 4) | pair[1]).collect()
}

/// The text before `…[N bytes]` or `…[truncated, N bytes …]`, when it ends so.
fn without_cut_mark(text: &str) -> Option<&str> {
    let (kept, mark) = text.strip_suffix(']')?.rsplit_once("…[")?;
    let mark = mark.strip_prefix("truncated, ").unwrap_or(mark);
    let unit = mark.trim_start_matches(|c: char| c.is_ascii_digit());
    (unit.len() < mark.len() && unit.starts_with(" bytes") && !unit.contains(']')).then_some(kept)
}

/// Extends a JSON text cut anywhere to exactly `len` bytes of valid JSON, where that is possible.
fn pad_json(text: &str, len: usize) -> Option<Vec<u8>> {
    let mut cut = CutJson::default();
    for (index, c) in text.char_indices() {
        cut.step(index, c)?;
    }
    if cut.open.is_empty() {
        return None;
    }
    if cut.place == Place::InString && !cut.escaped {
        let kept = without_cut_escape(text);
        let tail = format!("\"{}", cut.closers());
        if kept.len() + tail.len() <= len {
            return Some(
                [&fit(kept.as_bytes().to_vec(), len - tail.len(), b'x'), tail.as_bytes()].concat(),
            );
        }
    }
    let (kept, tail) = cut.safe?;
    let room = len.checked_sub(tail.len()).filter(|&room| room >= kept)?;
    Some([&fit(text.as_bytes()[..kept].to_vec(), room, b' '), tail.as_bytes()].concat())
}

#[derive(Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    InKey,
    InString,
}

/// Where in a JSON document a cut text stands.
#[derive(Default)]
struct CutJson {
    open: Vec<char>,
    place: Place,
    escaped: bool,
    key_next: bool,
    /// Bytes that can be kept, and what closes them.
    safe: Option<(usize, String)>,
}

impl CutJson {
    fn step(&mut self, index: usize, c: char) -> Option<()> {
        if self.place != Place::Outside {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                '"' => self.place = Place::Outside,
                _ => {}
            }
            return Some(());
        }
        match c {
            '"' => {
                let is_key = self.key_next && self.open.last() == Some(&'}');
                self.place = if is_key { Place::InKey } else { Place::InString };
            }
            '{' | '[' => {
                self.open.push(if c == '{' { '}' } else { ']' });
                self.key_next = c == '{';
                self.safe = Some((index + 1, self.closers()));
            }
            '}' | ']' => {
                self.open.pop()?;
                self.key_next = false;
            }
            ',' => {
                self.safe = Some((index, self.closers()));
                self.key_next = self.open.last() == Some(&'}');
            }
            ':' => self.key_next = false,
            _ => {}
        }
        Some(())
    }

    fn closers(&self) -> String {
        self.open.iter().rev().collect()
    }
}

fn without_cut_escape(text: &str) -> &str {
    match text.rsplit_once("\\u") {
        Some((kept, digits))
            if digits.len() < 4 && digits.chars().all(|c| c.is_ascii_hexdigit()) =>
        {
            kept
        }
        Some(_) | None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_becomes_valid_json_of_the_true_length() {
        for cut in [
            r#"{"a":"bc"#,
            r#"{"a":1,"b"#,
            r#"{"a":[1,{"x":"y\u00"#,
            r#"{"a":"b\"#,
            r#"[1,2,{"k":tr"#,
        ] {
            let padded = pad_json(cut, 60).expect("fits");
            assert_eq!(padded.len(), 60, "{cut}");
            serde_json::from_slice::<serde_json::Value>(&padded).expect(cut);
        }
    }

    #[test]
    fn the_cut_mark_is_recognised_only_at_the_end() {
        assert_eq!(without_cut_mark("abc…[12 bytes]"), Some("abc"));
        assert_eq!(without_cut_mark("abc…[truncated, 12 bytes in all]"), Some("abc"));
        assert_eq!(without_cut_mark("abc…[bytes]"), None);
        assert_eq!(without_cut_mark("abc…[12 bytes] more"), None);
    }
}
