//! What recording costs: the CPU time of the writer's thread (Linux schedstat), and the time a
//! caller spends handing over. Fails when the store could not keep up.

#![expect(clippy::expect_used, reason = "a benchmark that cannot be set up has no result")]

use std::fs;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wstap::session::{
    Dial, Direction, Ending, EndingKind, Event, Finish, FrameRun, FrameShape, Head, Kind, Leg,
    Offset, SessionId, Started, Timed, Traffic, Wall,
};
use wstap::store::{
    GroupEncoder, GroupHead, Reader, Recorder, SessionKey, Settings, TapInfo, Writer,
};

const SESSIONS: u64 = 10_000;
const RECORDS_PER_SECOND: u64 = 1_000_000;

fn open(folder: &tempfile::TempDir) -> (Recorder, Writer) {
    Recorder::open(&folder.path().join("store.db"), &TapInfo::default(), Settings::default())
        .expect("a store in a fresh folder")
}

/// Time that the writer's thread has spent on a CPU.
fn writer_cpu() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").flatten();
    let of_writer = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.trim() == "store")
    });
    let nanos = of_writer.filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Waits until the writer has had nothing to do for a while.
fn settle() {
    let mut before = writer_cpu();
    loop {
        std::thread::sleep(Duration::from_millis(700));
        let now = writer_cpu();
        if now.saturating_sub(before) < Duration::from_millis(1) {
            return;
        }
        before = now;
    }
}

fn send(recorder: &Recorder, key: SessionKey, at: u64, event: Event) {
    recorder.fact(key, Timed { at: Offset(at), event });
}

fn begin(recorder: &Recorder, bits: u64) -> SessionKey {
    let key = recorder.begin(SessionId::from_bits(bits), Wall(1_795_146_416_640_500));
    let started = Started {
        kind: Kind::Websocket,
        listener: "127.0.0.1:18889".to_owned(),
        client: "127.0.0.1:40000".to_owned(),
        local: "127.0.0.1:18889".to_owned(),
        ..Started::default()
    };
    send(recorder, key, 0, Event::Started(started));
    key
}

/// A session as an upgrade test makes it: both heads, a Close frame less ending, totals.
fn short_session(recorder: &Recorder, bits: u64) {
    let head = |raw: &str| Head {
        raw: raw.to_owned(),
        bytes: raw.len(),
        redactions: Vec::new(),
        verbatim: true,
    };
    let key = begin(recorder, bits);
    let dial = Dial { url: "ws://127.0.0.1:18789".to_owned(), ..Dial::default() };
    send(recorder, key, 90, Event::Dial(dial));
    let request = head(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:18889\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\nOrigin: http://127.0.0.1:18889\r\n\r\n",
    );
    send(recorder, key, 100, Event::Request { head: request, changes: Vec::new() });
    let response = head(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    send(recorder, key, 200, Event::Response { head: response, interim: Vec::new() });
    for leg in [Leg::Downstream, Leg::Upstream] {
        let ending = Ending { leg, at: Offset(300), kind: EndingKind::Fin };
        send(recorder, key, 300, Event::Ending(ending));
    }
    for direction in Direction::BOTH {
        send(recorder, key, 310, Event::Traffic { direction, traffic: Box::<Traffic>::default() });
    }
    send(recorder, key, 320, Event::Finished(Finish::default()));
}

/// Frames of 10,000 sessions in turn, one group each, at a million a second.
fn frames(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, writer) = open(&folder);
    let keys: Vec<SessionKey> = (1..=SESSIONS).map(|bits| begin(&recorder, bits)).collect();
    let shape = FrameShape { first: 0x82, masked: false, minimal: true };
    let mut encoder = GroupEncoder::default();
    let mut sent = 0_u64;
    settle();
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    group.throughput(Throughput::Elements(RECORDS_PER_SECOND));
    group.bench_function("a million frames over 10,000 sessions, writer CPU", |bencher| {
        bencher.iter_custom(|rounds| {
            let before = writer_cpu();
            let start = Instant::now();
            for step in 0..rounds * 1000 {
                for _ in 0..RECORDS_PER_SECOND / 1000 {
                    let key = keys[usize::try_from(sent % SESSIONS).unwrap_or_default()];
                    encoder.push(FrameRun { shape, len: 20 + sent % 480, count: 1 });
                    let head = GroupHead {
                        direction: Direction::ServerToClient,
                        at: Offset(sent),
                        first_frame: sent / SESSIONS,
                    };
                    recorder.frames(key, head, &mut encoder);
                    sent += 1;
                }
                let due = Duration::from_millis(step + 1);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            writer_cpu().saturating_sub(before)
        });
    });
    group.finish();
    writer.close().expect("the writer ends");
    let path = folder.path().join("store.db");
    let reader = Reader::open(&path).expect("the store");
    let stored: u64 = (1..=SESSIONS)
        .filter_map(|bits| reader.record(SessionId::from_bits(bits)).ok())
        .map(|record| record.frames.s2c.frames)
        .sum();
    assert_eq!(stored, sent, "the store has a gap");
}

/// Short sessions at 7,000 a second, as the upgrade benchmark makes them.
fn sessions(criterion: &mut Criterion) {
    const PER_SECOND: u64 = 7000;
    let folder = tempfile::tempdir().expect("a folder");
    let (recorder, writer) = open(&folder);
    let mut random = fastrand::Rng::with_seed(7);
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    group.throughput(Throughput::Elements(PER_SECOND));
    settle();
    group.bench_function("7,000 short sessions, writer CPU", |bencher| {
        bencher.iter_custom(|rounds| {
            let before = writer_cpu();
            let start = Instant::now();
            for step in 0..rounds * 1000 {
                for _ in 0..PER_SECOND / 1000 {
                    short_session(&recorder, random.u64(..));
                }
                let due = Duration::from_millis(step + 1);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            writer_cpu().saturating_sub(before)
        });
    });
    group.bench_function("handing over one short session", |bencher| {
        bencher.iter(|| short_session(&recorder, random.u64(..)));
    });
    group.finish();
    writer.close().expect("the writer ends");
}

criterion_group!(benches, frames, sessions);
criterion_main!(benches);
