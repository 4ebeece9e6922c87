//! The facts at a glance: what happened and who ended it.

use super::ends::saw;
use super::heads::{accept, answer};
use crate::report::clock::Clock;
use crate::report::outcome::{how_it_ended, opaque_in_words};
use crate::report::page::Page;
use crate::report::quantity::{bytes, count};
use crate::session::{Direction, EndingKind, Kind, Leg, Record, Traffic};

pub(super) fn summary(page: &mut Page, record: &Record, clock: &Clock) {
    page.section("What happened");
    page.line(&how_it_ended(record));
    page.row("started", &clock.millis(record.started_at));
    page.row("lasted", &record.duration_ms.to_string());
    page.row("ended by", &ended_by(record));
    if record.close.seen_by_client.is_some() {
        page.row("client saw", &saw(record.close.seen_by_client.as_ref()));
        page.row("gateway saw", &saw(record.close.seen_by_gateway.as_ref()));
    }
    request(page, record);
    opening(page, record);
    legs(page, record);
    traffic(page, record);
    if let Some(gap) = record.gap {
        let lost = format!("{} and {}", count(gap.frames, "frame"), count(gap.events, "event"));
        page.row("not recorded", &format!("{lost}: the recorder could not keep up"));
    }
}

/// Which leg ended first, and which followed.
fn ended_by(record: &Record) -> String {
    let Some(first) = record.endings.first() else { return String::new() };
    let who = |leg: Leg| match leg {
        Leg::Downstream => "the client",
        Leg::Upstream => "the gateway's side",
    };
    let ours = matches!(first.kind, EndingKind::CutByWstap { .. });
    let subject = if ours { "wstap" } else { who(first.leg) };
    let other = record.endings.iter().find(|ending| ending.leg != first.leg);
    let reached = record.upstream.dial.as_ref().is_some_and(|dial| dial.peer.is_some());
    let then = match other {
        Some(other) => format!("; {} {} later", who(other.leg), other.at.since(first.at)),
        None if reached => "; the other leg showed nothing".to_owned(),
        None => String::new(),
    };
    format!("{subject}, {} after the start{then}", first.at)
}

fn request(page: &mut Page, record: &Record) {
    if let Some(request) = &record.request {
        page.row("request", &format!("{} {}", request.method, request.target));
        page.maybe("origin", request.origin.as_deref());
        page.maybe("host", request.host.as_deref());
    }
    if let Some(facts) = &record.opaque {
        page.row("bytes are", &opaque_in_words(facts));
    }
    if let Some(answer) = &record.own_answer {
        page.row(
            "answer",
            &format!("{} by wstap for the {} leg", answer.status, answer.leg.name()),
        );
    }
    if let Some(response) = &record.response {
        let waited = record.request.as_ref().map(|request| response.at.since(request.at));
        let waited = waited.map_or_else(String::new, |waited| format!(" after {waited}"));
        page.row("answer", &format!("{}{waited}{}", answer(response), accept(response)));
    }
}

fn opening(page: &mut Page, record: &Record) {
    let Some(openclaw) = &record.openclaw else { return };
    if let Some(refusal) = &openclaw.refusal {
        let codes = [&refusal.code, &refusal.detail_code].into_iter().flatten();
        let codes = codes.map(String::as_str).collect::<Vec<_>>().join(" / ");
        let message = refusal.message.as_deref().unwrap_or_default();
        page.row("OpenClaw", &format!("connect refused: {codes} {message}"));
    } else if openclaw.hello.is_some() {
        page.row("OpenClaw", "connect accepted");
    } else if openclaw.connect_at.is_some() {
        page.row("OpenClaw", "connect sent, never answered");
    } else if openclaw.challenge_at.is_some() {
        page.row("OpenClaw", "challenge sent, client never sent connect");
    }
}

fn legs(page: &mut Page, record: &Record) {
    page.row("client leg", &format!("{} -> {}", record.client.addr, record.client.local));
    let Some(dial) = &record.upstream.dial else { return };
    let leg = match (&dial.local, &dial.peer) {
        (Some(local), Some(peer)) => format!("{local} -> {peer}"),
        (None, Some(peer)) => peer.clone(),
        (_, None) => "not connected".to_owned(),
    };
    page.row("upstream leg", &format!("{leg} ({})", dial.url));
}

fn traffic(page: &mut Page, record: &Record) {
    for direction in Direction::BOTH {
        let traffic = record.frames.of(direction);
        page.row(direction_label(direction), &volume(record.kind, traffic));
    }
    if let Some(silent) = record.idle.at_end_ms.filter(|_| record.kind != Kind::Http) {
        page.row("silent at end", &format!("{silent}, both directions"));
    }
}

fn volume(kind: Kind, traffic: &Traffic) -> String {
    match kind {
        Kind::Websocket => {
            let broken = traffic.violations.iter().map(|violation| violation.count).sum();
            let broken = if broken > 0 {
                format!(", {} broken", count(broken, "rule"))
            } else {
                String::new()
            };
            format!("{}, {}{broken}", count(traffic.frames, "frame"), bytes(traffic.bytes))
        }
        Kind::Opaque => bytes(traffic.bytes),
        Kind::Http => String::new(),
    }
}

pub(super) const fn direction_label(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client to gateway",
        Direction::ServerToClient => "gateway to client",
    }
}
