//! Many token mismatches in a short time: the token has two sources of truth. Whether that is on
//! the clients' side or on the gateway's is told by the fingerprints of what was sent.

use std::collections::BTreeSet;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use super::thresholds::Threshold;
use crate::session::Confidence;

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let most = ground.count(Threshold::TokenMismatches);
    let window = ground.micros(Threshold::PairingWindow);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.openclaw.as_ref().map(|_| b.upstream())) {
        let refused: Vec<&Brief> =
            briefs.iter().copied().filter(|brief| brief.cause == "token_mismatch").collect();
        let Some(dense) = densest(&refused, window).filter(|dense| dense.len() > most) else {
            continue;
        };
        let accepted: Vec<&Brief> = briefs.into_iter().filter(|b| b.is_greeted()).collect();
        findings.push(told(upstream, &refused, dense, &accepted));
    }
    findings
}

/// The most of them within the window.
fn densest<'b, 'a>(refused: &'b [&'a Brief], window: i64) -> Option<&'b [&'a Brief]> {
    let mut best: Option<&[&Brief]> = None;
    let mut start = 0;
    for (at, brief) in refused.iter().enumerate() {
        let from = brief.started.micros().saturating_sub(window);
        while refused.get(start).is_some_and(|first| first.started.micros() < from) {
            start += 1;
        }
        let run = refused.get(start..=at)?;
        if best.is_none_or(|best| run.len() > best.len()) {
            best = Some(run);
        }
    }
    best
}

/// The fingerprint of the shared token; of a password that was sent instead of one.
pub(super) fn secret(brief: &Brief) -> Option<&str> {
    let sent = &brief.openclaw.as_ref()?.credentials;
    let named = |name: &str| sent.iter().find(|(have, _)| have == name);
    named("token").or_else(|| named("password")).map(|(_, fingerprint)| fingerprint.as_str())
}

fn told(upstream: &str, refused: &[&Brief], dense: &[&Brief], accepted: &[&Brief]) -> Finding {
    let wrong: BTreeSet<&str> = refused.iter().filter_map(|brief| secret(brief)).collect();
    let right: BTreeSet<&str> = accepted.iter().filter_map(|brief| secret(brief)).collect();
    let both: Vec<&str> = wrong.intersection(&right).copied().collect();
    let list = |all: &BTreeSet<&str>| all.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    let (what, sure) = if !both.is_empty() {
        (both_ways(&both, refused, accepted), Confidence::Likely)
    } else if wrong.is_empty() {
        (
            "what they sent was not recorded, so it cannot be compared".to_owned(),
            Confidence::Possible,
        )
    } else if right.is_empty() {
        let what = if let (1, Some(only)) = (wrong.len(), wrong.first()) {
            format!(
                "all of them sent the same token (fingerprint {only}), and none was accepted: \
                 clients have one token, the gateway another"
            )
        } else {
            format!("they sent {} different tokens ({})", wrong.len(), list(&wrong))
        };
        (what, Confidence::Certain)
    } else {
        let what = format!(
            "the fingerprints differ: {} was accepted, {} was refused, so clients take the token \
             from two places",
            list(&right),
            list(&wrong)
        );
        (what, Confidence::Certain)
    };
    let summary =
        format!("{} token mismatches within {} at {upstream}: {what}.", dense.len(), span(dense));
    Finding::new("token_mismatches", Severity::Error, summary)
        .sure(sure)
        .on(refused.iter().copied())
        .number("in_window", dense.len())
        .number("all", refused.len())
        .number("refused_fingerprints", wrong.iter().copied().collect::<Vec<_>>())
        .number("accepted_fingerprints", right.iter().copied().collect::<Vec<_>>())
        .run(
            "read the token that the gateway checks; openclaw config get hides it",
            "grep -w token \"$(openclaw config file)\"",
        )
        .look(
            "compare it with OPENCLAW_GATEWAY_TOKEN, with gateway.remote.token and with what the \
             compose file or the unit sets, and keep one of them",
        )
}

/// The same token accepted and refused: in turns, or first the one and then the other.
fn both_ways(both: &[&str], refused: &[&Brief], accepted: &[&Brief]) -> String {
    let of = |all: &[&Brief]| {
        let times = all.iter().filter(|b| secret(b).is_some_and(|s| both.contains(&s)));
        let times = times.map(|b| b.started).collect::<Vec<_>>();
        times.first().copied().zip(times.last().copied())
    };
    let same = format!("the same token (fingerprint {})", both.join(", "));
    match (of(accepted), of(refused)) {
        (Some((_, accepted)), Some((refused, _))) if accepted < refused => {
            format!(
                "{same} was accepted before and is refused now: the gateway's token was changed"
            )
        }
        (Some((accepted, _)), Some((_, refused))) if refused < accepted => {
            format!(
                "{same} was refused at first and is accepted now: the gateway's token was changed"
            )
        }
        _ => format!(
            "{same} is accepted and refused in turns: two gateways, or one with two \
             configurations, answer at this address"
        ),
    }
}

fn span(dense: &[&Brief]) -> String {
    let ends = dense.first().zip(dense.last());
    let micros = ends.map_or(0, |(a, b)| b.started.micros().saturating_sub(a.started.micros()));
    crate::session::Offset(micros.unsigned_abs()).to_string()
}
