//! A damaged session may be judged less surely, but never surely wrong, and nothing panics.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a trace that cannot be read fails the test"
)]

#[path = "support/trace_record.rs"]
mod trace_record;

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use wstap::session::{Confidence, Verdict};
use wstap::verdict::judge;

/// Traces whose frames are too large to be played thousands of times.
const LARGE: [&str; 2] = ["slow-consumer", "ws-postauth-too-big"];

fn traces() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/traces");
    let mut traces: Vec<(String, Value)> = std::fs::read_dir(folder)
        .expect("the corpus")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
        })
        .filter(|(name, trace): &(String, Value)| {
            trace["sessions"].is_array() && !LARGE.contains(&name.as_str())
        })
        .collect();
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    traces
}

/// One way to damage a session; `at` picks the frame. `None` when it does not apply.
type Damage = fn(&Value, usize) -> Option<Value>;

const DAMAGES: [(&str, Damage); 9] = [
    ("drop a frame", drop_frame),
    ("cut a reason", |s, at| change_reason(s, at, |r| r[..r.len() / 2].to_owned())),
    ("lose a reason", |s, at| change_reason(s, at, |_| String::new())),
    ("swap two frames", swap),
    ("break JSON", |s, at| change_text(s, at, |text| text[..text.len() / 2].to_owned())),
    ("not JSON at all", |s, at| change_text(s, at, |text| "x".repeat(text.len()))),
    ("unknown fields", |s, at| {
        change_text(s, at, |text| format!("{{\"zz\":[1,{{}}],{}", &text[1..]))
    }),
    ("upper-case headers", |s, at| change_headers(s, at, str::to_uppercase)),
    ("lower-case headers", |s, at| change_headers(s, at, str::to_lowercase)),
];

fn drop_frame(session: &Value, at: usize) -> Option<Value> {
    let mut session = session.clone();
    let frames = session["frames"].as_array_mut()?;
    (at < frames.len()).then(|| frames.remove(at))?;
    Some(session)
}

fn swap(session: &Value, at: usize) -> Option<Value> {
    let mut session = session.clone();
    let frames = session["frames"].as_array_mut()?;
    let (earlier, later) = (frames.get(at)?["t"].clone(), frames.get(at + 1)?["t"].clone());
    frames.swap(at, at + 1);
    frames[at]["t"] = earlier;
    frames[at + 1]["t"] = later;
    Some(session)
}

fn change_reason(session: &Value, at: usize, to: fn(&str) -> String) -> Option<Value> {
    let mut session = session.clone();
    let frame = session["frames"].as_array_mut()?.get_mut(at)?;
    let reason = frame["close"]["reason"].as_str().filter(|r| !r.is_empty() && r.is_ascii())?;
    let reason = to(reason);
    frame["len"] = json!(reason.len() + 2);
    frame["close"]["reason"] = reason.into();
    Some(session)
}

fn change_text(session: &Value, at: usize, to: fn(&str) -> String) -> Option<Value> {
    let mut session = session.clone();
    let frame = session["frames"].as_array_mut()?.get_mut(at)?;
    let text =
        frame["text"].as_str().filter(|t| t.is_ascii() && t.starts_with('{') && t.len() > 2)?;
    let text = to(text);
    frame["len"] = text.len().into();
    frame["text"] = text.into();
    Some(session)
}

fn change_headers(session: &Value, at: usize, to: fn(&str) -> String) -> Option<Value> {
    let mut session = session.clone();
    let heads = ["request", "response"];
    let headers = session[*heads.get(at)?]["headers"].as_array_mut()?;
    for header in headers {
        header[0] = to(header[0].as_str()?).into();
    }
    Some(session)
}

/// Causes that say no more than the truth does.
fn is_wrong(verdict: &Verdict, truth: &Verdict) -> bool {
    const EQUAL: [&str; 3] = ["connected", "connected_scopes_cleared", "client_going_away"];
    let same = verdict.cause == truth.cause
        || EQUAL.contains(&verdict.cause.as_str()) && EQUAL.contains(&truth.cause.as_str());
    verdict.confidence == Confidence::Certain && !same
}

/// Every damage to every frame of a session: its name, and the wrong certainty it led to.
fn damage_all(trace: &Value, session: &Value) -> Vec<(String, Option<String>)> {
    let truth = judge(&trace_record::record(trace, session));
    let count = session["frames"].as_array().map_or(0, Vec::len).max(2);
    let places = DAMAGES.iter().flat_map(|damage| (0..count).map(move |at| (damage, at)));
    places
        .filter_map(|((what, damage), at)| {
            let verdict = judge(&trace_record::record(trace, &damage(session, at)?));
            let found = is_wrong(&verdict, &truth)
                .then(|| format!("{} out of {}", verdict.cause, truth.cause));
            Some((format!("{what} {at}"), found))
        })
        .collect()
}

#[test]
fn one_damage_never_makes_a_wrong_certainty() {
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for (name, trace) in traces() {
        for (index, session) in trace["sessions"].as_array().unwrap().iter().enumerate() {
            for (told, found) in damage_all(&trace, session) {
                judged += 1;
                wrong.extend(found.map(|found| format!("{name}#{index}: {told} made {found}")));
            }
        }
    }
    println!("{judged} damaged sessions judged");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 3000, "{judged}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several damages at once may leave a session that tells another story, but never a panic.
    #[test]
    fn many_damages_never_panic(
        pick in any::<prop::sample::Index>(),
        damages in prop::collection::vec((0..DAMAGES.len(), 0..40_usize), 1..8),
    ) {
        thread_local! {
            static TRACES: Vec<(String, Value)> = traces();
        }
        TRACES.with(|traces| {
            let (_, trace) = pick.get(traces);
            for session in trace["sessions"].as_array().unwrap() {
                let mut session = session.clone();
                for (which, at) in &damages {
                    if let Some(damaged) = DAMAGES[*which].1(&session, *at) {
                        session = damaged;
                    }
                }
                let record = trace_record::record(trace, &session);
                let verdict = judge(&record);
                assert_eq!(verdict, judge(&record));
            }
        });
    }
}
