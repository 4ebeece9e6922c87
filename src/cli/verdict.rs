//! `wstap verdict`: sessions judged again by today's rules.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::judging::{Judging, LimitsFile};
use super::session_id::by_prefix;
use super::store_path::StorePath;
use super::{Outcome, say};
use crate::findings::Brief;
use crate::report;
use crate::session::{SessionId, State, Verdict};
use crate::store::{Filter, FindError, Reader, Verdicts};
use crate::verdict::RULES_VERSION;

/// Verdicts written in one transaction: a tap that writes too must not wait long.
const SOME: usize = 8;

/// Judge sessions again by today's rules, and show what changes.
///
/// Without an ID: the sessions that were judged by other rules or not at all; with --limits every
/// session that is over.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wstap verdict             what today's rules say otherwise; nothing is written
  wstap verdict --again     write it")]
pub(super) struct VerdictArgs {
    /// The ids of sessions, or their beginnings.
    id: Vec<String>,
    #[command(flatten)]
    store: StorePath,
    /// Write the new verdicts into the store.
    #[arg(long)]
    again: bool,
    /// One JSON object per line: the id, and the verdict before and after.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitsFile,
}

/// What became of one verdict.
#[derive(Serialize)]
struct Change<'a> {
    id: SessionId,
    before: Option<&'a Verdict>,
    after: &'a Verdict,
}

impl VerdictArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let judging = self.limits.judging()?;
        let Some((reader, path)) = self.store.open_if_there()? else { return Ok(Outcome::Done) };
        let ids = self.ids(&reader, &judging)?;
        let mut verdicts = if self.again { Some(Verdicts::open(&path)?) } else { None };
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut judged, mut changed) = (0, 0);
        for some in ids.chunks(SOME) {
            let mut made = Vec::with_capacity(some.len());
            for id in some {
                let record = match judging.again(&reader, *id) {
                    // Retention took it meanwhile.
                    Err(FindError::NotFound { .. }) => continue,
                    record => record?,
                };
                let Some(after) = record.verdict.clone() else { continue };
                let before = reader.verdict(*id)?;
                judged += 1;
                if before.as_ref().is_none_or(|before| !before.says_as(&after)) {
                    changed += 1;
                    self.tell(
                        &mut out,
                        &Change { id: *id, before: before.as_ref(), after: &after },
                    )?;
                }
                // What is open is judged whenever it is read.
                if record.state != State::Open {
                    let brief = Brief::of(&record, &after).write();
                    made.push((*id, after, brief));
                }
            }
            if let Some(verdicts) = &mut verdicts {
                verdicts.write(&made)?;
            }
        }
        out.flush()?;
        let written = if self.again { "written" } else { "not written, --again writes them" };
        say(&format!("{judged} judged by rules {RULES_VERSION}, {changed} changed; {written}"));
        Ok(Outcome::Done)
    }

    fn ids(&self, reader: &Reader, judging: &Judging) -> anyhow::Result<Vec<SessionId>> {
        if !self.id.is_empty() {
            return self.id.iter().map(|prefix| by_prefix(reader, prefix)).collect();
        }
        if judging.believes_the_store() {
            return Ok(reader.outdated(RULES_VERSION)?);
        }
        let listed = reader.list(&Filter::default())?;
        Ok(listed.iter().filter(|l| l.state != State::Open).map(|l| l.id).collect())
    }

    fn tell(&self, out: &mut impl Write, change: &Change<'_>) -> anyhow::Result<()> {
        if self.json {
            writeln!(out, "{}", report::line(change)?)?;
        } else {
            let before =
                change.before.map_or_else(|| "not judged".to_owned(), report::verdict_in_words);
            let after = report::verdict_in_words(change.after);
            writeln!(out, "{}  {before}  ->  {after}", change.id.short())?;
        }
        Ok(())
    }
}
