//! The JSON of a session is an interface: these snapshots freeze its names and shapes. A change
//! here is a change for everyone who reads it.
#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

#[path = "support/sample.rs"]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times written by hand are small"
)]
mod sample;

use sample::Sample;
use serde_json::Value;
use wstap::report::{self, WithLog};
use wstap::session::Record;
use wstap::timeline::{By, GatewayWords, LogLine, words};
use wstap::verdict::judge;

fn record(sample: &Sample) -> Record {
    let mut record = Record::new(sample.id, sample.started_at);
    for timed in &sample.events {
        record.apply(timed);
    }
    record.conclude();
    record.verdict = Some(judge(&record));
    record
}

fn json(sample: &Sample) -> Value {
    let document =
        report::document(&WithLog::new(&record(sample), &GatewayWords::default())).expect("JSON");
    serde_json::from_str(&document).expect("JSON")
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn every_session_has_the_same_names() {
    let everything = json(&sample::everything());
    insta::assert_snapshot!("top_level_names", names(&everything).join("\n"));
    for sample in sample::all() {
        assert_eq!(names(&json(&sample)), names(&everything));
    }
}

#[test]
fn a_session_with_everything() {
    insta::assert_json_snapshot!("everything", json(&sample::everything()));
}

#[test]
fn a_refused_client() {
    insta::assert_json_snapshot!("unpaired", json(&sample::unpaired()));
}

#[test]
fn an_upstream_out_of_reach() {
    insta::assert_json_snapshot!("unreachable", json(&sample::unreachable()));
}

#[test]
fn plain_http() {
    insta::assert_json_snapshot!("http", json(&sample::http()));
}

#[test]
fn bytes_that_are_not_http() {
    insta::assert_json_snapshot!("opaque", json(&sample::opaque()));
}

#[test]
fn a_line_and_a_document_say_the_same_and_both_come_back() {
    for sample in sample::all() {
        let record = record(&sample);
        let line = report::line(&record).expect("JSON");
        assert!(!line.contains('\n'));
        assert_eq!(serde_json::from_str::<Value>(&line).expect("JSON"), json(&sample));
        assert_eq!(serde_json::from_str::<Record>(&line).expect("a record"), record);
    }
}

#[test]
fn nothing_from_the_wire_is_obeyed_by_a_terminal() {
    let record = record(&sample::http());
    let line = r#"{"level":"\u0007","message":"← \u001b]0;x\u0007 conn=?","1":{"cause":"\u0085"}}"#;
    let words = words(vec![(By::Conn, LogLine::parse(line, str::to_owned))], "connected");
    let page = report::show(&record, &words, &report::Clock::utc());
    let ours = page.replace("\u{1b}[1m", "").replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    let document = report::document(&WithLog::new(&record, &words)).expect("JSON");
    for text in [ours, document, report::follow_line(&record, &report::Clock::utc())] {
        assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    }
}
