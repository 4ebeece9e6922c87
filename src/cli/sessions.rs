//! `wstap sessions`: what the store holds, one session per row or line.

use std::io::{self, BufWriter, Write};
use std::thread;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use jiff::tz::TimeZone;

use super::store_path::StorePath;
use super::when::{duration, moment};
use super::{Outcome, say};
use crate::report::{self, Clock, SessionTable};
use crate::session::{Kind, Offset, Record, SessionId, State, Wall};
use crate::store::{Filter, Follow, Listed, Reader};

/// Rows of the table when nobody says how many.
const ROWS: usize = 50;

/// How often the store is looked at while following; a look at an unchanged store costs nothing.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The words of `EndingKind::name`.
const ENDINGS: [&str; 8] = [
    "close_frame",
    "fin",
    "fin_mid_frame",
    "reset",
    "failed",
    "tls",
    "cut_by_wstap",
    "reset_not_passed",
];

/// List recorded sessions, the newest last.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  wstap sessions --since 10m             what happened in the last ten minutes
  wstap sessions --close-code 1008       sessions that were refused by policy
  wstap sessions --ending reset --json   one JSON object per line")]
pub(super) struct SessionsArgs {
    #[command(flatten)]
    store: StorePath,
    #[command(flatten)]
    output: Output,
    /// Stay, and show sessions as they begin and end.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    selection: Selection,
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

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Which sessions")]
struct Selection {
    /// Started at this time or later: 10m for ten minutes ago, or 2026-11-20T04:46:56Z.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Wall>,
    /// Started before this time.
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    until: Option<Wall>,
    /// With exactly this Origin header.
    #[arg(long)]
    origin: Option<String>,
    /// Whose path begins like this, or fits this glob.
    #[arg(long)]
    path: Option<String>,
    /// Whose first Close frame had this code.
    #[arg(long, value_name = "CODE", value_parser = close_code)]
    close_code: Option<u16>,
    /// What ended a leg first.
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(ENDINGS))]
    ending: Option<String>,
    /// What the bytes were: websocket, http or opaque.
    #[arg(long, value_parser = kind)]
    kind: Option<Kind>,
    /// That lasted at least so long, as 30s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    min_duration: Option<Offset>,
    /// That lasted at most so long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_duration: Option<Offset>,
    /// That are open now.
    #[arg(long)]
    open: bool,
    /// At most so many, the newest; 0 for all [default: 50, with --json all].
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
}

impl SessionsArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let Some((reader, path)) = self.store.open_if_there()? else { return Ok(Outcome::Done) };
        let filter = self.selection.filter(if self.output.json { 0 } else { ROWS });
        let mut lister = Lister { reader: &reader, clock: self.output.clock() };
        // Looking from before the list on loses nothing; what comes twice is left out.
        let follow = if self.follow { Some(reader.follow(filter.clone())?) } else { None };
        let listed = reader.list(&filter)?;
        if listed.is_empty() && follow.is_none() {
            let hint = if fits_all(&filter) {
                "start `wstap proxy` and let a client dial it"
            } else {
                "none fits, leave out a filter to see more"
            };
            say(&format!("no session to list in {}: {hint}", path.display()));
            return Ok(Outcome::Done);
        }
        match (follow, self.output.json) {
            (None, false) => lister.table(&listed)?,
            (None, true) => lister.json(&mut BufWriter::new(io::stdout().lock()), &listed)?,
            (Some(follow), json) => lister.follow(follow, &listed, json)?,
        }
        Ok(Outcome::Done)
    }
}

impl Output {
    fn clock(&self) -> Clock {
        if self.utc { Clock::utc() } else { Clock::of(TimeZone::system()) }
    }
}

impl Selection {
    fn filter(self, rows: usize) -> Filter {
        let limit = self.limit.unwrap_or(rows);
        Filter {
            since: self.since,
            until: self.until,
            origin: self.origin,
            path: self.path,
            close_code: self.close_code,
            ending: self.ending,
            kind: self.kind,
            min_duration: self.min_duration,
            max_duration: self.max_duration,
            state: self.open.then_some(State::Open),
            limit: (limit > 0).then_some(limit),
        }
    }
}

/// Writes what was listed.
struct Lister<'r> {
    reader: &'r Reader,
    clock: Clock,
}

impl Lister<'_> {
    fn table(&mut self, listed: &[Listed]) -> anyhow::Result<()> {
        let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
        let mut table = SessionTable::new(self.clock.clone(), width);
        for one in listed {
            table.add(&self.record(one)?);
        }
        let mut out = BufWriter::new(anstream::stdout().lock());
        write!(out, "{table}")?;
        Ok(out.flush()?)
    }

    fn json(&mut self, out: &mut impl Write, listed: &[Listed]) -> anyhow::Result<()> {
        for one in listed {
            writeln!(out, "{}", report::line(&self.record(one)?)?)?;
        }
        Ok(out.flush()?)
    }

    fn lines(&mut self, out: &mut impl Write, listed: &[Listed]) -> anyhow::Result<()> {
        for one in listed {
            writeln!(out, "{}", report::follow_line(&self.record(one)?, &self.clock))?;
        }
        Ok(out.flush()?)
    }

    /// Ends with the program, or when nobody reads any more.
    fn follow(
        &mut self,
        mut follow: Follow<'_>,
        there: &[Listed],
        json: bool,
    ) -> anyhow::Result<()> {
        let mut out = BufWriter::new(anstream::stdout().lock());
        if !json {
            writeln!(out, "{}", report::follow_header())?;
        }
        let mut told: Vec<(SessionId, State)> = there.iter().map(|l| (l.id, l.state)).collect();
        let mut news = there.to_vec();
        loop {
            if json {
                self.json(&mut out, &news)?;
            } else {
                self.lines(&mut out, &news)?;
            }
            thread::sleep(LOOK_EVERY);
            news = follow.look()?;
            if !news.is_empty() {
                news.retain(|listed| !told.contains(&(listed.id, listed.state)));
                told.clear();
            }
        }
    }

    fn record(&self, listed: &Listed) -> anyhow::Result<Record> {
        Ok(self.reader.record(listed.id)?)
    }
}

/// Codes that are never on the wire (RFC 6455 §7.4.1) would find nothing for ever.
fn close_code(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(1005) => Err("never on the wire: it stands for a Close frame without a code".to_owned()),
        Ok(1006) => Err("never on the wire: it stands for an end without a Close frame, as \
             --ending fin, --ending reset or --ending fin_mid_frame find it"
            .to_owned()),
        Ok(code) => Ok(code),
        Err(_) => Err("say a number, as 1000, 1008 or 4008".to_owned()),
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let kinds = [Kind::Websocket, Kind::Http, Kind::Opaque];
    kinds
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| "say websocket, http or opaque".to_owned())
}

/// Whether every session fits.
fn fits_all(filter: &Filter) -> bool {
    *filter == Filter { limit: filter.limit, ..Filter::default() }
}
