//! Sessions written by hand, event by event: one of each kind, and one in which everything
//! happened.

use serde_json::json;
use wstap::session::{
    Attempt, Captured, Certificate, Change, Compression, ConnectFacts, Control, Credential,
    CutFrame, Dial, DialFailure, DialStep, Direction, Ending, EndingKind, Envelope, Event, Finish,
    Gap, Head, HelloFacts, Kind, Leg, Note, Offset, OpaqueFacts, OpcodeCount, OwnAnswer,
    ProxyHeader, Record, Redaction, RefusalFacts, SessionId, Silence, SizeHistogram, Started,
    TcpSample, Timed, TlsEnd, TlsFacts, TlsRecords, Traffic, Unstored, Via, Violated,
    ViolationCount, Wall,
};

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

    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn record(&self) -> Record {
        let mut record = Record::new(self.id, self.started_at);
        self.events.iter().for_each(|timed| record.apply(timed));
        record.conclude();
        record
    }
}

fn ms(ms: u64) -> Offset {
    Offset(ms * 1000)
}

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

/// Everything that can be said of a WebSocket session, up to an upstream that died in mid-frame.
pub(crate) fn everything() -> Sample {
    let mut events = vec![(0.0, everything_started())];
    events.extend(everything_legs());
    events.extend(everything_heads());
    events.extend(everything_opening());
    events.extend(everything_traffic());
    Sample::new(8, 0, events)
}

fn everything_started() -> Event {
    Event::Started(Started {
        kind: Kind::Websocket,
        listener: "0.0.0.0:18889".to_owned(),
        client: "192.0.2.9:50122".to_owned(),
        local: "192.0.2.1:18889".to_owned(),
        proxy_header: Some(ProxyHeader {
            version: 2,
            source: some("198.51.100.4:61000"),
            destination: some("192.0.2.1:443"),
        }),
        earlier_requests: 2,
    })
}

fn everything_legs() -> Vec<(f64, Event)> {
    let certificate = Certificate {
        subject: "CN=gateway.example".to_owned(),
        issuer: "CN=wstap test CA".to_owned(),
        not_after: Some(Wall(1_826_682_416_000_000)),
        sha256: "ab".repeat(32),
    };
    let facts = TlsFacts {
        version: some("TLSv1.3"),
        cipher: some("TLS13_AES_256_GCM_SHA384"),
        alpn: some("http/1.1"),
        sni: some("gateway.example"),
        certificate: Some(certificate),
        verified: None,
        verify_error: None,
        handshake_ms: Offset(1_900),
    };
    let upstream =
        TlsFacts { verified: Some(false), verify_error: some("unknown issuer"), ..facts.clone() };
    let dial = Dial {
        url: "wss://gateway.example:18789".to_owned(),
        resolved: ["2001:db8::5", "192.0.2.5"].map(|ip| ip.parse().expect("an address")).into(),
        attempts: vec![
            Attempt {
                addr: "[2001:db8::5]:18789".parse().expect("an address"),
                started_ms: Offset(900),
                took_ms: Some(Offset(400)),
                error: some("ECONNREFUSED"),
            },
            Attempt {
                addr: "192.0.2.5:18789".parse().expect("an address"),
                started_ms: Offset(1_300),
                took_ms: Some(Offset(700)),
                error: None,
            },
        ],
        resolve_ms: Some(Offset(900)),
        connect_ms: Some(Offset(2_000)),
        peer: some("192.0.2.5:18789"),
        local: some("192.0.2.1:44332"),
        via: Some(Via {
            protocol: "http_connect".to_owned(),
            proxy: "192.0.2.77:3128".to_owned(),
            target: "gateway.example:18789".to_owned(),
            status: Some(200),
        }),
        failure: None,
    };
    vec![
        (1.9, Event::Tls { leg: Leg::Downstream, facts }),
        (4.0, Event::Dial(dial)),
        (6.0, Event::Tls { leg: Leg::Upstream, facts: upstream }),
    ]
}

fn everything_heads() -> Vec<(f64, Event)> {
    let mut asked = head(UPGRADE);
    asked.redactions.push(redaction("query:token"));
    let change = Change {
        what: "appended".to_owned(),
        header: "X-Forwarded-For".to_owned(),
        value: some("192.0.2.8"),
        option: "--forwarded append".to_owned(),
    };
    let answered = "HTTP/1.1 101 Switching Protocols\nServer: test\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\nSec-WebSocket-Extensions: permessage-deflate\n\n";
    vec![
        (2.1, Event::Request { head: asked, changes: vec![change] }),
        (9.3, Event::Response { head: head(answered), interim: vec![103] }),
    ]
}

