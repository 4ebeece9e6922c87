//! What is said of sessions of the real gateway that no other test here makes: clients that a
//! script plays where the CLI cannot, and a client that hangs.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use wstap::gateway::client::{Hail, Script, Seen};
use wstap::session::{Confidence, Layer, Who};

use crate::cli::Cli;
use crate::gateway::{GatewayOptions, RealGateway};
use crate::pinned::Release;
use crate::shared::with_token;
use crate::support::child::{OwnedChild, kill_group, send};
use crate::support::record::{self, Recorded, assert_says};
use crate::support::tap::Wstap;
use crate::support::wait_for;

const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than the 75 s in which the gateway misses three pongs.
const HEARTBEAT: Duration = Duration::from_secs(150);

/// Plays a script against an address and waits until it is over.
pub(crate) fn play(script: &Script, address: SocketAddr) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let played = runtime.expect("a runtime").block_on(script.run(address));
    played.expect("the tap can be reached")
}

/// A scripted client with this token and the Origin of a page, if any.
pub(crate) fn client(token: &str, origin: Option<&str>) -> Script {
    let headers = origin.map(|origin| ("Origin".to_owned(), origin.to_owned()));
    Script { headers: headers.into_iter().collect(), patience: PATIENCE, ..Script::cli(token) }
}

fn is_welcomed(session: &Recorded) -> bool {
    session.record.openclaw.as_ref().is_some_and(|openclaw| openclaw.hello.is_some())
}

#[test]
fn a_client_that_hangs_an_older_one_and_a_foreign_page() {
    let gateway = with_token();
    let (hanging, _cli, node) = hang_a_node(gateway);

    let tap = Wstap::start(&gateway.url());
    let seen = play(&client(&gateway.token, Some("https://page.example")), tap.addr);
    assert_eq!(seen.close.and_then(|close| close.code), Some(1008));
    let says = (Layer::Origin, "origin_not_allowed", Who::Gateway);
    let verdict = assert_says(&tap, &record::only(&tap), says);
    assert_eq!(verdict.confidence, Confidence::Certain, "{verdict:#?}");

    let tap = Wstap::start(&gateway.url());
    let url = tap.url();
    let call = ["gateway", "call", "health", "--url", &url, "--token", &gateway.token];
    let old = Cli::elsewhere(Release::Previous).run(&call);
    assert!(old.stderr.contains("protocol mismatch"), "{old:?}");
    let says = (Layer::Protocol, "protocol_mismatch", Who::Client);
    let verdict = assert_says(&tap, &record::only(&tap), says);
    assert_eq!(verdict.confidence, Confidence::Certain, "{verdict:#?}");

    wait_for("the gateway's end of the hanging client", HEARTBEAT, || {
        record::recorded(&hanging).iter().any(|s| !s.record.endings.is_empty()).then_some(())
    });
    // As long as it hangs its own end stays open.
    kill_group(node.pid());
    let session = record::only(&hanging);
    let says = (Layer::Transport, "heartbeat_timeout", Who::Client);
    let verdict = assert_says(&hanging, &session, says);
    assert_eq!(verdict.confidence, Confidence::Certain, "{verdict:#?}");
    assert!(verdict.culprits.iter().any(|c| c.name.contains("heartbeat")), "{verdict:#?}");
}

/// A node host that is stopped as soon as it was welcomed, and the tap that it came through.
fn hang_a_node(gateway: &RealGateway) -> (Wstap, Cli<'static>, OwnedChild) {
    let tap = Wstap::start(&gateway.url());
    let cli = Cli::elsewhere(Release::Current);
    let port = tap.addr.port().to_string();
    let args = ["node", "run", "--host", "127.0.0.1", "--port", &port];
    let node = cli.spawn(&args, &[("OPENCLAW_GATEWAY_TOKEN", &*gateway.token)]);
    wait_for("a hello", PATIENCE, || record::recorded(&tap).iter().any(is_welcomed).then_some(()));
    // With all that its launcher started.
    send("STOP", &format!("-{}", node.pid()));
    (tap, cli, node)
}

#[test]
fn a_slow_client_and_one_that_guesses() {
    let config = r#"{
  "gateway": { "mode": "local", "bind": "loopback", "port": PORT,
    "auth": { "mode": "token", "token": "TOKEN", "rateLimit": { "maxAttempts": 2 } } },
  "update": { "checkOnStart": false }
}"#;
    let gateway = RealGateway::start(&GatewayOptions {
        config: Some(config.to_owned()),
        environment: Some("OPENCLAW_HANDSHAKE_TIMEOUT_MS=2000"),
        ..GatewayOptions::default()
    });

    let tap = Wstap::start(&gateway.url());
    let mute = Script { patience: PATIENCE, ..Script::new(Hail::Nothing) };
    let seen = play(&mute, tap.addr);
    assert_eq!(seen.close.and_then(|close| close.code), Some(1000));
    let says = (Layer::Protocol, "handshake_timeout", Who::Client);
    let verdict = assert_says(&tap, &record::only(&tap), says);
    assert_eq!(verdict.confidence, Confidence::Certain, "{verdict:#?}");

    // Pages are counted even on loopback, each origin for itself.
    let tap = Wstap::start(&gateway.url());
    let page = format!("http://{}", tap.addr);
    let guess = client("a-guess", Some(&page));
    let codes: Vec<_> = (0..4).map(|_| refusal(&play(&guess, tap.addr))).collect();
    assert_eq!(codes.first().map(String::as_str), Some("AUTH_TOKEN_MISMATCH"), "{codes:?}");
    let right = refusal(&play(&client(&gateway.token, Some(&page)), tap.addr));
    assert_eq!(right, "AUTH_RATE_LIMITED", "{codes:?}");
    let sessions = record::ended(&tap, 5);
    let first = (Layer::Auth, "token_mismatch", Who::Client);
    assert_says(&tap, &sessions[0], first);
    let locked = (Layer::Auth, "rate_limited", Who::Client);
    let verdict = assert_says(&tap, &sessions[4], locked);
    assert_eq!(verdict.confidence, Confidence::Certain, "{verdict:#?}");
}

/// The details code of the answer to `connect`.
fn refusal(seen: &Seen) -> String {
    let mut answers =
        seen.frames.iter().filter_map(|text| serde_json::from_str::<Value>(text).ok());
    let answer = answers.rfind(|frame| frame["type"] == "res");
    let code = answer.as_ref().and_then(|frame| frame["error"]["details"]["code"].as_str());
    code.unwrap_or_else(|| panic!("{seen:?}")).to_owned()
}
