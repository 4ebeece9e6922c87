//! The run as Markdown: figures, ratios, targets, and what is missing.

use std::fmt::{self, Write as _};
use std::fs;

use crate::peers::System;
use crate::results::{Ratio, Results};
use crate::rows::Row;
use crate::targets;

/// What was run.
pub(crate) struct Heading<'a> {
    pub(crate) rounds: usize,
    pub(crate) window_ms: u128,
    pub(crate) idle_sessions: usize,
    pub(crate) stream_mib: u64,
    pub(crate) rows: &'a [Row],
    pub(crate) systems: &'a [System],
    pub(crate) versions: &'a [(System, String)],
}

pub(crate) fn render(heading: &Heading<'_>, results: &Results) -> Result<String, fmt::Error> {
    let mut out = String::new();
    conditions(&mut out, heading)?;
    figures(&mut out, heading, results)?;
    ratios(&mut out, heading, results)?;
    reached(&mut out, heading, results)?;
    if !results.notes.is_empty() {
        writeln!(out, "\nMissing or incomplete:\n")?;
        for note in &results.notes {
            writeln!(out, "- {note}")?;
        }
    }
    Ok(out)
}

fn conditions(out: &mut String, heading: &Heading<'_>) -> fmt::Result {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    writeln!(
        out,
        "{}, {cores} cores ({}), Linux {}. {} rounds of {} ms, interleaved, medians. Idle: {} sessions; \
         stream: {} MiB. Load and systems share the cores.\n",
        jiff::Zoned::now().date(),
        processor(),
        kernel.trim(),
        heading.rounds,
        heading.window_ms,
        heading.idle_sessions,
        heading.stream_mib,
    )?;
    for (system, version) in heading.versions {
        writeln!(out, "- {}: {version}", system.title())?;
    }
    Ok(())
}

fn processor() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    model
        .map_or(std::env::consts::ARCH, |model| model.trim_start_matches([' ', '\t', ':']))
        .to_owned()
}

fn header(out: &mut String, columns: &[String]) -> fmt::Result {
    writeln!(out, "\n| {} |", columns.join(" | "))?;
    let rules: Vec<&str> =
        columns.iter().enumerate().map(|(at, _)| if at < 2 { "---" } else { "---:" }).collect();
    writeln!(out, "| {} |", rules.join(" | "))
}

fn figures(out: &mut String, heading: &Heading<'_>, results: &Results) -> fmt::Result {
    let mut columns = vec!["figures".to_owned(), "of".to_owned()];
    columns.extend(heading.systems.iter().map(|system| system.title().to_owned()));
    header(out, &columns)?;
    for &row in heading.rows {
        for &metric in row.metrics() {
            write!(out, "| {} | {} |", row.title(), metric.title(row))?;
            for &system in heading.systems {
                write!(
                    out,
                    " {} |",
                    results.figure(row, metric, system).map_or_else(missing, figure)
                )?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn missing() -> String {
    "–".to_owned()
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn ratios(out: &mut String, heading: &Heading<'_>, results: &Results) -> fmt::Result {
    let others: Vec<System> = heading
        .systems
        .iter()
        .copied()
        .filter(|&system| !matches!(system, System::Tap | System::BlindAgain))
        .collect();
    let mut columns = vec!["ratios".to_owned(), "of".to_owned()];
    columns.extend(others.iter().map(|other| format!("tap ÷ {}", other.title())));
    columns.push("A/A: blind ÷ blind (least–most)".to_owned());
    header(out, &columns)?;
    for &row in heading.rows {
        for &metric in row.metrics() {
            write!(out, "| {} | {} |", row.title(), metric.title(row))?;
            for &other in &others {
                let ratio = results.ratio(row, metric, System::Tap, other);
                write!(
                    out,
                    " {} |",
                    ratio.map_or_else(missing, |ratio| format!("{:.2}", ratio.of_medians))
                )?;
            }
            let noise = results.ratio(row, metric, System::BlindAgain, System::Blind);
            writeln!(out, " {} |", noise.map_or_else(missing, with_range))?;
        }
    }
    Ok(())
}

fn with_range(ratio: Ratio) -> String {
    format!("{:.2} ({:.2}–{:.2})", ratio.of_medians, ratio.least, ratio.most)
}

fn reached(out: &mut String, heading: &Heading<'_>, results: &Results) -> fmt::Result {
    let outcomes = targets::check(results, heading.rows);
    if outcomes.is_empty() {
        return Ok(());
    }
    header(
        out,
        &[
            "target".to_owned(),
            "of".to_owned(),
            "bound".to_owned(),
            "tap".to_owned(),
            "met".to_owned(),
        ],
    )?;
    for outcome in outcomes {
        let met = if outcome.met { "yes" } else { "**no**" };
        let (row, metric) = (outcome.row.title(), outcome.metric.title(outcome.row));
        writeln!(out, "| {row} | {metric} | {} | {:.2} | {met} |", outcome.bound, outcome.found)?;
    }
    Ok(())
}
