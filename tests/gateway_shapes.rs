//! The stand-in gateway's wire against the recorded gateway's, trace by trace.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

#[path = "gateway/trace.rs"]
mod trace;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use trace::Trace;
use wstap::gateway::client::{Device, Farewell, Hail, Proof, Script, Seen, SeenClose};
use wstap::gateway::{Auth, DeviceKey, Gateway, PairedDevice, Policy, Startup};

/// What the recorded gateway had behind it that its configuration does not show.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Setting {
    Plain,
    Starting,
    ShortHandshake,
    /// The device is approved for this role and scope.
    PairedFor(&'static str, &'static str),
    /// The device presents the token it got in an earlier session with these scopes.
    OwnToken(&'static [&'static str]),
    /// These happen while the session is open.
    Restart,
    NewToken,
    DeviceRemoved,
}
use Setting::{
    DeviceRemoved, NewToken, OwnToken, PairedFor, Plain, Restart, ShortHandshake, Starting,
};

/// The token of the recorded gateways.
const TOKEN: &str = "tok-ground-truth-0123456789";
const READ: &[&str] = &["operator.read"];
const ALL: &[&str] = &[
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
];

const SESSIONS: &[(&str, Setting, Proof)] = &[
    ("auth-bootstrap-token-invalid", Plain, Proof::Good),
    ("auth-device-token-mismatch", Plain, Proof::Good),
    ("auth-device-token-scope-mismatch", OwnToken(READ), Proof::Good),
    ("auth-none-nodevice", Plain, Proof::Good),
    ("auth-password-given-token-mode", Plain, Proof::Good),
    ("auth-password-mismatch", Plain, Proof::Good),
    ("auth-password-missing", Plain, Proof::Good),
    ("auth-token-mismatch-with-device", Plain, Proof::Good),
    ("auth-token-missing-cli-nodevice", Plain, Proof::Good),
    ("browser-token-mismatch", Plain, Proof::Good),
    ("cli-devices-list-token-mismatch", Plain, Proof::Good),
    ("cli-gateway-status-ok", Plain, Proof::Good),
    ("cli-gateway-status-token-mismatch", Plain, Proof::Good),
    ("control-ui-build-mismatch", Plain, Proof::Good),
    ("control-ui-no-device-identity", Plain, Proof::Good),
    ("control-ui-token-missing", Plain, Proof::Good),
    ("device-nonce-blank", Plain, Proof::BlankNonce),
    ("device-removed-4001", DeviceRemoved, Proof::Good),
    ("device-signature-over-wrong-nonce", Plain, Proof::WrongNonce),
    ("device-signature-stale", Plain, Proof::Stale),
    ("gateway-auth-changed-4001", NewToken, Proof::Good),
    ("gateway-starting-1013", Starting, Proof::Good),
    ("handshake-timeout", ShortHandshake, Proof::Good),
    ("ok-any-path", Plain, Proof::Good),
    ("ok-auth-none", Plain, Proof::Good),
    ("ok-cli-gateway-call-health", Plain, Proof::Good),
    ("ok-control-ui-origin-other-loopback-port", Plain, Proof::Good),
    ("ok-control-ui-script-same-origin", Plain, Proof::Good),
    ("ok-node-v3-legacy", Plain, Proof::Good),
    ("ok-password", Plain, Proof::Good),
    ("ok-probe-client-v3", Plain, Proof::Good),
    ("ok-script-cli-device-silent-pair", Plain, Proof::Good),
    ("ok-script-device-token-reconnect", OwnToken(ALL), Proof::Good),
    ("origin-behind-tproxy-same-loopback-host", Plain, Proof::Good),
    ("origin-host-rewritten-by-proxy", Plain, Proof::Good),
    ("origin-not-allowed", Plain, Proof::Good),
    ("origin-not-allowed-for-cli-client", Plain, Proof::Good),
    ("origin-null", Plain, Proof::Good),
    ("origin-port-not-matched", Plain, Proof::Good),
    ("pairing-required-control-ui", Plain, Proof::Good),
    ("pairing-role-upgrade", PairedFor("operator", "operator.read"), Proof::Good),
    ("pairing-scope-upgrade", PairedFor("operator", "operator.read"), Proof::Good),
    ("protocol-mismatch-client-v3", Plain, Proof::Good),
    ("protocol-mismatch-client-v5", Plain, Proof::Good),
    ("protocol-non-json", Plain, Proof::Good),
    ("protocol-unknown-client-id", Plain, Proof::Good),
    ("protocol-unknown-connect-field", Plain, Proof::Good),
    ("protocol-worker-identity-on-main-path", Plain, Proof::Good),
    ("repeated-unauthorized-calls", Plain, Proof::Good),
    ("service-restart-sigterm", Restart, Proof::Good),
    ("tproxy-no-headers-ok-local", Plain, Proof::Good),
    ("tproxy-xff-remote-token-nodevice", Plain, Proof::Good),
];

