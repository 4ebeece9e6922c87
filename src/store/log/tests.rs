//! Lines go in once, and come out beside the sessions they speak of.

use std::time::Duration;

use super::*;
use crate::session::{Dial, Event, Finish, HelloFacts, Offset, SessionId, Started, Timed, Wall};
use crate::store::{Reader, Recorder, Retention, Settings, TapInfo};
use crate::timeline::By;

const CONN: &str = "2cbd4042-e863-4978-9302-1adccb6f7c12";

fn line(text: &str) -> LogLine {
    LogLine::parse(text, str::to_owned)
}

/// The end of a connection, each with a name of its own.
fn refused(second: u32, port: u16) -> LogLine {
    let conn = CONN.replace("2cbd4042", &format!("2cbd40{second:02}"));
    line(&format!(
        r#"{{"1":{{"cause":"unauthorized","remoteAddr":"127.0.0.1","remotePort":{port}}},"message":"closed before connect conn={conn} phase=x","time":"2026-11-20T03:46:{second:02}.500Z"}}"#
    ))
}

/// A session of ten seconds from 03:46:00 on.
fn session(recorder: &Recorder, number: u64, seconds: i64, port: u16, conn: Option<&str>) {
    let start = Wall(1_795_146_360_000_000 + seconds * 1_000_000);
    let key = recorder.begin(SessionId::from_bits(number), start);
    let dial = Dial {
        local: Some(format!("127.0.0.1:{port}")),
        peer: Some("127.0.0.1:18789".to_owned()),
        ..Dial::default()
    };
    let hello = HelloFacts { conn_id: conn.map(str::to_owned), ..HelloFacts::default() };
    let events = [
        (0, Event::Started(Started::default())),
        (1, Event::Dial(dial)),
        (2, Event::Hello(hello)),
        (10_000_000, Event::Finished(Finish::default())),
    ];
    for (at, event) in events {
        recorder.fact(key, Timed { at: Offset(at), event });
    }
}

#[test]
fn a_line_that_is_read_again_is_not_there_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = LogWriter::open(&folder.path().join("store.db")).unwrap();
    let lines = [refused(1, 5000), refused(2, 5000), line("no json")];
    assert_eq!(log.add("a.log", &lines).unwrap(), 3);
    assert_eq!(log.add("a.log.1", &lines).unwrap(), 0);
    let reader = Reader::open(&folder.path().join("store.db")).unwrap();
    assert_eq!(reader.log_lines(Wall(i64::MIN), Wall(i64::MAX)).unwrap(), lines);
}

#[test]
fn lines_come_with_the_session_they_speak_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (recorder, writer) =
        Recorder::open(&path, &TapInfo::default(), Settings::default()).unwrap();
    session(&recorder, 1, 0, 5000, None);
    session(&recorder, 2, 11, 5000, None);
    session(&recorder, 3, 0, 6000, Some(CONN));
    writer.close().unwrap();
    let other = line(&format!(r#"{{"message":"error conn={CONN} remote=127.0.0.1: broken"}}"#));
    let mut log = LogWriter::open(&path).unwrap();
    log.add("a.log", &[refused(2, 5000), refused(10, 5000), refused(11, 5000), other]).unwrap();
    let reader = Reader::open(&path).unwrap();
    let of = |number| {
        let joined = reader.joined(SessionId::from_bits(number)).unwrap();
        joined.iter().map(|(by, line)| (*by, line.port())).collect::<Vec<_>>()
    };
    assert_eq!(of(1), [(By::Port, Some(5000)), (By::Port, Some(5000))]);
    assert_eq!(of(2), [(By::Port, Some(5000))]);
    assert_eq!(of(3), [(By::Conn, None)]);
    assert_eq!(reader.spans(Wall(0), Wall(i64::MAX / 2)).unwrap().len(), 3);
    assert_eq!(reader.spans(Wall(0), Wall(1)).unwrap(), []);
}

#[test]
fn old_lines_are_deleted_with_old_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut log = LogWriter::open(&path).unwrap();
    let old = line(r#"{"message":"gateway ready","time":"2020-01-01T00:00:00Z"}"#);
    log.add("a.log", &[old]).unwrap();
    let retention = Retention { max_age: Some(Duration::from_nanos(1)), max_bytes: None };
    let settings = Settings { retention, ..Settings::default() };
    let (_recorder, writer) = Recorder::open(&path, &TapInfo::default(), settings).unwrap();
    let reader = Reader::open(&path).unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !reader.log_lines(Wall(0), Wall(i64::MAX)).unwrap().is_empty() {
        assert!(std::time::Instant::now() < deadline, "the line is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    writer.close().unwrap();
}
