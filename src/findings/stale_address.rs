//! A name that led to the upstream, then to another address where nobody answers; or that led to
//! the old address until its answer changed. Containers get new addresses when they start anew.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::Brief;
use super::brief::DialBrief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use super::thresholds::Threshold;
use crate::session::Confidence;

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let least = ground.count(Threshold::StaleFailures).max(1);
    let mut findings = Vec::new();
    for (url, briefs) in ground.by(|b| b.dial.as_ref().map(|dial| dial.url.as_str())) {
        let mut reached: Option<&Brief> = None;
        let mut failed: Vec<&Brief> = Vec::new();
        for brief in briefs {
            let Some(dial) = &brief.dial else { continue };
            if dial.resolved.is_empty() {
                continue;
            }
            if dial.failure.is_some() {
                failed.push(brief);
                continue;
            }
            findings.extend(told(url, reached, &failed, Some(brief), least));
            failed.clear();
            reached = Some(brief);
        }
        findings.extend(told(url, reached, &failed, None, least));
    }
    findings
}

fn answers(brief: &Brief) -> BTreeSet<IpAddr> {
    brief.dial.iter().flat_map(|dial: &DialBrief| dial.resolved.iter().copied()).collect()
}

fn told(
    url: &str,
    before: Option<&Brief>,
    failed: &[&Brief],
    after: Option<&Brief>,
    least: usize,
) -> Option<Finding> {
    let old = answers(before?);
    let (last, rest) = failed.split_last()?;
    let bad = answers(last);
    // One and the same wrong answer all the time: else names are just balanced.
    let steady = failed.len() >= least && rest.iter().all(|brief| answers(brief) == bad);
    if !steady || old.is_empty() {
        return None;
    }
    let good = after.map(answers).filter(|new| new.is_disjoint(&bad));
    let (what, from, to, sure) = if bad.is_disjoint(&old) {
        ("its name now leads elsewhere, where nothing answers", &old, &bad, Confidence::Likely)
    } else {
        ("its name still led to the old address", &old, good.as_ref()?, Confidence::Likely)
    };
    let list =
        |all: &BTreeSet<IpAddr>| all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let count = failed.len();
    let summary = format!(
        "{url} was reached, then {count} dials failed, and the answer of its name changed from {} \
         to {}: {what}.",
        list(from),
        list(to),
    );
    let severity = if good.is_some() { Severity::Warning } else { Severity::Error };
    let finding = Finding::new("stale_address", severity, summary)
        .sure(sure)
        .on(failed.iter().copied().chain(before).chain(after))
        .number("failures", count)
        .number("before", list(from))
        .number("after", list(to));
    let finding = finding.look(
        "compare the address with that of the running gateway, for instance by `docker inspect`",
    );
    Some(finding.look(
        "let whoever dials the gateway resolve its name anew: in nginx a `resolver` and a variable \
         in proxy_pass; with network_mode: service:… start the dependent container again",
    ))
}
