//! What a proxy did differently from passing bytes on.

use std::collections::BTreeMap;

use serde::Serialize;

use super::proxy::Proxy;

/// One difference between what was sent and what arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deviation {
    /// A stable name.
    pub slug: &'static str,
    pub severity: Severity,
    /// The trial that found it.
    pub trial: &'static str,
    /// What was sent at one end.
    pub sent: String,
    /// What arrived at the other.
    pub arrived: String,
    /// What it means.
    pub says: String,
    /// What to change, by proxy: the recognised one, or all where none was.
    pub directives: BTreeMap<Proxy, &'static str>,
}

/// How bad a deviation is; the order is from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// What proxies legitimately do.
    Info,
    /// It will hurt some clients, some time.
    Warning,
    /// WebSocket sessions fail because of it.
    Fault,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }

    /// Whether it counts as a finding.
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Warning | Self::Fault)
    }
}

impl Deviation {
    fn new(severity: Severity, slug: &'static str, says: impl Into<String>) -> Self {
        Self {
            slug,
            severity,
            trial: "",
            sent: String::new(),
            arrived: String::new(),
            says: says.into(),
            directives: BTreeMap::new(),
        }
    }

    pub(super) fn info(slug: &'static str, says: impl Into<String>) -> Self {
        Self::new(Severity::Info, slug, says)
    }

    pub(super) fn warning(slug: &'static str, says: impl Into<String>) -> Self {
        Self::new(Severity::Warning, slug, says)
    }

    pub(super) fn fault(slug: &'static str, says: impl Into<String>) -> Self {
        Self::new(Severity::Fault, slug, says)
    }

    pub(super) fn between(mut self, sent: impl Into<String>, arrived: impl Into<String>) -> Self {
        self.sent = sent.into();
        self.arrived = arrived.into();
        self
    }
}
