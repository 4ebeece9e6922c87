//! `wstap import`: what others wrote down, into a store.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::Outcome;
use super::proxy::fingerprint_key;
use super::store_path::{StorePath, state_folder};
use crate::redact::{Redactor, Secrets};
use crate::session::Wall;
use crate::store::{LogWriter, Reader};
use crate::timeline::{LogLine, join};

/// Lines that are written at once.
const BATCH: usize = 1024;

/// Bring what others wrote down to the recorded sessions
#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Log(LogArgs),
}

/// Log files of an OpenClaw gateway (JSON lines)
///
/// Each line joins the session it speaks of, by our address and port towards the gateway or by
/// the name that the gateway gave the connection; `wstap show` has them. A file may be imported
/// again: lines that are there add nothing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wstap import log /tmp/openclaw/openclaw-2026-11-20.log
  wstap proxy --gateway-log FILE         follows the log while sessions are recorded")]
struct LogArgs {
    /// What to read, the oldest first
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    store: StorePath,
}

/// What was read, and between which times it was written.
#[derive(Debug, Default)]
struct Tally {
    read: usize,
    known: usize,
    new: usize,
    times: Option<[Wall; 2]>,
}

impl ImportArgs {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        match &self.what {
            What::Log(args) => args.run(),
        }
    }
}

impl LogArgs {
    fn run(&self) -> anyhow::Result<Outcome> {
        let path = self.store.path()?;
        // A store is made only for a file that can be read.
        let files: Vec<(&Path, File)> =
            self.files.iter().map(|file| open(file)).collect::<anyhow::Result<_>>()?;
        let redactor = Redactor::new(fingerprint_key(state_folder())?, true);
        let mut writer = LogWriter::open(&path)?;
        let mut tally = Tally::default();
        for (name, file) in files {
            tally
                .import(name, file, &mut writer, &redactor)
                .with_context(|| format!("importing {}", name.display()))?;
        }
        let mut stdout = anstream::stdout().lock();
        let Tally { read, known, new, .. } = tally;
        writeln!(stdout, "{read} lines read: {known} known, {} unknown", read - known)?;
        writeln!(stdout, "{new} of them new in {}", path.display())?;
        if let Some([from, until]) = tally.times {
            writeln!(stdout, "{}", joined(&Reader::open(&path)?, from, until)?)?;
        }
        Ok(Outcome::Done)
    }
}

fn open(file: &PathBuf) -> anyhow::Result<(&Path, File)> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    if opened.metadata()?.is_dir() {
        bail!("{} is a folder; name the log files in it", file.display());
    }
    Ok((file, opened))
}

/// The shares of lines and of sessions that found each other.
fn joined(reader: &Reader, from: Wall, until: Wall) -> anyhow::Result<String> {
    let spans = reader.spans(from, until)?;
    let joined = join(&spans, &reader.log_lines(from, until)?);
    Ok(format!(
        "{} of {} lines that name a connection joined, to {} of {} sessions of that time",
        joined.links.len(),
        joined.naming,
        joined.sessions,
        spans.len()
    ))
}

impl Tally {
    fn import(
        &mut self,
        name: &Path,
        file: File,
        writer: &mut LogWriter,
        redactor: &Redactor,
    ) -> anyhow::Result<()> {
        let source = name.display().to_string();
        let mut lines = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line?;
            let line = String::from_utf8_lossy(&line);
            if line.trim().is_empty() {
                continue;
            }
            let line = LogLine::parse(&line, |text| redactor.line(text, &mut Secrets::default()));
            self.take(&line);
            lines.push(line);
            if lines.len() == BATCH {
                self.new += writer.add(&source, &lines)?;
                lines.clear();
            }
        }
        self.new += writer.add(&source, &lines)?;
        Ok(())
    }

    fn take(&mut self, line: &LogLine) {
        self.read += 1;
        self.known += usize::from(line.what.is_known());
        if let Some(at) = line.at {
            let [from, until] = self.times.unwrap_or([at; 2]);
            self.times = Some([from.min(at), until.max(at)]);
        }
    }
}
