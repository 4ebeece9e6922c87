//! Figures of all sessions together: rates, times and counts, each with a name to gate on.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Brief;
use super::calls::by_method;
use super::connect_rate::outcome;
use super::ground::{Ground, percent};
use super::restarts::{self, Restart};
use super::thresholds::Thresholds;
use crate::session::{Kind, Latencies, Layer, MethodCalls, Offset, Wall};

/// The method by which an agent starts another one.
pub const SPAWN_METHOD: &str = "sessions_spawn";

/// Figures over a time. The JSON names are an interface.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Kpis {
    pub sessions: u64,
    pub failed: u64,
    /// Upgrades that were answered with 101, of those that were answered or failed.
    pub connects: Rate,
    /// `connect` requests that were answered with hello-ok.
    pub hellos: Rate,
    /// Devices that were welcome after they had been refused for want of a pairing.
    pub pairings: Rate,
    /// From the first session with a device to the first welcome of a device.
    pub first_pairing_ms: Option<Offset>,
    /// The method whose calls are `spawns`.
    pub spawn_method: String,
    pub spawns: Rate,
    /// All calls.
    pub calls: Rate,
    pub call_times: Option<Quantiles>,
    pub by_method: Vec<MethodKpi>,
    pub layers: Vec<Counted>,
    pub restarts: Vec<Restart>,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rate {
    pub all: u64,
    pub good: u64,
    /// Absent when there was none.
    pub percent: Option<f64>,
}

/// Times that half, nine tenths and 99 of a hundred answers did not exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub p50_ms: Offset,
    pub p90_ms: Offset,
    pub p99_ms: Offset,
}

/// One method over all sessions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodKpi {
    pub method: String,
    pub requests: u64,
    pub ok: u64,
    pub errors: Vec<(String, u64)>,
    pub never_answered: u64,
    pub times: Option<Quantiles>,
}

/// Sessions of one layer and cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    pub layer: Layer,
    pub cause: String,
    pub sessions: u64,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Millis,
    Count,
}

/// A figure by its name.
type Figure = (&'static str, Unit, fn(&Kpis) -> Option<f64>);

/// Every figure that can be gated on.
pub(super) const FIGURES: &[Figure] = &[
    ("sessions", Unit::Count, |k| Some(float(k.sessions))),
    ("failed", Unit::Count, |k| Some(float(k.failed))),
    ("connects", Unit::Count, |k| Some(float(k.connects.all))),
    ("connect_success", Unit::Percent, |k| k.connects.percent),
    ("hellos", Unit::Count, |k| Some(float(k.hellos.all))),
    ("hello_success", Unit::Percent, |k| k.hellos.percent),
    ("pairings", Unit::Count, |k| Some(float(k.pairings.all))),
    ("pairing_success", Unit::Percent, |k| k.pairings.percent),
    ("first_pairing", Unit::Millis, |k| k.first_pairing_ms.map(Offset::millis)),
    ("spawns", Unit::Count, |k| Some(float(k.spawns.all))),
    ("spawn_success", Unit::Percent, |k| k.spawns.percent),
    ("calls", Unit::Count, |k| Some(float(k.calls.all))),
    ("call_success", Unit::Percent, |k| k.calls.percent),
    ("call_p50", Unit::Millis, |k| k.call_times.map(|t| t.p50_ms.millis())),
    ("call_p90", Unit::Millis, |k| k.call_times.map(|t| t.p90_ms.millis())),
    ("call_p99", Unit::Millis, |k| k.call_times.map(|t| t.p99_ms.millis())),
    ("restarts", Unit::Count, |k| Some(k.restarts.iter().map(|_| 1.0).sum())),
    ("transport", Unit::Count, |k| Some(k.of_layer(Layer::Transport))),
    ("auth", Unit::Count, |k| Some(k.of_layer(Layer::Auth))),
    ("pairing", Unit::Count, |k| Some(k.of_layer(Layer::Pairing))),
    ("origin", Unit::Count, |k| Some(k.of_layer(Layer::Origin))),
    ("protocol", Unit::Count, |k| Some(k.of_layer(Layer::Protocol))),
];

#[expect(clippy::cast_precision_loss, reason = "nobody counts to 2^53")]
const fn float(n: u64) -> f64 {
    n as f64
}

impl Rate {
    fn of(good: u64, all: u64) -> Self {
        Self { all, good, percent: percent(good, all) }
    }
}

impl Quantiles {
    fn of(times: &Latencies) -> Option<Self> {
        let at = |per_mille| times.quantile(per_mille);
        Some(Self { p50_ms: at(500)?, p90_ms: at(900)?, p99_ms: at(990)? })
    }
}

impl Kpis {
    /// The figures of these sessions; `spawn` is the method that counts as a sub-agent call.
    pub fn of(briefs: &[Brief], spawn: &str) -> Self {
        let methods = by_method(briefs);
        let mut times = Latencies::default();
        for calls in &methods {
            times.merge(&calls.latencies);
        }
        let connects = briefs.iter().filter(|b| b.kind == Kind::Websocket).filter_map(outcome);
        let (good, all) = connects.fold((0, 0), |(g, a), good| (g + u64::from(good), a + 1));
        let hellos = briefs.iter().filter(|b| asked(b) && (b.is_greeted() || !b.open));
        let greeted = briefs.iter().filter(|b| asked(b) && b.is_greeted());
        let (pairings, first_pairing_ms) = pairings(briefs);
        let thresholds = Thresholds::default();
        Self {
            sessions: briefs.len() as u64,
            failed: briefs.iter().filter(|b| b.failed).count() as u64,
            connects: Rate::of(good, all),
            hellos: Rate::of(greeted.count() as u64, hellos.count() as u64),
            pairings,
            first_pairing_ms,
            spawn_method: spawn.to_owned(),
            spawns: calls(methods.iter().filter(|calls| calls.method == spawn)),
            calls: calls(methods.iter()),
            call_times: Quantiles::of(&times),
            by_method: methods.into_iter().map(method).collect(),
            layers: layers(briefs),
            restarts: restarts::all(&Ground::of(briefs, &thresholds, Wall::default())),
        }
    }

    fn of_layer(&self, layer: Layer) -> f64 {
        self.layers.iter().filter(|c| c.layer == layer).map(|c| float(c.sessions)).sum()
    }
}

fn asked(brief: &Brief) -> bool {
    brief.openclaw.as_ref().is_some_and(|o| o.connect_at.is_some())
}

/// Answered calls and those that never were; of what cannot be told nothing is claimed.
fn calls<'a>(methods: impl Iterator<Item = &'a MethodCalls>) -> Rate {
    let (good, all) = methods.fold((0_u64, 0_u64), |(good, all), calls| {
        let told = calls.requests.saturating_sub(calls.untracked);
        (good.saturating_add(calls.ok), all.saturating_add(told))
    });
    Rate::of(good, all)
}

