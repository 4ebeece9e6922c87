//! `wstap join`: the sessions of taps in front of a hop and behind it, side by side.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::Outcome;
use crate::join::{self, Clocks, Joined, Seen};
use crate::session::Kind;
use crate::store::{Filter, Reader};
use crate::verdict;

/// Frames of a session that are compared; more tell nothing new of a hop.
const FRAMES: usize = 20_000;

/// Join the sessions of a tap in front of a proxy and of one behind it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Stores stand in the order from the client to the gateway, and may be copies from other machines.

  wstap join front.db behind.db            what the hop between the two taps did
  wstap join edge.db middle.db inner.db    two hops")]
pub(super) struct JoinArgs {
    /// The store of the tap in front, of the next one, and so on.
    #[arg(value_name = "STORE", num_args = 2..=3, required = true)]
    stores: Vec<PathBuf>,
    /// The taps ran on one machine: their times compare as they are.
    #[arg(long)]
    same_clock: bool,
    /// One JSON document.
    #[arg(long)]
    json: bool,
}

impl JoinArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let clocks = if self.same_clock { Clocks::One } else { Clocks::Two };
        let mut sides = Vec::new();
        for store in &self.stores {
            sides.push((store, read(store)?));
        }
        let mut out = anstream::stdout().lock();
        let mut hops = Vec::new();
        for two in sides.windows(2) {
            let [(front, before), (behind, after)] = two else { continue };
            let joined = join::join(before, after, clocks);
            if self.json {
                hops.push(json!({ "front": front, "behind": behind, "joined": joined }));
            } else {
                writeln!(out, "{}  ->  {}", front.display(), behind.display())?;
                write!(out, "{}", shown(&joined))?;
            }
        }
        if self.json {
            writeln!(io::stdout().lock(), "{}", serde_json::to_string_pretty(&hops)?)?;
        }
        Ok(Outcome::Done)
    }
}

fn shown(joined: &Joined) -> String {
    if joined.pairs.is_empty() {
        return "no session is in both\n".to_owned() + &join::text(joined);
    }
    join::text(joined)
}

/// Every WebSocket session of a store, judged.
fn read(path: &Path) -> anyhow::Result<Vec<Seen>> {
    let place = || format!("cannot read {}", path.display());
    let reader = Reader::open(path).with_context(place)?;
    let filter = Filter { kind: Some(Kind::Websocket), ..Filter::default() };
    let mut all = Vec::new();
    for listed in reader.list(&filter).with_context(place)? {
        let mut record = reader.record(listed.id).with_context(place)?;
        record.verdict = Some(verdict::judge(&record));
        let frames = reader.frames(listed.id).with_context(place)?;
        let frames = frames.take(FRAMES).collect::<Result<_, _>>().with_context(place)?;
        all.push(Seen { record, frames });
    }
    Ok(all)
}
