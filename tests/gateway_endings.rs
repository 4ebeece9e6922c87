//! How the stand-in gateway's sessions end, as a client and as raw bytes see it.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wstap::gateway::client::{Device, Ended, Farewell, Hail, Proof, Script, Seen, SeenClose};
use wstap::gateway::{Auth, DeviceKey, Ending, Gateway, LocalPairing, Misbehaviour, Policy, When};

const TOKEN: &str = "a-token-for-tests";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

async fn start(policy: Policy) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Gateway::start(listener, policy).expect("an address")
}

async fn run(gateway: &Gateway, script: &Script) -> Seen {
    script.run(gateway.addr()).await.expect("a connection")
}

fn close(code: u16, reason: &str) -> SeenClose {
    SeenClose { code: Some(code), reason: reason.to_owned() }
}

fn staying(patience: Duration) -> Script {
    Script { calls: Vec::new(), farewell: Farewell::Stay, patience, ..Script::cli(TOKEN) }
}

#[tokio::test]
async fn every_misbehaviour_is_seen_as_what_it_is() {
    let end = |when, how| Misbehaviour::End { when, how };
    let closing = Ending::Close { code: 1011, reason: "boom".to_owned() };
    let soon = When::Elapsed(Duration::from_millis(500));
    let refused = Misbehaviour::RefuseUpgrade { status: 502, body: "bad gateway".to_owned() };
    let rows = [
        (refused, 0, Ended::Refused, None),
        (Misbehaviour::HtmlPage, 0, Ended::Refused, None),
        (Misbehaviour::BadAccept, 0, Ended::BadAccept, None),
        (end(When::Frames(0), Ending::Fin), 0, Ended::Fin, None),
        (end(When::Frames(1), Ending::Fin), 1, Ended::Fin, None),
        (end(When::Frames(2), Ending::Reset), 2, Ended::Reset, None),
        (end(When::Hello, Ending::FinInFrame), 2, Ended::Fin, None),
        (end(When::Hello, Ending::ResetInFrame), 2, Ended::Reset, None),
        (end(soon, Ending::Fin), 2, Ended::Fin, None),
        (end(When::Hello, closing), 2, Ended::Closed, Some(close(1011, "boom"))),
    ];
    let gateway = start(Policy::token(TOKEN)).await;
    for (misbehaviour, frames, ended, closed) in rows {
        gateway.misbehave_next(misbehaviour.clone());
        let seen = run(&gateway, &staying(Duration::from_secs(30))).await;
        let told = (seen.frames.len(), seen.ended, seen.close);
        assert_eq!(told, (frames, ended, closed), "{misbehaviour:?}");
    }
    let good = run(&gateway, &Script::cli(TOKEN)).await;
    assert_eq!((good.frames.len(), good.ended), (3, Ended::Closed));
    gateway.stop().await;
}

