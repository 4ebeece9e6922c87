//! What several sessions show together, made for real: the stand-in gateway, the tap between, and
//! clients with two tokens, cut after equal silences, and thrown out by a restart.
#![expect(clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

#[expect(clippy::allow_attributes, reason = "whether the next line is needed differs by target")]
#[allow(dead_code, reason = "shared with other targets; each uses its part")]
#[path = "support/support.rs"]
mod support;

use std::time::Duration;

use serde_json::Value;
use support::child::Run;
use support::tap::Wstap;
use tokio::net::TcpListener;
use wstap::gateway::client::{Farewell, Script};
use wstap::gateway::{Ending, Gateway, Misbehaviour, Policy, When};

const TOKEN: &str = "a-token-for-tests";
const OTHER: &str = "another-token-for-tests";
const PATIENCE: Duration = Duration::from_mins(1);

fn staying() -> Script {
    let cli = Script::cli(TOKEN);
    Script { farewell: Farewell::Stay, patience: PATIENCE, ..cli }
}

/// Runs so many of them at once and waits for the last one.
async fn together(count: usize, tap: &Wstap, script: &Script, meanwhile: impl AsyncFnOnce()) {
    let addr = tap.addr;
    let clients: Vec<_> = (0..count)
        .map(|_| {
            let script = script.clone();
            tokio::spawn(async move { script.run(addr).await.expect("a connection") })
        })
        .collect();
    meanwhile().await;
    for client in clients {
        client.await.expect("a client");
    }
}

async fn welcomed(gateway: &Gateway, count: usize) {
    let all = async {
        while gateway.welcomed() < count {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all are welcome in time");
}

fn lines(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mismatches_silences_and_a_restart_are_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let policy = Policy { mismatch_delay: Duration::from_millis(1), ..Policy::token(TOKEN) };
    let gateway = Gateway::start(listener, policy).expect("an address");
    let mut tap = Wstap::start(&format!("ws://{}", gateway.addr()));

    Script::cli(TOKEN).run(tap.addr).await.expect("a good session");
    for _ in 0..4 {
        Script::cli(OTHER).run(tap.addr).await.expect("a refused session");
    }
    let cut = When::Elapsed(Duration::from_secs(4));
    for _ in 0..6 {
        gateway.misbehave_next(Misbehaviour::End { when: cut, how: Ending::Fin });
    }
    together(6, &tap, &staying(), async || {}).await;
    together(5, &tap, &staying(), async || {
        welcomed(&gateway, 5).await;
        gateway.restart();
    })
    .await;

    assert!(tap.child.terminate().success());
    let said = tap.child.stderr.all();
    let count = |word: &str| said.iter().filter(|line| line.contains(word)).count();
    assert_eq!(count("error token_mismatches: "), 1, "{said:#?}");
    assert!(count("findings over the sessions of this run") == 1, "{said:#?}");

    let found = tap.ask(&["findings", "--json"]);
    assert_eq!(found.code, Some(1), "{}", found.stderr);
    let found = lines(&found);
    let of = |slug: &str| {
        let found = found.iter().find(|finding| finding["slug"] == slug);
        found.unwrap_or_else(|| panic!("no {slug} in {found:#?}"))
    };
    let tokens = of("token_mismatches");
    assert_eq!((&tokens["confidence"], &tokens["numbers"]["all"]), (&"certain".into(), &4.into()));
    let told = tokens["summary"].as_str().expect("text");
    assert!(told.contains("the fingerprints differ"), "{told}");
    let restart = of("ended_at_once");
    assert_eq!(restart["confidence"], "certain");
    assert_eq!(restart["sessions"].as_array().map(Vec::len), Some(5));
    // Which of the two clocks ticks more evenly is the machine's doing: they began together.
    let timer = found
        .iter()
        .find(|finding| finding["slug"].as_str().is_some_and(|slug| slug.starts_with("equal_")));
    let timer = timer.unwrap_or_else(|| panic!("no timer in {found:#?}"));
    assert!(timer["sessions"].as_array().is_some_and(|all| all.len() >= 3), "{timer:#}");

    let gate = tap.ask(&["kpi", "--json", "--fail-if", "restarts > 0"]);
    assert_eq!(gate.code, Some(1), "{}", gate.stderr);
    let kpis: Value = serde_json::from_str(&gate.stdout).expect("JSON");
    assert_eq!(kpis["restarts"][0]["sessions"], 5);
    let before = kpis["restarts"][0]["before"].to_string();
    assert!(before.contains("health") && before.contains("token_mismatch 4 times"), "{before}");
    let health = &kpis["by_method"][0];
    assert_eq!((&health["method"], &health["requests"]), (&"health".into(), &12.into()));
    assert!(health["times"]["p99_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{health}");

    let shown = format!("{}{}{said:?}{found:?}", gate.stdout, tap.ask(&["findings"]).stdout);
    assert!(!shown.contains(TOKEN) && !shown.contains(OTHER), "a secret was shown");
    gateway.stop().await;
}
