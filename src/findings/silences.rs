//! Sessions that ended after equal silences, or at equal ages: a timer, and whose it may be.
//!
//! One session proves nothing; three alike make a timer likely, six make it certain (both can be
//! set). What is certain then is the timer, not whose it is: that is told by the table of limits.

use std::collections::BTreeMap;

use super::Brief;
use super::brief::{CulpritBrief, How};
use super::finding::{Finding, Severity};
use super::ground::{Ground, capital};
use super::thresholds::Threshold;
use crate::session::{Confidence, Direction, Leg, Offset};

/// Shorter times come about by themselves.
const SHORTEST: u64 = 2_000_000;

/// Times are equal within this, or within one part in `PART`.
const SLACK: u64 = 300_000;
const PART: u64 = 64;

/// The clocks of the table of limits that a comparison can measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Idle,
    IdleServer,
    IdleClient,
    Age,
}

impl Clock {
    const ALL: [Self; 4] = [Self::Idle, Self::IdleServer, Self::IdleClient, Self::Age];

    const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::IdleServer => "idle_server",
            Self::IdleClient => "idle_client",
            Self::Age => "age",
        }
    }

    const fn in_words(self) -> &'static str {
        match self {
            Self::Idle => "of silence on both sides",
            Self::IdleServer => "of silence of the gateway's side",
            Self::IdleClient => "of silence of the client",
            Self::Age => "of life",
        }
    }
}

/// How a session ended when something else than its client's wish ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    How(How),
    Code(u16),
}

#[derive(Clone, Copy, Debug)]
struct Ended<'a> {
    brief: &'a Brief,
    since_upgrade: Offset,
}

impl Ended<'_> {
    fn measured(&self, clock: Clock) -> u64 {
        let silence = |direction: Direction| {
            let silent = self.brief.silence.get(direction.index()).copied().flatten();
            silent.map_or(self.since_upgrade, |silent| silent.min(self.since_upgrade)).micros()
        };
        let [c2s, s2c] = Direction::BOTH.map(silence);
        match clock {
            Clock::Idle => c2s.min(s2c),
            Clock::IdleServer => s2c,
            Clock::IdleClient => c2s,
            Clock::Age => self.since_upgrade.micros(),
        }
    }
}

/// Sessions with equal times on one clock.
#[derive(Debug)]
struct Cluster<'a> {
    clocks: Vec<Clock>,
    briefs: Vec<&'a Brief>,
    least: u64,
    median: u64,
    most: u64,
}

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(&str, Leg, Cut), Vec<Ended<'_>>> = BTreeMap::new();
    for brief in &ground.briefs {
        if let Some((leg, cut, ended)) = cut(brief) {
            groups.entry((brief.upstream(), leg, cut)).or_default().push(ended);
        }
    }
    let least = ground.count(Threshold::EqualSilences).max(2);
    let mut findings = Vec::new();
    for ((upstream, leg, cut), ended) in groups {
        for cluster in clusters(&ended, leg, least) {
            findings.push(told(ground, &cluster, (upstream, leg, cut)));
        }
    }
    findings
}

/// On which leg and how it was cut; `None` when its client wished to end, or somebody said why.
fn cut(brief: &Brief) -> Option<(Leg, Cut, Ended<'_>)> {
    let upgraded = brief.upgraded.filter(|_| !brief.open)?;
    let openclaw = brief.openclaw.as_ref();
    if openclaw.is_some_and(|o| o.refused.is_some() || o.shutdown.is_some()) {
        return None;
    }
    let (leg, cut, at) = match (brief.close, brief.end) {
        (Some(close), _) => match (close.from, close.code) {
            (Leg::Upstream, Some(code)) if code != 1012 => (close.from, Cut::Code(code), close.at),
            (Leg::Upstream | Leg::Downstream, _) => return None,
        },
        (None, Some(end)) => match end.how {
            How::Fin | How::Reset => (end.leg, Cut::How(end.how), end.at),
            How::Cut | How::Broken | How::Ours => return None,
        },
        (None, None) => return None,
    };
    Some((leg, cut, Ended { brief, since_upgrade: at.since(upgraded) }))
}

