//! What all trials found.

use std::time::Duration;

use serde::Serialize;

use super::deviation::Deviation;
use super::directives;
use super::proxy::{Proxy, Recognised};
use super::rig::Broken;
use super::trial::Found;
use crate::check::place::Place;
use crate::session::Offset;

/// The answer of `wstap front`.
#[derive(Clone, Debug, Serialize)]
pub struct FrontReport {
    /// Where this ran.
    pub place: Place,
    pub through: String,
    pub listen: String,
    pub proxy: Option<Recognised>,
    pub performed: Vec<Performed>,
    /// The worst first.
    pub deviations: Vec<Deviation>,
    /// How many of them are more than information.
    pub findings: usize,
}

/// One trial, and what came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Performed {
    pub trial: &'static str,
    /// Why it was not done.
    pub left_out: Option<String>,
    pub took_ms: Option<Offset>,
}

impl FrontReport {
    pub(super) const fn of(place: Place, through: String, listen: String) -> Self {
        Self {
            place,
            through,
            listen,
            proxy: None,
            performed: Vec::new(),
            deviations: Vec::new(),
            findings: 0,
        }
    }

    pub(super) fn recognised(&mut self, said: Option<Proxy>, seen: Option<Recognised>) {
        let said = said.map(|proxy| Recognised { proxy, by: "--proxy".to_owned() });
        self.proxy = said.or(seen);
    }

    pub(super) fn performed(&mut self, trial: &'static str, took: Duration) {
        let took = Offset(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.performed.push(Performed { trial, left_out: None, took_ms: Some(took) });
        for deviation in &mut self.deviations {
            if deviation.trial.is_empty() {
                deviation.trial = trial;
            }
        }
    }

    pub(super) fn left_out(&mut self, trial: &'static str, why: &str) {
        self.performed.push(Performed { trial, left_out: Some(why.to_owned()), took_ms: None });
    }

    pub(super) fn take(&mut self, trial: &'static str, found: Found, took: Duration) {
        match found {
            Ok(deviations) => self.deviations.extend(deviations),
            Err(broken) => {
                let says = "sessions can be opened at one time and not at another";
                let deviation = Deviation::fault("upgrade.unreliable", says);
                self.deviations.push(deviation.between("an upgrade", broken.words()));
            }
        }
        self.performed(trial, took);
    }

    /// A trial got its session only after the others were over.
    pub(super) fn not_at_once(&mut self, trial: &'static str, broken: &Broken) {
        let says = "the proxy does not take a few sessions at once";
        let mut deviation = Deviation::warning("limit.parallel_sessions", says)
            .between("an upgrade beside others", broken.words());
        deviation.trial = trial;
        self.deviations.push(deviation);
    }

    pub(super) fn conclude(&mut self) {
        let known = self.proxy.as_ref().map(|recognised| recognised.proxy);
        let mut once: Vec<Deviation> = Vec::new();
        for mut deviation in self.deviations.drain(..) {
            if deviation.trial.is_empty() {
                deviation.trial = super::handshake::NAME;
            }
            deviation.directives = directives::of(deviation.slug, known);
            let same = |other: &Deviation| {
                other.slug == deviation.slug
                    && other.sent == deviation.sent
                    && other.arrived == deviation.arrived
            };
            if !once.iter().any(same) {
                once.push(deviation);
            }
        }
        once.sort_by_key(|deviation| std::cmp::Reverse(deviation.severity));
        self.findings = once.iter().filter(|found| found.severity.is_finding()).count();
        self.deviations = once;
    }
}
