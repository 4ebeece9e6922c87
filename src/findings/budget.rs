//! Upgrades refused with 503 because too many sockets of one address wait to log in. Behind a tap
//! or a proxy all clients are one address to the gateway, and share its budget.

use std::collections::BTreeSet;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::{Ground, listed, tally};
use super::thresholds::Threshold;
use crate::session::Confidence;

/// Sockets that wait around a refusal, before or after it.
const AROUND: i64 = 60_000_000;

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let least = ground.count(Threshold::BudgetRefusals).max(1);
    let mut findings = Vec::new();
    for (upstream, briefs) in ground.by(|b| b.dial.as_ref().map(|d| d.url.as_str())) {
        let refused: Vec<&Brief> = briefs
            .iter()
            .copied()
            .filter(|b| b.cause == "too_many_unauthenticated_sockets")
            .collect();
        let (Some(first), Some(last)) = (refused.first(), refused.last()) else { continue };
        if refused.len() < least {
            continue;
        }
        let from = first.started.micros().saturating_sub(AROUND);
        let until = last.started.micros().saturating_add(AROUND);
        let near: Vec<&Brief> = briefs
            .into_iter()
            .filter(|b| b.ended().micros() >= from && b.started.micros() <= until)
            .collect();
        findings.push(told(upstream, &refused, &near));
    }
    findings
}

fn told(upstream: &str, refused: &[&Brief], near: &[&Brief]) -> Finding {
    let locals: BTreeSet<&str> =
        near.iter().filter_map(|b| b.dial.as_ref()?.local.as_deref()).collect();
    let clients: BTreeSet<&str> = near.iter().map(|b| b.client.as_str()).collect();
    let idle =
        |b: &&&Brief| b.is_upgraded() && b.openclaw.as_ref().is_none_or(|o| o.connect_at.is_none());
    let waiting: Vec<&Brief> = near.iter().filter(idle).copied().collect();
    let by_client = tally(waiting.iter().map(|b| b.client.as_str()));
    let shared = clients.len() > 1 && locals.len() == 1;
    let address = locals.iter().copied().collect::<Vec<_>>().join(", ");
    let (what, sure) = if shared {
        let what = format!(
            "{} clients share one budget, for the gateway sees all of them at {address}",
            clients.len()
        );
        (what, Confidence::Certain)
    } else {
        let what = "one client address used the whole budget by itself, or clients that do not \
                    come through this tap use it too";
        (what.to_owned(), Confidence::Likely)
    };
    let waits = if by_client.is_empty() {
        "No socket without `connect` was seen here.".to_owned()
    } else {
        format!("Sockets without `connect` came from {}.", listed(&by_client))
    };
    let count = refused.len();
    let summary = format!(
        "{upstream} refused {count} upgrades with 503, too many unauthenticated sockets: {what}. \
         {waits}"
    );
    let finding = Finding::new("shared_budget", Severity::Error, summary)
        .sure(sure)
        .on(refused.iter().copied())
        .number("refused", count)
        .number("clients", clients.len())
        .number("waiting", waiting.len())
        .look("find the client that opens sockets and never sends `connect`, and stop it");
    // A gateway refuses forwarded headers that name a loopback client.
    let local = clients.iter().any(|c| c.starts_with("127.") || *c == "::1" || *c == "unix");
    let finding = if shared && !local {
        let address = if address.is_empty() { "<address of the tap>".to_owned() } else { address };
        finding.set(
            "or let the gateway see the clients' own addresses: start the tap with --forwarded append and \
             trust it",
            format!("gateway.trustedProxies = [\"{address}\"]"),
        )
    } else {
        finding
    };
    finding.set(
        "or raise the budget in the gateway's environment",
        "OPENCLAW_MAX_PREAUTH_CONNECTIONS_PER_IP=128",
    )
}
