//! `wstap show`: one session, and everything that is known of it.

use std::io::{self, BufWriter, Write};

use anyhow::bail;
use jiff::tz::TimeZone;

use super::judging::{Judging, LimitsFile};
use super::session_id::by_prefix;
use super::store_path::StorePath;
use super::{Outcome, say};
use crate::report::{self, Clock, FrameList, WithLog};
use crate::session::SessionId;
use crate::store::{Filter, Reader};
use crate::timeline;

/// Show one session: the verdict, what to do, and everything that is known of it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wstap show                    the newest session that did not end well
  wstap show 3f9                the session whose id starts with 3f9
  wstap show 3f9 --frames       its frames, with times and sizes")]
pub(super) struct ShowArgs {
    /// The id, or its beginning [default: the newest that did not end well, else the newest].
    id: Option<String>,
    #[command(flatten)]
    store: StorePath,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    limits: LimitsFile,
    /// Times in UTC instead of the local zone.
    #[arg(long)]
    utc: bool,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// One JSON document; with --frames one object per line.
    #[arg(long)]
    json: bool,
    /// List every frame instead: time, direction, opcode, flags, size.
    #[arg(long)]
    frames: bool,
}

impl ShowArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let judging = self.limits.judging()?;
        let reader = self.store.open()?;
        let id = match &self.id {
            Some(prefix) => by_prefix(&reader, prefix)?,
            None => by_default(&reader)?,
        };
        if self.output.frames {
            self.frames(&reader, id)?;
        } else {
            self.record(&reader, &judging, id)?;
        }
        Ok(Outcome::Done)
    }

    fn record(&self, reader: &Reader, judging: &Judging, id: SessionId) -> anyhow::Result<()> {
        let record = judging.record(reader, id)?;
        let cause = record.verdict.as_ref().map_or("", |verdict| &verdict.cause);
        let words = timeline::words(reader.joined(id)?, cause);
        if self.output.json {
            return Ok(writeln!(
                io::stdout().lock(),
                "{}",
                report::document(&WithLog::new(&record, &words))?
            )?);
        }
        let clock = if self.utc { Clock::utc() } else { Clock::of(TimeZone::system()) };
        Ok(write!(anstream::stdout().lock(), "{}", report::show(&record, &words, &clock))?)
    }

    fn frames(&self, reader: &Reader, id: SessionId) -> anyhow::Result<()> {
        let list = FrameList::new(reader.envelopes(id)?);
        let mut out = BufWriter::new(io::stdout().lock());
        if !self.output.json {
            writeln!(out, "{}", FrameList::header())?;
        }
        for frame in reader.frames(id)? {
            let frame = frame?;
            if self.output.json {
                writeln!(out, "{}", list.json(&frame)?)?;
            } else {
                writeln!(out, "{}", list.line(&frame))?;
            }
        }
        Ok(out.flush()?)
    }
}

fn by_default(reader: &Reader) -> anyhow::Result<SessionId> {
    if let Some(id) = reader.latest_not_well()? {
        say(&format!("{id} is the newest session that did not end well"));
        return Ok(id);
    }
    let newest = Filter { limit: Some(1), ..Filter::default() };
    let Some(listed) = reader.list(&newest)?.pop() else {
        bail!("no session was recorded yet; start `wstap proxy` and let a client dial it");
    };
    say(&format!("{} is the newest session; none ended badly", listed.id));
    Ok(listed.id)
}
