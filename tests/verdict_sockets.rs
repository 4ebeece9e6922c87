//! Every recorded trace through the real tap, over real sockets and into a store: each session
//! gets the layer it was recorded for, and each main one its cause.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a trace that cannot be played fails the test"
)]

#[path = "support/labels.rs"]
mod labels;
#[path = "support"]
#[expect(dead_code, reason = "what was different on the wire is another test's matter")]
mod played {
    pub(crate) mod player;
}
#[path = "support/support.rs"]
#[expect(dead_code, reason = "other targets have more to do with their children")]
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use wstap::session::{Confidence, Record, SessionId};
use wstap::store::{Filter, Reader};

use played::player::{Options, Trace, Upstream, main_session, play};
use support::tap::Wstap;
use support::wait_for;

/// Most of the time is spent in waits that were recorded.
const WORKERS: usize = 16;

/// A session that has ended is judged soon after, by a thread that does a few at a time.
const JUDGED: Duration = Duration::from_mins(1);

/// Gaps longer than this are cut to it, unless the cause shows in them.
const MAX_GAP: Duration = Duration::from_secs(2);

/// Traces whose gaps are kept in full, the longest first, and why.
const IN_FULL: &[(&str, &str)] = &[
    ("heartbeat-timeout", "the gateway is silent for two of its heartbeats and more"),
    ("cli-health-request-swallowed", "the client waits for seconds before it gives up"),
];

fn options(trace: &Trace) -> Options {
    let in_full = IN_FULL.iter().any(|(name, _)| *name == trace.name);
    Options {
        max_gap: (!in_full).then_some(MAX_GAP),
        step_timeout: Duration::from_secs(20),
        fin_timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

/// What takes longest comes first, so that the rest goes on beside it.
fn all_traces() -> Vec<Trace> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
    let entries = folder.read_dir().expect("the corpus");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let load = |path: &PathBuf| {
        Trace::load(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let mut traces: Vec<Trace> = paths.iter().map(load).collect();
    assert!(traces.len() >= 150, "only {} traces found", traces.len());
    let place = |trace: &Trace| IN_FULL.iter().position(|(name, _)| *name == trace.name);
    traces.sort_by_key(|trace| place(trace).unwrap_or(usize::MAX));
    traces
}

#[derive(Debug, Default)]
struct Score {
    wrong: Vec<String>,
    main: usize,
    certain: usize,
}

/// A tap with a store of its own, and the gateway behind it.
struct Place {
    upstream: Upstream,
    tap: Wstap,
    reader: Reader,
    known: BTreeSet<SessionId>,
}

impl Place {
    fn new() -> Self {
        let upstream = Upstream::new().expect("a port for the gateway");
        let tap = Wstap::start(&format!("ws://{}", upstream.address()));
        let reader = Reader::open(&tap.store()).expect("the store");
        Self { upstream, tap, reader, known: BTreeSet::new() }
    }

    /// Plays a trace; its sessions as they are in the store then, in the order of their starts.
    fn play(&mut self, trace: &Trace) -> Vec<Record> {
        play(trace, self.tap.addr, &self.upstream, &options(trace));
        let expected = trace.playable().len();
        let mut listed = wait_for(&format!("the verdicts of {}", trace.name), JUDGED, || {
            let mut listed = self.reader.list(&Filter::default()).expect("a list");
            listed.retain(|listed| !self.known.contains(&listed.id));
            let judged = listed.iter().all(|listed| listed.judged.is_some());
            (judged && listed.len() >= expected).then_some(listed)
        });
        listed.sort_by_key(|listed| listed.started_at);
        self.known.extend(listed.iter().map(|listed| listed.id));
        let record = |id| self.reader.judged(id).expect("a record");
        listed.iter().map(|listed| record(listed.id)).collect()
    }

    /// What the program says of all of them.
    fn as_listed(&self) -> Vec<Value> {
        let ran = self.tap.ask(&["sessions", "--json"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Score {
    fn add(&mut self, trace: &Trace, records: &[Record]) {
        let playable = trace.playable();
        if records.len() != playable.len() {
            let (name, played) = (&trace.name, playable.len());
            self.wrong.push(format!("{name}: {} sessions of {played} played", records.len()));
            return;
        }
        for (index, record) in playable.iter().zip(records) {
            let verdict = record.verdict.as_ref().expect("a verdict");
            let expected = trace.expected_layer(*index);
            if verdict.layer.name() != expected {
                let (name, layer, cause) = (&trace.name, verdict.layer.name(), &verdict.cause);
                self.wrong.push(format!("{name}#{index}: {layer} ({cause}), not {expected}"));
            }
            if main_session(trace) == Some(*index) {
                self.main += 1;
                self.certain += usize::from(verdict.confidence == Confidence::Certain);
                let label = trace.label();
                if !labels::accepted(&label.cause, &label.layer).contains(&verdict.cause) {
                    let (name, cause) = (&trace.name, &verdict.cause);
                    self.wrong.push(format!("{name}: {cause}, not {}", label.cause));
                }
            }
        }
    }
}

#[test]
fn every_trace_through_the_tap_gets_its_verdict() {
    let traces = all_traces();
    let (next, score) = (AtomicUsize::new(0), Mutex::new(Score::default()));
    let work = || {
        let mut place = Place::new();
        let mut all = Vec::new();
        while let Some(trace) = traces.get(next.fetch_add(1, Ordering::Relaxed)) {
            let records = place.play(trace);
            score.lock().expect("the score").add(trace, &records);
            all.extend(records);
        }
        let listed = place.as_listed();
        assert_eq!(listed.len(), all.len());
        for record in &all {
            let line = listed.iter().find(|line| line["id"] == record.id.as_str());
            let verdict = &line.expect("the session is listed")["verdict"];
            let stored = serde_json::to_value(&record.verdict).expect("JSON");
            assert_eq!(*verdict, stored);
        }
    };
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let Score { wrong, main, certain } = score.into_inner().expect("the score");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(main >= 140, "{main} main sessions");
    assert!(certain * 5 >= main * 4, "{certain} of {main} certain");
}
