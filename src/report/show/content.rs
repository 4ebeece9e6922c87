//! What was kept of contents, and what wstap says of itself.

use super::heads::redactions;
use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::{bytes, number};
use crate::session::{At, Captured, Control, Record, Unstored};
use crate::websocket::Opcode;

/// More control frames than this are for `--json`.
const CONTROL_SHOWN: usize = 20;

pub(super) fn control(page: &mut Page, record: &Record, _: &Clock) {
    if record.control.is_empty() {
        return;
    }
    page.section("Control frames");
    let (first, last) = match record.control.len().checked_sub(CONTROL_SHOWN) {
        Some(left_out @ 1..) => {
            let half = CONTROL_SHOWN / 2;
            (&record.control[..half], Some((left_out, &record.control[half + left_out..])))
        }
        Some(0) | None => (record.control.as_slice(), None),
    };
    for control in first {
        control_row(page, control);
    }
    if let Some((left_out, last)) = last {
        let left_out = number(left_out as u64);
        page.row("...", &format!("{left_out} more, all of them in `wstap show --json`"));
        for control in last {
            control_row(page, control);
        }
    }
}

fn control_row(page: &mut Page, control: &At<Control>) {
    let fact = &control.fact;
    let name = Opcode::of(fact.opcode).name();
    let code = fact.code.map_or_else(String::new, |code| format!(" {code}"));
    let rtt = fact.rtt_ms.map_or_else(String::new, |rtt| format!("  round trip {rtt}"));
    let payload = &fact.payload;
    let text =
        format!("{}  {name}{code}  {}  {payload}{rtt}", fact.direction.name(), bytes(fact.len));
    page.row(&control.at.to_string(), &text);
}

pub(super) fn messages(page: &mut Page, record: &Record, _: &Clock) {
    if record.messages.is_empty() {
        return;
    }
    page.section("Messages kept, redacted");
    for message in &record.messages {
        let fact = &message.fact;
        let what = Opcode::of(fact.opcode).name();
        let head = format!("{}  {what}, {}{}", fact.direction.name(), bytes(fact.len), fate(fact));
        page.row(&message.at.to_string(), &head);
        if let Some(text) = &fact.text {
            page.under(text);
        }
        redactions(page, &fact.redactions);
    }
}

fn fate(message: &Captured) -> &'static str {
    match message.unstored {
        None if message.cut => ", only its beginning:",
        None => "",
        Some(Unstored::UnparsableJson) => ", not kept: JSON that cannot be parsed may hide secrets",
        Some(Unstored::TooLong) => ", not kept: too long to be parsed",
        Some(Unstored::NotJson) => ", not kept: not JSON",
        Some(Unstored::NotText) => ", not kept: not UTF-8",
        Some(Unstored::NotInflated) => ", not kept: could not be inflated",
        Some(Unstored::Incomplete) => ", not kept: the message never ended",
    }
}

pub(super) fn notes(page: &mut Page, record: &Record, _: &Clock) {
    if !record.notes.is_empty() {
        page.section("Notes of wstap about itself and its place");
        for note in &record.notes {
            page.row(&note.slug, &note.text);
        }
    }
    if let Some(gap) = record.gap {
        page.section("Gap");
        page.row("frames lost", &number(gap.frames));
        page.row("events lost", &number(gap.events));
    }
}
