//! The outcome of the demo: one scenario a row, and how to look closer.

use std::path::Path;

use super::Shown;
use crate::report::{Rows, how_it_ended, in_words};
use crate::session::{Offset, Record, Reported, SessionId, Verdict};

/// The scenario that is the most worth a look.
const LOOK_AT: &str = "idle-cut";

/// Less is no silence worth a word.
const SILENCE: Offset = Offset(1_000_000);

const NOTE: &str = "\
* never on the wire: what an application reports without a Close frame

";

/// The table, and the commands to type next.
pub(super) fn text(shown: &[Shown], store: &Path, width: Option<u16>) -> String {
    // Beside the verdict there is room for two more columns at the most.
    let narrow = width.is_some_and(|width| width < 100);
    let fit = |[name, verdict, wire, reports, id]: [String; 5]| {
        let reports = (!narrow).then_some(reports);
        let wire = shortened(wire, if narrow { 42 } else { 64 });
        [Some(name), Some(verdict), Some(wire), reports, Some(id)].into_iter().flatten()
    };
    let heads = ["SCENARIO", "VERDICT", "WHAT THE WIRE SHOWED", "CLIENT SAW", "ID"];
    let heads: Vec<String> = fit(heads.map(str::to_owned)).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut rows = Rows::new(&heads, &[], width).wrapping_only(&[2]);
    for Shown { name, record, .. } in shown {
        let [verdict, wire, reports, id] = match record {
            Some(record) => {
                let id = record.id.short().to_owned();
                [verdict(record), wire(record), reports(record), id]
            }
            None => ["-", "nothing was recorded", "-", "-"].map(str::to_owned),
        };
        rows.add(fit([(*name).to_owned(), verdict, wire, reports, id]));
    }
    let note = if narrow { "" } else { NOTE };
    let look_at = shown.iter().find(|shown| shown.name == LOOK_AT);
    let id = look_at.and_then(|shown| shown.record.as_ref()).map(|record| record.id);
    format!("\n{rows}\n{note}Look closer:\n{}", next_steps(store, id))
}

/// The layer over the cause: side by side they would leave a narrow terminal nothing.
fn verdict(record: &Record) -> String {
    let words = |verdict: &Verdict| format!("{}:\n{}", verdict.layer.name(), verdict.cause);
    record.verdict.as_ref().map_or_else(|| "-".to_owned(), words)
}

/// What ended it first, and how long nothing had been sent, where that is why.
fn wire(record: &Record) -> String {
    let upgraded = record.close.seen_by_client.is_some();
    let Some(first) = record.endings.first().filter(|_| upgraded) else {
        return how_it_ended(record);
    };
    let mut words = in_words(first);
    if record.close.from.is_none() {
        words.push_str(", no Close frame");
    }
    if let Some(silence) = record.idle.at_end_ms.filter(|silence| *silence >= SILENCE) {
        words = format!("{words}, after {silence} of silence");
    }
    words
}

/// Two lines or so; the whole is in `wstap show`.
fn shortened(text: String, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text;
    }
    let beginning: String = text.chars().take(longest - 3).collect();
    format!("{}...", beginning.trim_end())
}

/// What the application at the client reports.
fn reports(record: &Record) -> String {
    match &record.close.seen_by_client {
        Some(Reported { code, derived: true, .. }) => format!("{code}*"),
        Some(Reported { code, derived: false, .. }) => code.to_string(),
        None => {
            let status = record.response.as_ref().and_then(|response| response.status);
            status.map_or_else(|| "-".to_owned(), |status| format!("HTTP {status}"))
        }
    }
}

fn next_steps(store: &Path, id: Option<SessionId>) -> String {
    let store = quoted(&store.display().to_string());
    let program = quoted(&std::env::args().next().unwrap_or_else(|| "wstap".to_owned()));
    let step = |command: &str| format!("  {program} {command} --store {store}\n");
    let mut text = step("sessions");
    if let Some(id) = id {
        text += &step(&format!("show {}", id.short()));
        text += &step(&format!("show {} --frames", id.short()));
    }
    text
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.+:@%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