fn everything_opening() -> Vec<(f64, Event)> {
    let challenge = Envelope { event: some("connect.challenge"), ..envelope(S2C, 0, "event") };
    let connect = Envelope { id: some("1:a"), method: some("connect"), ..envelope(C2S, 0, "req") };
    let answer = Envelope { id: some("1:a"), ok: Some(true), ..envelope(S2C, 1, "res") };
    let facts = ConnectFacts {
        min_protocol: Some(4),
        max_protocol: Some(4),
        client_id: some("cli"),
        client_mode: some("cli"),
        client_version: some("2026.9.6"),
        platform: some("linux"),
        role: some("operator"),
        scopes: vec!["operator.read".to_owned()],
        credentials: vec![Credential {
            name: "token".to_owned(),
            len: 43,
            fingerprint: "1a2b3c4d".to_owned(),
        }],
        device_id: some("d0d0"),
    };
    let hello = HelloFacts {
        protocol: Some(4),
        server_version: some("2026.9.6"),
        conn_id: some("c0ffee"),
        auth_method: some("token"),
        role: some("operator"),
        scopes: Some(vec!["operator.read".to_owned()]),
        max_payload: Some(26_214_400),
        tick_interval_ms: Some(30_000),
    };
    let text = "{\"type\":\"req\",\"params\":{\"auth\":{\"token\":\"<redacted>\"}}}";
    let kept = Captured {
        direction: C2S,
        frame: 0,
        opcode: 0x1,
        len: 300,
        text: some(text),
        cut: true,
        redactions: vec![redaction("params.auth.token")],
        unstored: None,
    };
    let not_kept = Captured {
        direction: S2C,
        frame: 2,
        text: None,
        cut: false,
        redactions: Vec::new(),
        unstored: Some(Unstored::UnparsableJson),
        ..kept.clone()
    };
    vec![
        (9.3, Event::Envelope(challenge)),
        (12.0, Event::Envelope(connect)),
        (12.0, Event::Captured(kept)),
        (12.0, Event::Connect(facts)),
        (15.0, Event::Envelope(answer)),
        (15.0, Event::Hello(hello)),
        (16.0, Event::Captured(not_kept)),
    ]
}

fn everything_traffic() -> Vec<(f64, Event)> {
    let ping = Control { payload: "hello".to_owned(), len: 5, ..control(S2C, 0x9, 3) };
    let pong = Control { rtt_ms: Some(Offset(800)), direction: C2S, opcode: 0xa, ..ping.clone() };
    let sample = TcpSample {
        leg: Leg::Upstream,
        at: ms(30_000),
        rtt_us: 210,
        rttvar_us: 30,
        retransmits: 0,
        unacked: 0,
        unacked_bytes: 0,
        snd_mss: 1448,
        rcv_mss: 1448,
        snd_cwnd: 10,
        state: 1,
    };
    let at_end = TcpSample {
        at: ms(61_000),
        rtt_us: 90_000,
        retransmits: 3,
        unacked: 2,
        unacked_bytes: 400,
        state: 8,
        ..sample
    };
    let client = TcpSample { leg: Leg::Downstream, ..sample };
    let records = TlsRecords { records: 20, bytes: 9_000, largest: 1_400, non_application: 4 };
    let cut = EndingKind::FinMidFrame { opcode: 0x2, declared: 70_000, missing: 1_234 };
    let violated = Violated { direction: C2S, name: "unmasked_client_frame".to_owned(), frame: 2 };
    let gap = Gap { frames: 12, events: 1 };
    let note = Note { slug: "topology".to_owned(), text: "remote clients look local".to_owned() };
    vec![
        (1.0, Event::Note(note)),
        (20.0, Event::Violated(violated)),
        (25_000.0, Event::Control(ping.clone())),
        (25_000.8, Event::Control(pong.clone())),
        (30_000.0, Event::Tcp(client)),
        (30_000.0, Event::Tcp(sample)),
        (50_000.0, Event::Control(Control { frame: 4, ..ping })),
        (50_000.9, Event::Control(Control { frame: 4, rtt_ms: Some(Offset(900)), ..pong })),
        (55_000.0, Event::NotWebsocket { direction: C2S, byte: 9_100 }),
        (60_500.0, Event::Gap(gap)),
        ending(Leg::Upstream, 61_000.0, EndingKind::Tls { end: TlsEnd::Truncated }),
        ending(Leg::Upstream, 61_000.0, cut),
        ending(Leg::Downstream, 61_004.5, EndingKind::Reset { undelivered: 17, missing: None }),
        (61_005.0, Event::Tcp(at_end)),
        (61_005.0, Event::TlsRecords { leg: Leg::Upstream, read: records, written: records }),
        totals(61_005.0, C2S, everything_c2s()),
        totals(61_005.0, S2C, everything_s2c()),
        finished(61_005.0),
    ]
}

fn everything_c2s() -> Traffic {
    Traffic {
        fragmented: 1,
        masked: 5,
        unmasked: 1,
        rsv1: 2,
        violations: vec![ViolationCount {
            name: "unmasked_client_frame".to_owned(),
            count: 1,
            first_frame: 2,
        }],
        compression: Some(Compression {
            messages: 2,
            wire_bytes: 500,
            inflated_bytes: 2_100,
            not_inflated: 1,
        }),
        last_control_frame: Some(ms(50_000)),
        longest_silence: Some(Silence { ms: ms(24_900), from: ms(25_000) }),
        not_websocket_from: Some(9_100),
        tls_records: None,
        ..traffic(&[(0x1, 3, 900), (0x0, 1, 100), (0xa, 2, 10)], 50_000)
    }
}

fn everything_s2c() -> Traffic {
    Traffic {
        unmasked: 6,
        last_control_frame: Some(ms(50_000)),
        longest_silence: Some(Silence { ms: ms(10_000), from: ms(50_000) }),
        cut_frame: Some(CutFrame {
            opcode: 0x2,
            declared: Some(70_000),
            have: 68_766,
            missing: Some(1_234),
        }),
        ..traffic(&[(0x1, 3, 17_000), (0x2, 1, 70_000), (0x9, 2, 10)], 60_000)
    }
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
