//! What finding frames costs, without anybody who looks at them.
#![expect(clippy::expect_used, reason = "a bench that cannot make its input stops")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wstap::websocket::{FrameHeader, Interest, Scanner, Sink};

const CHUNK: usize = 256 << 10;

#[derive(Default)]
struct Counter {
    frames: u64,
    bytes: u64,
}

impl Sink for Counter {
    fn header(&mut self, header: &FrameHeader) -> Interest {
        self.frames += 1;
        self.bytes += header.len;
        Interest::Skip
    }

    fn payload(&mut self, _bytes: &[u8], _offset: u64) {}

    fn end(&mut self) {}
}

/// One chunk of whole binary frames.
fn frames(len: usize) -> Vec<u8> {
    let mut one = vec![0x82];
    if len < 126 {
        one.push(u8::try_from(len).expect("short"));
    } else if len < 0x1_0000 {
        one.push(126);
        one.extend(u16::try_from(len).expect("fits").to_be_bytes());
    } else {
        one.push(127);
        one.extend((len as u64).to_be_bytes());
    }
    one.resize(one.len() + len, 7);
    one.repeat((CHUNK / one.len()).max(1))
}

fn scanner(c: &mut Criterion) {
    let mut group = c.benchmark_group("scanner");
    for len in [64, 1024, 65_536] {
        let chunk = frames(len);
        group.throughput(Throughput::Elements((chunk.len() / len) as u64));
        group.bench_with_input(BenchmarkId::from_parameter(len), &chunk, |b, chunk| {
            let (mut scanner, mut counter) = (Scanner::default(), Counter::default());
            b.iter(|| scanner.scan(black_box(chunk), &mut counter));
            black_box((counter.frames, counter.bytes));
        });
    }
    group.finish();
}

criterion_group!(benches, scanner);
criterion_main!(benches);
