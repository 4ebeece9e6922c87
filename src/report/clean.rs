//! Text from the wire without what a terminal would obey, or what would mislead its reader.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with control characters written out, as `\u{1b}`.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unfit(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// JSON that means the same and is plain to a terminal. Such characters stand in strings only.
pub fn clean_json(json: String) -> String {
    let unfit = |character| character != '\n' && is_unfit(character);
    if !json.contains(unfit) {
        return json;
    }
    let mut out = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if unfit(character) {
            // All of them lie in the plane that four digits reach.
            let written = write!(out, "\\u{:04x}", u32::from(character));
            debug_assert!(written.is_ok(), "a String takes everything");
        } else {
            out.push(character);
        }
    }
    out
}

/// C0, DEL and C1 (ECMA-48), line separators, and the marks that reorder text (UAX #9).
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_remains() {
        assert_eq!(clean("plain ü 漢 text"), "plain ü 漢 text");
        assert_eq!(clean("\x1b]0;owned\x07\u{9b}2J"), "\\u{1b}]0;owned\\u{7}\\u{9b}2J");
        assert_eq!(clean("a\r\nb\tc\u{202e}d"), "a\\r\\nb\\tc\\u{202e}d");
    }

    #[test]
    fn cleaned_json_means_the_same() {
        let value = serde_json::json!({"a": "x\u{9b}2J\u{7f}\u{202e}\u{1b}"});
        let cleaned = clean_json(value.to_string());
        assert!(cleaned.is_ascii());
        assert_eq!(serde_json::from_str::<serde_json::Value>(&cleaned).unwrap(), value);
    }
}
