//! `wstap findings`: what only several sessions show together.

use std::io::{self, Write};

use clap::Args;

use super::briefs::{Period, now};
use super::judging::LimitsFile;
use super::store_path::StorePath;
use super::{Outcome, UsageError, say};
use crate::findings::{Severity, Thresholds, find};
use crate::report;

/// Compare sessions: equal silences, restarts, two tokens, lost pairings, failing calls.
///
/// Exits with 1 when there is a finding of severity warning or error.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct FindingsArgs {
    #[command(flatten)]
    store: StorePath,
    #[command(flatten)]
    period: Period,
    /// One JSON object per finding and line.
    #[arg(long)]
    json: bool,
    /// From which number on something is a finding; see below. Repeatable.
    #[arg(long, value_name = "NAME=VALUE")]
    threshold: Vec<String>,
    #[command(flatten)]
    limits: LimitsFile,
}

fn after_help() -> String {
    format!(
        "Thresholds, with their defaults:\n{}\n\nExamples:\n  wstap findings --since 1h\n  \
         wstap findings --threshold connect_success=99 --threshold connect_dials=20",
        Thresholds::help()
    )
}

impl FindingsArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let mut thresholds = Thresholds::default();
        for text in &self.threshold {
            thresholds.set(text).map_err(|error| UsageError(format!("--threshold: {error}")))?;
        }
        let judging = self.limits.judging()?;
        let Some((reader, path)) = self.store.open_if_there()? else { return Ok(Outcome::Done) };
        let briefs = self.period.briefs(&reader, &judging)?;
        let findings = find(&briefs, &thresholds, now());
        if self.json {
            let mut out = io::stdout().lock();
            for finding in &findings {
                writeln!(out, "{}", report::finding_line(finding)?)?;
            }
        } else if findings.is_empty() {
            let sessions = briefs.len();
            say(&format!("{sessions} sessions in {} show nothing together", path.display()));
        } else {
            write!(anstream::stdout().lock(), "{}", report::findings(&findings))?;
        }
        let bad = findings.iter().any(|finding| finding.severity > Severity::Info);
        Ok(if bad { Outcome::Findings } else { Outcome::Done })
    }
}