fn method(calls: MethodCalls) -> MethodKpi {
    MethodKpi {
        requests: calls.requests,
        ok: calls.ok,
        never_answered: calls.unanswered(),
        times: Quantiles::of(&calls.latencies),
        method: calls.method,
        errors: calls.errors,
    }
}

fn layers(briefs: &[Brief]) -> Vec<Counted> {
    let mut counts: BTreeMap<(Layer, &str), u64> = BTreeMap::new();
    for brief in briefs {
        *counts.entry((brief.layer, &brief.cause)).or_default() += 1;
    }
    let counted = |((layer, cause), sessions): ((Layer, &str), u64)| Counted {
        layer,
        cause: cause.to_owned(),
        sessions,
    };
    let mut layers: Vec<Counted> = counts.into_iter().map(counted).collect();
    layers.sort_by_key(|c| (c.layer, std::cmp::Reverse(c.sessions)));
    layers
}

/// Devices that were refused and then welcome, and the time to the first welcome of any device.
fn pairings(briefs: &[Brief]) -> (Rate, Option<Offset>) {
    let mut order: Vec<&Brief> = briefs.iter().filter(|b| b.device().is_some()).collect();
    order.sort_by_key(|brief| (brief.started, brief.id));
    let (mut refused, mut paired) = (BTreeSet::new(), BTreeSet::new());
    for brief in &order {
        let Some(device) = brief.device() else { continue };
        if brief.is_greeted() && refused.contains(device) {
            paired.insert(device);
        } else if brief.layer == Layer::Pairing {
            refused.insert(device);
        }
    }
    let first = order.first().map(|brief| brief.started);
    let welcome = order.iter().find_map(|brief| {
        let at = brief.openclaw.as_ref()?.hello_at?;
        Some(brief.started.plus(at))
    });
    let time = first.zip(welcome).map(|(first, welcome)| {
        Offset(welcome.micros().saturating_sub(first.micros()).unsigned_abs())
    });
    (Rate::of(paired.len() as u64, refused.len() as u64), time)
}
