//! How long a verdict takes: the budget is 50 microseconds for any session.
#![expect(
    clippy::unwrap_used,
    reason = "a bench that cannot read its traces has nothing to measure"
)]

#[path = "../tests/support/trace_record.rs"]
mod trace_record;

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::Value;
use wstap::verdict::judge;

/// One of each kind: refused by code, ended by silence, a page for an answer, a long queue, ok.
const TRACES: [&str; 6] = [
    "auth-token-mismatch-with-device",
    "heartbeat-timeout",
    "upgrade-header-stripped",
    "slow-consumer",
    "ok-long-session-ticks",
    "ok-origin-allowlist",
];

fn verdicts(c: &mut Criterion) {
    for name in TRACES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
        let file = std::fs::read(folder.join(name).with_extension("json")).unwrap();
        let trace: Value = serde_json::from_slice(&file).unwrap();
        let record = trace_record::record(&trace, &trace["sessions"][0]);
        c.bench_function(&format!("verdict/{name}"), |b| b.iter(|| judge(black_box(&record))));
    }
}

criterion_group!(benches, verdicts);
criterion_main!(benches);
