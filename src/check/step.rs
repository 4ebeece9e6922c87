//! One rung of the ladder: what was tried, how long it took, what came of it.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::session;
use crate::session::{Layer, Verdict};
use crate::session::{Offset, Record};
use crate::verdict;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Failed,
    Skipped,
    /// Nothing is wrong, but it is worth knowing.
    Info,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Info => "info",
        }
    }
}

/// One step of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// A stable word.
    pub name: &'static str,
    /// Absent when nothing was done.
    pub took_ms: Option<Offset>,
    pub verdict: Outcome,
    /// One sentence.
    pub detail: String,
    pub facts: Map<String, Value>,
    /// Why it failed, in the words of the verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

/// A failure by layer and cause, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    pub layer: Layer,
    pub cause: String,
    pub next: Vec<session::Step>,
}

impl Finding {
    pub(super) fn of(verdict: &Verdict) -> Self {
        // A session may have ended in good order without coming to what the check wanted.
        let layer = if verdict.layer.is_failure() { verdict.layer } else { Layer::Unknown };
        Self { layer, cause: verdict.cause.clone(), next: verdict.next.clone() }
    }

    /// A cause of the verdicts that a check finds without a session.
    pub(super) fn named(cause: &str) -> Self {
        let known = verdict::explain_cause(cause);
        let layer = known.as_ref().map_or(Layer::Transport, |known| known.layer);
        let next = known.map(|known| known.next).unwrap_or_default();
        Self { layer, cause: cause.to_owned(), next }
    }

    /// A cause that only checks have.
    pub(super) fn own(layer: Layer, cause: &str, next: &[&str]) -> Self {
        let step =
            |text: &&str| session::Step { text: (*text).to_owned(), command: None, config: None };
        Self { layer, cause: cause.to_owned(), next: next.iter().map(step).collect() }
    }
}

impl Step {
    pub(super) fn new(
        name: &'static str,
        verdict: Outcome,
        took: Offset,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            name,
            took_ms: Some(took),
            verdict,
            detail: detail.into(),
            facts: Map::new(),
            finding: None,
        }
    }

    pub(super) fn ok(name: &'static str, took: Offset, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Ok, took, detail)
    }

    pub(super) fn info(name: &'static str, took: Offset, detail: impl Into<String>) -> Self {
        Self::new(name, Outcome::Info, took, detail)
    }

    pub(super) fn failed(
        name: &'static str,
        took: Offset,
        detail: impl Into<String>,
        finding: Finding,
    ) -> Self {
        Self { finding: Some(finding), ..Self::new(name, Outcome::Failed, took, detail) }
    }

    /// A failed step whose session is judged.
    pub(super) fn judged(name: &'static str, took: Offset, record: &Record) -> Self {
        let verdict = verdict::judge(record);
        Self::failed(name, took, verdict.summary.clone(), Finding::of(&verdict))
    }

    pub(super) fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { took_ms: None, ..Self::new(name, Outcome::Skipped, Offset::default(), why) }
    }

    pub(super) fn fact(mut self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or_default();
        if !value.is_null() {
            self.facts.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) const fn is_failed(&self) -> bool {
        matches!(self.verdict, Outcome::Failed)
    }
}
