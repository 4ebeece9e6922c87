//! How many sessions failed, and on which layer; plain HTTP is counted apart.

use std::fmt;

use super::quantity::count;
use crate::session::{Kind, Layer, Record};

/// Counts sessions by what their verdicts say.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    layers: [u64; Layer::ALL.len()],
    http: u64,
    http_failed: u64,
}

impl Tally {
    pub fn add(&mut self, record: &Record) {
        let Some(verdict) = &record.verdict else { return };
        if record.kind == Kind::Http {
            self.http += 1;
            self.http_failed += u64::from(verdict.failed);
        } else if let Some(at) = Layer::ALL.iter().position(|layer| *layer == verdict.layer)
            && let Some(layer) = self.layers.get_mut(at)
        {
            *layer += 1;
        }
    }
}

/// `3 sessions: 1 ok, 2 failed (1 transport, 1 auth); plain HTTP: 4 requests, 1 failed`.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = || Layer::ALL.iter().zip(self.layers).filter(|(_, count)| *count > 0);
        let (mut parts, mut failed, mut failures) = (Vec::new(), Vec::new(), 0);
        for (layer, count) in counted() {
            let part = format!("{count} {}", layer.name());
            if layer.is_failure() {
                failures += count;
                failed.push(part);
            } else {
                parts.push(part);
            }
        }
        if failures > 0 {
            parts.push(format!("{failures} failed ({})", failed.join(", ")));
        }
        let sessions: u64 = self.layers.iter().sum();
        if sessions > 0 || self.http == 0 {
            write!(f, "{}", count(sessions, "session"))?;
        }
        if !parts.is_empty() {
            write!(f, ": {}", parts.join(", "))?;
        }
        if self.http > 0 {
            let apart = if sessions > 0 { "; " } else { "" };
            let requests = count(self.http, "request");
            write!(f, "{apart}plain HTTP: {requests}, {} failed", self.http_failed)?;
        }
        Ok(())
    }
}
