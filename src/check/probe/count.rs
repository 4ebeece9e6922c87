//! The connect, many times: how often it works, and how long it takes.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::Run;
use crate::check::eye::since;
use crate::check::step::{Finding, Step};
use crate::session::{Offset, Record};
use crate::verdict;

/// How often, and how many of a hundred must work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counting {
    pub times: u32,
    pub threshold: f64,
}

/// Upper bounds of the histogram, in milliseconds.
const BOUNDS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

#[derive(Debug, Default)]
struct Tally {
    times: Vec<Offset>,
    /// By cause, in the order of their first.
    failures: Vec<(Finding, String, u32)>,
}

impl Run<'_> {
    pub(super) async fn count(&mut self, counting: Counting) {
        let began = Instant::now();
        let mut tally = Tally::default();
        for _ in 0..counting.times {
            let began = Instant::now();
            match self.one().await {
                None => tally.times.push(since(began)),
                Some(record) => tally.failed(&record),
            }
        }
        self.push(tally.step(counting, since(began)));
    }

    /// The record of a session that did not come to hello.
    async fn one(&self) -> Option<Box<Record>> {
        let mut line = match self.caller.open(self.settings.origin.as_deref()).await {
            Ok(line) => line,
            Err(refused) => return Some(Box::new(refused.eye.record())),
        };
        if let Ok(challenge) = line.challenge().await
            && let Ok(hello) = line.connect(self.visitor(), &challenge).await
            && hello.ok
        {
            line.leave().await;
            return None;
        }
        Some(Box::new(line.leave().await))
    }
}

impl Tally {
    fn failed(&mut self, record: &Record) {
        let verdict = verdict::judge(record);
        let same = self.failures.iter_mut().find(|(finding, ..)| finding.cause == verdict.cause);
        match same {
            Some((.., count)) => *count += 1,
            None => self.failures.push((Finding::of(&verdict), verdict.summary, 1)),
        }
    }

    fn step(mut self, counting: Counting, took: Offset) -> Step {
        self.times.sort_unstable();
        let good = u32::try_from(self.times.len()).unwrap_or(u32::MAX);
        let rate = 100.0 * f64::from(good) / f64::from(counting.times.max(1));
        let detail = format!(
            "{good} of {} connects worked: {rate:.1} %, wanted {} %",
            counting.times, counting.threshold
        );
        let at = |percent: usize| {
            let index = (self.times.len() * percent).div_ceil(100).saturating_sub(1);
            self.times.get(index).copied()
        };
        let spread =
            json!({ "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99), "max_ms": at(100) });
        let histogram = histogram(&self.times);
        let causes: Map<String, Value> =
            self.failures.iter().map(|(f, _, n)| (f.cause.clone(), json!(n))).collect();
        let worst = self.failures.iter().max_by_key(|(.., count)| *count);
        let step = if rate >= counting.threshold {
            Step::ok("count", took, detail)
        } else if let Some((finding, summary, _)) = worst {
            Step::failed("count", took, format!("{detail}; {summary}"), finding.clone())
        } else {
            Step::info("count", took, detail)
        };
        step.fact("rate", rate)
            .fact("threshold", counting.threshold)
            .fact("times", spread)
            .fact("histogram", histogram)
            .fact("failures", causes)
    }
}

/// How many took less than each bound, and longer than the one before.
fn histogram(times: &[Offset]) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut from = 0;
    for bound in BOUNDS.into_iter().map(Some).chain([None]) {
        let to = bound.map_or(u64::MAX, |ms| ms * 1000);
        let count = times.iter().filter(|t| (from..to).contains(&t.micros())).count();
        if count > 0 {
            rows.push(json!({ "from_ms": from / 1000, "to_ms": bound, "count": count }));
        }
        from = to;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_each_once() {
        let times = [Offset(500), Offset(1000), Offset(7_000_000)];
        let rows = histogram(&times);
        assert_eq!(rows[0], json!({ "from_ms": 0, "to_ms": 1, "count": 1 }));
        assert_eq!(rows[1], json!({ "from_ms": 1, "to_ms": 2, "count": 1 }));
        assert_eq!(rows[2], json!({ "from_ms": 5000, "to_ms": null, "count": 1 }));
        assert_eq!(rows.len(), 3);
    }
}
