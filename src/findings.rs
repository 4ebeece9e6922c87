//! Sessions side by side: what only a comparison shows, how calls and connects fare over all of
//! them, and figures to gate on. Pure functions of briefs, one [`Brief`] per session.
//!
//! A kind of finding is one file and one line in `PATTERNS`. None of them says more than its
//! sessions show: where several explanations fit, all of them are named.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod bounces;
mod brief;
mod budget;
mod bursts;
mod calls;
mod condition;
mod connect_rate;
mod finding;
mod ground;
mod kpi;
mod large_frames;
mod load;
mod lost_pairing;
mod origins;
mod pairing_deadlock;
mod restarts;
mod silences;
mod stale_address;
mod thresholds;
mod token_mismatches;

pub use brief::Brief;
pub use calls::by_method;
pub use condition::{Condition, ParseConditionError};
pub use finding::{Finding, Severity};
pub use kpi::{Counted, Kpis, MethodKpi, Quantiles, Rate, SPAWN_METHOD};
pub use restarts::Restart;
pub use thresholds::{ParseThresholdError, Thresholds};

use ground::Ground;

use crate::session::Wall;

/// Every kind of finding.
const PATTERNS: &[fn(&Ground<'_>) -> Vec<Finding>] = &[
    connect_rate::find,
    bursts::find,
    silences::find,
    stale_address::find,
    token_mismatches::find,
    bounces::find,
    lost_pairing::find,
    pairing_deadlock::find,
    origins::find,
    budget::find,
    large_frames::find,
    load::find,
    calls::find,
];

/// What these sessions show beside each other, the most severe first. `now` is when the question
/// is asked: some findings are about what still waits.
pub fn find(briefs: &[Brief], thresholds: &Thresholds, now: Wall) -> Vec<Finding> {
    let ground = Ground::of(briefs, thresholds, now);
    let mut findings: Vec<Finding> = PATTERNS.iter().flat_map(|pattern| pattern(&ground)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

#[cfg(test)]
mod tests;
