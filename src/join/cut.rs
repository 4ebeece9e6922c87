//! Who ended a session first, when both sides of a hop are known.

use serde::Serialize;

use super::clock::ClockOffset;
use crate::session::{Ending, EndingKind, Leg, Offset, Record, State};

/// What ended it, and what each tap saw of that.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ended {
    pub by: EndedBy,
    /// One sentence.
    pub says: String,
    /// The first ending that each tap saw.
    pub front: Option<Ending>,
    pub behind: Option<Ending>,
}

/// Where the end came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    Client,
    /// What is between the two taps.
    Hop,
    Gateway,
    /// Client and gateway, before either heard of the other.
    BothEnds,
    /// One of the taps was stopped.
    Tap,
    /// Nobody yet.
    Open,
    Unknown,
}

/// Compares the first endings; legs tell the side it came from without any clock.
pub(super) fn ended(front: &Record, behind: &Record, clock: Option<ClockOffset>) -> Ended {
    let (a, b) = (first(front), first(behind));
    let (by, says) = if let Some(says) = answered_itself(front, behind) {
        (EndedBy::Hop, says)
    } else {
        decide((front, a), (behind, b), clock)
    };
    Ended { by, says, front: a.cloned(), behind: b.cloned() }
}

type Side<'a> = (&'a Record, Option<&'a Ending>);

fn decide(
    (front, a): Side<'_>,
    (behind, b): Side<'_>,
    clock: Option<ClockOffset>,
) -> (EndedBy, String) {
    match (a, b) {
        (Some(end), _) | (_, Some(end)) if is_ours(end) => {
            (EndedBy::Tap, "a tap was stopped while the session was open".to_owned())
        }
        (Some(a), Some(b)) => match (a.leg, b.leg) {
            (Leg::Upstream, Leg::Downstream) => (EndedBy::Hop, cut_by_hop(a, b)),
            (Leg::Downstream, Leg::Downstream) => {
                (EndedBy::Client, passed_on("client", a, "gateway", b))
            }
            (Leg::Upstream, Leg::Upstream) => {
                (EndedBy::Gateway, passed_on("gateway", b, "client", a))
            }
            (Leg::Downstream, Leg::Upstream) => crossed((front, a), (behind, b), clock),
        },
        (Some(a), None) => alone((front, a), behind, "client", "gateway"),
        (None, Some(b)) => alone((behind, b), front, "gateway", "client"),
        (None, None) if front.state == State::Open || behind.state == State::Open => {
            (EndedBy::Open, "the session is open".to_owned())
        }
        (None, None) => (EndedBy::Unknown, "no end was recorded".to_owned()),
    }
}

fn cut_by_hop(a: &Ending, b: &Ending) -> String {
    format!(
        "the client side saw {} at {} while the gateway side was still open, and the gateway side \
         saw {} at {} while the client side was: the hop between them cut it",
        words(&a.kind),
        a.at,
        words(&b.kind),
        b.at
    )
}

fn passed_on(who: &str, source: &Ending, other: &str, sink: &Ending) -> String {
    let (sent, arrived) = (words(&source.kind), words(&sink.kind));
    let how = if sent == arrived {
        format!("and the hop passed it on to the {other}")
    } else {
        format!("and the {other} got {arrived} of the hop instead")
    };
    format!("the {who} ended it with {sent} at {}, {how}", source.at)
}

/// One tap saw an end, the other none.
fn alone(
    (record, end): (&Record, &Ending),
    other: &Record,
    side: &str,
    far: &str,
) -> (EndedBy, String) {
    let (what, at) = (words(&end.kind), end.at);
    let inner = if side == "client" { Leg::Upstream } else { Leg::Downstream };
    let still = match other.state {
        State::Open => "is still open",
        State::Ended | State::Interrupted => "saw no end",
    };
    if end.leg == inner {
        let says = format!(
            "the {side} side saw {what} at {at} while the {far} side {still}: the hop between them \
             cut it"
        );
        return (EndedBy::Hop, says);
    }
    let by = if side == "client" { EndedBy::Client } else { EndedBy::Gateway };
    let after = record.duration_ms.since(at);
    let says = format!(
        "the {side} ended it with {what} at {at}; the hop has not passed that on after {after}: \
         the {far} side {still}"
    );
    (by, says)
}

/// Each end of the path ended it by itself: only the clocks can tell who was first.
fn crossed(
    (front, a): (&Record, &Ending),
    (behind, b): (&Record, &Ending),
    clock: Option<ClockOffset>,
) -> (EndedBy, String) {
    let told = |first: &str, end: &Ending, second: &str, other: &Ending, by: i64| {
        let by = Offset(by.unsigned_abs());
        format!(
            "the {first} ended it first, with {}; the {second} ended it {by} later, with {}, \
             before it heard of that",
            words(&end.kind),
            words(&other.kind)
        )
    };
    let Some(clock) = clock else {
        let says = "client and gateway both ended it, and nothing tells which was first";
        return (EndedBy::BothEnds, says.to_owned());
    };
    let apart = behind.started_at.plus(b.at).0 - front.started_at.plus(a.at).0;
    let (least, most) = (apart - clock.upper, apart - clock.lower);
    if least > 0 {
        (EndedBy::Client, told("client", a, "gateway", b, least))
    } else if most < 0 {
        (EndedBy::Gateway, told("gateway", b, "client", a, most))
    } else {
        let says = format!(
            "client ({}) and gateway ({}) both ended it, within what the clocks can tell",
            words(&a.kind),
            words(&b.kind)
        );
        (EndedBy::BothEnds, says)
    }
}

/// An answer on the client's side that is not the gateway's.
fn answered_itself(front: &Record, behind: &Record) -> Option<String> {
    let status = |record: &Record| record.response.as_ref().and_then(|response| response.status);
    let (got, sent) = (status(front)?, status(behind));
    if front.own_answer.is_some() || sent == Some(got) {
        return None;
    }
    let gateway =
        sent.map_or_else(|| "had not answered".to_owned(), |sent| format!("answered {sent}"));
    Some(format!(
        "the client was answered {got}, and the gateway {gateway}: the hop answered itself"
    ))
}

/// The first thing that ended a leg.
fn first(record: &Record) -> Option<&Ending> {
    record.endings.iter().min_by_key(|ending| ending.at)
}

const fn is_ours(ending: &Ending) -> bool {
    matches!(ending.kind, EndingKind::CutByWstap { .. })
}

fn words(kind: &EndingKind) -> String {
    match kind {
        EndingKind::CloseFrame { code: Some(code), reason } if reason.is_empty() => {
            format!("Close {code}")
        }
        EndingKind::CloseFrame { code: Some(code), reason } => format!("Close {code} {reason:?}"),
        EndingKind::CloseFrame { code: None, .. } => "a Close without a code".to_owned(),
        EndingKind::Fin => "FIN".to_owned(),
        EndingKind::FinMidFrame { .. } => "FIN inside a frame".to_owned(),
        EndingKind::Reset { .. } => "RST".to_owned(),
        EndingKind::Failed { error } => error.clone(),
        EndingKind::Tls { .. } => "an end of TLS".to_owned(),
        EndingKind::CutByWstap { why } => why.clone(),
        EndingKind::ResetNotPassed => "RST after both FINs".to_owned(),
    }
}
