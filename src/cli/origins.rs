//! `wstap origins`: which Origins does this gateway take.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::Outcome;
use super::reach::{self, ReachArgs, runtime};
use crate::check::{self, Candidate, Expected, OriginSettings, OriginsReport, Why, table};
use crate::report::clean_json;
use crate::session::Layer;
use crate::store::{Filter, Reader};

/// Try which Origins a gateway takes, and who refuses the others
///
/// Each origin is tried by a Control UI's connect without secret and without device. Being asked
/// for a device identity means that the origin was accepted, so no secret is tried and nothing is
/// paired. Near misses of every origin are tried as well: other port, http for https, trailing dot,
/// upper case, a sub-domain, null, none.
///
/// Exits with 1 when there are findings, with 10 or 14 when no origin could be tried.
#[derive(Debug, Args)]
#[command(after_help = "\
The file of --expect has one expectation per line:
  accept https://ui.example:8443
  refuse https://ui.example       # no port
  refuse absent                   # no Origin header

Examples:
  wstap origins ws://127.0.0.1:18789 --origin http://localhost:5173
  wstap origins wss://gw.example --config openclaw.json --expect origins.txt")]
pub(super) struct OriginsArgs {
    /// The gateway, or what stands in front of it
    url: String,
    /// Try this origin; may be repeated
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// Try the origins in this file, one per line, # begins a comment
    #[arg(long = "origins", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Try the origins of the sessions in this store
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Try no near misses
    #[arg(long)]
    exact: bool,
    /// Say which rule of this openclaw.json (JSON5) decides, and whether the gateway agrees
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Fail unless the gateway answers as this file expects
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// One JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    reach: ReachArgs,
}

impl OriginsArgs {
    pub(super) fn run(self) -> anyhow::Result<Outcome> {
        let settings = OriginSettings {
            target: self.reach.target(&self.url)?,
            reach: self.reach.reach(),
            named: self.named()?,
            near_misses: !self.exact,
            config: self.config.as_deref().map(reach::config).transpose()?,
            expected: self.expected()?,
        };
        let report = runtime()?.block_on(check::origins(&settings))?;
        let mut out = anstream::stdout().lock();
        if self.json {
            writeln!(out, "{}", clean_json(serde_json::to_string_pretty(&report)?))?;
        } else {
            write!(out, "{}", table(&report))?;
        }
        out.flush()?;
        Ok(outcome(&report))
    }

    fn named(&self) -> anyhow::Result<Vec<Candidate>> {
        let candidate =
            |why: Why| move |origin| Candidate { origin: Some(origin), why: why.clone() };
        let mut named: Vec<Candidate> =
            self.origins.iter().cloned().map(candidate(Why::Given)).collect();
        if let Some(path) = &self.file {
            let text = text_of(path)?;
            let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
            named.extend(
                lines.filter(|line| !line.is_empty()).map(str::to_owned).map(candidate(Why::File)),
            );
        }
        if let Some(path) = &self.store {
            named.extend(seen_in(path)?.into_iter().map(candidate(Why::Store)));
        }
        Ok(named)
    }

    fn expected(&self) -> anyhow::Result<Expected> {
        let Some(path) = &self.expect else { return Ok(Expected::default()) };
        Expected::parse(&text_of(path)?).with_context(|| format!("cannot use {}", path.display()))
    }
}

fn outcome(report: &OriginsReport) -> Outcome {
    match (report.layer, report.findings.is_empty()) {
        (Layer::Ok, true) => Outcome::Done,
        (Layer::Ok | Layer::Unknown, _) => Outcome::Findings,
        (layer, _) => Outcome::failed_on(layer),
    }
}

fn text_of(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every origin in a store, each once; those that only wstap itself tried are nobody's.
fn seen_in(path: &Path) -> anyhow::Result<Vec<String>> {
    let reader = Reader::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut origins: Vec<String> = Vec::new();
    for one in reader.list(&Filter::default())? {
        let Some(origin) = one.origin.filter(|origin| !origins.contains(origin)) else { continue };
        let record = reader.record(one.id)?;
        let agent = record.request.as_ref().and_then(|request| request.user_agent.as_deref());
        if !agent.is_some_and(|agent| agent.starts_with("wstap/")) {
            origins.push(origin);
        }
    }
    Ok(origins)
}
