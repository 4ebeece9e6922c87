//! The log of a real gateway, followed by the tap: its lines find the sessions they speak of.

use std::time::Duration;

use serde_json::Value;

use crate::cli::Cli;
use crate::pinned::Release;
use crate::shared::with_token;
use crate::support::tap::Wstap;
use crate::support::wait_for;

const LOGGED: Duration = Duration::from_secs(30);
const HEALTH: [&str; 4] = ["gateway", "call", "health", "--json"];

/// The only session, once a line of the gateway's log that `wanted` holds for stands beside it.
fn shown(tap: &Wstap, wanted: impl Fn(&Value) -> bool) -> Value {
    wait_for("a line beside the session", LOGGED, || {
        let listed = tap.ask(&["sessions", "--json"]).stdout;
        let listed: Value = serde_json::from_str(listed.lines().next()?).ok()?;
        let shown = tap.ask(&["show", listed["id"].as_str()?, "--json"]).stdout;
        let shown: Value = serde_json::from_str(&shown).ok()?;
        let there = shown["gateway_log"].as_array()?.iter().any(&wanted);
        there.then_some(shown)
    })
}

fn tap_with_log() -> Wstap {
    let log = with_token().folder().join("openclaw.jsonl");
    Wstap::start_with(&with_token().url(), &["--gateway-log".as_ref(), log.as_os_str()])
}

#[test]
fn a_refusal_is_joined_by_our_port_and_agrees_with_the_wire() {
    let tap = tap_with_log();
    let url = tap.url();
    let wrong = ["--url", &url, "--token", "another-token"];
    let run = Cli::elsewhere(Release::Current).run(&[&HEALTH[..], &wrong[..]].concat());
    assert_eq!(run.code, Some(1), "{run:?}");

    let session = shown(&tap, |line| line["kind"] == "closed_before_connect");
    let lines = session["gateway_log"].as_array().expect("lines");
    let refusal = lines.iter().find(|line| line["kind"] == "closed_before_connect");
    let refusal = refusal.expect("the end");
    assert_eq!((&refusal["by"], &refusal["cause"]), (&"port".into(), &"unauthorized".into()));
    assert_eq!(refusal["auth_reason"], "token_mismatch", "{refusal}");
    assert_eq!(session["gateway_said"]["agreement"], "agree", "{session}");
    assert_eq!(session["gateway_said"]["words"], "unauthorized (token_mismatch)");
    assert!(!session.to_string().contains("another-token"), "{session}");
}

#[test]
fn a_welcomed_session_is_joined_by_its_name_too() {
    let tap = tap_with_log();
    let port = tap.addr.port().to_string();
    let run = with_token().cli().run_with(&HEALTH, &[("OPENCLAW_GATEWAY_PORT", &port)]);
    assert_eq!(run.code, Some(0), "{run:?}");

    let session = shown(&tap, |line| line["kind"] == "close");
    let lines = session["gateway_log"].as_array().expect("lines");
    let by = |kind: &str| {
        let line = lines.iter().find(|line| line["kind"] == kind);
        line.unwrap_or_else(|| panic!("no {kind} in {session}"))["by"].clone()
    };
    assert_eq!(
        (by("open"), by("hello"), by("close")),
        ("port".into(), "conn".into(), "port".into())
    );
    assert_eq!(session["gateway_said"]["agreement"], "agree", "{session}");
}