#[tokio::test]
async fn sessions_have_the_recorded_shapes() {
    let key = Arc::new(DeviceKey::from_seed(&[7; 32]).expect("a key"));
    let mut differences = Vec::new();
    for (name, setting, proof) in SESSIONS {
        let trace = Trace::load(name);
        let seen = play(&trace, *setting, *proof, &key).await;
        let (ours, theirs) = (outline(&seen), recorded_outline(&trace));
        let lines = ours.len().max(theirs.len());
        differences.extend((0..lines).filter_map(|at| {
            let (ours, theirs) = (ours.get(at), theirs.get(at));
            (ours != theirs).then(|| format!("{name}:\n  ours   {ours:?}\n  theirs {theirs:?}"))
        }));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What has to be equal, in the order it came.
fn outline(seen: &Seen) -> Vec<String> {
    let mut outline = head_outline(&seen.status_line, &seen.headers);
    outline.extend(seen.frames.iter().map(|text| {
        let frame = serde_json::from_str(text).expect("the stand-in sends JSON");
        shape(&frame)
    }));
    outline.push(close_outline(seen.close.as_ref()));
    outline
}

fn recorded_outline(trace: &Trace) -> Vec<String> {
    let (line, headers, _) = trace.response();
    let mut outline = head_outline(&line, &headers);
    outline.extend(trace.answers().iter().map(shape));
    outline.push(close_outline(trace.close().as_ref()));
    outline
}

/// The head as it was, but for the accept value, which belongs to the key.
fn head_outline(line: &str, headers: &[(String, String)]) -> Vec<String> {
    let mut outline = vec![line.to_owned()];
    outline.extend(headers.iter().map(|(name, value)| {
        if name == "Sec-WebSocket-Accept" {
            return name.clone();
        }
        format!("{name}: {value}")
    }));
    outline
}

/// Code, reason up to the request id, and the reason's length.
fn close_outline(close: Option<&SeenClose>) -> String {
    close.map_or_else(String::new, |close| {
        let words = close.reason.split("(requestId: ").next();
        format!("close {:?} {words:?} {} bytes", close.code, close.reason.len())
    })
}

async fn play(trace: &Trace, setting: Setting, proof: Proof, key: &Arc<DeviceKey>) -> Seen {
    let mut policy = trace.policy();
    let mut script = trace.script(key, proof);
    match setting {
        Starting => policy.startup = Startup::Starting,
        ShortHandshake => policy.handshake_timeout = Duration::from_millis(200),
        PairedFor(role, scope) => policy.paired.push(PairedDevice {
            id: key.id(),
            roles: vec![role.to_owned()],
            scopes: vec![scope.to_owned()],
        }),
        NewToken => policy.auth = Auth::Token(TOKEN.to_owned()),
        Plain | OwnToken(_) | Restart | DeviceRemoved => {}
    }
    let gateway = start(policy).await;
    if let OwnToken(scopes) = setting {
        let token = earn_token(&gateway, &script, scopes, key).await;
        if let Hail::Connect { params, .. } = &mut script.hail {
            params["auth"]["deviceToken"] = token;
        }
    }
    let address = gateway.addr();
    let session = tokio::spawn(async move { script.run(address).await });
    if matches!(setting, Restart | NewToken | DeviceRemoved) {
        until(|| gateway.welcomed() == 1).await;
    }
    match setting {
        Restart => gateway.restart(),
        // The trace keeps the configuration its gateway ended with.
        NewToken => gateway.set_policy(trace.policy()),
        DeviceRemoved => assert!(gateway.remove_device(&key.id())),
        Plain | Starting | ShortHandshake | PairedFor(..) | OwnToken(_) => {}
    }
    let seen = session.await.expect("the client ran").expect("a connection");
    gateway.stop().await;
    seen
}

async fn start(policy: Policy) -> Gateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Gateway::start(listener, policy).expect("an address")
}

async fn until(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let met = tokio::time::timeout(Duration::from_secs(30), poll).await;
    met.expect("the condition comes true");
}

async fn earn_token(
    gateway: &Gateway,
    script: &Script,
    scopes: &[&str],
    key: &Arc<DeviceKey>,
) -> Value {
    let mut params = match &script.hail {
        Hail::Connect { params, .. } => params.clone(),
        Hail::Text(_) | Hail::Nothing => Value::Null,
    };
    params["scopes"] = json!(scopes);
    params["auth"] = json!({ "token": TOKEN });
    let mut earlier = Script::new(Hail::Connect {
        params,
        device: Some(Device { key: Arc::clone(key), proof: Proof::Good }),
    });
    earlier.farewell = Farewell::Normal;
    let seen = earlier.run(gateway.addr()).await.expect("a connection");
    let hello: Value = serde_json::from_str(&seen.frames[1]).expect("hello is JSON");
    hello["payload"]["auth"]["deviceToken"].clone()
}

/// Key names in their order all the way down. Refusals keep their words as well.
fn shape(frame: &Value) -> String {
    if frame["ok"] == false {
        return words(frame).to_string();
    }
    keys(frame).to_string()
}

fn keys(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keys = map.iter().map(|(key, value)| match key.as_str() {
                // How busy the recorded machine was is no matter of shape.
                "degradedSinceMs" | "reasons" => (key.clone(), json!("load")),
                _ => (key.clone(), keys(value)),
            });
            Value::Object(keys.collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.first().map(keys).into_iter().collect()),
        Value::Null => json!("null"),
        Value::Bool(_) => json!("bool"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("text"),
    }
}

/// The frame with what differs from run to run made equal.
fn words(value: &Value) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let words = map.iter().map(|(key, value)| match key.as_str() {
        "id" | "requestId" | "deviceId" => (key.clone(), json!("any")),
        _ => (key.clone(), words(value)),
    });
    Value::Object(words.collect::<Map<_, _>>())
}