#[tokio::test]
async fn silence_lasts_as_long_as_the_client_is_patient() {
    let gateway = start(Policy::token(TOKEN)).await;
    let silent = Misbehaviour::End { when: When::Hello, how: Ending::Silence };
    for (misbehaviour, frames) in
        [(Misbehaviour::NoAnswer, 0), (Misbehaviour::NoChallenge, 0), (silent, 2)]
    {
        gateway.misbehave_next(misbehaviour.clone());
        let seen = run(&gateway, &staying(Duration::from_secs(1))).await;
        let told = (seen.frames.len(), seen.ended);
        assert_eq!(told, (frames, Ended::OutOfPatience), "{misbehaviour:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_leaves_in_its_own_way() {
    let gateway = start(Policy::token(TOKEN)).await;
    let empty = Some(SeenClose { code: None, reason: String::new() });
    for (farewell, ended, closed) in [
        (Farewell::EmptyClose, Ended::Closed, empty),
        (Farewell::Normal, Ended::Closed, Some(close(1000, ""))),
        (Farewell::GoingAway, Ended::Closed, Some(close(1001, ""))),
        (Farewell::Fin, Ended::Fin, None),
        (Farewell::Reset, Ended::Left, None),
    ] {
        let script = Script { farewell, ..Script::cli(TOKEN) };
        let seen = run(&gateway, &script).await;
        assert_eq!((seen.ended, seen.close), (ended, closed), "{farewell:?}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_challenge_is_in_the_write_of_the_101() {
    let gateway = start(Policy::token(TOKEN)).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(UPGRADE.as_bytes()).await.expect("a request");
    let mut wire = vec![0; 4096];
    let length = stream.read(&mut wire).await.expect("an answer");
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let frame = wire[..length].strip_prefix(head.as_bytes()).expect("the head");
    assert_eq!(&frame[..4], b"\x81\x7e\x00\xa4");
    assert_eq!(frame.len(), 4 + 164);
    gateway.stop().await;
}

#[tokio::test]
async fn broken_frames_close_with_the_code_of_their_fault() {
    let gateway = start(Policy::token(TOKEN)).await;
    let unmasked: &[u8] = b"\x81\x02{}";
    let bad_text: &[u8] = b"\x81\x82\0\0\0\0\xff\xfe";
    for (frame, code) in [(unmasked, 1002_u16), (bad_text, 1007)] {
        let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
        let sent = stream.write_all(&[UPGRADE.as_bytes(), frame].concat()).await;
        sent.expect("a request");
        let mut wire = Vec::new();
        stream.read_to_end(&mut wire).await.expect("an end");
        let [high, low] = code.to_be_bytes();
        assert!(wire.ends_with(&[0x88, 2, high, low]), "{code}: {wire:?}");
    }
    let script = Script::new(Hail::Text("x".repeat(65_537)));
    assert_eq!(run(&gateway, &script).await.close, Some(close(1009, "")));
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_frame_decides_the_refusal() {
    let gateway = start(Policy::token(TOKEN)).await;
    let call = json!({ "type": "req", "id": "1", "method": "health" }).to_string();
    for (text, frames, code, reason) in [
        (call.as_str(), 2, 1008, "invalid handshake: first request must be connect"),
        ("{}", 1, 1008, "invalid request frame"),
        ("not json", 1, 1000, ""),
    ] {
        let seen = run(&gateway, &Script::new(Hail::Text(text.to_owned()))).await;
        let told = (seen.frames.len(), seen.close);
        assert_eq!(told, (frames, Some(close(code, reason))), "{text}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_secret_changed_before_connect_closes_without_an_error() {
    let gateway = start(Policy::token(TOKEN)).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    stream.write_all(UPGRADE.as_bytes()).await.expect("a request");
    let mut first = [0; 16];
    stream.read_exact(&mut first).await.expect("an answer");
    gateway.set_policy(Policy::new(Auth::Token("another".to_owned())));
    let text = br#"{"type":"req","id":"1","method":"connect","params":{}}"#;
    let length = 0x80 | u8::try_from(text.len()).expect("a short text");
    let frame = [&[0x81, length, 0, 0, 0, 0], text.as_slice()].concat();
    stream.write_all(&frame).await.expect("a frame");
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).await.expect("an end");
    assert!(wire.ends_with(b"\x88\x16\x0f\xa1gateway auth changed"));
    gateway.stop().await;
}

#[tokio::test]
async fn an_approved_device_is_welcome_and_a_method_needs_its_scope() {
    let policy = Policy { local_pairing: LocalPairing::Required, ..Policy::token(TOKEN) };
    let gateway = start(policy).await;
    let key = Arc::new(DeviceKey::from_seed(&[9; 32]).expect("a key"));
    let mut script = Script::cli(TOKEN);
    script.calls = ["config.set", "no.such"].map(|method| (method.to_owned(), json!({}))).to_vec();
    if let Hail::Connect { device, .. } = &mut script.hail {
        *device = Some(Device { key, proof: Proof::Good });
    }
    let refused = run(&gateway, &script).await;
    let again = run(&gateway, &script).await;
    assert_eq!(refused.close, again.close, "the request id stays");
    let pending = gateway.pending();
    assert_eq!(pending.len(), 1);
    assert!(gateway.approve(&pending[0].request_id));
    let seen = run(&gateway, &script).await;
    let errors: Vec<Value> = seen.frames[2..]
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).expect("JSON")["error"].take())
        .collect();
    assert_eq!(
        errors,
        [
            json!({
                "code": "FORBIDDEN",
                "message": "missing scope: operator.admin",
                "details": {
                    "code": "MISSING_SCOPE",
                    "missingScope": "operator.admin",
                    "requiredScopes": ["operator.admin"],
                },
            }),
            json!({ "code": "INVALID_REQUEST", "message": "unknown method: no.such" }),
        ]
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dropped_without_a_close() {
    let policy = Policy {
        ping_interval: Duration::from_millis(50),
        tick_interval: Duration::from_millis(40),
        ..Policy::token(TOKEN)
    };
    let gateway = start(policy).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let params = json!({
        "minProtocol": 4, "maxProtocol": 4, "auth": { "token": TOKEN },
        "client": { "id": "cli", "version": "1", "platform": "linux", "mode": "cli" },
    });
    let text = json!({ "type": "req", "id": "1", "method": "connect", "params": params });
    let text = text.to_string();
    let length = u16::try_from(text.len()).expect("a short text").to_be_bytes();
    let frame = [&[0x81, 0xfe], &length[..], &[0; 4], text.as_bytes()].concat();
    let sent = stream.write_all(&[UPGRADE.as_bytes(), &frame].concat()).await;
    sent.expect("a request");
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).await.expect("an end");
    let pings = wire.windows(2).filter(|pair| pair == b"\x89\x00").count();
    assert_eq!(pings, 2);
    let tick = br#"{"type":"event","event":"tick","payload":{"ts":"#;
    assert!(wire.windows(tick.len()).any(|bytes| bytes == tick));
    gateway.stop().await;
}

#[tokio::test]
async fn a_close_nobody_answers_ends_after_a_second() {
    let gateway = start(Policy::token(TOKEN)).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let sent = stream.write_all(&[UPGRADE.as_bytes(), b"\x81\x81\0\0\0\0x"].concat()).await;
    sent.expect("a request");
    let begun = Instant::now();
    let mut wire = Vec::new();
    stream.read_to_end(&mut wire).await.expect("an end");
    assert!(wire.ends_with(b"\x88\x02\x03\xe8"));
    assert!(begun.elapsed() >= Duration::from_millis(900));
    gateway.stop().await;
}

#[tokio::test]
async fn probes_share_a_connection_with_a_later_upgrade() {
    let gateway = start(Policy::token(TOKEN)).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let rows = [
        ("GET /healthz", "200 OK", r#"{"ok":true,"status":"live"}"#),
        ("POST /healthz", "404 Not Found", "Not Found"),
        ("HEAD /healthz", "200 OK", ""),
        ("GET /nowhere", "404 Not Found", "Not Found"),
    ];
    for (request, status, body) in rows {
        let head = format!("{request} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nxyz");
        stream.write_all(head.as_bytes()).await.expect("a request");
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        assert!(answer.contains("Connection: keep-alive\r\n"), "{answer}");
    }
    stream.write_all(UPGRADE.as_bytes()).await.expect("a request");
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 101");
    gateway.stop().await;
}
