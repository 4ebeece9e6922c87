//! Connects that succeed too seldom. A connect succeeds with the 101; being refused by the
//! gateway afterwards, for a token or a pairing, is not counted here.

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::{Ground, listed, percent, tally};
use super::thresholds::Threshold;

/// Below this most clients are cut off.
const SEVERE: f64 = 80.0;

/// Whether the connect of a session succeeded; `None` when it is open, or its client left.
pub(super) const fn outcome(brief: &Brief) -> Option<bool> {
    match (brief.is_upgraded(), brief.failed, brief.open) {
        (true, _, _) => Some(true),
        (false, true, false) => Some(false),
        (false, _, _) => None,
    }
}

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let window = ground.count(Threshold::ConnectDials).max(1);
    let least = ground.number(Threshold::ConnectSuccess);
    let mut findings = Vec::new();
    let sockets = ground.by(|b| (b.kind == crate::session::Kind::Websocket).then(|| b.upstream()));
    for (upstream, briefs) in sockets {
        let dials: Vec<(&Brief, bool)> =
            briefs.into_iter().filter_map(|b| outcome(b).map(|good| (b, good))).collect();
        let Some(worst) = worst(&dials, window) else { continue };
        let good = worst.iter().filter(|(_, good)| *good).count();
        let Some(rate) = percent(good as u64, worst.len() as u64).filter(|r| *r < least) else {
            continue;
        };
        let failed: Vec<&Brief> =
            worst.iter().filter(|(_, good)| !good).map(|(brief, _)| *brief).collect();
        let causes = tally(failed.iter().map(|brief| brief.cause.as_str()));
        let all = dials.iter().filter(|(_, good)| *good).count();
        let summary = format!(
            "Only {good} of {} connects in a row to {upstream} succeeded, {rate:.1} % (over the \
             whole time {all} of {}): {}.",
            worst.len(),
            dials.len(),
            listed(&causes),
        );
        let severity = if rate < SEVERE { Severity::Error } else { Severity::Warning };
        let mut finding = Finding::new("connect_success", severity, summary)
            .on(failed.iter().copied())
            .number("percent", rate)
            .number("connects", worst.len())
            .number("all_connects", dials.len())
            .number("all_percent", percent(all as u64, dials.len() as u64));
        for (cause, _) in causes.iter().take(3) {
            let command = format!("wstap explain {cause}");
            finding = finding.run(format!("see what {cause} means and what to do"), command);
        }
        findings.push(finding);
    }
    findings
}

/// The run of so many connects with the most failures, the newest of equal ones.
fn worst<'d, 'a>(dials: &'d [(&'a Brief, bool)], window: usize) -> Option<&'d [(&'a Brief, bool)]> {
    let mut bad = 0;
    let mut worst: Option<(usize, usize)> = None;
    for (at, (_, good)) in dials.iter().enumerate() {
        bad += usize::from(!good);
        let Some(start) = (at + 1).checked_sub(window) else { continue };
        if worst.is_none_or(|(most, _)| bad >= most) {
            worst = Some((bad, start));
        }
        bad -= usize::from(dials.get(start).is_some_and(|(_, good)| !good));
    }
    worst.and_then(|(_, start)| dials.get(start..start + window))
}
