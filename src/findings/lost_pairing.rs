//! A device that was welcome and is not paired any more, with another version of the gateway
//! between the two.

use std::collections::BTreeMap;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use crate::session::Confidence;

/// A device that lost its pairing.
struct Lost<'a> {
    welcome: &'a Brief,
    refused: &'a Brief,
}

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.openclaw.as_ref().map(|_| b.upstream())) {
        let mut changes: BTreeMap<(&str, &str), Vec<Lost<'_>>> = BTreeMap::new();
        for lost in lost(&briefs) {
            if let Some(change) = change(&briefs, &lost) {
                changes.entry(change).or_default().push(lost);
            }
        }
        for ((before, after), lost) in changes {
            findings.push(told(upstream, (before, after), &lost));
        }
    }
    findings
}

/// Each device whose newest word is a refusal for want of a pairing that it once had.
fn lost<'a>(briefs: &[&'a Brief]) -> Vec<Lost<'a>> {
    let mut welcome: BTreeMap<&str, &Brief> = BTreeMap::new();
    let mut lost: BTreeMap<&str, Lost<'_>> = BTreeMap::new();
    for brief in briefs {
        let Some(device) = brief.device() else { continue };
        if brief.is_greeted() {
            lost.remove(device);
            welcome.insert(device, *brief);
        }
        if brief.cause == "device_removed" {
            // Somebody took the pairing away: it was not lost.
            welcome.remove(device);
        } else if brief.cause == "not_paired"
            && let Some(welcome) = welcome.get(device)
        {
            lost.entry(device).or_insert(Lost { welcome, refused: brief });
        }
    }
    lost.into_values().collect()
}

fn version(brief: &Brief) -> Option<&str> {
    brief.openclaw.as_ref()?.server_version.as_deref()
}

/// The gateway's versions at the welcome and around the refusal, when they differ. A refusal does
/// not tell the version: the nearest welcome of anybody, before or after it, does.
fn change<'a>(briefs: &[&'a Brief], lost: &Lost<'a>) -> Option<(&'a str, &'a str)> {
    let before = version(lost.welcome)?;
    let at = briefs.partition_point(|b| b.started < lost.refused.started);
    let from = briefs.partition_point(|b| b.started <= lost.welcome.started);
    let earlier = briefs.get(from..at).into_iter().flatten().rev().find_map(|b| version(b));
    let later = briefs.iter().skip(at).find_map(|b| version(b));
    let after = earlier.filter(|have| *have != before).or(later)?;
    (after != before).then_some((before, after))
}

fn told(upstream: &str, (before, after): (&str, &str), lost: &[Lost<'_>]) -> Finding {
    let count = lost.len();
    let devices = if count == 1 { "device was" } else { "devices were" };
    let summary = format!(
        "{count} {devices} welcome at {upstream} with version {before} and not paired any more \
         when it was {after}: the pairing may have got lost in the upgrade."
    );
    let requests = lost.iter().filter_map(|l| l.refused.openclaw.as_ref()?.request_id.as_deref());
    let sure = if count > 1 { Confidence::Likely } else { Confidence::Possible };
    let mut finding = Finding::new("pairing_lost", Severity::Error, summary)
        .sure(sure)
        .on(lost.iter().flat_map(|l| [l.welcome, l.refused]))
        .number("devices", count)
        .number("before", before)
        .number("after", after);
    for request in requests.take(3) {
        let command = format!("openclaw devices approve {request}");
        finding = finding.run("approve it on the gateway's host", command);
    }
    finding.look(
        "see whether the gateway's state folder moved or was mounted anew: pairings lie in it",
    )
}
