//! `wstap probe`: the way to one gateway, step by step, each with its own verdict.

mod clock;
mod compare;
mod count;
mod health;
mod hold;
mod print;
mod reach;
mod session;
mod size;

use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::eye::{since, wall_now};
use super::place::Place;
use super::step::{Outcome, Step};
use super::visit::Caller;
use super::{Credentials, Reach, Target};
use crate::connect::DialerError;
use crate::openclaw::{Client, DeviceKey};
use crate::session::Layer;
use crate::session::{Offset, Wall};

pub use compare::{Comparison, Difference, compare};
pub use count::Counting;
pub use hold::Holding;
pub use print::{both, junit, ladder, markdown};

/// What is to be probed, and how far.
#[derive(Debug)]
pub struct ProbeSettings {
    pub target: Target,
    pub reach: Reach,
    pub credentials: Credentials,
    /// The Origin header; a client without a browser sends none.
    pub origin: Option<String>,
    pub device: Option<DeviceChoice>,
    /// Called once after hello, with these params; `health` when absent.
    pub call: Option<(String, Value)>,
    /// The largest payload tried; 0 for none.
    pub max_frame: usize,
    pub pings: u32,
    pub count: Option<Counting>,
    pub hold: Option<Holding>,
}

/// A device identity to connect with.
#[derive(Debug)]
pub struct DeviceChoice {
    pub key: DeviceKey,
    /// Whether it was used before.
    pub kept: bool,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeReport {
    pub wstap: &'static str,
    pub target: String,
    pub started_at: Wall,
    pub took_ms: Offset,
    /// Where it ran.
    pub place: Place,
    /// What was shown to the gateway, in words.
    pub credentials: String,
    pub steps: Vec<Step>,
    /// The name of the first step that failed.
    pub broken: Option<&'static str>,
    /// Its layer; `ok` when none failed.
    pub layer: Layer,
}

impl ProbeReport {
    /// The first step that failed.
    pub fn broken(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.is_failed())
    }

    pub fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.name == name)
    }
}

/// The steps that every probe names, whether it comes to them or not.
const ALWAYS: [&str; 10] = [
    "tls",
    "healthz",
    "readyz",
    "upgrade",
    "challenge",
    "connect",
    "call",
    "clock",
    "ping",
    "sizes",
];

/// Runs the probe. It changes nothing on the gateway unless a device is given.
pub async fn probe(settings: &ProbeSettings) -> Result<ProbeReport, DialerError> {
    let (began, started_at) = (Instant::now(), wall_now());
    let caller = Caller::new(&settings.target, &settings.reach)?;
    let mut run = Run { settings, caller, steps: Vec::new() };
    run.all().await;
    let steps = run.finished();
    let mut report = ProbeReport {
        wstap: env!("CARGO_PKG_VERSION"),
        target: settings.target.shown(),
        started_at,
        took_ms: since(began),
        place: Place::here(),
        credentials: settings.credentials.shown(),
        steps,
        broken: None,
        layer: Layer::Ok,
    };
    if let Some(step) = report.broken() {
        let layer = step.finding.as_ref().map_or(Layer::Unknown, |finding| finding.layer);
        (report.broken, report.layer) = (Some(step.name), layer);
    }
    Ok(report)
}

/// A probe under way.
struct Run<'a> {
    settings: &'a ProbeSettings,
    caller: Caller,
    steps: Vec<Step>,
}

impl Run<'_> {
    async fn all(&mut self) {
        if !self.reach().await {
            return;
        }
        let date = self.health().await;
        if self.steps.iter().any(|step| step.name == "tls" && step.is_failed()) {
            return;
        }
        let welcome = self.session(date).await;
        if welcome {
            self.forgive_health();
            if let Some(counting) = self.settings.count {
                self.count(counting).await;
            }
            if let Some(holding) = self.settings.hold {
                self.hold(holding).await;
            }
        }
    }

    fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Who this probe says it is.
    const fn client(&self) -> Client {
        // A call other than `health` needs the scope that only this one keeps.
        if self.settings.call.is_some() || self.settings.device.is_some() {
            Client::CLI
        } else {
            Client::PROBE
        }
    }

    fn visitor(&self) -> super::line::Caller<'_> {
        super::line::Caller {
            client: self.client(),
            credentials: &self.settings.credentials,
            device: self.settings.device.as_ref().map(|device| &device.key),
        }
    }

    /// A front that passes on WebSocket and nothing else is no fault.
    fn forgive_health(&mut self) {
        let health = |step: &&mut Step| matches!(step.name, "healthz" | "readyz");
        for step in self.steps.iter_mut().filter(health).filter(|step| step.is_failed()) {
            let not_ready = step.facts.get("ready") == Some(&Value::Bool(false));
            if !not_ready {
                step.verdict = Outcome::Info;
                step.finding = None;
                step.detail.push_str("; WebSocket works nevertheless");
            }
        }
    }

    /// Every step in its place, with what was not come to.
    fn finished(mut self) -> Vec<Step> {
        let broken = self.steps.iter().find(|step| step.is_failed()).map(|step| step.name);
        let why = broken
            .map_or_else(|| "not come to".to_owned(), |name| format!("not come to: {name} failed"));
        let asked = [self.settings.count.map(|_| "count"), self.settings.hold.map(|_| "hold")];
        for name in ALWAYS.into_iter().chain(asked.into_iter().flatten()) {
            if !self.steps.iter().any(|step| step.name == name) {
                self.steps.push(Step::skipped(name, why.clone()));
            }
        }
        self.steps
    }
}
