//! What a verdict tells to do, done as it is printed: after that the failure is gone.

use std::time::Duration;

use serde_json::Value;
use wstap::session::{Layer, Verdict, Who};

use crate::cli::Cli;
use crate::pinned::Release;
use crate::shared::{private, with_token};
use crate::support::record::{self, assert_says};
use crate::support::tap::Wstap;
use crate::support::wait_for;
use crate::verdicts::{client, play};

const APPLIED: Duration = Duration::from_mins(1);
const HEALTH: [&str; 3] = ["gateway", "call", "health"];

/// The first step that is a setting.
#[track_caller]
fn setting(verdict: &Verdict) -> &str {
    let settings = verdict.next.iter().filter_map(|step| step.config.as_deref());
    settings.into_iter().next().unwrap_or_else(|| panic!("{verdict:#?}"))
}

/// Writes `KEY = VALUE` or `LIST += VALUE` into the configuration of this CLI.
#[track_caller]
fn configure(cli: &Cli<'_>, line: &str) {
    let (key, value) = match line.split_once(" += ") {
        Some((key, value)) => (key, format!("[{value}]")),
        None => line.split_once(" = ").map(|(key, value)| (key, value.to_owned())).expect("a line"),
    };
    let run = cli.run(&["config", "set", key, &value, "--strict-json"]);
    assert_eq!(run.code, Some(0), "{line}: {run:?}");
}

/// What stands in quotes behind `"name": `.
fn quoted<'a>(text: &'a str, name: &str) -> &'a str {
    let (_, rest) = text.split_once(&format!("\"{name}\": \"")).expect("the name");
    rest.split_once('"').expect("the end of the value").0
}

#[test]
fn a_wrong_token_is_made_equal_to_the_gateways() {
    let gateway = with_token();
    let tap = Wstap::start(&gateway.url());
    let client = Cli::elsewhere(Release::Current);
    configure(&client, "gateway.mode = \"remote\"");
    configure(&client, &format!("gateway.remote.url = \"{}\"", tap.url()));
    configure(&client, "gateway.remote.token = \"another-token\"");
    let refused = client.run(&HEALTH);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let says = (Layer::Auth, "token_mismatch", Who::Client);
    let verdict = assert_says(&tap, &record::ended(&tap, 1)[0], says);

    let read = verdict.next[0].command.as_deref().expect("a command");
    let printed = gateway.cli().shell(read);
    assert_eq!(printed.code, Some(0), "{read}: {}", printed.stderr);
    let token = quoted(&printed.stdout, "token");
    let value = "<value of gateway.auth.token>";
    assert!(setting(&verdict).ends_with(value), "{verdict:#?}");
    configure(&client, &setting(&verdict).replace(value, &format!("{token:?}")));

    let welcomed = client.run(&HEALTH);
    assert_eq!(welcomed.code, Some(0), "{welcomed:?}");
    let sessions = record::ended(&tap, 2);
    let last = sessions.last().expect("a session");
    assert_says(&tap, last, (Layer::Ok, "connected", Who::Client));
}

#[test]
fn a_foreign_origin_is_admitted_and_a_proxy_trusted() {
    let gateway = private();
    let cli = gateway.cli();
    let tap = Wstap::start(&gateway.url());
    let page = client(&gateway.token, Some("https://page.example"));
    play(&page, tap.addr);
    let says = (Layer::Origin, "origin_not_allowed", Who::Gateway);
    let verdict = assert_says(&tap, &record::only(&tap), says);
    configure(&cli, setting(&verdict));
    let welcomed = || play(&page, tap.addr).frames.iter().any(|text| is_hello(text));
    wait_for("a welcome of the origin", APPLIED, || welcomed().then_some(()));
    let sessions = record::ended(&tap, 2);
    // Not more: a page without a device identity has no scopes.
    let says = (Layer::Ok, "connected_scopes_cleared", Who::Client);
    assert_says(&tap, sessions.last().expect("one"), says);

    // An address for documentation (RFC 5737).
    let tap = Wstap::start_with(&gateway.url(), &["--set-header", "X-Forwarded-For: 203.0.113.7"]);
    let local = client(&gateway.token, None);
    assert!(play(&local, tap.addr).status_line.contains("403"));
    let says = (Layer::Transport, "proxy_attribution_required", Who::FrontProxy);
    let verdict = assert_says(&tap, &record::only(&tap), says);
    configure(&cli, setting(&verdict));
    let welcomed = || play(&local, tap.addr).frames.iter().any(|text| is_hello(text));
    wait_for("a welcome through the proxy", APPLIED, || welcomed().then_some(()));
    let sessions = record::ended(&tap, 2);
    let verdict = record::verdict(&tap, sessions.last().expect("one"));
    assert!(!verdict.cause.starts_with("proxy_"), "{verdict:#?}");
}

fn is_hello(text: &str) -> bool {
    let frame: Value = serde_json::from_str(text).unwrap_or_default();
    frame["type"] == "res" && frame["ok"] == true && frame["payload"]["type"] == "hello-ok"
}
