//! The command line: one file per subcommand, each from its arguments to validated settings to a
//! call to an outcome. Data goes to stdout, everything else to stderr.

mod briefs;
mod cert;
mod demo;
mod explain;
mod findings;
mod front;
mod import;
mod join;
mod judging;
mod kpi;
mod origins;
mod probe;
mod proxy;
mod reach;
mod session_id;
mod sessions;
mod show;
mod store_path;
mod verdict;
mod when;

use std::io;

use anstream::ColorChoice;
use clap::{Parser, Subcommand, ValueEnum};

use crate::session::Layer;

pub use sessions::FailedOn;

/// A WebSocket-aware debugging proxy: relays byte for byte, records every session, says what went
/// wrong and what to do.
#[derive(Debug, Parser)]
#[command(name = "wstap", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(help = "When to colour; auto heeds NO_COLOR and CLICOLOR_FORCE")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

/// Every subcommand, in the order of the help.
#[derive(Debug, Subcommand)]
enum Command {
    Proxy(Box<proxy::ProxyArgs>),
    Sessions(Box<sessions::SessionsArgs>),
    Show(show::ShowArgs),
    Findings(findings::FindingsArgs),
    Kpi(kpi::KpiArgs),
    Explain(explain::ExplainArgs),
    Verdict(verdict::VerdictArgs),
    Import(import::ImportArgs),
    Probe(Box<probe::ProbeArgs>),
    Origins(Box<origins::OriginsArgs>),
    Front(Box<front::FrontArgs>),
    Join(join::JoinArgs),
    Demo(demo::DemoArgs),
    Cert(cert::CertArgs),
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// What a command that did its work has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It looked for something and found it, or a check failed.
    Findings,
    /// A session failed on a layer that `--fail-on` names, or a check did.
    FailedOn(FailedOn),
}

/// Why a command did not do its work, as far as the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Usage,
    CouldNotRun,
    /// Nobody reads our output any more.
    ReaderGone,
}

/// Something typed is wrong. The text says what to type instead.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct UsageError(String);

impl Outcome {
    /// Of a check whose first broken step is of this layer.
    fn failed_on(layer: Layer) -> Self {
        FailedOn::of(layer).map_or(Self::Findings, Self::FailedOn)
    }
}

impl Cli {
    pub fn run(self) -> anyhow::Result<Outcome> {
        self.color.apply();
        match self.command {
            Command::Proxy(args) => args.run(),
            Command::Sessions(args) => args.run(),
            Command::Show(args) => args.run(),
            Command::Findings(args) => args.run(),
            Command::Kpi(args) => args.run(),
            Command::Explain(args) => args.run(),
            Command::Verdict(args) => args.run(),
            Command::Import(args) => args.run(),
            Command::Probe(args) => args.run(),
            Command::Origins(args) => args.run(),
            Command::Front(args) => args.run(),
            Command::Join(args) => args.run(),
            Command::Demo(args) => args.run(),
            Command::Cert(args) => args.run(),
        }
    }
}

impl Color {
    fn apply(self) {
        match self {
            Self::Auto => ColorChoice::Auto,
            Self::Always => ColorChoice::Always,
            Self::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

impl Failure {
    pub fn of(error: &anyhow::Error) -> Self {
        let reader_gone = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        if error.is::<UsageError>() {
            Self::Usage
        } else if error.chain().any(reader_gone) {
            Self::ReaderGone
        } else {
            Self::CouldNotRun
        }
    }
}

/// A line for people beside the data.
fn say(text: &str) {
    anstream::eprintln!("{text}");
}
