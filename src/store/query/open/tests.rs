//! A store on a read-only medium, with and without a write-ahead log.

use super::*;

fn filled(folder: &Path) -> Connection {
    let connection = schema::open(&folder.join("a store?#%.db")).unwrap();
    connection.execute("INSERT INTO gaps VALUES (1, 1, 1, 1, 1, 1)", []).unwrap();
    connection
}

fn gaps(opened: &Opened) -> i64 {
    opened.connection.query_row("SELECT count(*) FROM gaps", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_store_without_a_log_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()));
    let path = folder.path().join("a store?#%.db");
    assert!(!log_of(&path).exists());
    let opened = Opened::on_read_only(&path).unwrap();
    assert_eq!(gaps(&opened), 1);
    assert!(!log_of(&path).exists());
    assert_eq!(gaps(&Opened::at(&path).unwrap()), 1);
}

#[test]
fn a_store_with_a_log_is_read_from_a_copy_that_goes_away() {
    let folder = tempfile::tempdir().unwrap();
    let writer = filled(folder.path());
    let path = folder.path().join("a store?#%.db");
    let opened = Opened::on_read_only(&path).unwrap();
    assert_eq!(gaps(&opened), 1);
    let copy = PathBuf::from(opened.connection.path().unwrap());
    assert!(copy.exists());
    drop(opened);
    assert!(!copy.exists());
    drop(writer);
}

#[test]
fn what_is_not_there_is_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    assert!(matches!(Opened::at(&path), Err(StoreError::Missing { .. })));
    assert!(!path.exists());
}
