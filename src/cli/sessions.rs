//! `wstap sessions`: what the store holds, one session per row or line.

mod gate;
mod selection;

use std::io::{self, BufWriter, Write};
use std::thread;
use std::time::Duration;

use jiff::tz::TimeZone;

use self::gate::{Gate, Passing};
use self::selection::{Selection, fits};
use super::judging::{Judging, LimitsFile};
use super::store_path::StorePath;
use super::{Outcome, say};
use crate::report::{self, Clock, SessionTable, Tally};
use crate::session::{Layer, Record, SessionId, State};
use crate::store::{Filter, Follow, Judged, JudgedAs, Listed, Reader};

pub use gate::FailedOn;

/// Rows of the table when nobody says how many.
const ROWS: usize = 50;

/// How often the store is looked at while following; a look at an unchanged store costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// List recorded sessions with what went wrong, the newest last.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A cause with a question mark is possible, not more. \"so far\": the session is open.

Examples:
  wstap sessions --since 10m             what happened in the last ten minutes
  wstap sessions --layer auth,pairing    sessions that were refused
  wstap sessions --ending reset --json   one JSON object per line
  wstap sessions --fail-on transport     exit with 10 if the transport failed")]
pub(super) struct SessionsArgs {
    #[command(flatten)]
    store: StorePath,
    #[command(flatten)]
    output: Output,
    /// Stay, and show sessions as they begin and end.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    limits: LimitsFile,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    gate: Gate,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// One JSON object per line, as `wstap show --json` has it.
    #[arg(long)]
    json: bool,
    /// Times in UTC instead of the local zone.
    #[arg(long)]
    utc: bool,
}

impl SessionsArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let Self { store, output, follow, limits, selection, gate } = self;
        let judging = limits.judging()?;
        let Some((reader, path)) = store.open_if_there()? else { return gate.open().finish() };
        let shown = selection.limit((!output.json).then_some(ROWS));
        // The table is for eyes, the gate is for every session.
        let limit = if gate.is_set() { selection.limit(None) } else { shown };
        let wanted = selection.judged();
        let mut filter = selection.filter();
        if judging.believes_the_store() {
            filter.judged = wanted.clone();
        }
        // A session that only a judgement leaves out must not take the place of another.
        filter.limit = limit.filter(|_| wanted.is_anything());
        let lister = Lister { reader: &reader, judging, wanted, clock: output.clock() };
        // Looking from before the list on loses nothing; what comes twice is left out.
        let news = if follow { Some(reader.follow(filter.clone())?) } else { None };
        let listed = lister.newest(&reader.list(&filter)?, limit)?;
        if let Some(news) = news {
            lister.follow(news, listed, output.json)?;
            return Ok(Outcome::Done);
        }
        if listed.is_empty() {
            let hint = if fits_all(&filter) && lister.wanted.is_anything() {
                "start `wstap proxy` and let a client dial it"
            } else {
                "none fits, leave out a filter to see more"
            };
            say(&format!("no session to list in {}: {hint}", path.display()));
            return gate.open().finish();
        }
        let mut gate = gate.open();
        let hidden = shown.map_or(0, |shown| listed.len().saturating_sub(shown));
        let (hidden, shown) = listed.split_at(hidden);
        for one in hidden {
            lister.pass(one, &mut gate)?;
        }
        if output.json {
            lister.json(&mut BufWriter::new(io::stdout().lock()), shown, Some(&mut gate))?;
        } else {
            lister.table(shown, &mut gate)?;
        }
        gate.finish()
    }
}

impl Output {
    fn clock(&self) -> Clock {
        if self.utc { Clock::utc() } else { Clock::of(TimeZone::system()) }
    }
}

/// Reads and writes what was listed.
struct Lister<'r> {
    reader: &'r Reader,
    judging: Judging,
    wanted: JudgedAs,
    clock: Clock,
}

