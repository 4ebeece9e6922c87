//! What the CLI said twice, once through the tap: equal but for ports, numbers and paddings.

use std::fmt::Write as _;

use crate::support::child::Run;

/// Fails unless both runs ended alike and said the same, on both streams.
#[track_caller]
pub(crate) fn assert_same(direct: &Run, tapped: &Run) {
    assert_eq!(direct.code, tapped.code, "{direct:?}\n{tapped:?}");
    assert_eq!(plain(&direct.stdout), plain(&tapped.stdout));
    assert_eq!(plain(&direct.stderr), plain(&tapped.stderr));
}

/// The text with every number as `#`, durations in one unit, paddings as one, and without the lines
/// of how busy the gateway's event loop was.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::new();
    for line in without_event_loop(text).lines() {
        writeln!(plain, "{}", plain_line(line)).expect("text");
    }
    plain
}

fn plain_line(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split([' ', '─']).filter(|word| !word.is_empty()) {
        let word = word.replace(|c: char| c.is_ascii_digit(), "#");
        let mut squeezed = String::new();
        for letter in word.chars() {
            let in_number = squeezed.ends_with('#') && (letter == '#' || letter == '.');
            if !in_number {
                squeezed.push(letter);
            }
        }
        words.push(squeezed.replace("#ms", "#s"));
    }
    words.join(" ")
}

/// The JSON of `health` without the member that tells of the load of the machine.
fn without_event_loop(text: &str) -> String {
    let (title, json) = text.split_at(text.find('{').unwrap_or(text.len()));
    let Ok(serde_json::Value::Object(mut health)) = serde_json::from_str(json) else {
        return text.to_owned();
    };
    health.shift_remove("eventLoop");
    format!("{title}{}", serde_json::to_string_pretty(&health).expect("JSON"))
}

#[test]
fn only_numbers_and_paddings_are_forgiven() {
    assert_eq!(plain("│ at 1.84s  │"), plain("│ at 985ms │"));
    assert_eq!(plain("ws://127.0.0.1:41789"), plain("ws://127.0.0.1:5"));
    assert_ne!(plain("reachable"), plain("unreachable"));
    let busy = |degraded| format!(r#"Health {{"ok":true,"eventLoop":{{"degraded":{degraded}}}}}"#);
    assert_eq!(plain(&busy(true)), plain(&busy(false)));
}
