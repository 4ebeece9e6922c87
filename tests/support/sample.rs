//! Sessions written by hand, event by event: one of each kind, and one in which everything
//! happened.

#[path = "sample/everything.rs"]
mod everything;

use serde_json::json;
use wstap::session::{
    Attempt, ConnectFacts, Control, Dial, DialFailure, DialStep, Direction, Ending, EndingKind,
    Envelope, Event, Finish, Head, Kind, Leg, Offset, OpaqueFacts, OpcodeCount, OwnAnswer,
    Redaction, RefusalFacts, SessionId, SizeHistogram, Started, Timed, TlsRecords, Traffic, Wall,
};

pub(crate) use everything::everything;

use Direction::{ClientToServer as C2S, ServerToClient as S2C};

/// 2026-11-20T03:46:56.640Z.
pub(crate) const START: Wall = Wall(1_795_146_416_640_000);

/// A session as it is recorded.
pub(crate) struct Sample {
    pub(crate) id: SessionId,
    pub(crate) started_at: Wall,
    pub(crate) events: Vec<Timed>,
}

impl Sample {
    /// `number` is the first character of the id.
    fn new(number: u64, seconds: i64, events: Vec<(f64, Event)>) -> Self {
        let events = events
            .into_iter()
            .map(|(ms, event)| Timed { at: Offset((ms * 1000.0) as u64), event })
            .collect();
        let id = SessionId::from_bits(number | (number + 1) << 5 | 0x0123_4567_89ab << 10);
        Self { id, started_at: Wall(START.0 + seconds * 1_000_000), events }
    }
}

fn ms(ms: u64) -> Offset {
    Offset(ms * 1000)
}

#[expect(clippy::unnecessary_wraps, reason = "shorter where it is used")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn redaction(field: &str) -> Redaction {
    Redaction { field: field.to_owned(), len: 43, fingerprint: "1a2b3c4d".to_owned() }
}

fn head(raw: &str) -> Head {
    let raw = raw.replace('\n', "\r\n");
    Head { bytes: raw.len(), raw, redactions: Vec::new(), verbatim: true }
}

fn started(kind: Kind, port: u16) -> Event {
    Event::Started(Started {
        kind,
        listener: "127.0.0.1:18889".to_owned(),
        client: format!("127.0.0.1:{port}"),
        local: "127.0.0.1:18889".to_owned(),
        proxy_header: None,
        earlier_requests: 0,
    })
}

fn dial() -> Dial {
    Dial {
        url: "ws://127.0.0.1:18789".to_owned(),
        resolved: vec!["127.0.0.1".parse().expect("an address")],
        resolve_ms: Some(Offset(12)),
        attempts: vec![Attempt {
            addr: "127.0.0.1:18789".parse().expect("an address"),
            started_ms: Offset(20),
            took_ms: Some(Offset(310)),
            error: None,
        }],
        connect_ms: Some(Offset(330)),
        peer: some("127.0.0.1:18789"),
        local: some("127.0.0.1:44332"),
        via: None,
        failure: None,
    }
}

const UPGRADE: &str = "GET /?token=<redacted> HTTP/1.1\nHost: gateway.example\nOrigin: https://ui.example\nUser-Agent: test/1\nConnection: Upgrade\nUpgrade: websocket\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-For: 192.0.2.8\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Extensions: permessage-deflate\n\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\n\n";

fn request(raw: &str) -> Event {
    Event::Request { head: head(raw), changes: Vec::new() }
}

fn response(raw: &str) -> Event {
    Event::Response { head: head(raw), interim: Vec::new() }
}

fn envelope(direction: Direction, frame: u64, kind: &str) -> Envelope {
    Envelope {
        direction: Some(direction),
        frame,
        len: 300,
        kind: some(kind),
        ..Envelope::default()
    }
}

fn control(direction: Direction, opcode: u8, frame: u64) -> Control {
    Control {
        direction,
        opcode,
        frame,
        payload: String::new(),
        len: 0,
        rtt_ms: None,
        code: None,
        malformed: false,
    }
}