impl Lister<'_> {
    /// The newest of those whose verdict fits, in their order.
    fn newest(&self, listed: &[Listed], limit: Option<usize>) -> anyhow::Result<Vec<Listed>> {
        let mut fitting = Vec::new();
        for one in listed.iter().rev() {
            if limit.is_some_and(|limit| fitting.len() >= limit) {
                break;
            }
            if self.fits(one)? {
                fitting.push(one.clone());
            }
        }
        fitting.reverse();
        Ok(fitting)
    }

    /// Whether the verdict is what was asked for; the store's own it has compared itself.
    fn fits(&self, listed: &Listed) -> anyhow::Result<bool> {
        let compared = self.stored(listed).is_some();
        Ok(self.wanted.is_anything() || compared || fits(&self.wanted, &self.record(listed)?))
    }

    /// The verdict of the store, if that is what counts.
    fn stored<'l>(&self, listed: &'l Listed) -> Option<&'l Judged> {
        let counts = self.judging.believes_the_store() && listed.state != State::Open;
        listed.judged.as_ref().filter(|_| counts)
    }

    /// Shows a session to the gate and to nobody else.
    fn pass(&self, listed: &Listed, gate: &mut Passing) -> anyhow::Result<()> {
        let word = self.stored(listed).filter(|_| gate.wants_layers_only());
        let layer = word.and_then(|word| Layer::ALL.into_iter().find(|l| l.name() == word.layer));
        match layer {
            Some(layer) => gate.add_layer(layer),
            None => gate.add(&self.record(listed)?, &self.clock),
        }
        Ok(())
    }

    fn record(&self, listed: &Listed) -> anyhow::Result<Record> {
        Ok(self.judging.record(self.reader, listed.id)?)
    }

    fn table(&self, listed: &[Listed], gate: &mut Passing) -> anyhow::Result<()> {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let mut table = SessionTable::new(self.clock.clone(), width);
        let mut tally = Tally::default();
        for one in listed {
            let record = self.record(one)?;
            table.add(&record);
            tally.add(&record);
            gate.add(&record, &self.clock);
        }
        let mut out = BufWriter::new(anstream::stdout().lock());
        write!(out, "{table}")?;
        out.flush()?;
        say(&tally.to_string());
        Ok(())
    }

    fn json(
        &self,
        out: &mut impl Write,
        listed: &[Listed],
        mut gate: Option<&mut Passing>,
    ) -> anyhow::Result<()> {
        for one in listed {
            let record = self.record(one)?;
            writeln!(out, "{}", report::line(&record)?)?;
            if let Some(gate) = &mut gate {
                gate.add(&record, &self.clock);
            }
        }
        Ok(out.flush()?)
    }

    fn lines(&self, out: &mut impl Write, listed: &[Listed]) -> anyhow::Result<()> {
        for one in listed {
            writeln!(out, "{}", report::follow_line(&self.record(one)?, &self.clock))?;
        }
        Ok(out.flush()?)
    }

    /// Ends with the program, or when nobody reads any more.
    fn follow(&self, mut follow: Follow<'_>, there: Vec<Listed>, json: bool) -> anyhow::Result<()> {
        let mut out = BufWriter::new(anstream::stdout().lock());
        if !json {
            writeln!(out, "{}", report::follow_header())?;
        }
        let mut told: Vec<(SessionId, State)> = there.iter().map(|l| (l.id, l.state)).collect();
        let mut news = there;
        loop {
            if json {
                self.json(&mut out, &news, None)?;
            } else {
                self.lines(&mut out, &news)?;
            }
            thread::sleep(LOOK_EVERY);
            let mut listed = follow.look()?;
            if !listed.is_empty() {
                listed.retain(|listed| !told.contains(&(listed.id, listed.state)));
                told.clear();
            }
            news = self.newest(&listed, None)?;
        }
    }
}

/// Whether every session fits.
fn fits_all(filter: &Filter) -> bool {
    *filter == Filter { limit: filter.limit, ..Filter::default() }
}
