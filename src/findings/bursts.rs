//! Many sessions that ended within a second: a restart, a reload, a deploy, by what they saw.

use super::Brief;
use super::brief::How;
use super::finding::{Finding, Severity};
use super::ground::{Ground, capital, listed, tally};
use super::thresholds::Threshold;
use crate::session::{Confidence, Leg, Wall};

/// What a session saw of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Saw {
    Shutdown,
    GoingAway,
    Close,
    Fin,
    Reset,
}

impl Saw {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Shutdown => "a shutdown (1012)",
            Self::GoingAway => "a Close 1001",
            Self::Close => "another Close",
            Self::Fin => "a FIN",
            Self::Reset => "a reset",
        }
    }
}

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let least = ground.count(Threshold::BurstSessions).max(2);
    let within = ground.micros(Threshold::BurstWithin);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.is_upgraded().then(|| b.upstream())) {
        let mut ends: Vec<(i64, Saw, &Brief)> =
            briefs.into_iter().filter_map(|brief| ended(brief)).collect();
        ends.sort_by_key(|(at, _, brief)| (*at, brief.id));
        let mut at = 0;
        while let Some((first, ..)) = ends.get(at) {
            let end = ends.partition_point(|(when, ..)| *when <= first.saturating_add(within));
            let members = of_one_cause(ends.get(at..end).unwrap_or_default());
            if members.len() >= least && outlived(members) {
                findings.push(told(ground, upstream, members));
                at = end;
            } else {
                at += 1;
            }
        }
    }
    findings
}

/// When it was ended from the upstream's side, and by what.
fn ended(brief: &Brief) -> Option<(i64, Saw, &Brief)> {
    if brief.openclaw.as_ref().is_some_and(|o| o.refused.is_some()) {
        return None;
    }
    let (saw, at) = match (brief.close, brief.end) {
        (Some(close), _) if close.from == Leg::Upstream => match close.code {
            Some(1012) => (Saw::Shutdown, close.at),
            Some(1001) => (Saw::GoingAway, close.at),
            Some(_) | None => (Saw::Close, close.at),
        },
        (None, Some(end)) if end.leg == Leg::Upstream => match end.how {
            How::Fin | How::Cut => (Saw::Fin, end.at),
            How::Reset => (Saw::Reset, end.at),
            How::Broken | How::Ours => return None,
        },
        (Some(_) | None, _) => return None,
    };
    Some((brief.started.plus(at).micros(), saw, brief))
}

/// What ended before the gateway announced its shutdown was not ended by that.
fn of_one_cause<'e, 'a>(members: &'e [(i64, Saw, &'a Brief)]) -> &'e [(i64, Saw, &'a Brief)] {
    let announced = members.iter().position(|(_, saw, _)| *saw == Saw::Shutdown);
    members.get(announced.unwrap_or_default()..).unwrap_or_default()
}

/// Sessions that began together and lived equally long were ended by a timer, each by its own.
fn outlived(members: &[(i64, Saw, &Brief)]) -> bool {
    let starts = members.iter().map(|(_, _, brief)| brief.started.micros());
    let (first, last) = (starts.clone().min(), starts.max());
    let ends = members.first().zip(members.last()).map(|(a, b)| b.0.saturating_sub(a.0));
    let spread = first.zip(last).map(|(first, last)| last.saturating_sub(first));
    spread.zip(ends).is_some_and(|(starts, ends)| starts / 2 > ends.saturating_add(500_000))
        || members.iter().all(|(_, saw, _)| *saw <= Saw::GoingAway)
}

fn told(ground: &Ground<'_>, upstream: &str, members: &[(i64, Saw, &Brief)]) -> Finding {
    let saws = tally(members.iter().map(|(_, saw, _)| *saw));
    let words: Vec<(&str, usize)> = saws.iter().map(|(saw, n)| (saw.in_words(), *n)).collect();
    let has = |wanted: Saw| saws.iter().any(|(saw, _)| *saw == wanted);
    let (first, last) = (members.first().map_or(0, |m| m.0), members.last().map_or(0, |m| m.0));
    let refused = refused_after(ground, upstream, last);
    let (what, sure) = if has(Saw::Shutdown) {
        ("the gateway was stopped or restarted in good order", Confidence::Certain)
    } else if has(Saw::GoingAway) {
        ("a proxy before the gateway was reloaded, or a server went away", Confidence::Likely)
    } else if refused > 0 {
        ("the gateway, or what stands before it, died and was not back at once", Confidence::Likely)
    } else {
        ("the gateway died, or a proxy or a network path was replaced", Confidence::Possible)
    };
    let upstream_host = upstream.split_once("://").map_or(upstream, |(_, rest)| rest);
    let severity = if has(Saw::Shutdown) { Severity::Info } else { Severity::Warning };
    let summary = format!(
        "{} sessions of {upstream_host} were ended within {:.1} s at {}: they saw {}. {}: {what}.",
        members.len(),
        seconds(last.saturating_sub(first)),
        Wall(first),
        listed(&words),
        capital(sure.name()),
    );
    Finding::new("ended_at_once", severity, summary)
        .sure(sure)
        .on(members.iter().map(|(_, _, brief)| *brief))
        .number("within_ms", (last.saturating_sub(first)) / 1000)
        .number("refused_after", refused)
        .number("upstream", upstream)
        .run("see whether it runs and since when", "openclaw gateway status")
        .look("see who restarted, reloaded or deployed something at that time")
}

/// Dials that were refused in the minute after.
fn refused_after(ground: &Ground<'_>, upstream: &str, at: i64) -> usize {
    let from = ground
        .briefs
        .partition_point(|brief| brief.started.micros() < at.saturating_sub(1_000_000));
    let later = ground.briefs.iter().skip(from);
    later
        .take_while(|brief| brief.started.micros() < at.saturating_add(60_000_000))
        .filter(|brief| brief.upstream() == upstream)
        .filter(|brief| brief.dial.as_ref().is_some_and(|dial| dial.failure.is_some()))
        .count()
}

#[expect(clippy::cast_precision_loss, reason = "spans of a second")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}
