//! Which run of wstap wrote a session, and whether that run is still alive.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, Row, params};

use super::place;
use crate::session::Wall;

/// What a run of the proxy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TapInfo {
    /// Settings and topology, as one JSON object without secrets.
    pub info: serde_json::Value,
}

/// How often a running tap says that it is there.
pub(super) const HEARTBEAT: Duration = Duration::from_mins(1);

/// A tap that cannot be looked up by its process counts as alive for this long after it was seen.
const SILENT: Duration = Duration::from_mins(3);

/// A process, so that no other one is ever taken for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Process {
    /// The machine.
    host: Option<String>,
    /// The run of its kernel, which all containers on it share.
    boot: Option<String>,
    /// The namespace in which `pid` means something.
    pid_space: Option<String>,
    pid: u32,
    /// Clock ticks since boot: process ids are used again.
    pid_started: Option<i64>,
}

impl Process {
    fn own() -> Self {
        let word = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let pid = std::process::id();
        Self {
            host: word("/etc/machine-id").filter(|id| !id.is_empty()),
            boot: word("/proc/sys/kernel/random/boot_id"),
            pid_space: fs::read_link("/proc/self/ns/pid")
                .ok()
                .map(|link| link.to_string_lossy().into_owned()),
            pid,
            pid_started: started(pid),
        }
    }
}

/// Whether a tap still writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Alive,
    /// It ended, and its open sessions may be marked as interrupted.
    Dead,
    /// It does not run here. Where it does nobody here can tell.
    Elsewhere,
}

/// One row of `taps`, as far as life and death need it.
#[derive(Clone, Debug)]
pub(super) struct Tap {
    pub(super) number: i64,
    process: Process,
    seen: Wall,
    ended: bool,
}

impl Tap {
    pub(super) const COLUMNS: &str =
        "tap, host, boot, pid_space, pid, pid_started, seen_us, ended_us IS NOT NULL";

    pub(super) fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get(0)?,
            process: Process {
                host: row.get(1)?,
                boot: row.get(2)?,
                pid_space: row.get(3)?,
                pid: row.get(4)?,
                pid_started: row.get(5)?,
            },
            seen: Wall(row.get(6)?),
            ended: row.get(7)?,
        })
    }

    /// Taps that have sessions marked as open.
    pub(super) fn with_open_sessions(connection: &Connection) -> rusqlite::Result<Vec<Self>> {
        let sql = format!(
            "SELECT {} FROM taps WHERE tap IN (SELECT tap FROM sessions WHERE state = 'open')",
            Self::COLUMNS
        );
        connection.prepare_cached(&sql)?.query_map([], Self::of)?.collect()
    }

    pub(super) fn life(&self) -> Life {
        self.life_seen_from(&Process::own(), now())
    }

    fn life_seen_from(&self, here: &Process, now: Wall) -> Life {
        let theirs = &self.process;
        let same_boot = here.boot.is_some() && here.boot == theirs.boot;
        let recently = now.0.saturating_sub(self.seen.0) < micros(SILENT);
        if self.ended {
            Life::Dead
        } else if same_boot && here.pid_space == theirs.pid_space {
            let runs = theirs.pid_started.is_some() && started(theirs.pid) == theirs.pid_started;
            if runs { Life::Alive } else { Life::Dead }
        } else if recently {
            // Another container, or a machine that sees this file too.
            Life::Alive
        } else if same_boot || (here.host.is_some() && here.host == theirs.host) {
            Life::Dead
        } else {
            Life::Elsewhere
        }
    }
}

/// Adds the row of this process.
pub(super) fn register(connection: &Connection, info: &TapInfo) -> rusqlite::Result<i64> {
    let own = Process::own();
    connection.execute(
        "INSERT INTO taps (host, boot, pid_space, pid, pid_started, started_us, seen_us, info)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7)",
        params![
            own.host,
            own.boot,
            own.pid_space,
            own.pid,
            own.pid_started,
            now().0,
            info.info.to_string()
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Says that the tap is alive.
pub(super) fn beat(connection: &Connection, tap: i64) -> rusqlite::Result<()> {
    connection.execute("UPDATE taps SET seen_us = ?2 WHERE tap = ?1", params![tap, now().0])?;
    Ok(())
}

/// Says that the tap is going, and marks what it leaves open.
pub(super) fn end(connection: &Connection, tap: i64) -> rusqlite::Result<()> {
    interrupt(connection, tap)?;
    connection.execute(
        "UPDATE taps SET seen_us = ?2, ended_us = ?2 WHERE tap = ?1",
        params![tap, now().0],
    )?;
    Ok(())
}

/// Marks the open sessions of taps that died.
pub(super) fn bury(connection: &Connection) -> rusqlite::Result<()> {
    for tap in Tap::with_open_sessions(connection)? {
        match tap.life() {
            Life::Alive | Life::Elsewhere => {}
            Life::Dead => interrupt(connection, tap.number)?,
        }
    }
    Ok(())
}

fn interrupt(connection: &Connection, tap: i64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE sessions SET state = 'interrupted', well = 0, last_slot = ?2
         WHERE tap = ?1 AND state = 'open'",
        [tap, place::last_slot(connection)?],
    )?;
    Ok(())
}

/// When the process of this id started, in clock ticks since boot (`proc_pid_stat(5)`, field 22).
fn started(pid: u32) -> Option<i64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name, in parentheses, may hold anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

pub(super) fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

pub(super) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(process: Process) -> Tap {
        Tap { number: 1, process, seen: Wall(0), ended: false }
    }

    const LATER: Wall = Wall(3_600_000_000);

    #[test]
    fn a_process_is_told_by_its_start() {
        let own = Process::own();
        assert_eq!(tap(own.clone()).life_seen_from(&own, LATER), Life::Alive);
        let mut other = own.clone();
        other.pid_started = Some(1);
        assert_eq!(tap(other).life_seen_from(&own, LATER), Life::Dead);
    }

    #[test]
    fn the_end_of_a_kernel_ends_its_taps() {
        let own = Process::own();
        let here = Process { host: Some("here".into()), ..own };
        let before = Process { boot: Some("another".into()), ..here.clone() };
        assert_eq!(tap(before).life_seen_from(&here, LATER), Life::Dead);
    }

    #[test]
    fn a_tap_that_cannot_be_looked_up_lives_while_it_is_heard_of() {
        let own = Process::own();
        let container = Process { pid_space: Some("pid:[1]".into()), ..own.clone() };
        assert_eq!(tap(container.clone()).life_seen_from(&own, Wall(1)), Life::Alive);
        assert_eq!(tap(container).life_seen_from(&own, LATER), Life::Dead);
        let copied = Process { host: Some("far".into()), boot: Some("far".into()), ..own.clone() };
        assert_eq!(tap(copied).life_seen_from(&own, LATER), Life::Elsewhere);
    }
}
