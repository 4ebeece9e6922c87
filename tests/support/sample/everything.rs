//! Everything that can be said of a WebSocket session, in one.

use wstap::session::{
    Attempt, Captured, Certificate, Change, Compression, ConnectFacts, Control, Credential,
    CutFrame, Dial, EndingKind, Envelope, Event, Gap, HelloFacts, Kind, Leg, Note, Offset,
    ProxyHeader, Silence, Started, TcpSample, TlsEnd, TlsFacts, TlsRecords, Traffic, Unstored, Via,
    Violated, ViolationCount, Wall,
};

use super::{
    C2S, S2C, Sample, UPGRADE, control, ending, envelope, finished, head, ms, redaction, some,
    totals, traffic,
};

/// Everything that can be said of a WebSocket session, up to an upstream that died in mid-frame.
pub(crate) fn everything() -> Sample {
    let mut events = vec![(0.0, start())];
    events.extend(legs());
    events.extend(heads());
    events.extend(opening());
    events.extend(frames());
    Sample::new(8, 0, events)
}

fn start() -> Event {
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

fn legs() -> Vec<(f64, Event)> {
    let certificate = Certificate {
        subject: "CN=gateway.example".to_owned(),
        issuer: "CN=wstap test CA".to_owned(),
        names: Vec::new(),
        not_after: Some(Wall(1_826_682_416_000_000)),
        sha256: "ab".repeat(32),
    };
    let facts = TlsFacts {
        version: some("TLSv1.3"),
        cipher: some("TLS13_AES_256_GCM_SHA384"),
        alpn: some("http/1.1"),
        sni: some("gateway.example"),
        certificate: Some(certificate),
        chain: Vec::new(),
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

fn heads() -> Vec<(f64, Event)> {
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

fn opening() -> Vec<(f64, Event)> {
    let challenge = Envelope { event: some("connect.challenge"), ..envelope(S2C, 0, "event") };
    let connect = Envelope { id: some("1:a"), method: some("connect"), ..envelope(C2S, 0, "req") };
    let answer = Envelope { id: some("1:a"), ok: Some(true), ..envelope(S2C, 1, "res") };
    let refused = Envelope {
        id: some("2:a"),
        ok: Some(false),
        code: some("FORBIDDEN"),
        ..envelope(S2C, 2, "res")
    };
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
        ..kept
    };
    vec![
        (9.3, Event::Envelope(challenge)),
        (12.0, Event::Envelope(connect)),
        (12.0, Event::Captured(kept)),
        (12.0, Event::Connect(facts)),
        (15.0, Event::Envelope(answer)),
        (15.0, Event::Hello(hello)),
        (16.0, Event::Captured(not_kept)),
        (17.0, Event::Envelope(call("2:a", "health"))),
        (18.0, Event::Envelope(call("3:a", "chat.send"))),
        (19.0, Event::Envelope(refused)),
    ]
}

fn frames() -> Vec<(f64, Event)> {
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
    let cut = EndingKind::FinMidFrame { opcode: 0x2, declared: Some(70_000), missing: Some(1_234) };
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
        totals(61_005.0, C2S, c2s()),
        totals(61_005.0, S2C, s2c()),
        finished(61_005.0),
    ]
}

fn c2s() -> Traffic {
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

fn s2c() -> Traffic {
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

fn call(id: &str, method: &str) -> Envelope {
    Envelope { id: some(id), method: some(method), ..envelope(C2S, 1, "req") }
}
