//! What a store holds, as `wstap sessions --json` says it.

use std::collections::HashMap;
use std::path::Path;

use rusqlite::Connection;
use wstap::session::{EndingKind, Leg, Record, State};

use crate::tap::ask;

/// Every session by its path, which these tests never use twice.
pub(crate) fn by_path(store: &Path) -> HashMap<String, Record> {
    let run = ask(&["sessions", "--json"], store);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let mut all = HashMap::new();
    for line in run.stdout.lines() {
        let record: Record = serde_json::from_str(line).expect("a session as JSON");
        let Some(path) = record.request.as_ref().map(|request| request.target.clone()) else {
            // A kill between the start of a session and its request leaves this.
            assert_eq!(record.state, State::Interrupted, "{record:#?}");
            continue;
        };
        assert!(all.insert(path.clone(), record).is_none(), "{path} is there twice");
    }
    all
}

/// Fails unless the session ended as [`crate::client::Client::close`] ends one.
pub(crate) fn assert_orderly(record: &Record, frames: u64) {
    let what = || format!("{record:#?}");
    assert_eq!(record.state, State::Ended, "{}", what());
    assert_eq!(
        (record.frames.c2s.frames, record.frames.s2c.frames),
        (frames, frames),
        "{}",
        what()
    );
    let ends: Vec<_> = record
        .endings
        .iter()
        .map(|ending| match &ending.kind {
            EndingKind::CloseFrame { code, .. } => (ending.leg, *code),
            EndingKind::Fin => (ending.leg, None),
            other => panic!("{other:?} in {}", what()),
        })
        .collect();
    let (client, gateway) = (Leg::Downstream, Leg::Upstream);
    let expected = [(client, Some(1000)), (gateway, Some(1000)), (client, None), (gateway, None)];
    assert_eq!(ends, expected, "{}", what());
    assert!(record.gap.is_none(), "{}", what());
}

/// Fails unless the file is whole.
pub(crate) fn assert_whole(store: &Path) {
    let found: String = Connection::open(store)
        .and_then(|db| db.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("the store opens");
    assert_eq!(found, "ok");
}

/// One number from the store.
pub(crate) fn number(store: &Path, sql: &str) -> i64 {
    let db = Connection::open(store).expect("the store opens");
    db.query_row(sql, [], |row| row.get(0)).expect(sql)
}
