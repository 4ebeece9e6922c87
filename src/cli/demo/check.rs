//! Whether the record of a scenario shows what was played, and what its client saw of it.

use super::scenarios::Expected;
use crate::gateway::client::{Ended, Seen};
use crate::session::{Offset, Record};

/// What the record shows otherwise than expected; nothing when all is well.
pub(super) fn differences(record: &Record, seen: &Seen, expected: &Expected) -> Vec<String> {
    let (leg, ending) = expected.ending;
    let first = record.endings.first();
    let refusal = record.openclaw.as_ref().and_then(|openclaw| openclaw.refusal.as_ref());
    let reported = record.close.seen_by_client.as_ref();
    let mut found = Vec::new();
    let mut same = |what: &str, expected: String, recorded: String| {
        if expected != recorded {
            found.push(format!("{what} should be {expected}, the record shows {recorded}"));
        }
    };
    let status = record.response.as_ref().and_then(|response| response.status);
    same("the status", expected.status.to_string(), or_none(status));
    same(
        "the first ending",
        format!("{ending} of {}", leg.name()),
        or_none(first.map(|first| format!("{} of {}", first.kind.name(), first.leg.name()))),
    );
    same("the close code", or_none(expected.close_code), or_none(record.close.code));
    same(
        "the refusal",
        or_none(expected.refusal),
        or_none(refusal.and_then(|refusal| refusal.detail_code.as_deref())),
    );
    same(
        "the client's report",
        or_none(expected.reported),
        or_none(reported.map(|reported| reported.code)),
    );
    same("the client's own account", or_none(told(seen)), or_none(reported.map(|r| r.code)));
    let (layer, cause) = expected.verdict;
    let verdict = record.verdict.as_ref();
    same(
        "the verdict",
        format!("{}: {cause}", layer.name()),
        or_none(verdict.map(|verdict| format!("{}: {}", verdict.layer.name(), verdict.cause))),
    );
    let silence = record.idle.at_end_ms.unwrap_or_default();
    let wanted = Offset(u64::try_from(expected.silence.as_micros()).unwrap_or(u64::MAX));
    if silence < wanted {
        found.push(format!("the silence should be {wanted} or more, the record shows {silence}"));
    }
    let pongs = record.idle.s2c_pings.as_ref().map_or(0, |pings| pings.answered);
    if pongs < expected.pongs {
        let wanted = expected.pongs;
        found.push(format!("{wanted} pings should be answered, the record shows {pongs}"));
    }
    found
}

/// The close code by what the client itself saw (RFC 6455 §7.1.5).
fn told(seen: &Seen) -> Option<u16> {
    match seen.ended {
        Ended::Refused | Ended::BadAccept => None,
        Ended::Closed | Ended::Fin | Ended::Reset | Ended::Left | Ended::OutOfPatience => {
            Some(seen.close.as_ref().map_or(1006, |close| close.code.unwrap_or(1005)))
        }
    }
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::scenarios::SCENARIOS;
    use crate::gateway::client::SeenClose;
    use crate::session::{SessionId, Wall};

    #[test]
    fn a_record_of_nothing_shows_no_scenario() {
        let record = Record::new(SessionId::from_bits(1), Wall(0));
        let seen = Seen {
            status_line: "HTTP/1.1 101 Switching Protocols".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            frames: Vec::new(),
            close: Some(SeenClose { code: None, reason: String::new() }),
            ended: Ended::Closed,
        };
        for scenario in SCENARIOS {
            let found = differences(&record, &seen, &scenario.expected);
            assert!(found.len() >= 3, "{}: {found:?}", scenario.name);
        }
        let [.., idle, _] = SCENARIOS else { panic!("too few scenarios") };
        assert_eq!(
            differences(&record, &seen, &idle.expected),
            [
                "the status should be 101, the record shows none",
                "the first ending should be fin of upstream, the record shows none",
                "the client's report should be 1006, the record shows none",
                "the client's own account should be 1005, the record shows none",
                "the verdict should be transport: eof_without_close_frame, the record shows none",
                "the silence should be 1.900 s or more, the record shows 0.0 ms",
            ]
        );
    }
}
