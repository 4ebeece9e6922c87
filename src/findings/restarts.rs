//! Restarts of the gateway, and what was seen before each of them.

use serde::Serialize;

use super::Brief;
use super::brief::How;
use super::ground::{Ground, listed, tally};
use crate::session::{Confidence, Leg, Wall};

/// Sessions told of one restart within this time.
const ONE: i64 = 15_000_000;

/// What was seen so long before it may have to do with it.
const BEFORE: i64 = 60_000_000;

/// Deaths without a word: two sessions within this time, and a refused dial soon after.
const AT_ONCE: i64 = 1_000_000;

/// One restart, or stop, of a gateway.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Restart {
    pub at: Wall,
    pub upstream: String,
    /// Certain when the gateway announced it.
    pub confidence: Confidence,
    /// Sessions that it ended.
    pub sessions: usize,
    /// What was seen in the minute before it, in words.
    pub before: Vec<String>,
}

pub(super) fn all(ground: &Ground<'_>) -> Vec<Restart> {
    let mut restarts = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.dial.as_ref().map(|d| d.url.as_str())) {
        let mut told: Vec<i64> = briefs.iter().filter_map(|b| announced(b)).collect();
        told.sort_unstable();
        let announced = told
            .chunk_by(|a, b| b.saturating_sub(*a) <= ONE)
            .filter_map(|c| Some((*c.first()?, c.len())));
        let announced: Vec<(i64, usize)> = announced.collect();
        let died = deaths(&briefs);
        let unannounced = died.into_iter().filter(|(at, _)| {
            announced.iter().all(|(told, _)| told.saturating_sub(*at).saturating_abs() > ONE)
        });
        let sure = announced.iter().map(|one| (*one, Confidence::Certain));
        for ((at, sessions), confidence) in
            sure.chain(unannounced.map(|one| (one, Confidence::Likely)))
        {
            let (at, upstream) = (Wall(at), upstream.to_owned());
            let before = before(&briefs, at.micros());
            restarts.push(Restart { at, upstream, confidence, sessions, before });
        }
    }
    restarts.sort_by(|a, b| (a.at, &a.upstream).cmp(&(b.at, &b.upstream)));
    restarts
}

fn announced(brief: &Brief) -> Option<i64> {
    let at = brief.openclaw.as_ref()?.shutdown?;
    Some(brief.started.plus(at).micros())
}

/// Sessions that died together, where the next dial found nobody.
fn deaths(briefs: &[&Brief]) -> Vec<(i64, usize)> {
    let mut ends: Vec<i64> = briefs
        .iter()
        .filter_map(|brief| {
            let end = brief.end.filter(|end| end.leg == Leg::Upstream && brief.close.is_none())?;
            let died = matches!(end.how, How::Fin | How::Cut | How::Reset) && brief.is_upgraded();
            died.then(|| brief.started.plus(end.at).micros())
        })
        .collect();
    ends.sort_unstable();
    let together =
        ends.chunk_by(|a, b| b.saturating_sub(*a) <= AT_ONCE).filter(|chunk| chunk.len() > 1);
    together
        .filter_map(|chunk| Some((*chunk.first()?, *chunk.last()?, chunk.len())))
        .filter(|(_, last, _)| refused_soon(briefs, *last))
        .map(|(first, _, sessions)| (first, sessions))
        .collect()
}

fn refused_soon(briefs: &[&Brief], at: i64) -> bool {
    let from = briefs.partition_point(|brief| brief.started.micros() < at);
    let soon =
        briefs.iter().skip(from).take_while(|b| b.started.micros() <= at.saturating_add(BEFORE));
    soon.into_iter().any(|b| b.cause == "upstream_refused")
}

/// The newest calls and the failures of the minute before.
fn before(briefs: &[&Brief], at: i64) -> Vec<String> {
    let near = |time: i64| time <= at && time >= at.saturating_sub(BEFORE);
    let calls = briefs.iter().filter_map(|brief| {
        let (method, when) = brief.openclaw.as_ref()?.last_call.as_ref()?;
        near(brief.started.plus(*when).micros()).then_some(method.as_str())
    });
    let failed =
        briefs.iter().filter(|b| b.failed && near(b.ended().micros()) && announced(b).is_none());
    let mut seen = Vec::new();
    let calls = tally(calls);
    if !calls.is_empty() {
        seen.push(format!("last calls: {}", listed(&calls)));
    }
    let failed = tally(failed.map(|brief| brief.cause.as_str()));
    if !failed.is_empty() {
        seen.push(format!("failures: {}", listed(&failed)));
    }
    if seen.is_empty() {
        seen.push("nothing unusual".to_owned());
    }
    seen
}
