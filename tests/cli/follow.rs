//! `wstap sessions --follow`, beside a tap that writes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use wstap::store::{Recorder, SessionKey, Settings, TapInfo};

use super::sample::{self, Sample};
use super::wstap::{Place, record};

const PATIENCE: Duration = Duration::from_secs(30);

/// A child that is ended by its own id whatever happens.
struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    fn start(place: &Place, line: &str) -> Self {
        let mut child = place.command(line).stdout(Stdio::piped()).spawn().expect("a child");
        let stdout = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line in time")
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().expect("the child ends");
        self.child.wait().expect("the child ended");
    }
}

#[test]
fn sessions_appear_as_they_end() {
    let place = Place::with(&[sample::everything()]);
    let (recorder, writer) =
        Recorder::open(&place.store(), &TapInfo::default(), Settings::default()).expect("a store");
    let table = Follower::start(&place, "sessions --follow --close-code 1008");
    assert!(table.line().starts_with("ID"));
    let pairing = Follower::start(&place, "sessions --follow --layer pairing");
    assert!(pairing.line().contains("LAYER"));
    let json = Follower::start(&place, "sessions --follow --json");
    let there: serde_json::Value = serde_json::from_str(&json.line()).expect("JSON");
    assert_eq!(there["id"], sample::everything().id.as_str());

    record(&recorder, &sample::good(), false);
    record(&recorder, &sample::unpaired(), false);
    let mut states = Vec::new();
    while states.iter().filter(|(_, state)| state == "ended").count() < 2 {
        let line: serde_json::Value = serde_json::from_str(&json.line()).expect("JSON");
        states.push((line["id"].to_string(), line["state"].as_str().expect("a state").to_owned()));
    }
    assert!(table.line().contains("Close 1008 from gateway: pairing required"));
    assert!(pairing.line().contains("not_paired"));
    writer.close().expect("everything written");
}

/// What a tap knows of a session whose client just came.
fn begin(recorder: &Recorder, sample: &Sample) -> SessionKey {
    let key = recorder.begin(sample.id, sample.started_at);
    for timed in &sample.events[..4] {
        recorder.fact(key, timed.clone());
    }
    key
}

fn ends(place: &Place, line: &str) -> Vec<String> {
    let lines = place.run(line).stdout;
    lines
        .lines()
        .skip(1)
        .map(|line| line.rsplit("  ").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn a_session_is_open_until_its_tap_dies() {
    let place = Place::new();
    let (recorder, writer) =
        Recorder::open(&place.store(), &TapInfo::default(), Settings::default()).expect("a store");
    begin(&recorder, &sample::good());
    let deadline = Instant::now() + PATIENCE;
    while ends(&place, "sessions --open") != ["open"] {
        assert!(Instant::now() < deadline, "the session is not listed as open");
    }
    let page = place.run("show").stdout;
    assert!(page.contains("possible, so far"), "{page}");
    assert!(place.run("sessions").stdout.contains("still_open?, so far"));
    writer.close().expect("everything written");
    assert!(ends(&place, "sessions --open").is_empty());
    assert_eq!(ends(&place, "sessions"), ["interrupted: wstap died while it was open"]);
}