fn clusters<'a>(ended: &[Ended<'a>], leg: Leg, least: usize) -> Vec<Cluster<'a>> {
    let mut found: Vec<Cluster<'a>> = Vec::new();
    for clock in Clock::ALL {
        // A client that stays for a fixed time is not cut: only silence speaks for a timer there.
        if clock == Clock::Age && leg == Leg::Downstream {
            continue;
        }
        found.extend(peaks(ended, clock, least));
    }
    found.sort_by_key(|c| (std::cmp::Reverse(c.briefs.len()), c.most - c.least));
    let mut kept: Vec<Cluster<'a>> = Vec::new();
    for cluster in found {
        let ids = |c: &Cluster<'_>| c.briefs.iter().map(|b| b.id).collect::<Vec<_>>();
        let mut own = ids(&cluster);
        own.sort_unstable();
        let same = kept.iter_mut().find(|k| {
            let shared = ids(k).iter().filter(|id| own.binary_search(id).is_ok()).count();
            shared * 2 > own.len()
        });
        match same {
            Some(same) if cluster.briefs.len() * 10 >= same.briefs.len() * 9 => {
                same.clocks.extend(cluster.clocks);
            }
            Some(_) => {}
            None => kept.push(cluster),
        }
    }
    kept
}

/// Times that stand out: at least so many equal ones, and not much beside them.
fn peaks<'a>(ended: &[Ended<'a>], clock: Clock, least: usize) -> Vec<Cluster<'a>> {
    let mut times: Vec<(u64, &'a Brief)> = ended
        .iter()
        .map(|e| (e.measured(clock), e.brief))
        .filter(|(time, _)| *time >= SHORTEST)
        .collect();
    times.sort_by_key(|(time, brief)| (*time, brief.id));
    let within = |from: u64, to: u64| {
        let start = times.partition_point(|(time, _)| *time < from);
        (start, times.partition_point(|(time, _)| *time <= to))
    };
    let mut clusters = Vec::new();
    let mut at = 0;
    while let Some((from, _)) = times.get(at).copied() {
        let (_, end) = within(from, from + SLACK.max(from / PART));
        let (near_from, near_to) = within(from / 2, from.saturating_add(from / 2));
        let count = end - at;
        // Chance gathers some; a timer gathers most of what ends around its time.
        if count < least || count * 5 < (near_to - near_from) * 2 {
            at += 1;
            continue;
        }
        let members = times.get(at..end).unwrap_or_default();
        let time = |place: usize| members.get(place).map_or(from, |(time, _)| *time);
        clusters.push(Cluster {
            clocks: vec![clock],
            briefs: members.iter().map(|(_, brief)| *brief).collect(),
            least: from,
            median: time(count / 2),
            most: time(count - 1),
        });
        at = end;
    }
    clusters
}

fn told(
    ground: &Ground<'_>,
    cluster: &Cluster<'_>,
    (upstream, leg, cut): (&str, Leg, Cut),
) -> Finding {
    let count = cluster.briefs.len();
    let sure = if count >= ground.count(Threshold::CertainSilences) {
        Confidence::Certain
    } else {
        Confidence::Likely
    };
    let times: Vec<&str> = cluster.clocks.iter().map(|clock| clock.in_words()).collect();
    let side = match leg {
        Leg::Upstream => "the upstream's side",
        Leg::Downstream => "the client's side",
    };
    let end = match cut {
        Cut::How(how) => format!("with {}", how.in_words()),
        Cut::Code(code) => format!("with a Close {code}"),
    };
    let length = Offset(cluster.median);
    let culprits = fitting(cluster);
    let summary = format!(
        "{count} sessions were ended from {side} {end} after {length} {}: a timer is {}. {} {}",
        times.join(", or "),
        sure.name(),
        named(&culprits),
        keepalive(cluster),
    );
    let idle = cluster.clocks.iter().any(|clock| *clock != Clock::Age);
    let slug = if idle { "equal_silences" } else { "equal_ages" };
    let failed = cluster.briefs.iter().any(|brief| brief.failed);
    let severity = if failed { Severity::Warning } else { Severity::Info };
    let mut finding = Finding::new(slug, severity, summary.trim_end().to_owned())
        .sure(sure)
        .on(cluster.briefs.iter().copied())
        .number("median_ms", length.millis())
        .number("least_ms", Offset(cluster.least).millis())
        .number("most_ms", Offset(cluster.most).millis())
        .number("leg", leg.name())
        .number("upstream", upstream)
        .number("clocks", cluster.clocks.iter().map(|clock| clock.name()).collect::<Vec<_>>())
        .number("culprits", culprits.iter().map(|(c, _)| c.name.clone()).collect::<Vec<_>>());
    for (culprit, _) in &culprits {
        let text = format!("if {} is on the way, raise its limit", culprit.name);
        finding = finding.set(text, culprit.directive.clone());
    }
    let half = Offset(cluster.median / 2);
    let or = if culprits.is_empty() { "" } else { "or " };
    finding.look(if idle {
        format!("{or}let one side ping every {half} or sooner, so that it is never silent so long")
    } else {
        format!("{or}let clients connect again by themselves: no keepalive prolongs a life")
    })
}

