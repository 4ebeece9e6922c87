//! What the observer costs per frame: where nothing is inspected, and for OpenClaw's JSON.
#![expect(clippy::expect_used, reason = "a bench that cannot make its input stops")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wstap::observe::{Message, Observer, Output, RawControl, Settings};
use wstap::session::{Direction, Event, FrameRun, Offset};

const CHUNK: usize = 256 << 10;
const CHALLENGE: &str = r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n"}}"#;
const TICK: &str = r#"{"type":"event","event":"tick","payload":{"ts":1795146112510},"seq":12}"#;

/// Takes what comes and keeps nothing.
#[derive(Default)]
struct Sum {
    runs: u64,
    events: u64,
}

impl Output for Sum {
    fn frames(&mut self, _direction: Direction, _first_frame: u64, run: FrameRun) {
        self.runs += black_box(run).count;
    }

    fn event(&mut self, event: Event) {
        self.events += u64::from(matches!(event, Event::Envelope(_)));
    }

    fn message(&mut self, _message: Message<'_>) {}

    fn control(&mut self, _control: RawControl<'_>) {}

    fn fingerprint(&self, _secret: &str) -> String {
        String::new()
    }
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut one = vec![first];
    match payload.len() {
        len @ 0..126 => one.push(u8::try_from(len).expect("short")),
        len @ 126..0x1_0000 => {
            one.push(126);
            one.extend(u16::try_from(len).expect("fits").to_be_bytes());
        }
        len => {
            one.push(127);
            one.extend((len as u64).to_be_bytes());
        }
    }
    one.extend(payload);
    one
}

/// A chunk of whole frames, and how many they are.
fn chunk(mut next: impl FnMut(u64) -> Vec<u8>) -> (Vec<u8>, u64) {
    let (mut bytes, mut count) = (Vec::new(), 0);
    loop {
        let one = next(count);
        if count > 0 && bytes.len() + one.len() > CHUNK {
            return (bytes, count);
        }
        bytes.extend(one);
        count += 1;
    }
}

/// Lengths of 20 to 500 bytes in no order that a branch predictor learns.
const fn mixed(n: u64) -> usize {
    let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    20 + (hash % 481) as usize
}

fn observe(c: &mut Criterion) {
    let mut group = c.benchmark_group("observe");
    let generic = |out: &mut Sum| {
        let mut observer = Observer::new(Settings::default());
        observer.upgraded(None);
        for direction in Direction::BOTH {
            let mut hello = frame(0x82, b"hello");
            if direction == Direction::ClientToServer {
                hello.splice(1..2, [0x85, 0, 0, 0, 0]);
            }
            observer.on_bytes(direction, Offset(0), &hello, out);
        }
        observer
    };
    let openclaw = |out: &mut Sum| {
        let mut observer = Observer::new(Settings { message_limit: 4096, ..Settings::default() });
        observer.upgraded(None);
        let refused = br#"{"type":"res","id":"1","ok":false,"error":{}}"#;
        for text in [CHALLENGE.as_bytes(), refused] {
            observer.on_bytes(Direction::ServerToClient, Offset(0), &frame(0x81, text), out);
        }
        observer
    };
    let cases = [
        ("64", chunk(|_| frame(0x82, &[7; 64])), false),
        ("1024", chunk(|_| frame(0x82, &[7; 1024])), false),
        ("65536", chunk(|_| frame(0x82, &vec![7; 65_536])), false),
        ("mixed", chunk(|n| frame(0x82, &vec![7; mixed(n)])), false),
        ("openclaw_tick", chunk(|_| frame(0x81, TICK.as_bytes())), true),
        ("openclaw_params_first", chunk(|_| frame(0x81, params_first().as_bytes())), true),
    ];
    for (name, (bytes, count), is_openclaw) in cases {
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::from_parameter(name), &bytes, |b, bytes| {
            let mut out = Sum::default();
            let mut observer = if is_openclaw { openclaw(&mut out) } else { generic(&mut out) };
            b.iter(|| {
                observer.on_bytes(Direction::ServerToClient, Offset(1), black_box(bytes), &mut out);
            });
            black_box((out.runs, out.events));
        });
    }
    group.finish();
}

/// The unfriendly order: everything has to be stepped over before the type is known.
fn params_first() -> String {
    let item = r#"{"name":"a \"quoted\" text","values":[1,2,3,null,true],"deep":{"x":"y"}}"#;
    format!(r#"{{"payload":[{}],"event":"presence","type":"event"}}"#, [item; 40].join(","))
}

criterion_group!(benches, observe);
criterion_main!(benches);
