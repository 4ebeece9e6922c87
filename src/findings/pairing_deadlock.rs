//! Devices that wait for approval while nobody who could approve is connected.

use std::collections::BTreeMap;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use super::thresholds::Threshold;
use crate::session::{Confidence, Layer};

/// The scopes that may approve.
const MAY: [&str; 2] = ["operator.pairing", "operator.admin"];

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let window = ground.micros(Threshold::PairingWindow);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.openclaw.as_ref().map(|_| b.upstream())) {
        let waiting = waiting(&briefs);
        let Some(first) = waiting.first() else { continue };
        let from = first.started.micros();
        let last = waiting.last().map_or(from, |b| b.started.micros());
        let until = last.saturating_add(window);
        // Whoever was connected at any time in which a request lived could have approved it.
        let approver = briefs.iter().any(|b| {
            may_approve(b) && b.started.micros() <= until && (b.open || b.ended().micros() >= from)
        });
        if !approver {
            findings.push(told(ground, upstream, &waiting, (from, until)));
        }
    }
    findings
}

fn may_approve(brief: &Brief) -> bool {
    let granted = brief.openclaw.as_ref().and_then(|o| o.granted.as_deref()).unwrap_or_default();
    granted.iter().any(|scope| MAY.contains(&scope.as_str()))
}

/// The refusals, oldest first, of devices that were not welcome since.
fn waiting<'a>(briefs: &[&'a Brief]) -> Vec<&'a Brief> {
    let mut waiting: BTreeMap<&str, Vec<&Brief>> = BTreeMap::new();
    for brief in briefs {
        let Some(device) = brief.device() else { continue };
        let asked = brief.openclaw.as_ref().is_some_and(|o| o.request_id.is_some());
        if brief.is_greeted() {
            waiting.remove(device);
        } else if brief.layer == Layer::Pairing && asked {
            waiting.entry(device).or_default().push(brief);
        }
    }
    let mut waiting: Vec<&Brief> = waiting.into_values().flatten().collect();
    waiting.sort_by_key(|brief| (brief.started, brief.id));
    waiting
}

fn told(
    ground: &Ground<'_>,
    upstream: &str,
    waiting: &[&Brief],
    (from, until): (i64, i64),
) -> Finding {
    let devices = super::ground::tally(waiting.iter().filter_map(|brief| brief.device()));
    let tries = waiting.len();
    let live = ground.now.micros() < until;
    let (count, still) = (devices.len(), if live { "wait" } else { "waited in vain" });
    let noun = if count == 1 { "device" } else { "devices" };
    let still = if count == 1 && live { "waits" } else { still };
    let summary = format!(
        "{count} {noun} {still} for approval at {upstream} ({tries} tries), and no session through \
         this tap held operator.pairing meanwhile: nobody here could approve."
    );
    // Somebody may approve on the gateway's host, past the tap.
    let long =
        until.saturating_sub(from) / 2 > ground.micros(Threshold::PairingWindow) && tries >= 3;
    let sure = if long { Confidence::Likely } else { Confidence::Possible };
    let newest = waiting.last().and_then(|b| b.openclaw.as_ref()?.request_id.clone());
    let finding = Finding::new("pairing_deadlock", Severity::Warning, summary)
        .sure(sure)
        .on(waiting.iter().copied())
        .number("devices", count)
        .number("tries", tries)
        .number("requests_live", live);
    let finding = match newest.filter(|_| live) {
        Some(request) => finding.run(
            "approve it on the gateway's host; a request lives five minutes",
            format!("openclaw devices approve {request}"),
        ),
        None => finding.look("let the device try again: its request is gone"),
    };
    finding.run("read which requests wait, on the gateway's host", "openclaw devices list")
}
