//! How a session ended, in one line, and each of its endings in words.

use super::clean::clean;
use super::quantity::{bytes, number};
use crate::session::{
    Direction, Ending, EndingKind, Kind, Leg, OpaqueFacts, Record, Reported, State, TlsEnd,
};
use crate::websocket::Opcode;

/// How it ended, and which side ended it: one line without an end of line.
pub fn how_it_ended(record: &Record) -> String {
    clean(&outcome(record)).into_owned()
}

fn outcome(record: &Record) -> String {
    if let Some(answer) = &record.own_answer {
        return format!("{} by wstap: {}", answer.status, answer.why);
    }
    if let Some(error) = &record.client.tls_error {
        return format!("TLS not established with the client: {error}");
    }
    match record.state {
        State::Open => return "open".to_owned(),
        State::Interrupted => return "interrupted: wstap died while it was open".to_owned(),
        State::Ended => {}
    }
    if let Some(failure) = record.upstream.dial.as_ref().and_then(|dial| dial.failure.as_ref()) {
        return format!("upstream not reached: {}", failure.detail);
    }
    match record.kind {
        Kind::Websocket => websocket(record),
        Kind::Http => http(record),
        Kind::Opaque => opaque(record),
    }
}

fn websocket(record: &Record) -> String {
    match record.response.as_ref().and_then(|response| response.status) {
        Some(101) => first_ending(record),
        Some(status) => {
            let reason = record.response.as_ref().and_then(|r| r.reason.as_deref());
            format!("refused by gateway: {status} {}", reason.unwrap_or_default())
                .trim_end()
                .to_owned()
        }
        None if record.response.is_some() => "the answer was not HTTP".to_owned(),
        None => format!("no answer: {}", first_ending(record)),
    }
}

fn http(record: &Record) -> String {
    let status = record.response.as_ref().and_then(|response| response.status);
    let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    match &record.exchange {
        Some(finish) => match (&finish.error, finish.complete) {
            (Some(error), _) => format!("{status}, failed: {error}"),
            (None, Some(false)) => format!("{status}, incomplete"),
            (None, Some(true) | None) => format!("{status}, complete"),
        },
        None => format!("{status}, {}", first_ending(record)),
    }
}

fn opaque(record: &Record) -> String {
    let what = record.opaque.as_ref().map_or_else(|| "bytes".to_owned(), opaque_in_words);
    format!("{what}, {}", first_ending(record))
}

pub(super) fn opaque_in_words(facts: &OpaqueFacts) -> String {
    let what = match facts.what.as_str() {
        "tls_client_hello" => "TLS on a plain listener",
        "no_bytes" => "no bytes came",
        "not_http" => "not HTTP",
        "head_too_long" => "request head too long",
        "slow_head" => "request head too slow",
        "incomplete_head" => "request head broken off",
        "upgraded" => "upgraded to something that is not WebSocket",
        other => other,
    };
    match &facts.sni {
        Some(sni) => format!("{what} for {sni}"),
        None => what.to_owned(),
    }
}

fn first_ending(record: &Record) -> String {
    let Some(first) = record.endings.first() else {
        return "no ending was seen".to_owned();
    };
    let words = with_its_fin(record, first);
    let upgraded = record.response.as_ref().is_some_and(|r| r.status == Some(101));
    if record.kind != Kind::Websocket || !upgraded || is_close(&first.kind) {
        return words;
    }
    // Whoever ended it knows how; the other side is left with what its library makes of it.
    let left = match first.leg {
        Leg::Downstream => &record.close.seen_by_gateway,
        Leg::Upstream => &record.close.seen_by_client,
    };
    match left {
        Some(Reported { code: 1006, derived: true, .. }) => {
            format!("{words}, no Close frame (1006)")
        }
        Some(_) | None => words,
    }
}

/// TLS ends just before the FIN beneath it, which tells more.
fn with_its_fin(record: &Record, first: &Ending) -> String {
    let truncated = match &first.kind {
        EndingKind::Tls { end: TlsEnd::Truncated } => ", TLS without close_notify",
        EndingKind::Tls { end: TlsEnd::CloseNotify } => "",
        EndingKind::Tls { end: TlsEnd::Alert(_) | TlsEnd::Broken(_) }
        | EndingKind::CloseFrame { .. }
        | EndingKind::Fin
        | EndingKind::FinMidFrame { .. }
        | EndingKind::Reset { .. }
        | EndingKind::Failed { .. }
        | EndingKind::CutByWstap { .. }
        | EndingKind::ResetNotPassed => return in_words(first),
    };
    let fin = record.endings.iter().skip(1).find(|ending| ending.leg == first.leg);
    match fin.map(|ending| (ending, &ending.kind)) {
        Some((fin, EndingKind::Fin | EndingKind::FinMidFrame { .. })) => {
            format!("{}{truncated}", in_words(fin))
        }
        Some(_) | None => in_words(first),
    }
}

const fn is_close(kind: &EndingKind) -> bool {
    matches!(kind, EndingKind::CloseFrame { .. })
}

/// One thing that ended a leg, in words.
pub fn in_words(ending: &Ending) -> String {
    let leg = ending.leg.name();
    match &ending.kind {
        EndingKind::CloseFrame { code, reason } => {
            close_in_words(*code, side(ending.leg.reads()), reason)
        }
        EndingKind::Fin => format!("FIN from {leg}"),
        EndingKind::FinMidFrame { opcode, declared, missing } => {
            let name = Opcode::of(*opcode).name();
            match (declared, missing) {
                (Some(declared), Some(missing)) => format!(
                    "FIN from {leg} in the middle of a {name} frame, {} of {} missing",
                    number(*missing),
                    bytes(*declared)
                ),
                (None, _) | (_, None) => {
                    format!("FIN from {leg} in the middle of the header of a {name} frame")
                }
            }
        }
        EndingKind::Reset { undelivered, missing } => {
            let inside = missing.map_or_else(String::new, |missing| {
                format!(" in the middle of a frame, {} missing", bytes(missing))
            });
            let lost = match undelivered {
                0 => String::new(),
                lost => format!(", {} could not be delivered", bytes(*lost)),
            };
            format!("RST from {leg}{inside}{lost}")
        }
        EndingKind::Failed { error } => format!("{error} on the {leg} leg"),
        EndingKind::Tls { end } => match end {
            TlsEnd::CloseNotify => format!("TLS close_notify from {leg}"),
            TlsEnd::Truncated => format!("TLS cut off by {leg} without close_notify"),
            TlsEnd::Alert(alert) => format!("TLS alert {alert} from {leg}"),
            TlsEnd::Broken(reason) => format!("invalid TLS from {leg}: {reason}"),
        },
        EndingKind::CutByWstap { why } => format!("cut by wstap: {why}"),
        EndingKind::ResetNotPassed => {
            format!("RST not passed on to {leg}, both FINs had been sent")
        }
    }
}

/// `Close 1008 from gateway: the reason`.
pub(super) fn close_in_words(code: Option<u16>, from: &str, reason: &str) -> String {
    let code = code.map_or_else(|| "without a code".to_owned(), |code| code.to_string());
    if reason.is_empty() {
        format!("Close {code} from {from}")
    } else {
        format!("Close {code} from {from}: {reason}")
    }
}

/// The side that sends in this direction, as `close.from` says it.
pub(super) const fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::ClientToServer => "client",
        Direction::ServerToClient => "gateway",
    }
}

#[cfg(test)]
mod tests;
