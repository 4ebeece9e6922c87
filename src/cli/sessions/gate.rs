//! Sessions as a gate for continuous integration: an exit code per layer, and a file of test cases.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;

use crate::cli::Outcome;
use crate::report::{Clock, JUnit};
use crate::session::{Layer, Record};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "As a gate")]
pub(super) struct Gate {
    /// Exit with 10 to 14 when a session failed on this layer. Several with commas.
    #[arg(long, value_enum, value_name = "LAYER", value_delimiter = ',')]
    #[arg(conflicts_with = "follow")]
    fail_on: Vec<FailedOn>,
    #[arg(long, value_name = "FILE", conflicts_with = "follow")]
    #[arg(help = "Write a JUnit file with a test case for each session")]
    junit: Option<PathBuf>,
}

/// A layer that a session failed on. In the order in which failures mask each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum FailedOn {
    Transport,
    Auth,
    Pairing,
    Origin,
    Protocol,
}

impl FailedOn {
    pub(in crate::cli) const fn of(layer: Layer) -> Option<Self> {
        match layer {
            Layer::Transport => Some(Self::Transport),
            Layer::Auth => Some(Self::Auth),
            Layer::Pairing => Some(Self::Pairing),
            Layer::Origin => Some(Self::Origin),
            Layer::Protocol => Some(Self::Protocol),
            Layer::Ok | Layer::None | Layer::Other | Layer::Unknown => None,
        }
    }
}

impl Gate {
    /// Whether it matters that no session is left out.
    pub(super) const fn is_set(&self) -> bool {
        !self.fail_on.is_empty() || self.junit.is_some()
    }

    pub(super) fn open(self) -> Passing {
        Passing { gate: self, failed: None, junit: JUnit::default() }
    }
}

/// Sessions on their way through the gate.
pub(super) struct Passing {
    gate: Gate,
    failed: Option<FailedOn>,
    junit: JUnit,
}

impl Passing {
    /// Whether the layer is all that is asked of a session.
    pub(super) const fn wants_layers_only(&self) -> bool {
        self.gate.junit.is_none()
    }

    pub(super) fn add_layer(&mut self, layer: Layer) {
        if let Some(failed) = FailedOn::of(layer)
            && self.gate.fail_on.contains(&failed)
            && self.failed.is_none_or(|worst| failed < worst)
        {
            self.failed = Some(failed);
        }
    }

    pub(super) fn add(&mut self, record: &Record, clock: &Clock) {
        if let Some(verdict) = &record.verdict {
            self.add_layer(verdict.layer);
        }
        if self.gate.junit.is_some() {
            self.junit.add(record, clock);
        }
    }

    /// What came of them all.
    pub(super) fn finish(self) -> anyhow::Result<Outcome> {
        if let Some(path) = &self.gate.junit {
            fs::write(path, self.junit.to_string())
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(self.failed.map_or(Outcome::Done, Outcome::FailedOn))
    }
}
