//! What is to be said of the session, before everything that is known of it.

use crate::report::advice::steps;
use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::words::so_far;
use crate::session::{Culprit, Record, State, Verdict};

pub(super) fn verdict(page: &mut Page, record: &Record, _: &Clock) {
    page.headline(&format!("Session {}  {}  {}", record.id, record.kind.name(), state(record)));
    let Some(verdict) = &record.verdict else { return };
    page.headline(&verdict.summary);
    let Verdict { layer, cause, who, leg, confidence, .. } = verdict;
    let sure = format!("{}{}", confidence.name(), so_far(record));
    page.row("verdict", &format!("{}: {cause}, {sure}", layer.name()));
    let leg = leg.map_or_else(String::new, |leg| format!(", on the {} leg", leg.name()));
    page.row("who", &format!("{}{leg}", who.name()));
    for reason in &verdict.reasons {
        page.row("because", reason);
    }
    if !verdict.next.is_empty() {
        page.section("Next");
        steps(page, &verdict.next);
    }
    if !verdict.culprits.is_empty() {
        page.section("Limits that fit the time, best first");
    }
    for (at, culprit) in verdict.culprits.iter().enumerate() {
        limit(page, at + 1, culprit);
    }
    if !verdict.warnings.is_empty() {
        page.section("Warnings");
    }
    for warning in &verdict.warnings {
        page.row(&warning.slug, &format!("{}  [{}]", warning.text, warning.refers));
    }
}

/// What the verdict rests on, each with its place in the JSON.
pub(super) fn evidence(page: &mut Page, record: &Record, clock: &Clock) {
    let Some(verdict) = record.verdict.as_ref().filter(|verdict| !verdict.evidence.is_empty())
    else {
        return;
    };
    page.section("Evidence");
    for evidence in &verdict.evidence {
        let (label, wall) = match evidence.at {
            Some(at) => (at.to_string(), clock.millis(record.started_at.plus(at))),
            None => ("-".to_owned(), String::new()),
        };
        page.row(&label, &format!("{}  [{}]", evidence.what, evidence.refers));
        if !wall.is_empty() {
            page.under(&wall);
        }
    }
}

fn limit(page: &mut Page, rank: usize, culprit: &Culprit) {
    let Culprit { name, directive, clock, limit_ms, measured_ms, confidence, .. } = culprit;
    let confidence = confidence.name();
    page.line(&format!("{rank}. {name}, {confidence}: {clock} {limit_ms}, here {measured_ms}"));
    page.under(&format!("set {directive}"));
    for fits in &culprit.fits {
        page.under(fits);
    }
    page.under(&format!("source: {}", culprit.source));
}

const fn state(record: &Record) -> &'static str {
    match record.state {
        State::Open => "still open",
        State::Ended => "ended",
        State::Interrupted => "interrupted",
    }
}
