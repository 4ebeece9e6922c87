//! Commands that work: the CLI says the same through the tap, and the record tells what went on.

use wstap::session::{Confidence, Kind, Layer, Who};

use crate::gateway::RealGateway;
use crate::same::assert_same;
use crate::shared::{both, previous, with_token};
use crate::support::record::{self, Recorded};
use crate::support::tap::Wstap;
use crate::support::wait_for;

use std::time::Duration;

/// A session that reached its hello and was closed by the client.
#[track_caller]
pub(crate) fn assert_welcomed(session: &Recorded, gateway: &RealGateway, client_mode: &str) {
    session.assert_sound();
    let record = &session.record;
    let openclaw = record.openclaw.as_ref().expect("an opening exchange");
    let connect = openclaw.connect.as_ref().expect("a connect request");
    assert_eq!(connect.client_id.as_deref(), Some("cli"), "{connect:?}");
    assert_eq!(connect.client_mode.as_deref(), Some(client_mode), "{connect:?}");
    let hello = openclaw.hello.as_ref().expect("a hello");
    assert_eq!(hello.auth_method.as_deref(), Some("token"), "{hello:?}");
    assert_eq!(openclaw.refusal, None);
    let conn = hello.conn_id.as_deref().expect("a connection id");
    assert_joined(session, gateway, Some(conn));

    assert_eq!(session.endings()[0], "client close_frame", "{:?}", session.endings());
    assert_eq!(record.close.from.as_deref(), Some("client"), "{:?}", record.close);
    assert_eq!(record.close.code, None, "{:?}", record.close);
    let reported = record.close.seen_by_gateway.as_ref().map(|seen| (seen.code, seen.derived));
    assert_eq!(reported, Some((1005, true)), "{:?}", record.close);
}

/// The connection the gateway logged from our upstream leg's port is the one of this session.
#[track_caller]
pub(crate) fn assert_joined(session: &Recorded, gateway: &RealGateway, conn: Option<&str>) {
    let port = session.upstream_port();
    let logged = wait_for("a line of the gateway's log", Duration::from_secs(20), || {
        gateway.connection_from(port)
    });
    if let Some(conn) = conn {
        let (start, end) = logged.split_once('\u{2026}').expect("a shortened id");
        assert!(conn.starts_with(start) && conn.ends_with(end), "{conn} is not {logged}");
    }
}

#[test]
fn a_health_call_is_one_session_of_two_requests() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both(gateway, &tap, &["gateway", "call", "health", "--json"]);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(0), "{tapped:?}");
    assert!(tapped.stdout.contains(r#""ok": true"#), "{tapped:?}");

    let session = record::only(&tap);
    assert_welcomed(&session, gateway, "cli");
    let record = &session.record;
    let request = record.request.as_ref().expect("a request");
    assert_eq!((&*request.method, &*request.target), ("GET", "/"));
    assert_eq!(request.host, Some(tap.addr.to_string()));
    assert_eq!((&request.origin, &request.user_agent), (&None, &None));
    assert_eq!(request.changes, []);
    // connect, health, Close; a challenge, a hello and the answer come back at least.
    assert_eq!(record.frames.c2s.frames, 3);
    assert!(record.frames.s2c.frames >= 3, "{:?}", record.frames.s2c);
    let connect = record.openclaw.as_ref().and_then(|openclaw| openclaw.connect.as_ref());
    let token = &connect.expect("a connect request").credentials[0];
    assert_eq!((&*token.name, token.len), ("token", gateway.token.len()));
    let text = serde_json::to_string(record).expect("JSON");
    assert!(!text.contains(&gateway.token), "the token stands in the record");
    let says = (Layer::Ok, "connected", Who::Client);
    let verdict = record::assert_says(&tap, &session, says);
    assert_eq!((verdict.confidence, verdict.failed), (Confidence::Certain, false), "{verdict:#?}");
}

#[test]
fn gateway_status_probes_once() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both(gateway, &tap, &["gateway", "status"]);
    assert_same(&direct, &tapped);
    assert!(tapped.stdout.contains("Connectivity probe: ok"), "{tapped:?}");
    assert_welcomed(&record::only(&tap), gateway, "probe");
}

#[test]
fn devices_list_lists_the_same_devices() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both(gateway, &tap, &["devices", "list"]);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(0), "{tapped:?}");
    assert_welcomed(&record::only(&tap), gateway, "cli");
}

#[test]
fn status_asks_over_http_and_over_several_sessions() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both(gateway, &tap, &["status"]);
    assert_same(&direct, &tapped);
    assert!(tapped.stdout.contains("reachable"), "{tapped:?}");
    let (http, sessions): (Vec<_>, Vec<_>) =
        record::ended(&tap, 4).into_iter().partition(|session| session.record.kind == Kind::Http);
    let [http] = http.as_slice() else { panic!("{http:#?}") };
    assert_eq!(http.record.request.as_ref().map(|r| &*r.target), Some("/startupz"));
    assert_eq!(http.status(), Some(200));
    assert_eq!(http.record.exchange.as_ref().and_then(|exchange| exchange.complete), Some(true));
    assert!(sessions.len() >= 2, "{sessions:#?}");
    for session in &sessions {
        session.assert_sound();
        let hello = session.record.openclaw.as_ref().and_then(|openclaw| openclaw.hello.as_ref());
        let conn = hello.and_then(|hello| hello.conn_id.as_deref()).expect("a hello");
        assert_joined(session, gateway, Some(conn));
    }
}

#[test]
fn gateway_probe_connects_with_the_mode_of_a_probe() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both(gateway, &tap, &["gateway", "probe"]);
    assert_same(&direct, &tapped);
    assert!(tapped.stdout.contains("Reachable: yes"), "{tapped:?}");
    let session = record::only(&tap);
    assert_welcomed(&session, gateway, "probe");
    let refused = session.record.openclaw.as_ref().map_or(0, |openclaw| openclaw.envelopes);
    assert!(refused >= 8, "every request and every answer has an envelope: {refused}");
}

#[test]
fn the_previous_release_is_recorded_as_well() {
    let (gateway, tap) = (previous(), Wstap::start(&previous().url()));
    let (direct, tapped) = both(gateway, &tap, &["gateway", "call", "health", "--json"]);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(0), "{tapped:?}");
    assert!(tapped.stdout.contains(r#""ok": true"#), "{tapped:?}");

    let session = record::only(&tap);
    session.assert_sound();
    let openclaw = session.record.openclaw.as_ref().expect("an opening exchange");
    let hello = openclaw.hello.as_ref().expect("a hello");
    assert_eq!((hello.protocol, &hello.auth_method), (Some(3), &None), "{hello:?}");
    let device = openclaw.connect.as_ref().and_then(|connect| connect.device_id.as_ref());
    assert!(device.is_some(), "the older CLI sends a device: {openclaw:?}");
    assert_joined(&session, gateway, hello.conn_id.as_deref());
}
