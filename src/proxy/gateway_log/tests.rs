//! Lines on their way from the file into the store.

use std::fs;
use std::io::Write;
use std::time::Instant;

use super::*;
use crate::redact::FingerprintKey;
use crate::session::Wall;
use crate::store::Reader;

fn redactor() -> Redactor {
    Redactor::new(FingerprintKey::new([7; 32]), true)
}

fn kept(store: &Path) -> Vec<String> {
    let lines = Reader::open(store).unwrap().log_lines(Wall(i64::MIN), Wall(i64::MAX)).unwrap();
    lines.into_iter().map(|line| line.message).collect()
}

#[test]
fn appended_lines_are_in_the_store_without_their_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (file, store) = (folder.path().join("log"), folder.path().join("store.db"));
    fs::write(&file, "{\"message\":\"old\"}\n").unwrap();
    let log = GatewayLog::follow(&file, &store, redactor(), Console::quiet()).unwrap();
    let mut writer = fs::File::options().append(true).open(&file).unwrap();
    writeln!(writer, "{{\"message\":\"open ws://h/?token=hunter2hunter2\"}}").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while kept(&store).is_empty() {
        assert!(Instant::now() < deadline, "no line came");
        thread::sleep(Duration::from_millis(10));
    }
    let lines = kept(&store);
    assert!(lines.len() == 1 && lines[0].starts_with("open ws://h/?token="), "{lines:?}");
    assert!(!lines[0].contains("hunter2"), "{lines:?}");
    fs::rename(&file, folder.path().join("log.1")).unwrap();
    fs::write(&file, "{\"message\":\"after\"}\n").unwrap();
    log.close();
    assert_eq!(kept(&store).len(), 2);
}
