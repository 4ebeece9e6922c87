//! Origins that were seen, and those that the gateway refused.

use serde_json::Value;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::{Ground, listed, tally};
use super::thresholds::Threshold;
use crate::session::Layer;

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let least = ground.count(Threshold::OriginRefusals).max(1);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.is_upgraded().then(|| b.upstream())) {
        let refused: Vec<&Brief> =
            briefs.iter().copied().filter(|b| b.layer == Layer::Origin).collect();
        let accepted = briefs.iter().filter(|b| is_accepted(b));
        let accepted = tally(accepted.filter_map(|b| b.origin.as_deref()));
        let mut origins = tally(refused.iter().map(|b| b.origin.as_deref().unwrap_or(NONE)));
        origins.retain(|(_, count)| *count >= least);
        if !origins.is_empty() {
            findings.push(told(upstream, &refused, &origins, &accepted));
        }
    }
    findings
}

/// Greeted, or refused for what the gateway looks at only after the origin.
fn is_accepted(brief: &Brief) -> bool {
    let asked = brief.openclaw.as_ref().is_some_and(|openclaw| openclaw.connect_at.is_some());
    let later = brief.layer == Layer::Pairing
        || brief.layer == Layer::Auth && brief.cause != "rate_limited";
    brief.layer != Layer::Origin && (brief.is_greeted() || asked && later)
}

/// How the absence of the header is written.
const NONE: &str = "(no origin)";

fn told(
    upstream: &str,
    refused: &[&Brief],
    origins: &[(&str, usize)],
    accepted: &[(&str, usize)],
) -> Finding {
    let good = if accepted.is_empty() {
        "No origin was accepted.".to_owned()
    } else {
        format!("Accepted were {}.", listed(accepted))
    };
    let turns = origins.iter().any(|(origin, _)| accepted.iter().any(|(have, _)| have == origin));
    let turned =
        if turns { " One origin was both: the list, Host or the way changed." } else { "" };
    let summary = format!("{upstream} refused origins: {}. {good}{turned}", listed(origins));
    // What is no origin to the gateway is refused even when it is on the list.
    let unusable = |origin: &str| {
        let of = refused.iter().filter(|b| b.origin.as_deref() == Some(origin));
        of.into_iter().all(|b| b.cause == "origin_missing_or_invalid")
    };
    let mut named: Vec<String> = origins
        .iter()
        .filter(|(origin, _)| origin.contains("://") && !unusable(origin))
        .map(|(origin, _)| origin.to_ascii_lowercase())
        .collect();
    named.sort_unstable();
    named.dedup();
    let finding = Finding::new("origins_refused", Severity::Warning, summary)
        .on(refused.iter().copied().filter(|b| {
            origins.iter().any(|(origin, _)| b.origin.as_deref().unwrap_or(NONE) == *origin)
        }))
        .number("refused", counts(origins))
        .number("accepted", counts(accepted));
    let finding = if named.is_empty() {
        finding.look("find what strips or blanks the Origin header: a sandboxed page, a proxy")
    } else {
        let list = Value::from(named);
        finding.set(
            "add those that are yours to the list",
            format!("gateway.controlUi.allowedOrigins += {list}"),
        )
    };
    finding.look("let every proxy on the way pass Host on: a same-origin page needs no list")
}

fn counts(tallied: &[(&str, usize)]) -> Value {
    tallied.iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect()
}
