//! Commands that are refused: the same words through the tap, and the refusal in the record.

use std::time::Duration;

use wstap::session::{Layer, Who};

use crate::calls::assert_joined;
use crate::cli::Cli;
use crate::gateway::RealGateway;
use crate::pinned::Release;
use crate::same::{assert_same, plain};
use crate::shared::{behind_proxies, both, both_elsewhere, with_token};
use crate::support::record::{self, Recorded};
use crate::support::tap::Wstap;
use crate::support::{ClosedPort, wait_for};

const HEALTH: [&str; 3] = ["gateway", "call", "health"];
const SAYING: Duration = Duration::from_secs(90);
/// An address for documentation (RFC 5737): nobody is there.
const FORWARDED: [&str; 2] = ["--set-header", "X-Forwarded-For: 203.0.113.7"];

#[track_caller]
fn assert_refused(session: &Recorded, detail: &str, reason: &str) {
    session.assert_sound();
    let record = &session.record;
    let openclaw = record.openclaw.as_ref().expect("an opening exchange");
    assert_eq!(openclaw.hello, None);
    let refusal = openclaw.refusal.as_ref().expect("a refusal");
    assert_eq!(refusal.detail_code.as_deref(), Some(detail), "{refusal:?}");
    let closes = record.close_frames();
    let from_gateway = closes.iter().find(|close| close.from.name() == "s2c");
    let close = from_gateway.expect("a Close frame of the gateway");
    assert_eq!(close.code, Some(1008), "{close:?}");
    assert!(close.reason.starts_with(reason), "{close:?}");
    let seen = record.close.seen_by_client.as_ref().expect("what the client saw");
    assert_eq!((seen.code, seen.derived), (1008, false));
}

#[test]
fn a_wrong_token_is_refused_in_the_same_words() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let args = [&HEALTH[..], &["--token", "another-token"]].concat();
    let (direct, tapped) = both_elsewhere(gateway, &tap, &args);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(1), "{tapped:?}");
    assert!(tapped.stderr.contains("gateway token mismatch"), "{tapped:?}");
    let session = record::only(&tap);
    assert_refused(&session, "AUTH_TOKEN_MISMATCH", "unauthorized: gateway token mismatch");
    record::assert_says(&tap, &session, (Layer::Auth, "token_mismatch", Who::Client));
    assert_joined(&session, gateway, None);
}

#[test]
fn a_wrong_password_is_refused_in_the_same_words() {
    let (gateway, tap) = (behind_proxies(), Wstap::start(&behind_proxies().url()));
    let args = [&HEALTH[..], &["--password", "another-password"]].concat();
    let (direct, tapped) = both_elsewhere(gateway, &tap, &args);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(1), "{tapped:?}");
    let session = record::only(&tap);
    assert_refused(&session, "AUTH_PASSWORD_MISMATCH", "unauthorized: gateway password mismatch");
    record::assert_says(&tap, &session, (Layer::Auth, "password_mismatch", Who::Client));
    assert_joined(&session, gateway, None);
}

#[test]
fn without_a_token_the_cli_does_not_even_connect() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let (direct, tapped) = both_elsewhere(gateway, &tap, &HEALTH);
    assert_same(&direct, &tapped);
    assert!(tapped.stderr.contains("requires explicit credentials"), "{tapped:?}");
    assert_eq!(record::recorded(&tap).len(), 0);
}

#[test]
fn a_node_without_a_token_is_told_that_it_is_missing() {
    let (gateway, tap) = (with_token(), Wstap::start(&with_token().url()));
    let say = |port: u16| {
        let cli = Cli::elsewhere(Release::Current);
        let port = port.to_string();
        let node = cli.spawn(&["node", "run", "--host", "127.0.0.1", "--port", &port], &[]);
        node.stderr.first(SAYING, |line| line.contains("token missing"))
    };
    assert_eq!(plain(&say(gateway.port)), plain(&say(tap.addr.port())));
    let session = &record::ended(&tap, 1)[0];
    assert_refused(session, "AUTH_TOKEN_MISSING", "unauthorized: gateway token missing");
    record::assert_says(&tap, session, (Layer::Auth, "token_missing", Who::Client));
}

#[test]
fn an_unknown_device_from_afar_has_to_be_paired() {
    let gateway = behind_proxies();
    let tap = Wstap::start_with(&gateway.url(), &FORWARDED);
    let cli = Cli::elsewhere(Release::Current);
    let port = tap.addr.port().to_string();
    let node = cli.spawn(
        &["node", "run", "--host", "127.0.0.1", "--port", &port],
        &[("OPENCLAW_GATEWAY_PASSWORD", &gateway.token)],
    );
    let paused = node.stderr.first(SAYING, |line| line.contains("reconnect paused"));
    assert!(paused.contains("(1008): pairing required: device is not approved yet"), "{paused}");
    let session = record::only(&tap);
    assert_refused(&session, "PAIRING_REQUIRED", "pairing required: device is not approved yet");
    assert_joined(&session, gateway, None);

    let openclaw = session.record.openclaw.as_ref().expect("an opening exchange");
    let connect = openclaw.connect.as_ref().expect("a connect request");
    assert_eq!(connect.role.as_deref(), Some("node"), "{connect:?}");
    assert!(connect.device_id.is_some(), "{connect:?}");
    let request_id = openclaw
        .refusal
        .as_ref()
        .and_then(|refusal| refusal.details.as_ref())
        .and_then(|details| details["requestId"].as_str())
        .expect("the id to approve");
    assert!(paused.contains(request_id), "{paused} is not about {request_id}");
    let changes = &session.record.request.as_ref().expect("a request").changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((&*changes[0].what, &*changes[0].header), ("set", "X-Forwarded-For"));

    let says = (Layer::Pairing, "not_paired", Who::Client);
    let verdict = record::assert_says(&tap, &session, says);
    let approve = verdict.next[0].command.as_deref().expect("a command");
    assert_eq!(approve, format!("openclaw devices approve {request_id}"));
    let run = gateway.cli().shell(approve);
    assert_eq!(run.code, Some(0), "{run:?}");
    drop(node);
    assert_welcomed_now(&tap, &cli, gateway);
}

