//! A whole run: memory rows on fresh processes first, then rounds over all systems at once.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::certificate::{self, Certificate};
use crate::peers::{Lineup, System};
use crate::results::Results;
use crate::rows::Row;
use crate::sample::{self, Sample, Scale};
use crate::table::{self, Heading};

/// Each idle session takes two descriptors of a proxy.
const OPEN_FILES: u64 = 16_384;

/// What to run.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) scale: Scale,
    pub(crate) rows: Vec<Row>,
    pub(crate) systems: Vec<System>,
}

/// Measures everything in the plan and returns the report.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<String> {
    allow_many_files()?;
    // Beside the build output, not in /tmp: there the store could lie in memory.
    fs::create_dir_all(env!("CARGO_TARGET_TMPDIR"))?;
    let scratch = TempDir::with_prefix_in("side-by-side-", env!("CARGO_TARGET_TMPDIR"))?;
    let mut results = Results::default();
    let mut versions = Vec::new();
    for &system in &plan.systems {
        match system.version() {
            Ok(version) => versions.push((system, version)),
            Err(error) => results.note(format!("{}: {error:#}", system.title())),
        }
    }
    let present: Vec<System> = versions.iter().map(|(system, _)| *system).collect();
    memory(plan, &present, scratch.path(), &mut results)?;
    timed(plan, &present, scratch.path(), &mut results)?;
    let heading = Heading {
        rounds: plan.rounds,
        window_ms: plan.scale.window.as_millis(),
        idle_sessions: plan.scale.idle_sessions,
        stream_mib: plan.scale.stream_mib,
        rows: &plan.rows,
        systems: &plan.systems,
        versions: &versions,
    };
    table::render(&heading, &results).context("the table could not be written")
}

fn memory(
    plan: &Plan,
    systems: &[System],
    scratch: &Path,
    results: &mut Results,
) -> anyhow::Result<()> {
    let certificate = certificate::mint(scratch)?;
    for &row in plan.rows.iter().filter(|row| row.needs_fresh_process()) {
        let tls = (row == Row::IdleTls).then_some(&certificate);
        for &system in systems {
            if tls.is_some() && system != System::Tap {
                continue;
            }
            say(&format!("{}: {}", row.title(), system.title()))?;
            let folder = scratch.join("fresh");
            results.record(row, system, fresh(row, system, &folder, plan.scale, tls));
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
        }
    }
    Ok(())
}

fn fresh(
    row: Row,
    system: System,
    folder: &Path,
    scale: Scale,
    tls: Option<&Certificate>,
) -> anyhow::Result<Sample> {
    let lineup = Lineup::start(system, folder, tls)?;
    sample::take(row, &lineup, scale, tls.map(|tls| tls.certificate.as_path()))
}

fn timed(
    plan: &Plan,
    systems: &[System],
    scratch: &Path,
    results: &mut Results,
) -> anyhow::Result<()> {
    let rows: Vec<Row> =
        plan.rows.iter().copied().filter(|row| !row.needs_fresh_process()).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut lineups: Vec<Option<Lineup>> = Vec::new();
    for &system in systems {
        lineups.push(start(system, scratch, results));
    }
    for row in rows {
        for round in 0..plan.rounds {
            say(&format!("{}: round {} of {}", row.title(), round + 1, plan.rounds))?;
            for turn in 0..systems.len() {
                // Nobody is always first, and nobody always comes after the same neighbour's leftovers.
                let at = (turn + round) % systems.len();
                if let Some(slot) = lineups.get_mut(at) {
                    visit(row, slot, plan.scale, scratch, results);
                }
            }
        }
    }
    Ok(())
}

fn start(system: System, scratch: &Path, results: &mut Results) -> Option<Lineup> {
    let lineup = Lineup::start(system, &scratch.join(system.title()), None);
    lineup.map_err(|error| results.note(format!("{}: {error:#}", system.title()))).ok()
}

fn visit(row: Row, slot: &mut Option<Lineup>, scale: Scale, scratch: &Path, results: &mut Results) {
    let Some(lineup) = slot.take() else { return };
    let system = lineup.system;
    let sample = sample::take(row, &lineup, scale, None);
    // What still chews on this sample would take its neighbours' time.
    let at_rest = sample.as_ref().is_ok_and(|sample| !sample.backlog);
    results.record(row, system, sample);
    *slot = if at_rest {
        Some(lineup)
    } else {
        drop(lineup);
        start(system, scratch, results)
    };
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr().lock(), "{line}")
}

/// Raises the soft limit of open files; the children inherit it.
fn allow_many_files() -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    let limit = format!("--nofile={OPEN_FILES}:");
    let status = Command::new("prlimit")
        .args(["--pid", &pid, &limit])
        .status()
        .context("prlimit is missing")?;
    anyhow::ensure!(
        status.success(),
        "{OPEN_FILES} open files are not allowed here: raise `ulimit -Hn`"
    );
    Ok(())
}
