//! `wstap kpi`: figures over all sessions, and gates on them.
#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

use std::io::{self, Write};

use clap::Args;
use jiff::tz::TimeZone;

use super::briefs::Period;
use super::judging::Judging;
use super::store_path::StorePath;
use super::{Outcome, say};
use crate::findings::{Condition, Kpis, SPAWN_METHOD};
use crate::report::{self, Clock};

/// Figures over all sessions: success of connects, pairings and calls, restarts, layers and causes.
#[derive(Debug, Args)]
#[command(after_help = after_help())]
pub(super) struct KpiArgs {
    #[command(flatten)]
    store: StorePath,
    #[command(flatten)]
    period: Period,
    /// The method that counts as a sub-agent call.
    #[arg(long, value_name = "METHOD", default_value = SPAWN_METHOD)]
    spawn: String,
    /// One JSON document.
    #[arg(long)]
    json: bool,
    /// Times in UTC instead of the local zone.
    #[arg(long)]
    utc: bool,
    /// Exit with 1 when this holds, as 'spawn_success < 95%'. Repeatable.
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
}

fn after_help() -> String {
    format!(
        "A condition is a figure, one of < <= > >= == != and a number with % or ms or s where the \
         figure has that unit. What there is nothing to measure of does not fail.\nFigures: {}\n\n\
         Examples:\n  wstap kpi --since 24h\n  wstap kpi --fail-if 'spawn_success < 95%' --fail-if \
         'restarts > 0'",
        Condition::names()
    )
}

impl KpiArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let briefs = match self.store.open_if_there()? {
            Some((reader, _)) => self.period.briefs(&reader, &Judging::default())?,
            None => Vec::new(),
        };
        let kpis = Kpis::of(&briefs, &self.spawn);
        if self.json {
            writeln!(io::stdout().lock(), "{}", report::kpi_document(&kpis)?)?;
        } else {
            let clock = if self.utc { Clock::utc() } else { Clock::of(TimeZone::system()) };
            write!(anstream::stdout().lock(), "{}", report::kpis(&kpis, &clock))?;
        }
        let mut outcome = Outcome::Done;
        for condition in &self.fail_if {
            let measured = condition.measured(&kpis);
            match condition.holds(&kpis) {
                Some(true) => {
                    outcome = Outcome::Findings;
                    say(&format!("failed: {condition}: it is {measured}"));
                }
                Some(false) => {}
                None => say(&format!("not measured: {condition}: {measured}")),
            }
        }
        Ok(outcome)
    }
}
