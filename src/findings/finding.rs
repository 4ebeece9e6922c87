//! What a finding is.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Brief;
use crate::session::{Confidence, SessionId, Step};

/// How much it matters; the order is from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that sessions show beside each other. The JSON names and the slugs are an interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// A stable name of this kind of finding.
    pub slug: &'static str,
    pub severity: Severity,
    pub confidence: Confidence,
    /// One or two sentences.
    pub summary: String,
    /// The sessions that it rests on, oldest first; the newest [`Finding::LISTED`] of them.
    pub sessions: Vec<SessionId>,
    /// What was measured, by name; `sessions` is how many there are in all.
    pub numbers: Map<String, Value>,
    /// What to do, in order.
    pub next: Vec<Step>,
}

impl Finding {
    /// How many sessions a finding names at most.
    pub const LISTED: usize = 100;

    pub(super) fn new(slug: &'static str, severity: Severity, summary: String) -> Self {
        Self {
            slug,
            severity,
            confidence: Confidence::Certain,
            summary,
            sessions: Vec::new(),
            numbers: Map::new(),
            next: Vec::new(),
        }
    }

    pub(super) const fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    /// The sessions it rests on, in any order.
    pub(super) fn on<'a>(mut self, briefs: impl IntoIterator<Item = &'a Brief>) -> Self {
        let mut all: Vec<(i64, SessionId)> =
            briefs.into_iter().map(|brief| (brief.started.micros(), brief.id)).collect();
        all.sort_unstable();
        all.dedup();
        let count = all.len();
        let shown = all.split_off(count.saturating_sub(Self::LISTED));
        self.sessions = shown.into_iter().map(|(_, id)| id).collect();
        self.number("sessions", count)
    }

    pub(super) fn number(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.numbers.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn look(self, text: impl Into<String>) -> Self {
        self.step(text.into(), None, None)
    }

    pub(super) fn run(self, text: impl Into<String>, command: impl Into<String>) -> Self {
        self.step(text.into(), Some(command.into()), None)
    }

    pub(super) fn set(self, text: impl Into<String>, config: impl Into<String>) -> Self {
        self.step(text.into(), None, Some(config.into()))
    }

    fn step(mut self, text: String, command: Option<String>, config: Option<String>) -> Self {
        self.next.push(Step { text, command, config });
        self
    }
}
