//! What ended each leg, and what the two applications make of it.

use crate::report::clock::Clock;
use crate::report::outcome::{close_in_words, in_words, side};
use crate::report::page::Page;
use crate::report::quantity::{bytes, number};
use crate::session::{Direction, Kind, Record, Reported};
use crate::websocket::{Opcode, close_code_name};

pub(super) fn endings(page: &mut Page, record: &Record, clock: &Clock) {
    let cut = Direction::BOTH.map(|direction| record.frames.of(direction).cut_frame);
    if record.endings.is_empty() && cut == [None; 2] {
        return;
    }
    page.section("Endings, in the order in which they were seen");
    for ending in &record.endings {
        let wall = clock.millis(record.started_at.plus(ending.at));
        page.row(
            &ending.at.to_string(),
            &format!("{:<8}  {}", ending.leg.name(), in_words(ending)),
        );
        page.under(&wall);
    }
    for (direction, cut) in Direction::BOTH.into_iter().zip(cut) {
        let Some(cut) = cut else { continue };
        let declared = cut.declared.map_or_else(|| "an unknown length".to_owned(), bytes);
        let missing = cut.missing.map_or_else(String::new, |n| format!(", {} missing", number(n)));
        let opcode = Opcode::of(cut.opcode).name();
        let have = number(cut.have);
        let text = format!("{opcode} frame of {declared} cut short: {have} came{missing}");
        page.row(&format!("{} cut frame", direction.name()), &text);
    }
}

pub(super) fn close(page: &mut Page, record: &Record, _: &Clock) {
    let frames = record.close_frames();
    if record.kind != Kind::Websocket
        || (frames.is_empty() && record.close.seen_by_client.is_none())
    {
        return;
    }
    page.section("Close");
    if frames.is_empty() {
        page.row("on the wire", "no Close frame from either side");
    }
    for frame in frames {
        let name = frame.code.map_or_else(String::new, |c| format!("  [{}]", close_code_name(c)));
        let malformed = if frame.malformed { "  [malformed payload]" } else { "" };
        let words = close_in_words(frame.code, side(frame.from), &frame.reason);
        page.row("on the wire", &format!("{words}  at {}{name}{malformed}", frame.at));
    }
    page.row("client reports", &saw(record.close.seen_by_client.as_ref()));
    page.row("gateway reports", &saw(record.close.seen_by_gateway.as_ref()));
}

/// What the application of one side reports.
pub(super) fn saw(reported: Option<&Reported>) -> String {
    let Some(reported) = reported else { return "not closed yet".to_owned() };
    let name = close_code_name(reported.code);
    match (reported.derived, reported.reason.as_str()) {
        (true, _) => {
            let why = if reported.code == 1005 { "no code came" } else { "no Close frame came" };
            format!(
                "{} ({name}): {why}; not on the wire, what an application reports",
                reported.code
            )
        }
        (false, "") => format!("{} ({name}), no reason", reported.code),
        (false, reason) => format!("{} ({name}): {reason}", reported.code),
    }
}
