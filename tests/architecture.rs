//! The room rules of ARCHITECTURE.md, as tests. They read `src/` as text.
//!
//! A failure names the file and the rule. A file in no listed room fails, so a new room is added
//! here on purpose. The line figure is a prompt to look for two nouns in one file, not a law: a
//! file that must exceed it gets an entry of its own with a reason.

#![expect(clippy::expect_used, reason = "clippy exempts #[test] functions, not their helpers")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room, and the rooms it may name. A room reads only rooms listed above it.
const ROOMS: &[(&str, &[&str])] = &[
    ("websocket", &[]),
    ("session", &["websocket"]),
    ("redact", &["websocket", "session"]),
    ("observe", &["websocket", "session"]),
    ("verdict", &["websocket", "session"]),
    ("timeline", &["session"]),
    ("findings", &["session"]),
    ("join", &["session", "verdict"]),
    ("report", &["websocket", "session", "timeline", "findings"]),
    ("socket", &["session"]),
    ("authority", &[]),
    ("accept", &["session", "socket", "authority"]),
    ("connect", &["session", "socket"]),
    ("upgrade", &[]),
    ("relay", &["session", "socket"]),
    ("store", &["websocket", "session", "timeline"]),
    ("openclaw", &[]),
    ("check", CHECK),
    ("gateway", &["websocket", "openclaw"]),
    ("proxy", FLOW),
    ("cli", EVERYTHING),
    ("main", &["cli"]),
];

/// The composition root wires these and nothing else does.
const FLOW: &[&str] = &[
    "websocket",
    "session",
    "redact",
    "observe",
    "socket",
    "accept",
    "connect",
    "upgrade",
    "relay",
    "store",
    "verdict",
    "timeline",
    "findings",
];

/// A check plays a client, watches itself as the tap does, and is judged by the tap's rules.
const CHECK: &[&str] = &[
    "websocket",
    "session",
    "redact",
    "observe",
    "verdict",
    "report",
    "socket",
    "accept",
    "connect",
    "upgrade",
    "openclaw",
];

const EVERYTHING: &[&str] = &[
    "websocket",
    "session",
    "redact",
    "observe",
    "verdict",
    "findings",
    "join",
    "report",
    "authority",
    "accept",
    "connect",
    "upgrade",
    "store",
    "openclaw",
    "check",
    "gateway",
    "proxy",
    "timeline",
];

/// Rooms without sockets, files, tasks or clocks.
const PURE: &[&str] = &[
    "websocket",
    "session",
    "redact",
    "observe",
    "join",
    "report",
    "timeline",
    "verdict",
    "openclaw",
    "findings",
];
const IMPURE: &[&str] = &["tokio::", "std::fs", "std::net::Tcp", "Instant::now", "SystemTime::now"];

const MAX_LINES: usize = 500;

#[test]
fn rooms_import_only_what_they_may() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == file.room) else {
            faults.push(format!("{}: `{}` is not in ROOMS", file.path.display(), file.room));
            continue;
        };
        if file.code.contains("super::super::") {
            faults.push(format!("{}: name rooms with `crate::`", file.path.display()));
        }
        for named in file.rooms_named() {
            if named != file.room && !allowed.contains(&named.as_str()) {
                faults.push(format!("{}: {} may not use {named}", file.path.display(), file.room));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_rooms_form_one_direction() {
    for (at, (room, allowed)) in ROOMS.iter().enumerate() {
        for named in *allowed {
            let above = ROOMS[..at].iter().any(|(name, _)| name == named);
            assert!(above, "{room} uses {named}, which is not above it");
        }
    }
}

#[test]
fn pure_rooms_do_no_io() {
    let mut faults = Vec::new();
    for file in sources().filter(|f| PURE.contains(&f.room.as_str())) {
        for token in IMPURE.iter().filter(|t| file.code.contains(**t)) {
            faults.push(format!("{}: {} is pure, found {token}", file.path.display(), file.room));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut faults = Vec::new();
    for file in sources() {
        let lines = file.code.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{}: {lines} lines, limit {MAX_LINES}", file.path.display()));
        }
        if !file.text.starts_with("//! ") {
            faults.push(format!("{}: first line is not `//! …`", file.path.display()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

struct Source {
    path: PathBuf,
    room: String,
    text: String,
    /// The text without comments and without the unit-test module.
    code: String,
}

impl Source {
    fn read(root: &Path, path: &Path) -> Option<Self> {
        let inside = path.strip_prefix(root).ok()?.to_path_buf();
        let room = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs");
        if room == "lib" || inside.ends_with("tests.rs") {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        let shipped = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let code = shipped
            .lines()
            .map(|line| line.split("//").next().unwrap_or_default())
            .collect::<Vec<_>>()
            .join("\n");
        Some(Self { room: room.to_owned(), path: inside, text, code })
    }

    /// Every `x` of `crate::x` and of `crate::{x, …}`.
    fn rooms_named(&self) -> BTreeSet<String> {
        let mut named = BTreeSet::new();
        let code = self.code.replace(concat!(env!("CARGO_PKG_NAME"), "::"), "crate::");
        for (at, _) in code.match_indices("crate::") {
            let rest = &code[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                named.extend(top_level(group).split(',').filter_map(first_word));
            } else {
                named.extend(first_word(rest));
            }
        }
        named
    }
}

/// The part of a `{…}` group that is not inside a further group.
fn top_level(group: &str) -> String {
    let mut depth = 0;
    group
        .chars()
        .map_while(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            (depth >= 0).then_some((c, depth))
        })
        .filter(|(c, depth)| *depth == 0 && *c != '}')
        .map(|(c, _)| c)
        .collect()
}

fn first_word(text: &str) -> Option<String> {
    let word: String =
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn sources() -> impl Iterator<Item = Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("src is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.extend(Source::read(&root, &path));
            }
        }
    }
    assert!(!found.is_empty(), "no sources under {}", root.display());
    found.into_iter()
}
