//! One client that is accepted and refused in turns, and what differs between the two.

use std::collections::BTreeSet;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::{Ground, listed, tally};
use super::thresholds::Threshold;
use super::token_mismatches::secret;
use crate::session::{Confidence, Leg};

/// What may differ.
type Aspect = (&'static str, for<'a> fn(&'a Brief) -> Option<String>);

const ASPECTS: &[Aspect] = &[
    ("the secret they send (by fingerprint)", |b| secret(b).map(str::to_owned)),
    ("the address that was dialled", |b| b.dial.as_ref()?.peer.clone()),
    ("the Host header", |b| b.host.clone()),
    ("forwarded headers", |b| Some(b.forwarded.to_string())),
    ("the Origin header", |b| b.origin.clone()),
    ("the path", |b| b.path.clone()),
    ("the client's version", |b| b.openclaw.as_ref()?.client_version.clone()),
];

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let least = ground.count(Threshold::Bounces).max(2);
    let mut findings = Vec::new();
    for ((upstream, who), briefs) in ground.by(|b| Some((b.upstream(), who(b)?))) {
        let told: Vec<(&Brief, bool)> =
            briefs.into_iter().filter_map(|b| accepted(b).map(|good| (b, good))).collect();
        let changes = told.windows(2).filter(|pair| matches!(pair, [a, b] if a.1 != b.1)).count();
        if changes >= least {
            findings.push(found(upstream, &who, &told, changes));
        }
    }
    findings
}

/// The device where there is one, else the client's address and kind.
fn who(brief: &Brief) -> Option<String> {
    if let Some(device) = brief.device() {
        return Some(format!("device {}", device.chars().take(12).collect::<String>()));
    }
    let kind = brief.openclaw.as_ref().and_then(|o| o.client_id.as_deref()).unwrap_or("client");
    (!brief.client.is_empty()).then(|| format!("{kind} at {}", brief.client))
}

/// Accepted, or refused by 401 or 1008; `None` for anything else.
fn accepted(brief: &Brief) -> Option<bool> {
    let policy = brief.close.is_some_and(|c| c.from == Leg::Upstream && c.code == Some(1008));
    if brief.status == Some(401) || policy {
        return Some(false);
    }
    let welcome = brief.is_greeted() || brief.openclaw.is_none() && brief.is_upgraded();
    (welcome && !brief.failed).then_some(true)
}

fn found(upstream: &str, who: &str, told: &[(&Brief, bool)], changes: usize) -> Finding {
    let of = |wanted: bool| told.iter().filter(move |(_, good)| *good == wanted).map(|(b, _)| *b);
    let differs: Vec<&str> = ASPECTS
        .iter()
        .filter(|(_, aspect)| {
            let values = |wanted| of(wanted).map(aspect).collect::<BTreeSet<_>>();
            let (good, bad) = (values(true), values(false));
            good.is_disjoint(&bad)
        })
        .map(|(name, _)| *name)
        .collect();
    let causes = tally(of(false).map(|brief| brief.cause.as_str()));
    let (what, sure) = if differs.is_empty() {
        (
            "nothing that they send differs, so the difference is on the gateway's side: two \
             gateways, or one whose configuration changes"
                .to_owned(),
            Confidence::Possible,
        )
    } else {
        (format!("they differ in {}", differs.join(", ")), Confidence::Likely)
    };
    let (good, bad) = (of(true).count(), of(false).count());
    let summary = format!(
        "{who} is accepted and refused in turns by {upstream}: {good} times accepted, {bad} times \
         refused ({}), {changes} changes; {what}.",
        listed(&causes)
    );
    Finding::new("accepted_and_refused", Severity::Warning, summary)
        .sure(sure)
        .on(told.iter().map(|(brief, _)| *brief))
        .number("accepted", good)
        .number("refused", bad)
        .number("changes", changes)
        .number("differ_in", differs)
        .look("look for two programs, or two settings, behind this one client")
        .run(
            "see which gateway runs, and compare with where the tap dials",
            "openclaw gateway status",
        )
}