fn close(direction: Direction, frame: u64, code: u16, reason: &str) -> Event {
    Event::Control(Control {
        payload: reason.to_owned(),
        len: reason.len() as u64 + 2,
        code: Some(code),
        ..control(direction, 0x8, frame)
    })
}

fn ending(leg: Leg, at: f64, kind: EndingKind) -> (f64, Event) {
    (at, Event::Ending(Ending { leg, at: Offset((at * 1000.0) as u64), kind }))
}

fn closed(leg: Leg, at: f64, code: u16, reason: &str) -> (f64, Event) {
    ending(leg, at, EndingKind::CloseFrame { code: Some(code), reason: reason.to_owned() })
}

fn traffic(frames: &[(u8, u64, u64)], last: u64) -> Traffic {
    let mut sizes = SizeHistogram::default();
    for (_, frames, bytes) in frames {
        sizes.add(bytes / frames, *frames);
    }
    let sum = |of: fn(&(u8, u64, u64)) -> u64| frames.iter().map(of).sum::<u64>();
    Traffic {
        bytes: sum(|f| f.2) + 2 * sum(|f| f.1),
        frames: sum(|f| f.1),
        payload_bytes: sum(|f| f.2),
        messages: sum(|f| if f.0 < 8 { f.1 } else { 0 }),
        largest: frames.iter().map(|f| f.2 / f.1).max().unwrap_or_default(),
        by_opcode: frames
            .iter()
            .map(|f| OpcodeCount { opcode: f.0, frames: f.1, bytes: f.2 })
            .collect(),
        sizes,
        first_byte: Some(ms(5)),
        last_byte: Some(ms(last)),
        last_data_frame: Some(ms(last)),
        ..Traffic::default()
    }
}

fn totals(at: f64, direction: Direction, traffic: Traffic) -> (f64, Event) {
    (at, Event::Traffic { direction, traffic: Box::new(traffic) })
}

fn finished(at: f64) -> (f64, Event) {
    (at, Event::Finished(Finish::default()))
}

/// An OpenClaw client whose device is not paired.
pub(crate) fn unpaired() -> Sample {
    let refusal = RefusalFacts {
        code: some("NOT_PAIRED"),
        message: some("pairing required"),
        detail_code: some("PAIRING_REQUIRED"),
        details: Some(json!({"code": "PAIRING_REQUIRED", "requestId": "r-1"})),
        retryable: Some(false),
        retry_after_ms: None,
    };
    let challenge = Envelope { event: some("connect.challenge"), ..envelope(S2C, 0, "event") };
    let connect = Envelope { id: some("1:b"), method: some("connect"), ..envelope(C2S, 0, "req") };
    let answer = Envelope {
        id: some("1:b"),
        ok: Some(false),
        code: some("NOT_PAIRED"),
        detail_code: some("PAIRING_REQUIRED"),
        ..envelope(S2C, 1, "res")
    };
    let reason = "pairing required (requestId: r-1)";
    let events = vec![
        (0.0, started(Kind::Websocket, 50_200)),
        (0.4, request(UPGRADE)),
        (0.8, Event::Dial(dial())),
        (4.0, response(SWITCH)),
        (4.1, Event::Envelope(challenge)),
        (9.0, Event::Envelope(connect)),
        (9.0, Event::Connect(ConnectFacts { client_id: some("cli"), ..ConnectFacts::default() })),
        (11.0, Event::Envelope(answer)),
        (11.0, Event::Refusal(refusal)),
        (12.0, close(S2C, 2, 1008, reason)),
        closed(Leg::Upstream, 12.0, 1008, reason),
        (12.6, close(C2S, 1, 1008, "")),
        closed(Leg::Downstream, 12.6, 1008, ""),
        ending(Leg::Upstream, 13.0, EndingKind::Fin),
        ending(Leg::Downstream, 13.4, EndingKind::Fin),
        totals(13.4, C2S, traffic(&[(0x1, 1, 300), (0x8, 1, 2)], 12)),
        totals(13.4, S2C, traffic(&[(0x1, 2, 600), (0x8, 1, 35)], 12)),
        finished(13.5),
    ];
    Sample::new(9, 10, events)
}

