//! Which line it is, by how its message begins.

use super::text::{first, last, marked, phrase};
use super::{Refused, What};

/// What a message is about, and what its text alone says of it.
pub(super) fn what(message: &str) -> What {
    if let Some(rest) = marked(message) {
        return of_frame_log(message, rest);
    }
    let begins = |with: &str| message.starts_with(with);
    if begins("closed before connect ") {
        What::ClosedBeforeConnect(Box::new(Refused {
            reason: phrase(behind_user_agent(message), "reason", &["phase"]).map(str::to_owned),
            phase: last(message, "phase").map(str::to_owned),
            code: first(behind_user_agent(message), "code").and_then(|code| code.parse().ok()),
            ..Refused::default()
        }))
    } else if begins("unauthorized conn=") {
        let reason = first(behind_user_agent(message), "reason").map(str::to_owned);
        What::Unauthorized { reason }
    } else if begins("handshake timeout conn=") {
        What::HandshakeTimeout { phase: last(message, "phase").map(str::to_owned) }
    } else if begins("protocol mismatch conn=") {
        What::ProtocolMismatch
    } else if begins("invalid handshake conn=") {
        What::InvalidHandshake
    } else if begins("control ui build rejected conn=") {
        What::BuildRejected
    } else if begins("device pairing auto-approved ") {
        What::PairingAutoApproved {
            device: first(message, "device").map(str::to_owned),
            role: first(message, "role").map(str::to_owned),
        }
    } else if begins("security audit: device access upgrade requested") {
        What::UpgradeRequested
    } else if begins("webchat connected ") {
        What::WebchatConnected
    } else if begins("webchat disconnected ") {
        What::WebchatDisconnected {
            code: first(message, "code").and_then(|code| code.parse().ok()),
            reason: phrase(message, "reason", &["conn"]).map(str::to_owned),
        }
    } else if message.contains("observed unattributable proxy-shaped traffic") {
        What::UnattributableProxy
    } else if begins("Loopback connection with non-local Host header") {
        What::NonLocalHost
    } else if begins("parse/handle error") {
        What::ParseError
    } else if begins("error conn=") {
        What::SocketError { error: message.split_once(": ").map(|(_, text)| text.to_owned()) }
    } else {
        What::Unknown
    }
}

/// What clients send as their `User-Agent` may hold anything; `code=` and `reason=` come after it.
fn behind_user_agent(message: &str) -> &str {
    message.find(" ua=").map_or(message, |at| &message[at..])
}

/// Lines of `--ws-log`: a mark, the kind of frame or event, and names with values.
fn of_frame_log(message: &str, rest: &str) -> What {
    let mut words = rest.split(' ');
    match words.next().unwrap_or_default() {
        "open" => What::Open,
        "connect" => What::Connect,
        "hello-ok" => What::Hello,
        "parse-error" => What::ParseError,
        "close" => {
            let own = |name| last(message, name).map(str::to_owned);
            What::Close(Box::new(Refused {
                cause: own("cause"),
                handshake: own("handshake"),
                phase: own("phase"),
                code: first(message, "code").and_then(|code| code.parse().ok()),
                reason: phrase(message, "reason", &["durationMs", "cause"]).map(str::to_owned),
                duration_ms: own("durationMs").and_then(|ms| ms.parse().ok()),
                ..Refused::default()
            }))
        }
        "res" => {
            let mark = words.next().unwrap_or_default();
            let method = words.next().filter(|word| !word.contains('='));
            What::Answer {
                method: method.map(str::to_owned),
                ok: mark == "✓",
                error_code: first(message, "errorCode").map(str::to_owned),
            }
        }
        _ => What::Unknown,
    }
}
