//! The gateway's own log: imported, followed, and shown beside the session it speaks of.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use wstap::session::Wall;
use wstap::store::Reader;

use super::sample::{self, Sample};
use super::wstap::Place;

const PATIENCE: Duration = Duration::from_mins(1);
const CONN: &str = "2cbd4042-e863-4978-9302-1adccb6f7c12";

/// What a gateway logs when it refuses this session, `ms` after its start.
fn refusal(sample: &Sample, ms: i64, cause: &str, detail: &str) -> String {
    let time = Wall(sample.started_at.0 + ms * 1000).to_string();
    let peer = "127.0.0.1:44332->127.0.0.1:18789";
    let message = format!(
        "closed before connect conn={CONN} peer={peer} remote=127.0.0.1 fwd=n/a origin=n/a \
         host=gateway.example ua=n/a code=1008 reason=see ws://h/?token=hunter2hunter2 phase=x"
    );
    let line = json!({
        "0": "{\"subsystem\":\"gateway/ws\"}",
        "1": {
            "cause": cause, "reason": detail,
            "remoteAddr": "127.0.0.1", "remotePort": 44332,
            "localAddr": "127.0.0.1", "localPort": 18789,
        },
        "2": message, "_meta": { "logLevelName": "WARN" }, "time": time, "message": message,
    });
    format!("{line}\n")
}

fn place_with_log(cause: &str, detail: &str) -> Place {
    let unpaired = sample::unpaired();
    let place = Place::with(&[sample::good(), unpaired]);
    let unpaired = sample::unpaired();
    let after = json!({
        "time": Wall(unpaired.started_at.0 + 90_000_000).to_string(), "level": "INFO",
        "message": format!("webchat disconnected code=1008 reason=n/a conn={CONN}"),
    });
    let text = format!("{}{after}\nno json\n", refusal(&unpaired, 12, cause, detail));
    fs::write(place.path("gateway.log"), text).expect("a log");
    place
}

#[test]
fn an_imported_line_stands_beside_its_session() {
    let place = place_with_log("pairing-required", "not-paired");
    insta::assert_snapshot!("import_log", place.snapshot("import log gateway.log"));
    insta::assert_snapshot!("import_log_again", place.snapshot("import log gateway.log"));
    let page = place.run("show 9 --utc").stdout;
    let (_, section) = page.split_once("The gateway's log").expect("a section");
    insta::with_settings!({ filters => [("fp=[0-9a-f]{8}", "fp=[FP]")] }, {
        insta::assert_snapshot!("show_gateway_log", section.split("\n\n").next().expect("rows"));
    });
    let shown: serde_json::Value =
        serde_json::from_str(&place.run("show 9 --json").stdout).expect("JSON");
    assert_eq!(shown["gateway_log"].as_array().map(Vec::len), Some(2), "{shown}");
    assert_eq!(shown["gateway_log"][0]["by"], "port");
    assert_eq!(shown["gateway_log"][1]["by"], "conn");
    assert_eq!(shown["gateway_said"]["agreement"], "agree");
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    assert!(!place.run("show a").stdout.contains("The gateway's log"));
}

#[test]
fn a_gateway_that_says_otherwise_is_heard() {
    let place = place_with_log("unauthorized", "x");
    let text = fs::read_to_string(place.path("gateway.log")).expect("the log");
    let text = text.replace("\"cause\":", "\"authReason\":\"token_mismatch\",\"cause\":");
    fs::write(place.path("gateway.log"), text).expect("a log");
    assert_eq!(place.run("import log gateway.log").code, 0);
    let page = place.run("show 9").stdout;
    assert!(page.contains("THEY DISAGREE"), "{page}");
}

#[test]
fn a_log_that_cannot_be_read_makes_no_store() {
    let place = Place::new();
    insta::assert_snapshot!("import_log_missing", place.snapshot("import log gateway.log"));
    assert!(!place.store().exists());
    assert_eq!(place.run("import log .").code, 3);
    assert_eq!(place.run("import log").code, 2);
}

/// A tap that is ended by its own id whatever happens.
struct Tap(Child);

impl Drop for Tap {
    fn drop(&mut self) {
        self.0.kill().expect("the child ends");
        self.0.wait().expect("the child ended");
    }
}

fn wait_for<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what} did not happen");
        thread::sleep(Duration::from_millis(20));
    }
}

fn messages(store: &Path) -> Vec<String> {
    let lines = Reader::open(store).and_then(|r| r.log_lines(Wall(i64::MIN), Wall(i64::MAX)));
    lines.unwrap_or_default().into_iter().map(|line| line.message).collect()
}

#[test]
fn a_log_is_followed_from_its_end_across_rotation() {
    let place = Place::new();
    let log = place.path("gateway.log");
    let append = |text: &str| {
        let mut file = File::options().create(true).append(true).open(&log).expect("the log");
        writeln!(file, "{{\"message\":\"{text}\"}}").expect("a line");
    };
    append("old");
    let line = "proxy --listen 127.0.0.1:0 --gateway-log gateway.log";
    let said = File::create(place.path("stderr")).expect("a file");
    let _tap = Tap(place.command(line).stderr(Stdio::from(said)).spawn().expect("a tap"));
    let told = || fs::read_to_string(place.path("stderr")).expect("what it said");
    wait_for("the start", || told().contains("listening").then_some(()));
    append("one");
    wait_for("the first line", || (messages(&place.store()) == ["one"]).then_some(()));
    fs::rename(&log, place.path("gateway.1.log")).expect("a rotation");
    append("two");
    wait_for("the second line", || (messages(&place.store()) == ["one", "two"]).then_some(()));
    assert_eq!(told().matches("gateway.log is read").count(), 1, "{}", told());
}
