//! Records with their verdicts: the stored one, or one made now.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::session::{Record, SessionId, State, Verdict};
use crate::store::{FindError, Reader};
use crate::verdict::{Limits, judge_with};

/// The option of every command that judges.
#[derive(Debug, clap::Args)]
pub(super) struct LimitsFile {
    #[arg(long, value_name = "FILE")]
    #[arg(help = "Idle and lifetime limits of your own (JSON), beside those that wstap knows")]
    limits: Option<PathBuf>,
}

impl LimitsFile {
    /// The user's rows and the standard ones; nothing when no file is named.
    pub(super) fn read(&self) -> anyhow::Result<Option<Limits>> {
        const ROW: &str = r#"it should hold rows as [{"name": "our proxy", "directive": "idle 1h", "ms": 42000, "clock": "idle", "ends": ["fin"], "marks": [], "hop": "front", "source": "its manual"}]"#;
        let Some(path) = &self.limits else { return Ok(None) };
        let file = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {file}"))?;
        let own = Limits::parse(&text).with_context(|| format!("{file}: {ROW}"))?;
        Ok(Some(Limits::standard().clone().with(own)))
    }

    pub(super) fn judging(&self) -> anyhow::Result<Judging> {
        Ok(Judging { own: self.read()? })
    }
}

/// Judges what is read.
#[derive(Debug, Default)]
pub(super) struct Judging {
    /// Limits that stored verdicts did not know.
    own: Option<Limits>,
}

impl Judging {
    /// Whether what the store says counts.
    pub(super) const fn believes_the_store(&self) -> bool {
        self.own.is_none()
    }

    /// The record of a session with its verdict: the stored one, else today's; of an open
    /// session always today's.
    pub(super) fn record(&self, reader: &Reader, id: SessionId) -> Result<Record, FindError> {
        let mut record = reader.record(id)?;
        if self.believes_the_store() && record.state != State::Open {
            record.verdict = reader.verdict(id)?;
        }
        if record.verdict.is_none() {
            record.verdict = Some(self.judge(&record));
        }
        Ok(record)
    }

    /// The same with today's rules, whatever the store says.
    pub(super) fn again(&self, reader: &Reader, id: SessionId) -> Result<Record, FindError> {
        let mut record = reader.record(id)?;
        record.verdict = Some(self.judge(&record));
        Ok(record)
    }

    fn judge(&self, record: &Record) -> Verdict {
        judge_with(record, self.own.as_ref().unwrap_or_else(|| Limits::standard()))
    }
}
