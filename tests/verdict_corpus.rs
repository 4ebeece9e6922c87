//! Every recorded session gets the layer it was recorded for, and every main one its cause.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a trace that cannot be read fails the test"
)]

#[path = "support/labels.rs"]
mod labels;
#[path = "support/trace_record.rs"]
mod trace_record;

use std::path::Path;

use labels::accepted;
use serde_json::Value;
use wstap::session::Confidence;
use wstap::session::Record;
use wstap::verdict::judge;

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
        .collect();
    traces.sort_by(|a, b| a.0.cmp(&b.0));
    traces.retain(|(_, trace)| trace["sessions"].is_array());
    assert!(traces.len() > 140, "the corpus is not complete");
    traces
}

/// The session a label is about: the last one of the label's layer.
fn main_session(trace: &Value) -> Option<&Value> {
    let sessions = trace["sessions"].as_array()?;
    let of_layer = |s: &&Value| s["expectedLayer"] == trace["label"]["layer"];
    sessions
        .iter()
        .filter(of_layer)
        .find(|s| s["kind"] == "websocket")
        .or_else(|| sessions.iter().find(of_layer))
}

#[test]
fn every_session_gets_its_layer_and_every_main_one_its_cause() {
    let (mut wrong, mut main, mut certain) = (Vec::new(), 0, 0);
    for (name, trace) in traces() {
        for (index, session) in trace["sessions"].as_array().unwrap().iter().enumerate() {
            let verdict = judge(&trace_record::record(&trace, session));
            if session["expectedLayer"] != verdict.layer.name() {
                wrong.push(format!(
                    "{name}#{index}: layer {:?} {} not {}",
                    verdict.layer, verdict.cause, session["expectedLayer"]
                ));
            }
        }
        let Some(session) = main_session(&trace) else { continue };
        let verdict = judge(&trace_record::record(&trace, session));
        let label = trace["label"]["cause"].as_str().unwrap();
        main += 1;
        certain += usize::from(verdict.confidence == Confidence::Certain);
        if verdict.confidence != Confidence::Certain {
            println!("{name}: {} {:?} {:?}", verdict.cause, verdict.confidence, verdict.reasons);
        }
        if !accepted(label, trace["label"]["layer"].as_str().unwrap()).contains(&verdict.cause) {
            wrong.push(format!("{name}: cause {} not {label}", verdict.cause));
        }
    }
    println!("{certain} of {main} main causes are certain");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(certain * 5 >= main * 4, "{certain} of {main} certain");
}

/// The record with the place that an evidence names emptied.
fn without(record: &Record, refers: &str) -> Option<Record> {
    let json = serde_json::to_value(record).unwrap();
    let path = refers.replace('[', ".").replace(']', "");
    let mut steps: Vec<&str> = path.split('.').collect();
    let last = steps.pop()?;
    [Value::Null, 0.into(), "".into(), Value::Array(Vec::new()), false.into()].into_iter().find_map(
        |empty| {
            let mut json = json.clone();
            let mut place = &mut json;
            for step in &steps {
                place = match place {
                    Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?)?,
                    Value::Object(fields) => fields.get_mut(*step)?,
                    _ => return None,
                };
            }
            match place {
                Value::Array(items) => drop(items.remove(last.parse().ok()?)),
                Value::Object(fields) => {
                    assert!(fields.contains_key(last), "{refers} is nowhere");
                    fields.insert(last.to_owned(), empty);
                }
                _ => return None,
            }
            serde_json::from_value(json).ok()
        },
    )
}

#[test]
fn a_verdict_falls_with_its_evidence() {
    let mut wrong = Vec::new();
    for (name, trace) in traces() {
        for session in trace["sessions"].as_array().unwrap() {
            let record = trace_record::record(&trace, session);
            let verdict = judge(&record);
            let back: Record =
                serde_json::from_value(serde_json::to_value(&record).unwrap()).unwrap();
            assert_eq!(judge(&back), verdict, "{name}: a stored record is judged alike");
            if verdict.evidence.is_empty() {
                wrong.push(format!("{name}: {} rests on nothing", verdict.cause));
            }
            for evidence in &verdict.evidence {
                let Some(less) = without(&record, &evidence.refers) else {
                    wrong.push(format!("{name}: {} cannot be taken away", evidence.refers));
                    continue;
                };
                let after = judge(&less);
                if (&after.cause, after.confidence) == (&verdict.cause, verdict.confidence) {
                    wrong.push(format!(
                        "{name}: {} {:?} stands without {}",
                        verdict.cause, verdict.confidence, evidence.refers
                    ));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
