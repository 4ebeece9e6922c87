//! What a verdict tells to change in nginx, changed as it is printed: the failure is gone.

use std::net::Ipv4Addr;
use std::time::Duration;

use wstap::gateway::client::{Farewell, Script};
use wstap::gateway::{Gateway, Policy};
use wstap::session::{Layer, Verdict, Who};

use crate::client::TOKEN;
use crate::front::{Front, Program};
use crate::support::record::{self, assert_says};
use crate::support::tap::Wstap;

const UPGRADE: &str = "      proxy_set_header Upgrade $http_upgrade;\n";
const CONNECTION: &str = "      proxy_set_header Connection $connection_upgrade;\n";
const VERSION: &str = "      proxy_http_version 1.1;\n";
const TIMEOUTS: &str = "proxy_read_timeout 3600s; proxy_send_timeout 3600s;";

/// A client that says nothing for five seconds and closes.
fn slow() -> Script {
    let linger = Duration::from_secs(5);
    let patience = Duration::from_mins(1);
    Script { linger, patience, farewell: Farewell::Normal, ..Script::cli(TOKEN) }
}

async fn gateway() -> Gateway {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    Gateway::start(listener, Policy::token(TOKEN)).expect("a stand-in for the gateway")
}

/// What wstap says of a client of nginx with these changes.
async fn visit(gateway: &Gateway, change: &[(&str, &str)], says: (Layer, &str, Who)) -> Verdict {
    let front = Front::start(Program::Nginx, change, gateway.addr());
    let tap = Wstap::start(&format!("ws://{}", front.addr));
    slow().run(tap.addr).await.expect("the tap can be reached");
    assert_says(&tap, &record::only(&tap), says)
}

/// The lines of nginx that the first setting among the steps consists of.
#[track_caller]
fn printed(verdict: &Verdict) -> String {
    let config = verdict.next.iter().find_map(|step| step.config.clone());
    config.unwrap_or_else(|| panic!("no setting: {verdict:#?}"))
}

const CONNECTED: (Layer, &str, Who) = (Layer::Ok, "connected", Who::Client);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_upgrade_headers_are_passed_on() {
    let gateway = gateway().await;
    let says = (Layer::Transport, "upgrade_stripped", Who::FrontProxy);
    let fault = [(UPGRADE, ""), (CONNECTION, ""), (VERSION, "")];
    let verdict = visit(&gateway, &fault, says).await;
    visit(&gateway, &[(UPGRADE, &printed(&verdict)), (CONNECTION, ""), (VERSION, "")], CONNECTED)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_read_timeout_is_raised() {
    let gateway = gateway().await;
    let says = (Layer::Transport, "eof_without_close_frame", Who::FrontProxy);
    let fault = [(TIMEOUTS, "proxy_read_timeout 3s;")];
    let mut verdict = visit(&gateway, &fault, says).await;
    // A limit that a busy machine kept late is not known for one.
    if verdict.culprits.is_empty() {
        verdict = visit(&gateway, &fault, says).await;
    }
    visit(&gateway, &[(TIMEOUTS, &printed(&verdict))], CONNECTED).await;
}
