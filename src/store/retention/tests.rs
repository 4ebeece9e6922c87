//! Old sessions go, open ones and the newest stay, and the file becomes smaller.

use rusqlite::params;

use super::*;
use crate::store::place::Place;
use crate::store::{TapInfo, schema};

/// Sessions of 20 kB each, one an hour, the last one just now; the third one is open.
fn filled(sessions: i64) -> (tempfile::TempDir, Connection, i64) {
    let folder = tempfile::tempdir().unwrap();
    let connection = schema::open(&folder.path().join("store.db")).unwrap();
    let tap = tap::register(&connection, &TapInfo::default()).unwrap();
    for n in 1..=sessions {
        let started = tap::now().0 - (sessions - n) * 3_600_000_000;
        connection
            .execute(
                "INSERT INTO sessions (row, id, tap, started_us, duration_us, kind, state,
                    first_slot, last_slot)
                 VALUES (?1, ?1, ?2, ?3, 0, 'http', ?4, 5, 90)",
                params![n, tap, started, if n == 3 { "open" } else { "ended" }],
            )
            .unwrap();
        for table in ["events", "frames"] {
            let sql = format!("INSERT INTO {table} VALUES (?1, zeroblob(10000))");
            connection.execute(&sql, [part(n, 5)]).unwrap();
        }
    }
    (folder, connection, tap)
}

fn part(session: i64, slot: i64) -> i64 {
    Place::next(None, slot).row(session)
}

fn round(retention: Retention, connection: &mut Connection, tap: i64) -> usize {
    let mut upkeep = Upkeep::new(retention);
    let mut steps = 0;
    loop {
        upkeep.step(connection, tap).unwrap();
        steps += 1;
        if upkeep.stage == Stage::Beat {
            return steps;
        }
    }
}

fn rows(connection: &Connection, sql: &str) -> Vec<i64> {
    let mut statement = connection.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn sessions_that_are_too_old_are_deleted_with_their_rows() {
    let (_folder, mut connection, tap) = filled(10);
    let age = Duration::from_mins(270);
    round(Retention { max_age: Some(age), max_bytes: None }, &mut connection, tap);
    let left = [3, 6, 7, 8, 9, 10];
    assert_eq!(rows(&connection, "SELECT row FROM sessions ORDER BY row"), left);
    let parts = left.map(|row| part(row, 5));
    assert_eq!(rows(&connection, "SELECT row FROM events ORDER BY row"), parts);
    assert_eq!(rows(&connection, "SELECT row FROM frames ORDER BY row"), parts);
}

#[test]
fn a_store_that_is_too_large_shrinks_on_disk() {
    let (folder, mut connection, tap) = filled(400);
    let max = 2_000_000;
    let steps = round(Retention { max_age: None, max_bytes: Some(max) }, &mut connection, tap);
    assert!(steps > 6, "{steps} steps are not small");
    let size = std::fs::metadata(folder.path().join("store.db")).unwrap().len();
    assert!((200_000..=max).contains(&size), "{size} bytes");
    let left = rows(&connection, "SELECT row FROM sessions ORDER BY row");
    assert!(left.contains(&3) && left.contains(&400) && !left.contains(&4));
}

#[test]
fn a_long_session_is_deleted_in_steps() {
    let (_folder, mut connection, tap) = filled(5);
    for n in 0..1000 {
        let sql = "INSERT OR IGNORE INTO frames VALUES (?1, zeroblob(10))";
        connection.execute(sql, [part(1, 6 + n / 16) + n % 16]).unwrap();
    }
    let age = Duration::from_mins(90);
    let steps = round(Retention { max_age: Some(age), max_bytes: None }, &mut connection, tap);
    assert!(steps > 5, "{steps} steps");
    assert_eq!(rows(&connection, "SELECT row FROM sessions ORDER BY row"), [3, 4, 5]);
    assert_eq!(rows(&connection, "SELECT count(*) FROM frames"), [3]);
}

#[test]
fn without_limits_everything_stays() {
    let (_folder, mut connection, tap) = filled(5);
    round(Retention::default(), &mut connection, tap);
    assert_eq!(rows(&connection, "SELECT count(*) FROM sessions"), [5]);
}
