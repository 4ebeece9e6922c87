//! What the tap has to reach, checked against the figures of the run.

use crate::peers::System;
use crate::results::Results;
use crate::rows::{Metric, Row};

/// Where the bound of a target comes from.
#[derive(Clone, Copy)]
enum Bound {
    /// The tap's figure itself is at most this.
    Limit(f64),
    /// The tap's figure divided by another system's is at most this.
    AtMost(f64, System),
    /// The tap's figure divided by another system's is at least this.
    AtLeast(f64, System),
}

/// One target and what became of it.
pub(crate) struct Outcome {
    pub(crate) row: Row,
    pub(crate) metric: Metric,
    pub(crate) bound: String,
    pub(crate) found: f64,
    pub(crate) met: bool,
}

fn bounds(row: Row, metric: Metric) -> Vec<Bound> {
    match metric {
        Metric::KibPerSession => vec![Bound::Limit(if row == Row::IdleTls { 12.0 } else { 4.0 })],
        Metric::PeakMib => vec![Bound::Limit(64.0)],
        Metric::PerSecond => vec![Bound::AtLeast(0.9, System::Nginx)],
        Metric::CpuUs if row == Row::Upgrades => Vec::new(),
        Metric::CpuNs | Metric::CpuUs | Metric::P50Us => vec![Bound::AtMost(1.1, System::Blind)],
        // The long stream is there for its memory; tails on a shared machine are noise.
        Metric::MegabytesPerSecond if row == Row::Stream => Vec::new(),
        Metric::MegabytesPerSecond => {
            vec![Bound::AtLeast(1.0, System::Haproxy), Bound::AtLeast(1.0, System::Nginx)]
        }
        Metric::P99Us => Vec::new(),
    }
}

/// Every target of the given rows for which the run has figures.
pub(crate) fn check(results: &Results, rows: &[Row]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for &row in rows {
        for &metric in row.metrics() {
            outcomes.extend(
                bounds(row, metric)
                    .into_iter()
                    .filter_map(|bound| judge(results, row, metric, bound)),
            );
        }
    }
    outcomes
}

fn judge(results: &Results, row: Row, metric: Metric, bound: Bound) -> Option<Outcome> {
    let ratio =
        |other| results.ratio(row, metric, System::Tap, other).map(|ratio| ratio.of_medians);
    let (found, met, bound) = match bound {
        Bound::Limit(limit) => {
            let found = results.figure(row, metric, System::Tap)?;
            (found, found <= limit, format!("≤ {limit}"))
        }
        Bound::AtMost(limit, other) => {
            let found = ratio(other)?;
            (found, found <= limit, format!("≤ {limit} × {}", other.title()))
        }
        Bound::AtLeast(limit, other) => {
            let found = ratio(other)?;
            (found, found >= limit, format!("≥ {limit} × {}", other.title()))
        }
    };
    Some(Outcome { row, metric, bound, found, met })
}
