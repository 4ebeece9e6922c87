//! Large frames that get stuck where small ones pass: the mark of a path whose MTU is smaller than
//! both ends think. The kernel's counters are the evidence, sizes alone are not.

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::Ground;
use super::thresholds::Threshold;
use crate::session::{Confidence, Direction, Leg};

/// TCP sends a lost segment again for many reasons; a black hole takes every attempt.
const SENT_AGAIN: u32 = 3;

/// Sessions that must have passed with small frames.
const PASSED: usize = 3;

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for leg in [Leg::Downstream, Leg::Upstream] {
        let place = |b: &Brief| match leg {
            Leg::Downstream => Some(b.client.clone()).filter(|client| !client.is_empty()),
            Leg::Upstream => b.dial.as_ref()?.peer.clone(),
        };
        for (peer, briefs) in ground.by(|b| place(b).filter(|_| b.is_upgraded())) {
            findings.extend(on(ground, leg, &peer, &briefs));
        }
    }
    findings
}

/// Frames that were sent on a leg.
const fn sent(leg: Leg) -> Direction {
    leg.other().reads()
}

fn on(ground: &Ground<'_>, leg: Leg, peer: &str, briefs: &[&Brief]) -> Option<Finding> {
    let large = ground.count(Threshold::LargeFrame) as u64;
    let least = ground.count(Threshold::LargeFailures).max(1);
    let index = sent(leg).index();
    let largest = |b: &Brief| b.largest.get(index).copied().unwrap_or_default();
    let (stuck, others): (Vec<&Brief>, Vec<&Brief>) =
        briefs.iter().copied().partition(|b| largest(b) >= large && is_stuck(b, leg));
    let small = others.iter().filter(|b| largest(b) > 0 && largest(b) < large).count();
    let smallest = stuck.iter().map(|b| largest(b)).min()?;
    // One large frame that got through shows that the path carries them.
    let passed = others.iter().filter(|b| !b.open && !b.failed).map(|b| largest(b)).max();
    if stuck.len() < least || small < PASSED || passed.is_some_and(|passed| passed >= smallest) {
        return None;
    }
    let tcp = |b: &Brief| tcp(b, leg).unwrap_or_default();
    let again = stuck.iter().map(|b| tcp(b).retransmits).min().unwrap_or_default();
    let mss = stuck.iter().map(|b| tcp(b).mss).max().unwrap_or_default();
    let count = stuck.len();
    let side = match leg {
        Leg::Downstream => "towards the client at",
        Leg::Upstream => "towards the upstream at",
    };
    let summary = format!(
        "Frames of {smallest} B and more {side} {peer} get stuck ({count} sessions: each sent \
         segments again at least {again} times and left bytes unacknowledged, with an MSS of {mss}), \
         while {small} sessions with smaller frames passed: the path's MTU may be smaller than the \
         ends think."
    );
    let sure = if count >= least * 3 { Confidence::Likely } else { Confidence::Possible };
    Some(
        Finding::new("large_frames_stuck", Severity::Error, summary)
            .sure(sure)
            .on(stuck.iter().copied())
            .number("smallest_stuck", smallest)
            .number("largest_passed", passed)
            .number("small_passed", small)
            .number("mss", mss)
            .number("leg", leg.name())
            .run("measure the path", format!("tracepath -n {}", host(peer)))
            .look("set the MTU of the tunnel, VPN or container network to what it carries")
            .run(
                "or clamp the MSS on the router",
                "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
            ),
    )
}

fn tcp(brief: &Brief, leg: Leg) -> Option<super::brief::TcpBrief> {
    match leg {
        Leg::Downstream => brief.tcp[0],
        Leg::Upstream => brief.tcp[1],
    }
}

/// Bytes were left in the send queue although segments were sent again and again.
fn is_stuck(brief: &Brief, leg: Leg) -> bool {
    let stuck = tcp(brief, leg).is_some_and(|t| t.retransmits >= SENT_AGAIN && t.unacked > 0);
    stuck && !brief.open && brief.failed
}

fn host(peer: &str) -> &str {
    peer.rsplit_once(':').map_or(peer, |(host, _)| host).trim_matches(['[', ']'])
}