/// A session that ended as it should.
pub(crate) fn good() -> Sample {
    let events = vec![
        (0.0, started(Kind::Websocket, 50_300)),
        (0.4, request(&UPGRADE.replace("token=<redacted>", "good"))),
        (0.8, Event::Dial(dial())),
        (4.0, response(SWITCH)),
        (900.0, close(C2S, 4, 1000, "done")),
        closed(Leg::Downstream, 900.0, 1000, "done"),
        (900.5, close(S2C, 5, 1000, "done")),
        closed(Leg::Upstream, 900.5, 1000, "done"),
        ending(Leg::Upstream, 901.0, EndingKind::Fin),
        totals(901.0, C2S, traffic(&[(0x1, 4, 400), (0x8, 1, 6)], 900)),
        totals(901.0, S2C, traffic(&[(0x1, 5, 5_000), (0x8, 1, 6)], 900)),
        finished(901.0),
    ];
    Sample::new(10, 20, events)
}

/// The upstream could not be reached.
pub(crate) fn unreachable() -> Sample {
    let dial = Dial {
        attempts: vec![Attempt {
            addr: "127.0.0.1:18789".parse().expect("an address"),
            started_ms: Offset(20),
            took_ms: Some(Offset(90)),
            error: some("ECONNREFUSED"),
        }],
        connect_ms: None,
        peer: None,
        local: None,
        failure: Some(DialFailure {
            step: DialStep::Connect,
            cause: "refused".to_owned(),
            detail: "127.0.0.1:18789 refused the connection".to_owned(),
            timed_out: false,
        }),
        ..dial()
    };
    let answer = OwnAnswer {
        status: 502,
        leg: Leg::Upstream,
        why: "127.0.0.1:18789 refused the connection".to_owned(),
    };
    let events = vec![
        (0.0, started(Kind::Websocket, 50_400)),
        (0.4, request(UPGRADE)),
        (0.6, Event::Dial(dial)),
        (0.7, Event::OwnAnswer(answer)),
        ending(Leg::Downstream, 1.0, EndingKind::Fin),
        finished(1.1),
    ];
    Sample::new(11, 30, events)
}

/// A request that is not an upgrade, in a status line that would like to be obeyed.
pub(crate) fn http() -> Sample {
    let events = vec![
        (0.0, started(Kind::Http, 50_500)),
        (0.3, request("GET /healthz HTTP/1.1\nHost: gateway.example\n\n")),
        (0.8, Event::Dial(dial())),
        (2.0, response("HTTP/1.1 503 Not\u{1b}[31m ready\u{9b}2J\nContent-Type: text/plain\n\n")),
        (2.1, Event::ResponseBody { text: "starting\u{1b}[2J\n".to_owned(), bytes: 13 }),
        (
            2.2,
            Event::Finished(Finish {
                complete: Some(true),
                body_c2s: Some(0),
                body_s2c: Some(13),
                error: None,
                reused: true,
            }),
        ),
    ];
    Sample::new(12, 40, events)
}

/// A TLS client on a plain port.
pub(crate) fn opaque() -> Sample {
    let facts = OpaqueFacts {
        what: "tls_client_hello".to_owned(),
        sni: some("gateway.example"),
        alpn: vec!["h2".to_owned(), "http/1.1".to_owned()],
    };
    let records = TlsRecords { records: 1, bytes: 512, largest: 512, non_application: 1 };
    let sent = Traffic {
        bytes: 517,
        tls_records: Some(records),
        first_byte: Some(ms(1)),
        last_byte: Some(ms(1)),
        ..Traffic::default()
    };
    let events = vec![
        (0.0, started(Kind::Opaque, 50_600)),
        (0.9, Event::Opaque(facts)),
        (1.3, Event::Dial(dial())),
        ending(Leg::Upstream, 3.0, EndingKind::Reset { undelivered: 0, missing: None }),
        totals(3.1, C2S, sent),
        totals(3.1, S2C, Traffic::default()),
        finished(3.2),
    ];
    Sample::new(13, 50, events)
}

/// All of them, in the order of their starts.
pub(crate) fn all() -> Vec<Sample> {
    vec![everything(), unpaired(), good(), unreachable(), http(), opaque()]
}
