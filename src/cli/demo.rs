//! `wstap demo`: a gateway, a tap and clients, all in this process, and sessions that end in all
//! the usual ways.

mod check;
mod front;
mod place;
mod scenarios;
mod stage;
mod table;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;

use self::scenarios::{SCENARIOS, Scenario};
use self::stage::Stage;
use super::judging::Judging;
use super::{Outcome, say};
use crate::gateway::client::Seen;
use crate::session::{Record, Wall};
use crate::store::{Filter, Listed, Reader};

/// What does not fit into this time is not played.
const CURTAIN: Duration = Duration::from_secs(12);

/// Show what wstap does: sessions that end in all the usual ways, through a tap
///
/// Starts a stand-in for the OpenClaw gateway, a tap in front of it and scripted clients, all in
/// this process and on free loopback ports. Takes a few seconds, and needs nothing else. Exits
/// with 1 when the record of a session does not show what was played.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    #[arg(long, value_name = "FILE")]
    #[arg(help = "Record into this file, beside what is in it [default: wstap/demo.db in \
                  $XDG_STATE_HOME or ~/.local/state, made anew at each run]")]
    store: Option<PathBuf>,
}

/// A scenario that was played, and what came of it.
struct Played {
    scenario: &'static Scenario,
    seen: anyhow::Result<Seen>,
}

/// What the store has of it.
struct Shown {
    name: &'static str,
    record: Option<Record>,
    /// What is otherwise than it should be.
    faults: Vec<String>,
}

impl DemoArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let store = match self.store {
            Some(store) => store,
            None => place::fresh_store().context("a file for the demo")?,
        };
        let began = now();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("starting the runtime")?;
        let played = runtime.block_on(play_all(&store))?;
        let reader = Reader::open(&store)?;
        // A store that was there before may hold the sessions of another demo.
        let listed = reader.list(&Filter { since: Some(began), ..Filter::default() })?;
        let shown = played
            .into_iter()
            .map(|played| look_up(&reader, &listed, played))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let width = terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| width.0);
        let text = table::text(&shown, &store, width);
        anstream::stdout().lock().write_all(text.as_bytes())?;
        let wrong: Vec<_> = shown.iter().filter(|shown| !shown.faults.is_empty()).collect();
        for shown in &wrong {
            for fault in &shown.faults {
                say(&format!("{} is not as it should be: {fault}", shown.name));
            }
        }
        Ok(if wrong.is_empty() { Outcome::Done } else { Outcome::Findings })
    }
}

async fn play_all(store: &Path) -> anyhow::Result<Vec<Played>> {
    let stage = Stage::set(store).await?;
    let (tap, gateway) = stage.addresses();
    say(&format!("a stand-in gateway at {gateway}, a tap in front of it at {tap}"));
    let curtain = tokio::time::Instant::now() + CURTAIN;
    let mut all = Vec::new();
    for (at, scenario) in SCENARIOS.iter().enumerate() {
        say(&format!(
            "{}/{}  {:<15}  {}",
            at + 1,
            SCENARIOS.len(),
            scenario.name,
            scenario.simulates
        ));
        let seen = match tokio::time::timeout_at(curtain, stage.play(scenario)).await {
            Ok(seen) => seen.context("its client"),
            Err(_) => Err(anyhow::anyhow!("it did not end in time")),
        };
        all.push(Played { scenario, seen });
    }
    stage.strike().await?;
    Ok(all)
}

/// Reads back what the tap recorded of it, as one of the sessions that are `listed`.
fn look_up(reader: &Reader, listed: &[Listed], played: Played) -> anyhow::Result<Shown> {
    let Played { scenario, seen } = played;
    let path = scenario.path();
    let listed = listed.iter().find(|listed| listed.path.as_deref() == Some(&path));
    // The judge may have run out of time on a busy machine.
    let judging = Judging::default();
    let record = listed.map(|listed| judging.record(reader, listed.id)).transpose()?;
    let faults = match (&record, seen) {
        (_, Err(error)) => vec![format!("{error:#}")],
        (None, Ok(_)) => vec!["it is not in the store".to_owned()],
        (Some(record), Ok(seen)) => check::differences(record, &seen, &scenario.expected),
    };
    Ok(Shown { name: scenario.name, record, faults })
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
