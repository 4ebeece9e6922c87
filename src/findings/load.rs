//! Handshakes that take longer the more sessions are open.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use super::thresholds::Threshold;
use crate::session::{Confidence, Offset};

/// Handshakes in each quarter of the load.
const QUARTER: usize = 10;

/// A difference that somebody notices.
const NOTICED: f64 = 50.0;

/// Open sessions at a start, and the handshake's time.
type Sample<'a> = (usize, f64, &'a Brief);

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let factor = ground.number(Threshold::LoadFactor).max(1.0);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.is_upgraded().then(|| b.upstream())) {
        let mut samples = samples(&briefs);
        samples.sort_by_key(|(load, _, brief)| (*load, brief.id));
        let quarter = samples.len() / 4;
        if quarter < QUARTER {
            continue;
        }
        let steps: Vec<(usize, f64)> = samples.chunks_exact(quarter).take(4).map(medians).collect();
        let [few, .., many] = steps.as_slice() else { continue };
        let grows = steps.windows(2).all(|pair| matches!(pair, [a, b] if b.1 >= a.1 * 0.9));
        // Equal load in all quarters says nothing about load.
        let loaded = many.0 >= (few.0 + 1) * 2;
        if grows && loaded && many.1 >= few.1 * factor && many.1 - few.1 >= NOTICED {
            findings.push(told(upstream, &samples, *few, *many));
        }
    }
    findings
}

fn samples<'a>(briefs: &[&'a Brief]) -> Vec<Sample<'a>> {
    let mut open: BinaryHeap<Reverse<i64>> = BinaryHeap::new();
    let mut samples = Vec::with_capacity(briefs.len());
    for brief in briefs {
        let start = brief.started.micros();
        while open.peek().is_some_and(|Reverse(end)| *end <= start) {
            open.pop();
        }
        if let Some(took) = brief.handshake {
            samples.push((open.len(), took.millis(), *brief));
        }
        open.push(Reverse(if brief.open { i64::MAX } else { brief.ended().micros() }));
    }
    samples
}

fn medians(samples: &[Sample<'_>]) -> (usize, f64) {
    let mut times: Vec<f64> = samples.iter().map(|(_, took, _)| *took).collect();
    times.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    let load = samples.get(middle).map_or(0, |(load, ..)| *load);
    (load, times.get(middle).copied().unwrap_or_default())
}

fn told(upstream: &str, samples: &[Sample<'_>], few: (usize, f64), many: (usize, f64)) -> Finding {
    let summary = format!(
        "Handshakes with {upstream} get slower with load: {} with about {} sessions open, {} with \
         about {}.",
        time(few.1),
        few.0,
        time(many.1),
        many.0,
    );
    let slowest = samples.iter().skip(samples.len() - samples.len() / 4).map(|(_, _, b)| *b);
    Finding::new("slow_under_load", Severity::Warning, summary)
        .sure(Confidence::Likely)
        .on(slowest)
        .number("few_open", few.0)
        .number("few_ms", few.1)
        .number("many_open", many.0)
        .number("many_ms", many.1)
        .look("compare the gateway's and the proxies' CPU and connection limits at that time")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn time(ms: f64) -> Offset {
    Offset((ms * 1000.0) as u64)
}
