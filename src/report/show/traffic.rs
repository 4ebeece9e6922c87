//! What each direction carried: frames, sizes, broken rules, keepalives and silences.

use super::legs::tls_records;
use super::summary::direction_label;
use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::{bytes, count, number};
use crate::session::{Cadence, Compression, Direction, Kind, Offset, Record, Silence, Traffic};
use crate::websocket::Opcode;

pub(super) fn frames(page: &mut Page, record: &Record, _: &Clock) {
    if record.kind == Kind::Http {
        return;
    }
    for direction in Direction::BOTH {
        let traffic = record.frames.of(direction);
        if traffic.bytes == 0 {
            continue;
        }
        page.section(&format!("Frames, {} ({})", direction_label(direction), direction.name()));
        totals(page, traffic);
        by_opcode(page, traffic);
        sizes(page, traffic);
        times(page, traffic);
    }
}

fn totals(page: &mut Page, traffic: &Traffic) {
    page.row("bytes", &format!("{} after the head", number(traffic.bytes)));
    if let Some(byte) = traffic.not_websocket_from {
        page.row("not WebSocket", &format!("from byte {} on", number(byte)));
    }
    if let Some(records) = traffic.tls_records {
        page.row("TLS records", &tls_records(records));
    }
    if traffic.frames == 0 {
        return;
    }
    let fragmented = match traffic.fragmented {
        0 => String::new(),
        some => format!(", {} in several frames", number(some)),
    };
    page.row("messages", &format!("{}{fragmented}", number(traffic.messages)));
    page.row("payload", &bytes(traffic.payload_bytes));
    page.row("largest frame", &bytes(traffic.largest));
    page.row("masked", &format!("{} of {}", number(traffic.masked), number(traffic.frames)));
    let reserved = [("RSV1", traffic.rsv1), ("RSV2", traffic.rsv2), ("RSV3", traffic.rsv3)];
    for (name, frames) in reserved.into_iter().filter(|(_, frames)| *frames > 0) {
        page.row(name, &format!("set on {}", count(frames, "frame")));
    }
    if let Some(counted) = &traffic.compression {
        compression(page, *counted);
    }
}

fn compression(page: &mut Page, counted: Compression) {
    let unknown = match counted.not_inflated {
        0 => String::new(),
        some => format!(", {} not inflated", number(some)),
    };
    let (wire, inflated) = (bytes(counted.wire_bytes), bytes(counted.inflated_bytes));
    let messages = count(counted.messages, "message");
    page.row(
        "compressed",
        &format!("{messages}, {wire} on the wire, {inflated} inflated{unknown}"),
    );
}

fn by_opcode(page: &mut Page, traffic: &Traffic) {
    for counted in &traffic.by_opcode {
        let name = match Opcode::of(counted.opcode) {
            Opcode::Reserved(nibble) => format!("reserved {nibble:#x}"),
            known => known.name().to_owned(),
        };
        page.row(&name, &format!("{}, {}", count(counted.frames, "frame"), bytes(counted.bytes)));
    }
}

fn sizes(page: &mut Page, traffic: &Traffic) {
    const LONGEST: u64 = 30;
    let most = traffic.sizes.buckets().map(|(_, frames)| frames).max().unwrap_or_default();
    for (floor, frames) in traffic.sizes.buckets() {
        let top = floor.saturating_mul(2).saturating_sub(1);
        let range = if floor < 2 { bytes(floor) } else { format!("{floor}-{top} B") };
        let long = frames.saturating_mul(LONGEST).div_ceil(most.max(1));
        let bar = "#".repeat(usize::try_from(long).unwrap_or_default());
        page.row(&range, &format!("{:>10}  {bar}", number(frames)));
    }
}

fn times(page: &mut Page, traffic: &Traffic) {
    let rows = [
        ("first byte", traffic.first_byte),
        ("last byte", traffic.last_byte),
        ("last data frame", traffic.last_data_frame),
        ("last control frame", traffic.last_control_frame),
    ];
    for (label, at) in rows {
        page.maybe(label, at.map(|at| format!("at {at}")).as_deref());
    }
}

pub(super) fn violations(page: &mut Page, record: &Record, _: &Clock) {
    let counted = Direction::BOTH
        .into_iter()
        .flat_map(|direction| {
            let violations = &record.frames.of(direction).violations;
            violations.iter().map(move |violation| (direction, violation))
        })
        .collect::<Vec<_>>();
    if counted.is_empty() && record.violations.is_empty() {
        return;
    }
    page.section("Broken rules of RFC 6455");
    for (direction, violation) in &counted {
        let times = count(violation.count, "time");
        let text = format!("{}, {times}, first in frame {}", violation.name, violation.first_frame);
        page.row(direction.name(), &text);
    }
    // While a session is open its totals are not written yet.
    for violated in record.violations.iter().filter(|_| counted.is_empty()) {
        let text = format!("{}, first in frame {}", violated.name, violated.frame);
        page.row(violated.direction.name(), &text);
    }
}

pub(super) fn keepalive(page: &mut Page, record: &Record, _: &Clock) {
    let pings = [
        (Direction::ClientToServer, &record.idle.c2s_pings),
        (Direction::ServerToClient, &record.idle.s2c_pings),
    ];
    if pings.iter().all(|(_, cadence)| cadence.is_none()) {
        return;
    }
    page.section("Keepalive");
    for (direction, cadence) in pings {
        let Some(Cadence { pings, answered, every_ms, rtt_ms }) = cadence else { continue };
        let from = format!("pings {}", direction.name());
        page.row(&from, &format!("{}, {} answered", count(*pings, "ping"), number(*answered)));
        page.maybe("  every", every_ms.map(spread).as_deref());
        page.maybe("  round trip", rtt_ms.map(spread).as_deref());
    }
}

fn spread([least, median, most]: [Offset; 3]) -> String {
    format!("{least} / {median} / {most} (least, median, most)")
}

pub(super) fn silence(page: &mut Page, record: &Record, _: &Clock) {
    let idle = &record.idle;
    let known =
        idle.at_end_ms.is_some() || idle.c2s_longest.is_some() || idle.s2c_longest.is_some();
    if record.kind == Kind::Http || !known {
        return;
    }
    page.section("Silence");
    let longest = |silence: Silence| format!("{}, from {} on", silence.ms, silence.from);
    page.maybe("longest c2s", idle.c2s_longest.map(longest).as_deref());
    page.maybe("longest s2c", idle.s2c_longest.map(longest).as_deref());
    let at_end = |at: Option<Offset>| at.map(|at| at.to_string());
    page.maybe("at the end, c2s", at_end(idle.c2s_at_end_ms).as_deref());
    page.maybe("at the end, s2c", at_end(idle.s2c_at_end_ms).as_deref());
    page.maybe("at the end, both", at_end(idle.at_end_ms).as_deref());
}
