//! Gateways that hang, die and restart, each watched by a CLI with the tap and one without.

use std::time::Duration;

use wstap::session::{Layer, Who};

use crate::cli::Cli;
use crate::gateway::RealGateway;
use crate::pinned::Release;
use crate::same::{assert_same, plain};
use crate::shared::{both, private};
use crate::support::child::{OwnedChild, Run};
use crate::support::record::{self, Recorded};
use crate::support::tap::Wstap;
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_secs(90);

/// A call that the gateway answers only after a minute.
const WAITING: [&str; 7] = [
    "gateway",
    "call",
    "agent.wait",
    "--params",
    r#"{"runId":"none","timeoutMs":60000}"#,
    "--timeout",
    "60000",
];

fn is_welcomed(session: &Recorded) -> bool {
    session.record.openclaw.as_ref().is_some_and(|openclaw| openclaw.hello.is_some())
}

/// Waits until so many lines of the log say it.
fn until_logged(gateway: &RealGateway, said: &str, times: usize) {
    let lines = || gateway.log().lines().filter(|line| line.contains(said)).count();
    wait_for(said, PATIENCE, || (lines() >= times).then_some(()));
}

fn end(mut child: OwnedChild) -> Run {
    let code = child.wait(PATIENCE).code();
    let (stdout, stderr) = child.into_texts();
    Run { code, stdout, stderr }
}

#[test]
fn a_gateway_that_hangs_and_is_killed_leaves_no_close_frame() {
    let gateway = private();
    let tap = Wstap::start(&gateway.url());
    gateway.signal("STOP");
    let (direct, tapped) =
        both(&gateway, &tap, &["gateway", "call", "health", "--timeout", "4000"]);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(1), "{tapped:?}");
    assert!(tapped.stderr.contains("gateway timeout after 4000ms"), "{tapped:?}");
    // Only the client's end is over: the session goes on until the gateway's is.
    let hung = wait_for("the end of the client in the store", PATIENCE, || {
        record::recorded(&tap).into_iter().find(|session| !session.record.endings.is_empty())
    });
    assert_eq!(hung.status(), None, "the upgrade was never answered: {:#?}", hung.record);
    assert_eq!(hung.endings()[0], "client fin", "{:#?}", hung.record);
    gateway.signal("CONT");

    let port = tap.addr.port().to_string();
    let direct = gateway.cli().spawn(&WAITING, &[]);
    let tapped = gateway.cli().spawn(&WAITING, &[("OPENCLAW_GATEWAY_PORT", &port)]);
    until_logged(&gateway, "\u{2190} req agent.wait", 2);
    gateway.signal("KILL");
    let (direct, tapped) = (end(direct), end(tapped));
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(1), "{tapped:?}");
    assert!(tapped.stderr.contains("1006"), "{tapped:?}");

    let sessions = record::ended(&tap, 2);
    let killed = sessions.iter().find(|session| is_welcomed(session)).expect("a hello");
    killed.assert_sound();
    assert!(["upstream fin", "upstream reset"].contains(&&*killed.endings()[0]), "{killed:#?}");
    assert_eq!((killed.record.close.from.as_ref(), killed.record.close.code), (None, None));
    let seen = killed.record.close.seen_by_client.as_ref().expect("what the client saw");
    assert_eq!((seen.code, seen.derived), (1006, true));
    let fin = killed.endings()[0] == "upstream fin";
    let (cause, who) = if fin {
        ("eof_without_close_frame", Who::Unknown)
    } else {
        ("reset_mid_session", Who::Network)
    };
    let verdict = record::assert_says(&tap, killed, (Layer::Transport, cause, who));
    assert!(verdict.culprits.is_empty(), "{verdict:#?}");
    let left = sessions.iter().find(|session| !is_welcomed(session)).expect("the one that hung");
    record::assert_says(&tap, left, (Layer::Transport, "upgrade_timeout", Who::Gateway));
}

#[test]
fn a_restart_is_announced_and_closed_with_1012() {
    let gateway = private();
    let tap = Wstap::start(&gateway.url());
    let environment = [("OPENCLAW_GATEWAY_TOKEN", &*gateway.token)];
    let hosts = [gateway.port, tap.addr.port()].map(|port| {
        let cli = Cli::elsewhere(Release::Current);
        let port = port.to_string();
        let args = ["node", "run", "--host", "127.0.0.1", "--port", &port];
        (cli.spawn(&args, &environment), cli)
    });
    until_logged(&gateway, "mode=node clientId=node-host", 2);
    wait_for("a hello", PATIENCE, || record::recorded(&tap).iter().any(is_welcomed).then_some(()));
    until_logged(&gateway, "\u{2192} hello-ok", 2);
    gateway.terminate();
    let said = hosts.map(|(host, _cli)| {
        plain(&host.stderr.first(PATIENCE, |line| line.contains("gateway closed (1012)")))
    });
    assert_eq!(said[0], said[1]);
    assert!(said[0].contains("service restart"), "{said:?}");

    let sessions = record::ended(&tap, 1);
    let closed = sessions.iter().find(|session| is_welcomed(session)).expect("a hello");
    closed.assert_sound();
    let close = &closed.record.close;
    assert_eq!((close.from.as_deref(), close.code), (Some("gateway"), Some(1012)), "{close:?}");
    assert_eq!(close.reason.as_deref(), Some("service restart"));
    assert_eq!(closed.endings()[0], "upstream close_frame 1012");
    record::assert_says(&tap, closed, (Layer::Transport, "gateway_shutdown", Who::Gateway));
}
