//! `wstap demo` as a stranger runs it: it shows every scenario, in time, and keeps no secret.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use wstap::store::{Filter, Reader};

const SCENARIOS: [&str; 9] = [
    "good-session",
    "wrong-token",
    "unpaired-device",
    "foreign-origin",
    "refused-upgrade",
    "upstream-fin",
    "upstream-reset",
    "idle-cut",
    "restart",
];

/// Both tokens of the demo, as its source has them.
const TOKENS: [&str; 2] = ["demo-token-5f0c8a41d92e7b36", "demo-token-of-another-gateway-77ab"];

/// Runs it with `folder` for everything that it may keep.
fn demo(folder: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_wstap"))
        .env_clear()
        .env("XDG_STATE_HOME", folder)
        .env("TMPDIR", folder)
        .arg("demo")
        .args(arguments)
        .output()
        .expect("a demo");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    output
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_demo_shows_every_scenario_in_time_and_keeps_no_secret() {
    let source = include_str!("../src/cli/demo/scenarios.rs");
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("it's a store.db");
    let began = Instant::now();
    let output = demo(folder.path(), &["--store", store.to_str().expect("a name")]);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let table = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let progress = String::from_utf8_lossy(&output.stderr);
    for name in SCENARIOS {
        let row = |line: &&str| line.starts_with(name);
        assert!(table.lines().any(|line| row(&line)), "{name}: {table}");
        assert!(progress.contains(name), "{name}: {progress}");
    }
    for cause in ["token_mismatch", "not_paired", "origin_not_allowed", "gateway_shutdown"] {
        assert!(table.contains(cause), "{cause}: {table}");
    }
    assert!(table.contains(r"it'\''s a store.db'"), "{table}");

    let reader = Reader::open(&store).expect("a store");
    let listed = reader.list(&Filter::default()).expect("a list");
    assert_eq!(listed.len(), SCENARIOS.len());
    // That a secret was sent, so that its absence means something.
    let credentials = listed.iter().filter(|listed| {
        let record = reader.record(listed.id).expect("a record");
        let connect = record.openclaw.and_then(|openclaw| openclaw.connect);
        connect.is_some_and(|connect| connect.credentials.iter().any(|c| c.name == "token"))
    });
    assert_eq!(credentials.count(), SCENARIOS.len() - 1, "all but the refused upgrade");
    drop(reader);
    let mut places = vec![output.stdout, output.stderr];
    for entry in fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        assert!(path.is_file(), "{} is not of the store", path.display());
        places.push(fs::read(path).expect("a file"));
    }
    for token in TOKENS {
        assert!(source.contains(token), "the demo has other tokens now");
        assert!(!places.iter().any(|bytes| contains(bytes, token)), "{token}");
    }
}

#[test]
fn a_second_run_replaces_the_first_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let others = folder.path().join("wstap/wstap.db");
    let store = folder.path().join("wstap/demo.db");
    fs::create_dir(folder.path().join("wstap")).expect("a folder");
    fs::write(&others, "of somebody else").expect("a file");
    let ids = || -> Vec<_> {
        let reader = Reader::open(&store).expect("a store");
        let listed = reader.list(&Filter::default()).expect("a list");
        listed.iter().map(|listed| listed.id).collect()
    };
    let table = demo(folder.path(), &[]).stdout;
    assert!(contains(&table, store.to_str().expect("a name")));
    let first = ids();
    demo(folder.path(), &[]);
    let second = ids();
    assert_eq!((first.len(), second.len()), (SCENARIOS.len(), SCENARIOS.len()));
    assert!(!second.iter().any(|id| first.contains(id)));
    assert_eq!(fs::read(&others).expect("a file"), b"of somebody else");
}
