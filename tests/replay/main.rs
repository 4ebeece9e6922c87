//! Every recorded trace played through a proxy, both ends at once: nothing may differ.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a trace that cannot be played fails the test"
)]

#[path = "../support"]
mod support {
    pub(crate) mod blind_relay;
    pub(crate) mod player;
}
mod tap;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use support::blind_relay::{BlindRelay, Fault};
use support::player::{
    Ending, Options, Problem, ProblemKind, SessionResult, Trace, Upstream, main_session, play,
};

const WORKERS: usize = 8;

fn options() -> Options {
    Options { max_gap: Some(Duration::from_millis(50)), ..Options::default() }
}

/// A loaded machine is slow, not unfaithful: only a failing run pays for this.
fn patient() -> Options {
    Options {
        step_timeout: Duration::from_secs(20),
        fin_timeout: Duration::from_secs(20),
        ..options()
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces")
}

fn load(name: &str) -> Trace {
    Trace::load(&corpus().join(format!("{name}.json"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn all_traces() -> Vec<Trace> {
    let entries = corpus().read_dir().expect("corpus folder");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("corpus entry").path()).collect();
    paths.sort();
    let traces: Vec<Trace> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| Trace::load(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .collect();
    assert!(traces.len() >= 150, "only {} traces found", traces.len());
    traces
}

/// Plays all traces, some at once, each worker with a proxy of its own; returns a line for each unforgiven problem.
fn play_all<P>(
    start: impl Fn(SocketAddr) -> (P, SocketAddr) + Sync,
    is_forgiven: impl Fn(&SessionResult, &Problem) -> bool + Sync,
) -> String {
    let traces = all_traces();
    let (next, report) = (AtomicUsize::new(0), Mutex::new(String::new()));
    let work = || {
        let upstream = Upstream::new().expect("upstream port");
        let (_proxy, tap) = start(upstream.address());
        while let Some(trace) = traces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let results = play(trace, tap, &upstream, &patient());
            report.lock().expect("report").push_str(&complaints(trace, &results, &is_forgiven));
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    report.into_inner().expect("report")
}

fn complaints(
    trace: &Trace,
    results: &[SessionResult],
    is_forgiven: impl Fn(&SessionResult, &Problem) -> bool,
) -> String {
    let mut text = String::new();
    if results.len() != trace.playable().len() {
        writeln!(text, "{}: only {} sessions played", trace.name, results.len()).expect("text");
    }
    for result in results {
        for problem in result.problems.iter().filter(|problem| !is_forgiven(result, problem)) {
            writeln!(text, "{} session {}: {problem}", trace.name, result.session).expect("text");
        }
    }
    text
}

fn through(name: &str, fault: Fault) -> Vec<SessionResult> {
    let trace = load(name);
    let upstream = Upstream::new().expect("upstream port");
    let relay = BlindRelay::start(upstream.address(), fault).expect("relay");
    play(&trace, relay.address().expect("relay address"), &upstream, &options())
}

#[track_caller]
fn assert_caught(name: &str, fault: Fault, kind: ProblemKind) {
    let results = through(name, fault);
    let caught =
        results.iter().flat_map(|result| &result.problems).any(|problem| problem.kind == kind);
    assert!(caught, "{fault:?} on {name} is not caught as {}: {results:?}", kind.name());
}

#[test]
fn a_blind_relay_passes_every_trace() {
    let problems = play_all(
        |upstream| {
            let relay = BlindRelay::start(upstream, Fault::None).expect("relay");
            let address = relay.address().expect("relay address");
            (relay, address)
        },
        |_, _| false,
    );
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn both_ends_saw_what_the_other_did() {
    let results = through("ok-password", Fault::None);
    let trace = load("ok-password");
    assert_eq!((trace.label().layer.as_str(), trace.label().cause.as_str()), ("ok", "password_ok"));
    let result = &results[main_session(&trace).expect("main session")];
    assert_eq!(result.saw, [Some(Ending::Fin), Some(Ending::Fin)]);
    for traffic in [result.client_to_gateway, result.gateway_to_client] {
        assert!(traffic.sent > 0);
        assert_eq!(traffic.sent, traffic.received);
    }
}

#[test]
fn an_altered_byte_is_caught() {
    assert_caught("ok-password", Fault::AlterByte, ProblemKind::GatewayBytes);
}

#[test]
fn an_altered_body_is_caught() {
    assert_caught("cli-upstream-http-404", Fault::AlterByte, ProblemKind::Body);
}

#[test]
fn a_dropped_header_is_caught() {
    assert_caught(
        "ok-password",
        Fault::DropHeader("sec-websocket-version"),
        ProblemKind::RequestHead,
    );
}

#[test]
fn a_reset_passed_on_as_fin_is_caught() {
    assert_caught("upstream-reset", Fault::ResetAsFin, ProblemKind::Ending);
}

#[test]
fn a_fin_passed_on_as_reset_is_caught() {
    assert_caught("ok-password", Fault::FinAsReset, ProblemKind::Ending);
}

#[test]
fn a_swallowed_fin_is_caught() {
    assert_caught("ws-client-fin-no-close-frame", Fault::SwallowFin, ProblemKind::FinNotPropagated);
}

#[test]
fn an_early_close_is_caught() {
    assert_caught("ok-password", Fault::CloseAfter(200), ProblemKind::GatewayBytes);
}

#[test]
fn an_answer_in_the_place_of_a_refused_gateway_is_caught() {
    assert_caught("upstream-refused", Fault::AnswerRefusal, ProblemKind::ProxyAnswered);
}

#[test]
fn the_proxy_passes_every_trace() {
    let problems = play_all(
        |upstream| {
            let tap = tap::Tap::start(upstream);
            let address = tap.address;
            (tap, address)
        },
        // A client is told why its gateway could not be reached.
        |result, problem| result.refused && problem.kind == ProblemKind::ProxyAnswered,
    );
    assert!(problems.is_empty(), "{problems}");
}
