//! `wstap origins`: which Origins a gateway takes, who refuses the others, and by which rule.
//!
//! Each is tried by a Control UI's `connect` without credentials and without a device. The origin
//! is decided before either is asked for: being asked for a device means that it was accepted. No
//! secret is tried, so no rate limit is hit, and nothing is paired.

mod candidates;
mod expect;
mod print;
mod ruled;
mod tried;

use serde::Serialize;

use super::eye::wall_now;
use super::place::Place;
use super::visit::Caller;
use super::{Credentials, Reach, Target};
use crate::connect::DialerError;
use crate::openclaw::{GatewayConfig, never_matches};
use crate::session::Layer;
use crate::session::Wall;

pub use candidates::{Candidate, Why};
pub use expect::{ExpectError, Expectation, Expected};
pub use print::table;
pub use ruled::Agreement;
pub use tried::Decider;

/// What is to be tried.
#[derive(Debug)]
pub struct OriginSettings {
    pub target: Target,
    pub reach: Reach,
    /// Origins that somebody named, before near misses are made of them.
    pub named: Vec<Candidate>,
    pub near_misses: bool,
    pub config: Option<GatewayConfig>,
    pub expected: Expected,
}

/// One origin and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The header's value; absent when none was sent.
    pub origin: Option<String>,
    pub why: Why,
    /// Absent when it was not decided.
    pub accepted: Option<bool>,
    pub by: Decider,
    pub reason: String,
    /// What the front proxy calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Agreement>,
    /// The line of the configuration to add or to remove.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<Expectation>,
}

/// What the trial found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginsReport {
    pub wstap: &'static str,
    pub target: String,
    pub started_at: Wall,
    pub place: Place,
    pub rows: Vec<Row>,
    /// What is not as it should be.
    pub findings: Vec<String>,
    /// Where it went wrong when no origin could be tried; else `ok`.
    pub layer: Layer,
}

/// How an absent Origin is written.
pub(super) const ABSENT: &str = "absent";

/// Tries every origin, one after the other.
pub async fn origins(settings: &OriginSettings) -> Result<OriginsReport, DialerError> {
    let started_at = wall_now();
    let caller = Caller::new(&settings.target, &settings.reach)?;
    let expected = settings.expected.origins();
    let named: Vec<Candidate> = settings.named.iter().cloned().chain(expected).collect();
    let candidates = candidates::all(named, &settings.target, settings.near_misses);
    let nothing = Credentials::default();
    let mut report = OriginsReport {
        wstap: env!("CARGO_PKG_VERSION"),
        target: settings.target.shown(),
        started_at,
        place: Place::here(),
        rows: Vec::new(),
        findings: Vec::new(),
        layer: Layer::Ok,
    };
    let mut undecided = None;
    for candidate in candidates {
        let tried = tried::tried(&caller, &nothing, candidate.origin.as_deref()).await;
        undecided = undecided.or(tried.layer);
        if tried.unreachable {
            report.findings.push(tried.reason);
            break;
        }
        report.rows.push(settings.row(candidate, tried));
    }
    if report.rows.iter().all(|row| row.accepted.is_none()) {
        report.layer = undecided.unwrap_or(Layer::Unknown);
    }
    settings.find(&mut report);
    Ok(report)
}

impl OriginSettings {
    fn row(&self, candidate: Candidate, tried: tried::Tried) -> Row {
        let origin = candidate.origin.as_deref();
        let config = self.config.as_ref().map(|config| {
            let local = self.target.upstream.is_loopback() && tried.server.is_none();
            let host = Some(self.target.host.as_str());
            ruled::agreement(config, (origin, host), local, tried.by_gateway())
        });
        let expected = self.expected.of(origin);
        let mut row = Row {
            accepted: tried.accepted,
            by: tried.by,
            reason: tried.reason,
            server: tried.server,
            config,
            change: None,
            expected,
            why: candidate.why,
            origin: candidate.origin,
        };
        row.change = change(&row);
        row
    }

    /// What is worth failing for.
    fn find(&self, report: &mut OriginsReport) {
        let mut found = Vec::new();
        let list: Option<Vec<&str>> = self
            .config
            .as_ref()
            .map(|config| config.allowed_origins.iter().map(|entry| entry.trim()).collect());
        for row in &report.rows {
            let origin = row.origin.as_deref().unwrap_or(ABSENT);
            let word = if row.accepted == Some(true) { "accepted" } else { "refused" };
            if row.expected.is_some_and(|expected| !expected.fits(row.accepted)) {
                let wanted = row.expected.map(Expectation::name).unwrap_or_default();
                let word = if row.accepted.is_none() { "not decided" } else { word };
                found.push(format!("{origin} is {word}, expected is {wanted}: {}", row.reason));
            }
            if row.why == Why::Store && row.accepted == Some(false) {
                found.push(format!("{origin} was seen in the store and is refused"));
            } else if row.why == Why::Store && !self.is_listed(origin, list.as_deref()) {
                found.push(format!("{origin} was seen in the store and is missing from the list"));
            }
            let differs = row.config.as_ref().filter(|agreement| agreement.agrees == Some(false));
            found.extend(differs.map(|agreement| {
                format!(
                    "{origin} is {word}, the configuration says otherwise: {}",
                    agreement.detail
                )
            }));
        }
        for entry in list.unwrap_or_default() {
            let Some(never) = never_matches(entry) else { continue };
            let instead =
                never.instead.map(|with| format!("; \"{with}\" would")).unwrap_or_default();
            found.push(format!(
                "the entry \"{entry}\" of gateway.controlUi.allowedOrigins never matches: {}{instead}",
                never.why
            ));
        }
        if report.rows.len() > 1 && report.rows.iter().all(|row| row.by == Decider::Front) {
            let all = "the front refuses every origin: this may not be about the origin";
            found.push(all.to_owned());
        }
        report.findings.extend(found);
    }

    /// Whether the configuration, or else what was named, has this origin.
    fn is_listed(&self, origin: &str, config: Option<&[&str]>) -> bool {
        let same = |entry: &str| entry == "*" || entry.eq_ignore_ascii_case(origin);
        if let Some(entries) = config {
            return entries.iter().any(|entry| same(entry));
        }
        let mut named = self
            .named
            .iter()
            .filter(|one| matches!(one.why, Why::Given | Why::File))
            .filter_map(|one| one.origin.as_deref())
            .peekable();
        named.peek().is_none() || named.any(same)
    }
}

/// What to write into the configuration, where somebody wants it otherwise than it is.
fn change(row: &Row) -> Option<String> {
    let origin = row.origin.as_deref()?;
    let entry = crate::openclaw::Origin::parse(origin)?.text;
    let wanted = match row.expected {
        Some(expected) => expected == Expectation::Accept,
        None if row.why.is_wanted() => true,
        None => return None,
    };
    match (row.accepted, wanted, row.by) {
        (Some(false), true, Decider::Gateway) => {
            Some(format!("add \"{entry}\" to gateway.controlUi.allowedOrigins"))
        }
        (Some(true), false, _) => {
            let rule = row.config.as_ref().map(|agreement| agreement.rule);
            Some(match rule {
                Some("wildcard") => "remove \"*\" from gateway.controlUi.allowedOrigins".to_owned(),
                Some("host_fallback") => {
                    "remove gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback".to_owned()
                }
                Some("listed") | None => {
                    format!("remove \"{entry}\" from gateway.controlUi.allowedOrigins")
                }
                Some(_) => return None,
            })
        }
        _ => None,
    }
}