/// Heads that never become a session: the answer is compared to its last byte.
const REFUSED_HEADS: &[&str] = &[
    "proxy-forwarded-rfc7239-untrusted",
    "proxy-xff-untrusted-script",
    "tproxy-xff-loopback-403",
    "upgrade-401-api-channels",
    "upgrade-404-worker-namespace",
    "upgrade-bad-ws-version",
    "upgrade-desktop-observe",
    "upgrade-malformed-http",
    "upgrade-missing-key",
    "upgrade-post-method",
];

#[tokio::test]
async fn refused_heads_are_answered_to_the_byte() {
    for name in REFUSED_HEADS {
        let trace = Trace::load(name);
        let gateway = start(trace.policy()).await;
        let answer = exchange(&gateway, &raw_request(&trace)).await;
        assert_eq!(answer, raw_response(&trace), "{name}");
        gateway.stop().await;
    }
}

fn raw_request(trace: &Trace) -> String {
    let (line, headers) = trace.request();
    raw(&line, &headers, "")
}

fn raw_response(trace: &Trace) -> String {
    let (line, headers, body) = trace.response();
    raw(&line, &headers, &body)
}

fn raw(line: &str, headers: &[(String, String)], body: &str) -> String {
    let mut text = vec![line.to_owned()];
    text.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    text.join("\r\n") + "\r\n\r\n" + body
}

/// Everything the gateway says to this head until it ends the connection.
async fn exchange(gateway: &Gateway, request: &str) -> String {
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("the request leaves");
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(30), stream.read_to_string(&mut answer));
    read.await.expect("an end").expect("an answer");
    answer
}

#[tokio::test]
async fn the_fourth_unauthenticated_socket_is_refused() {
    let trace = Trace::load("preauth-budget-503");
    let mut policy = trace.policy();
    policy.max_preauth = 3;
    let gateway = start(policy).await;
    let request = raw_request(&trace);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("the request leaves");
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 101");
        held.push(stream);
    }
    assert_eq!(exchange(&gateway, &request).await, raw_response(&trace));
    gateway.stop().await;
}

#[tokio::test]
async fn the_first_offered_subprotocol_is_echoed() {
    let trace = Trace::load("subprotocol-echoed");
    let gateway = start(trace.policy()).await;
    let key = Arc::new(DeviceKey::from_seed(&[7; 32]).expect("a key"));
    let script = trace.script(&key, Proof::Good);
    let seen = script.run(gateway.addr()).await.expect("a connection");
    let (line, headers, _) = trace.response();
    assert_eq!(head_outline(&seen.status_line, &seen.headers), head_outline(&line, &headers));
    gateway.stop().await;
}

#[tokio::test]
async fn a_stripped_upgrade_gets_the_page_with_the_recorded_headers() {
    let trace = Trace::load("upgrade-header-stripped");
    let gateway = start(trace.policy()).await;
    let mut stream = TcpStream::connect(gateway.addr()).await.expect("a connection");
    let sent = stream.write_all(raw_request(&trace).as_bytes()).await;
    sent.expect("the request leaves");
    let mut answer = vec![0; 64 * 1024];
    let length = stream.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (line, headers, _) = trace.response();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let ours: Vec<(&str, &str)> = head.lines().skip(1).filter_map(|l| l.split_once(": ")).collect();
    assert_eq!(head.lines().next(), Some(line.as_str()));
    assert_eq!(ours.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    assert_eq!(ours.last().map(|(_, length)| *length), Some(body.len().to_string().as_str()));
    assert!(body.contains("<title>OpenClaw Control</title>"));
    gateway.stop().await;
}