/// The node that was refused is welcomed when it comes again.
fn assert_welcomed_now(tap: &Wstap, cli: &Cli<'_>, gateway: &RealGateway) {
    let port = tap.addr.port().to_string();
    let args = ["node", "run", "--host", "127.0.0.1", "--port", &port];
    let node = cli.spawn(&args, &[("OPENCLAW_GATEWAY_PASSWORD", &*gateway.token)]);
    let welcomed = || {
        let mut all = record::recorded(tap);
        all.pop().filter(|last| {
            last.record.openclaw.as_ref().is_some_and(|openclaw| openclaw.hello.is_some())
        })
    };
    wait_for("a hello", SAYING, welcomed);
    drop(node);
    let sessions = record::ended(tap, 2);
    // A node that is killed says nothing more.
    let verdict = record::verdict(tap, &sessions[1]);
    assert_eq!(verdict.layer, Layer::Transport, "{verdict:#?}");
    assert!(verdict.cause.starts_with("client_"), "{verdict:#?}");
}

#[test]
fn a_device_less_client_from_afar_loses_its_scopes() {
    let gateway = behind_proxies();
    let tap = Wstap::start_with(&gateway.url(), &FORWARDED);
    let cli = Cli::elsewhere(Release::Current);
    let args = ["devices", "list", "--url", &tap.url(), "--password", &gateway.token];
    let run = cli.run(&args);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("missing scope: operator.pairing"), "{run:?}");
    let session = record::only(&tap);
    session.assert_sound();
    let hello = session.record.openclaw.as_ref().and_then(|openclaw| openclaw.hello.as_ref());
    assert_eq!(hello.and_then(|hello| hello.scopes.clone()), Some(Vec::new()));
    record::assert_says(&tap, &session, (Layer::Auth, "missing_scope", Who::Client));
}

#[test]
fn a_forwarded_header_without_trusted_proxies_is_forbidden() {
    let gateway = with_token();
    let tap = Wstap::start_with(&gateway.url(), &["--forwarded", "append"]);
    let port = tap.addr.port().to_string();
    let run = gateway.cli().run_with(&HEALTH, &[("OPENCLAW_GATEWAY_PORT", &port)]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("HTTP 403"), "{run:?}");
    assert!(run.stderr.contains("Proxy client attribution is required"), "{run:?}");

    let session = record::only(&tap);
    assert_eq!(session.status(), Some(403));
    let record = &session.record;
    let body = record.response.as_ref().and_then(|response| response.body.as_deref());
    assert!(body.is_some_and(|body| body.contains("proxy_attribution_required")), "{body:?}");
    let changes = &record.request.as_ref().expect("a request").changes;
    let appended: Vec<_> = changes.iter().map(|change| &*change.header).collect();
    assert!(appended.contains(&"X-Forwarded-For"), "{changes:?}");
    assert_eq!((&record.openclaw, record.own_answer.is_none()), (&None, true));
    let says = (Layer::Transport, "proxy_attribution_required", Who::FrontProxy);
    record::assert_says(&tap, &session, says);
}

#[test]
fn a_gateway_that_is_not_there_is_named_by_wstap() {
    let gateway = with_token();
    let closed = ClosedPort::new();
    let nowhere = format!("ws://{}", closed.addr);
    let tap = Wstap::start(&nowhere);
    let (_, tapped) = both(gateway, &tap, &HEALTH);
    assert_eq!(tapped.code, Some(1), "{tapped:?}");
    let said = "gateway rejected websocket upgrade (HTTP 502): wstap could not reach the upstream";
    assert!(tapped.stderr.contains(said), "{tapped:?}");
    assert!(tapped.stderr.contains("ECONNREFUSED"), "{tapped:?}");
    // Without the tap the exit code is the same, and so is the cause.
    let cli = Cli::elsewhere(Release::Current);
    let direct = cli.run(&[&HEALTH[..], &["--url", &nowhere, "--token", "any"]].concat());
    assert_eq!(direct.code, Some(1), "{direct:?}");
    assert!(direct.stderr.contains("ECONNREFUSED"), "{direct:?}");

    let session = record::only(&tap);
    assert_eq!(session.status(), None);
    let answer = session.record.own_answer.as_ref().expect("an answer by wstap");
    assert_eq!((answer.status, answer.leg.name()), (502, "upstream"));
    let dial = session.record.upstream.dial.as_ref().expect("a dial");
    assert_eq!(dial.failure.as_ref().map(|failure| &*failure.cause), Some("refused"));
    let says = (Layer::Transport, "upstream_refused", Who::Gateway);
    record::assert_says(&tap, &session, says);
    let lines = || tap.child.stderr.all().iter().any(|line| line.contains("502 by wstap"));
    wait_for("a line on the tap's stderr", SAYING, || lines().then_some(()));
}
