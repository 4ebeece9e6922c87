//! What comparing sessions costs. Budgets: a brief under 20 microseconds and usually under 1 KiB,
//! findings over 100,000 stored sessions under two seconds, by the command itself too.
#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has no result")]
#![expect(clippy::print_stderr, reason = "sizes and times that criterion does not measure")]

#[path = "../tests/support/trace_record.rs"]
mod trace_record;

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};
use wstap::findings::{Brief, Kpis, SPAWN_METHOD, Thresholds, find};
use wstap::session::{
    Event, Finish, Kind, Offset, Record, SessionId, Started, Timed, Verdict, Wall,
};
use wstap::store::{Recorder, Settings, TapInfo, Verdicts};
use wstap::verdict::judge;

const SESSIONS: u64 = 100_000;
const START: i64 = 1_795_146_416_640_000;
const BUDGET: Duration = Duration::from_secs(2);

/// Every recorded session, judged.
fn corpus() -> Vec<(Record, Verdict)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let traces = files.iter().filter(|file| file.extension().is_some_and(|e| e == "json"));
    let sessions = traces.flat_map(|file| {
        let trace: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let sessions = trace["sessions"].as_array().cloned().unwrap_or_default();
        sessions.into_iter().map(|s| trace_record::record(&trace, &s)).collect::<Vec<_>>()
    });
    sessions.map(|record| (judge(&record), record)).map(|(v, r)| (r, v)).collect()
}

/// That many sessions, ten a second, of all recorded kinds: id, start, brief, verdict.
fn sessions(corpus: &[(Record, Verdict)]) -> Vec<(SessionId, Wall, String, Verdict)> {
    let made = (0..SESSIONS).map(|n| {
        let (record, verdict) = &corpus[usize::try_from(n).unwrap() % corpus.len()];
        let id = SessionId::from_bits(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let started = Wall(START + i64::try_from(n).unwrap() * 100_000);
        let mut brief: Value = serde_json::from_str(&Brief::of(record, verdict).write()).unwrap();
        brief["id"] = json!(id);
        brief["t"] = json!(started);
        (id, started, brief.to_string(), verdict.clone())
    });
    made.collect()
}

fn briefs(c: &mut Criterion) {
    let corpus = corpus();
    let mut lengths: Vec<usize> =
        corpus.iter().map(|(r, v)| Brief::of(r, v).write().len()).collect();
    lengths.sort_unstable();
    let most = lengths.last().copied().unwrap();
    eprintln!(
        "briefs of {} sessions: median {} B, most {most} B",
        lengths.len(),
        lengths[lengths.len() / 2]
    );
    let count = corpus.len() as u64;
    let mut group = c.benchmark_group("brief");
    group.throughput(criterion::Throughput::Elements(count));
    group.bench_function("of_and_write", |b| {
        b.iter(|| corpus.iter().map(|(r, v)| Brief::of(r, v).write().len()).sum::<usize>());
    });
    group.finish();
}

fn comparisons(c: &mut Criterion) {
    let sessions = sessions(&corpus());
    let read = || sessions.iter().map(|s| Brief::read(&s.2).unwrap()).collect::<Vec<_>>();
    let all = read();
    let now = Wall(START + 20_000_000_000);
    let mut group = c.benchmark_group("100000_sessions");
    group.sample_size(10);
    group.bench_function("read", |b| b.iter(read));
    let thresholds = Thresholds::default();
    group.bench_function("find", |b| b.iter(|| find(black_box(&all), &thresholds, now)));
    group.bench_function("kpis", |b| b.iter(|| Kpis::of(black_box(&all), SPAWN_METHOD)));
    group.finish();
    for finding in find(&all, &thresholds, now) {
        eprintln!("{}: {} sessions", finding.slug, finding.numbers["sessions"]);
    }
    command(&sessions);
}

/// The command over a store with all of them.
fn command(sessions: &[(SessionId, Wall, String, Verdict)]) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store.db");
    let (recorder, writer) =
        Recorder::open(&store, &TapInfo::default(), Settings::default()).unwrap();
    for (n, (id, started, ..)) in sessions.iter().enumerate() {
        let key = recorder.begin(*id, *started);
        let begun = Started { kind: Kind::Websocket, ..Started::default() };
        let fact = |event| Timed { at: Offset(0), event };
        recorder.fact(key, fact(Event::Started(begun)));
        recorder.fact(key, fact(Event::Finished(Finish::default())));
        // Recorders never wait for the store, so whoever makes sessions has to.
        if n % 1000 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    writer.close().unwrap();
    let mut verdicts = Verdicts::open(&store).unwrap();
    for some in sessions.chunks(10_000) {
        let some: Vec<_> =
            some.iter().map(|(id, _, brief, v)| (*id, v.clone(), brief.clone())).collect();
        verdicts.write(&some).unwrap();
    }
    drop(verdicts);
    for name in ["findings", "kpi"] {
        let mut times: Vec<Duration> = (0..5)
            .map(|_| {
                let mut command = Command::new(env!("CARGO_BIN_EXE_wstap"));
                command.args([name, "--json", "--store"]).arg(&store).stdout(Stdio::null());
                let began = Instant::now();
                command.status().unwrap();
                began.elapsed()
            })
            .collect();
        times.sort_unstable();
        eprintln!("wstap {name} over {SESSIONS} stored sessions: {times:.2?}");
        // The fastest: the others also tell what else the machine did.
        assert!(times[0] < BUDGET, "{name} takes more than {BUDGET:?}");
    }
}

criterion_group!(benches, briefs, comparisons);
criterion_main!(benches);
