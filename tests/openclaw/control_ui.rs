//! The Control UI in headless Chromium, its page and its socket through the tap.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use wstap::session::{Kind, Layer, Who};

use crate::calls::assert_joined;
use crate::gateway::RealGateway;
use crate::pinned;
use crate::shared::with_token;
use crate::support::child::Run;
use crate::support::record::{self, Recorded};
use crate::support::tap::Wstap;

const VISIT: Duration = Duration::from_secs(200);

/// What `tests/browser/control_ui.cjs` prints of one visit.
fn visit(gateway: &RealGateway, tap: &Wstap, secret: &str, wanted: &str) -> Value {
    let profile = tempfile::tempdir().expect("a scratch folder");
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/control_ui.cjs");
    let mut command = Command::new(pinned::node());
    command
        .arg(driver)
        .args([&format!("http://{}", tap.addr), &format!("http://127.0.0.1:{}", gateway.port)])
        .arg(secret)
        .arg(profile.path())
        .arg(wanted)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", profile.path())
        .env("TMPDIR", profile.path());
    let run = Run::of(&mut command, VISIT);
    assert_eq!(run.code, Some(0), "{run:?}");
    let visit: Value = serde_json::from_str(&run.stdout).expect("JSON of the driver");
    assert_eq!(visit["matched"], true, "the page shows no {wanted:?}: {}", visit["text"]);
    visit
}

/// The sessions over WebSocket, each with the headers of a browser.
fn sockets(tap: &Wstap, user_agent: &str) -> Vec<Recorded> {
    let all = record::ended(tap, 2).into_iter();
    let sockets: Vec<_> = all.filter(|session| session.record.kind == Kind::Websocket).collect();
    for socket in &sockets {
        let request = socket.record.request.as_ref().expect("a request");
        assert_eq!(request.origin, Some(format!("http://{}", tap.addr)));
        assert_eq!(request.user_agent.as_deref(), Some(user_agent));
    }
    assert!(!sockets.is_empty(), "the page opened no WebSocket");
    sockets
}

#[test]
fn the_page_loads_and_its_session_is_recorded() {
    let gateway = with_token();
    let tap = Wstap::start(&gateway.url());
    let visit = visit(gateway, &tap, &gateway.token, "Model Setup|New chat");
    let files = visit["files"].as_array().expect("files");
    for file in files {
        assert_eq!(file["tapped"], file["direct"], "{}", file["path"]);
    }
    let largest = files.iter().filter_map(|file| file["tapped"]["bytes"].as_u64()).max();
    assert!(largest > Some(300_000), "the largest of {} files has {largest:?}", files.len());

    let sockets = sockets(&tap, visit["userAgent"].as_str().expect("text"));
    let welcomed = |session: &&Recorded| {
        session.record.openclaw.as_ref().is_some_and(|openclaw| openclaw.hello.is_some())
    };
    let session = sockets.iter().find(welcomed).expect("a session with a hello");
    session.assert_sound();
    let openclaw = session.record.openclaw.as_ref().expect("an opening exchange");
    let connect = openclaw.connect.as_ref().expect("a connect request");
    assert_eq!(connect.client_id.as_deref(), Some("openclaw-control-ui"));
    assert_eq!(connect.client_mode.as_deref(), Some("webchat"));
    assert!(connect.device_id.is_some(), "{connect:?}");
    let hello = openclaw.hello.as_ref().expect("a hello");
    assert_joined(session, gateway, hello.conn_id.as_deref());
    let close = &session.record.close;
    assert_eq!((close.from.as_deref(), close.code), (Some("client"), Some(1001)), "{close:?}");
    record::assert_says(&tap, session, (Layer::Ok, "client_going_away", Who::Client));

    for http in record::recorded(&tap).iter().filter(|s| s.record.kind == Kind::Http) {
        let exchange = http.record.exchange.as_ref().expect("an exchange");
        assert_eq!(exchange.complete, Some(true), "{:#?}", http.record);
        assert_eq!(http.record.gap, None);
    }
}

#[test]
fn a_wrong_token_is_shown_in_the_page_and_recorded() {
    let gateway = with_token();
    let tap = Wstap::start(&gateway.url());
    let visit = visit(gateway, &tap, "another-token", "rejected the supplied Gateway secret");
    let sockets = sockets(&tap, visit["userAgent"].as_str().expect("text"));
    for session in &sockets {
        session.assert_sound();
        let openclaw = session.record.openclaw.as_ref().expect("an opening exchange");
        assert_eq!(openclaw.hello, None);
        let connect = openclaw.connect.as_ref().expect("a connect request");
        let sent: Vec<_> = connect.credentials.iter().map(|sent| &*sent.name).collect();
        assert_eq!(sent, ["token", "password"]);
    }
    let refusal =
        sockets[0].record.openclaw.as_ref().and_then(|openclaw| openclaw.refusal.as_ref());
    let refusal = refusal.expect("a refusal");
    assert_eq!(refusal.detail_code.as_deref(), Some("AUTH_TOKEN_MISMATCH"), "{refusal:?}");
    record::assert_says(&tap, &sockets[0], (Layer::Auth, "token_mismatch", Who::Client));
}
