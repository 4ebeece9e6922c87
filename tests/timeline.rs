//! Logs of real gateways: every line is read, lines find the recorded session they speak of, and
//! the gateway's words agree with what the wire shows.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a file that cannot be read fails the test"
)]

#[path = "support/trace_record.rs"]
mod trace_record;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wstap::session::{Record, SessionId, Wall};
use wstap::timeline::{Agreement, By, LogLine, Span, What, join, words};
use wstap::verdict::judge;

fn corpus(folder: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder)
}

fn log(name: &str) -> Vec<LogLine> {
    let text = fs::read_to_string(corpus("logs").join(name)).expect("a log");
    text.lines().map(|line| LogLine::parse(line, str::to_owned)).collect()
}

fn counted(lines: &[LogLine]) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        *counts.entry(line.what.name()).or_default() += 1;
    }
    counts
}

#[test]
fn every_line_of_a_log_is_read() {
    let lines = log("gateway.jsonl");
    assert!(lines.iter().all(|line| line.at.is_some() && line.level.is_some()));
    assert!(lines.iter().all(|line| !line.message.is_empty()));
    let expected = [
        ("answer", 422),
        ("build_rejected", 1),
        ("closed_before_connect", 63),
        ("handshake_timeout", 2),
        ("invalid_handshake", 1),
        ("non_local_host", 6),
        ("pairing_auto_approved", 12),
        ("parse_error", 6),
        ("protocol_mismatch", 5),
        ("socket_error", 8),
        ("unattributable_proxy", 1),
        ("unauthorized", 17),
        ("unknown", 166),
        ("webchat_connected", 4),
        ("webchat_disconnected", 4),
    ];
    assert_eq!(counted(&lines), BTreeMap::from(expected));
    let verbose = log("gateway-verbose-head.jsonl");
    assert_eq!(counted(&verbose), BTreeMap::from([("unknown", 60)]));
}

#[test]
fn lines_that_speak_of_a_connection_name_it() {
    for line in log("gateway.jsonl") {
        let names = match line.what {
            What::ClosedBeforeConnect(_)
            | What::Unauthorized { .. }
            | What::HandshakeTimeout { .. }
            | What::ProtocolMismatch
            | What::InvalidHandshake => line.conn.is_some() && line.peer.is_some(),
            What::BuildRejected
            | What::WebchatConnected
            | What::WebchatDisconnected { .. }
            | What::SocketError { .. }
            | What::Answer { .. } => line.conn.is_some(),
            What::PairingAutoApproved { .. }
            | What::UpgradeRequested
            | What::UnattributableProxy
            | What::NonLocalHost
            | What::ParseError
            | What::Open
            | What::Connect
            | What::Hello
            | What::Close(_)
            | What::Unknown => true,
        };
        assert!(names, "{line:?}");
    }
}

/// The recorded traces with a log, and the sessions of each as a tap in the recorder's place
/// would have recorded them.
fn traces() -> Vec<(String, Vec<LogLine>, Vec<Record>)> {
    let mut traces = Vec::new();
    for entry in fs::read_dir(corpus("traces")).expect("the corpus") {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let trace: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let logged = trace["gatewayLog"].as_array().map_or(&[][..], Vec::as_slice);
        let lines: Vec<LogLine> =
            logged.iter().map(|line| LogLine::parse(&line.to_string(), str::to_owned)).collect();
        let sessions = trace["sessions"].as_array().map_or(&[][..], Vec::as_slice);
        if lines.is_empty() || sessions.is_empty() {
            continue;
        }
        let mut records: Vec<Record> =
            sessions.iter().map(|session| trace_record::record(&trace, session)).collect();
        for (number, (record, session)) in records.iter_mut().zip(sessions).enumerate() {
            record.id = SessionId::from_bits(number as u64);
            record.started_at = Wall(session["startedAtMs"].as_i64().expect("a start") * 1000);
        }
        lend_ports(&mut records, &lines);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        traces.push((name, lines, records));
    }
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    traces
}

/// The recorder did not note its own ports towards the gateway. The gateway did: each port that it
/// names goes to the one session that was open when it was named first.
fn lend_ports(records: &mut [Record], lines: &[LogLine]) {
    for line in lines {
        let (Some(peer), Some(at)) = (line.peer, line.at) else { continue };
        let mut open = records.iter_mut().filter(|record| {
            let until = record.started_at.plus(record.duration_ms).0 + 1_000_000;
            record.started_at.0 - 1000 <= at.0 && at.0 <= until
        });
        if let (Some(record), None) = (open.next(), open.next())
            && let Some(dial) = &mut record.upstream.dial
            && dial.via.is_none()
        {
            dial.local = Some(peer.remote.to_string());
            dial.peer = peer.local.map(|local| local.to_string());
        }
    }
}

#[test]
fn recorded_sessions_and_lines_find_each_other_and_agree() {
    let (mut naming, mut linked, mut agreed, mut wrong) = (0, 0, 0, Vec::new());
    for (name, lines, records) in traces() {
        let spans: Vec<Span> = records.iter().map(Span::of).collect();
        let joined = join(&spans, &lines);
        naming += joined.naming;
        linked += joined.links.len();
        for (at, record) in records.iter().enumerate() {
            let own = joined.links.iter().filter(|link| link.span == at);
            let own: Vec<(By, LogLine)> =
                own.map(|link| (link.by, lines[link.line].clone())).collect();
            let wire = judge(record).cause;
            if let Some(said) = words(own, &wire).said {
                agreed += usize::from(said.agreement == Agreement::Agree);
                if said.agreement == Agreement::Disagree {
                    wrong.push(format!("{name}#{at}: {} on the wire, {}", wire, said.words));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(agreed >= 65, "{agreed} agreed");
    // The others are of connections that the recorder did not see, or of gateways so old that
    // they name no port.
    assert!(linked >= 190, "{linked} of {naming} lines joined");
}
