//! Two probes side by side: what differs between two ways to a gateway.

use serde::Serialize;
use serde_json::Value;

use super::ProbeReport;

/// Two probes and where they differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub first: ProbeReport,
    pub second: ProbeReport,
    pub differences: Vec<Difference>,
}

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub step: &'static str,
    /// `verdict`, `detail`, `took`, or the name of a fact.
    pub what: String,
    pub first: String,
    pub second: String,
}

/// Facts that differ from one connection to the next.
const FLEETING: [&str; 14] = [
    "conn_id",
    "local",
    "request",
    "response",
    "head",
    "attempts",
    "rtt",
    "by",
    "offset_ms",
    "addresses",
    "handshake_ms",
    "answer",
    "answer_bytes",
    "body",
];

/// Slower by this much, and by this factor, is told.
const SLOWER_MICROS: u64 = 20_000;
const SLOWER_TIMES: u64 = 3;

pub fn compare(first: ProbeReport, second: ProbeReport) -> Comparison {
    let mut differences = Vec::new();
    let names = first.steps.iter().chain(&second.steps).map(|step| step.name);
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if seen.contains(&name) {
            continue;
        }
        seen.push(name);
        of_step(name, &first, &second, &mut differences);
    }
    Comparison { first, second, differences }
}

fn of_step(
    name: &'static str,
    first: &ProbeReport,
    second: &ProbeReport,
    found: &mut Vec<Difference>,
) {
    let mut differ = |what: &str, first: String, second: String| {
        if first != second {
            found.push(Difference { step: name, what: what.to_owned(), first, second });
        }
    };
    let (one, two) = (first.step(name), second.step(name));
    let verdict = |step: Option<&super::Step>| {
        step.map_or("no such step", |step| step.verdict.name()).to_owned()
    };
    differ("verdict", verdict(one), verdict(two));
    let (Some(one), Some(two)) = (one, two) else { return };
    if one.is_failed() || two.is_failed() {
        differ("detail", one.detail.clone(), two.detail.clone());
    }
    let names = one.facts.keys().chain(two.facts.keys().filter(|k| !one.facts.contains_key(*k)));
    for fact in names.filter(|name| !FLEETING.contains(&name.as_str())) {
        let shown = |value: Option<&Value>| match value {
            None => "absent".to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        };
        differ(fact, shown(one.facts.get(fact)), shown(two.facts.get(fact)));
    }
    if let (Some(one), Some(two)) = (one.took_ms, two.took_ms) {
        let (fast, slow) = (one.min(two).micros(), one.max(two).micros());
        if slow > fast * SLOWER_TIMES && slow - fast > SLOWER_MICROS {
            differ("took", one.to_string(), two.to_string());
        }
    }
}
