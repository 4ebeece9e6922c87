//! Real files, written and rotated between two looks.

use std::fs;
use std::io::Write;

use tempfile::TempDir;

use super::*;

struct Log {
    folder: TempDir,
}

impl Log {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("openclaw.jsonl")
    }

    fn append(&self, text: &str) {
        let mut file = File::options().create(true).append(true).open(self.path()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn rename(&self) -> PathBuf {
        let to = self.folder.path().join("openclaw.1.jsonl");
        fs::rename(self.path(), &to).unwrap();
        to
    }
}

fn look(tail: &mut Tail) -> Vec<String> {
    let mut lines = Vec::new();
    tail.read(|line| lines.push(String::from_utf8(line.to_vec()).unwrap())).unwrap();
    lines
}

#[test]
fn what_was_there_is_left_out_and_lines_come_when_they_are_whole() {
    let log = Log::new();
    log.append("old\n");
    let mut tail = Tail::from_end(&log.path());
    assert_eq!(look(&mut tail), Vec::<String>::new());
    log.append("one\ntw");
    assert_eq!(look(&mut tail), ["one"]);
    log.append("o\n\nthree\n");
    assert_eq!(look(&mut tail), ["two", "", "three"]);
    assert_eq!(look(&mut tail), Vec::<String>::new());
}

#[test]
fn a_file_that_appears_later_is_read_from_its_beginning() {
    let log = Log::new();
    let mut tail = Tail::from_end(&log.path());
    assert_eq!(tail.read(|_| ()).unwrap(), There::NotYet);
    log.append("first\n");
    assert_eq!(look(&mut tail), ["first"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_the_new_one() {
    let log = Log::new();
    log.append("");
    let mut tail = Tail::from_end(&log.path());
    look(&mut tail);
    log.append("before\n");
    let old = log.rename();
    File::options().append(true).open(&old).unwrap().write_all(b"late\nhalf").unwrap();
    assert_eq!(look(&mut tail), ["before", "late"]);
    log.append("new\n");
    assert_eq!(look(&mut tail), ["half", "new"]);
}

#[test]
fn a_truncated_file_is_read_from_its_beginning() {
    let log = Log::new();
    log.append("a long line that is there already\n");
    let mut tail = Tail::from_end(&log.path());
    look(&mut tail);
    File::create(log.path()).unwrap().write_all(b"anew\n").unwrap();
    assert_eq!(look(&mut tail), ["anew"]);
}

#[test]
fn a_removed_file_that_comes_again_is_read_from_its_beginning() {
    let log = Log::new();
    log.append("old\n");
    let mut tail = Tail::from_end(&log.path());
    look(&mut tail);
    fs::remove_file(log.path()).unwrap();
    assert_eq!(look(&mut tail), Vec::<String>::new());
    log.append("again\n");
    assert_eq!(look(&mut tail), ["again"]);
}

#[test]
fn what_is_no_file_is_refused_and_a_line_without_end_is_cut() {
    let log = Log::new();
    let mut tail = Tail::from_end(log.folder.path());
    assert!(tail.read(|_| ()).is_err());
    log.append("");
    let mut tail = Tail::from_end(&log.path());
    look(&mut tail);
    log.append(&"x".repeat(LINE + 1));
    assert_eq!(look(&mut tail).concat().len(), LINE + 1);
    log.append("end\n");
    assert_eq!(look(&mut tail), ["end"]);
}
