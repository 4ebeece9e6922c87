//! A store is private, knows its own version and lets other files alone.

use super::*;

#[test]
fn a_store_is_made_once_and_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/wstap/store.db");
    for _ in 0..2 {
        let connection = open(&path).unwrap();
        assert_eq!(pragma(&connection, "user_version").unwrap(), version());
        assert_eq!(pragma(&connection, "application_id").unwrap(), APPLICATION_ID);
        assert_eq!(pragma(&connection, "auto_vacuum").unwrap(), 2);
        let mode: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
    }
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_it() {
    use std::os::unix::fs::MetadataExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/store.db");
    let connection = open(&path).unwrap();
    let mode = |name: &str| {
        let path = path.parent().unwrap().join(name);
        std::fs::metadata(path).unwrap().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(connection);
}

#[test]
fn a_newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 1, .. }), "{error}");
    assert!(error.to_string().contains("newer wstap: its schema is 7"), "{error}");
}

#[test]
fn a_foreign_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open(&path).unwrap_err(), StoreError::NotAStore { .. }));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