/// Known limits that fit nearly every session of the cluster, best first; those that name
/// themselves in all of them leave no room for others.
fn fitting<'a>(cluster: &Cluster<'a>) -> Vec<(&'a CulpritBrief, usize)> {
    let mut found: Vec<(&CulpritBrief, usize, usize)> = Vec::new();
    for culprit in cluster.briefs.iter().flat_map(|brief| &brief.culprits) {
        if !cluster.clocks.iter().any(|clock| clock.name() == culprit.clock) {
            continue;
        }
        let same = found.iter_mut().find(|(have, ..)| {
            (&have.name, &have.directive, have.limit)
                == (&culprit.name, &culprit.directive, culprit.limit)
        });
        match same {
            Some((_, count, named)) => {
                *count += 1;
                *named += usize::from(culprit.named);
            }
            None => found.push((culprit, 1, usize::from(culprit.named))),
        }
    }
    let all = cluster.briefs.len();
    found.retain(|(_, count, _)| count * 5 >= all * 4);
    if found.iter().any(|(_, _, named)| *named == all) {
        found.retain(|(_, _, named)| *named == all);
    }
    found.sort_by_key(|(_, count, named)| std::cmp::Reverse((*named, *count)));
    found.into_iter().map(|(culprit, _, named)| (culprit, named)).collect()
}

fn named(culprits: &[(&CulpritBrief, usize)]) -> String {
    let names: Vec<&str> = culprits.iter().map(|(c, _)| c.name.as_str()).collect();
    match culprits {
        [] => "No known limit has this length.".to_owned(),
        [(only, 0)] => {
            format!("Of the known limits only that of {} fits, and nothing names it.", only.name)
        }
        [(only, _)] => format!("The answers' headers name {}, whose limit fits.", only.name),
        _ => format!("These known limits fit, and nothing tells them apart: {}.", names.join(", ")),
    }
}

/// What should have kept the sessions from being silent so long.
fn keepalive(cluster: &Cluster<'_>) -> String {
    if cluster.clocks.iter().all(|clock| *clock == Clock::Age) {
        return String::new();
    }
    let most = |every: fn(&Brief) -> Option<Offset>| {
        let mut times: Vec<Offset> = cluster.briefs.iter().filter_map(|b| every(b)).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    let keepalives = [
        ("the client's pings", most(|brief| brief.pings[0].and_then(|(_, every)| every))),
        ("the gateway's pings", most(|brief| brief.pings[1].and_then(|(_, every)| every))),
        ("the gateway's ticks", most(|brief| brief.openclaw.as_ref().and_then(|o| o.tick))),
    ];
    let told = keepalives.into_iter().filter_map(|(who, every)| {
        let every = every?;
        Some(if every.micros() < cluster.median {
            format!("{who}, due every {every}, should have prevented it and had stopped.")
        } else {
            format!("{who} come every {every}, too seldom to prevent it.")
        })
    });
    let told: Vec<String> = told.map(|text| capital(&text)).collect();
    if told.is_empty() { "No keepalive was seen in them.".to_owned() } else { told.join(" ") }
}
