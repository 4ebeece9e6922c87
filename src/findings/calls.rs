//! Calls by method over all sessions, and methods that fail although the handshake is fine.

use std::collections::BTreeMap;

use super::Brief;
use super::finding::{Finding, Severity};
use super::ground::{Ground, percent, tally};
use super::thresholds::Threshold;
use crate::session::{Calls, Confidence, MethodCalls};

/// Adds the calls of a session to those of others.
pub(super) fn add(sum: &mut MethodCalls, calls: &MethodCalls) {
    sum.requests = sum.requests.saturating_add(calls.requests);
    sum.ok = sum.ok.saturating_add(calls.ok);
    sum.untracked = sum.untracked.saturating_add(calls.untracked);
    for (code, count) in &calls.errors {
        sum.refuse(code.clone(), *count);
    }
    sum.latencies.merge(&calls.latencies);
}

/// Called by a check of wstap in order to be refused.
fn is_own(method: &str) -> bool {
    method.starts_with(Calls::OWN)
}

/// All calls by method, the most frequent first.
pub fn by_method(briefs: &[Brief]) -> Vec<MethodCalls> {
    let mut methods: BTreeMap<&str, MethodCalls> = BTreeMap::new();
    let calls = briefs.iter().filter_map(|b| b.openclaw.as_ref()).flat_map(|o| &o.calls);
    for calls in calls.filter(|calls| !is_own(&calls.method)) {
        let sum = methods.entry(&calls.method).or_insert_with(|| MethodCalls {
            method: calls.method.clone(),
            ..MethodCalls::default()
        });
        add(sum, calls);
    }
    let mut methods: Vec<MethodCalls> = methods.into_values().collect();
    methods.sort_by_key(|calls| std::cmp::Reverse(calls.requests));
    methods
}

/// The calls of one method that count, with the sessions they failed in.
#[derive(Default)]
struct Method<'a> {
    ok: u64,
    errors: BTreeMap<&'a str, u64>,
    /// Waited for seconds, and in vain.
    lost: u64,
    failing: Vec<&'a Brief>,
}

pub(super) fn find(ground: &Ground<'_>) -> Vec<Finding> {
    let mut methods: BTreeMap<(&str, &str), Method<'_>> = BTreeMap::new();
    for brief in &ground.briefs {
        let Some(openclaw) = brief.openclaw.as_ref().filter(|o| o.hello_at.is_some()) else {
            continue;
        };
        // A probe's scopes are cleared by design, its calls refused.
        if openclaw.client_mode.as_deref() == Some("probe") {
            continue;
        }
        for calls in openclaw.calls.iter().filter(|calls| !is_own(&calls.method)) {
            let method = methods.entry((brief.upstream(), &calls.method)).or_default();
            method.ok = method.ok.saturating_add(calls.ok);
            for (code, count) in &calls.errors {
                let sum = method.errors.entry(code).or_default();
                *sum = sum.saturating_add(*count);
            }
            if !calls.errors.is_empty() {
                method.failing.push(brief);
            }
        }
        for (name, count) in openclaw.waited.iter().filter(|_| !brief.open) {
            let method = methods.entry((brief.upstream(), name)).or_default();
            method.lost = method.lost.saturating_add(*count);
            method.failing.push(brief);
        }
    }
    let told = methods.into_iter().map(|((_, name), method)| told(ground, name, &method));
    told.flatten().collect()
}

fn told(ground: &Ground<'_>, name: &str, method: &Method<'_>) -> Option<Finding> {
    let refused = sum(method.errors.values().copied());
    let failed = sum([refused, method.lost]);
    let all = sum([method.ok, failed]);
    let rate = percent(method.ok, all)?;
    let rare = failed < ground.count(Threshold::CallFailures).max(1) as u64;
    if rare || rate >= ground.number(Threshold::CallSuccess) {
        return None;
    }
    let mut codes: Vec<(&str, u64)> = method.errors.iter().map(|(c, n)| (*c, *n)).collect();
    codes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let scope = sum(codes.iter().filter(|(code, _)| is_scope(code)).map(|(_, n)| *n));
    let named: Vec<String> = codes.iter().take(3).map(|(c, n)| format!("{n} × {c}")).collect();
    let lost = match method.lost {
        0 => String::new(),
        lost => format!("{lost} never answered"),
    };
    let how = named.into_iter().chain(Some(lost).filter(|l| !l.is_empty())).collect::<Vec<_>>();
    let summary = format!(
        "The handshake is fine, but {name} fails: {} of {all} calls succeeded ({rate:.0} %); {}.",
        method.ok,
        how.join(", "),
    );
    let finding = |slug, text: String| {
        Finding::new(slug, Severity::Warning, text)
            .on(method.failing.iter().copied())
            .number("method", name)
            .number("percent", rate)
            .number("calls", all)
            .number("refused", refused)
            .number("never_answered", method.lost)
    };
    Some(if scope > failed / 2 {
        let granted = granted(&method.failing);
        finding("missing_scope", format!("{summary} That is no failure of the connection: {granted}."))
            .run("see which scopes the device was approved for", "openclaw devices list")
            .look("pair the client's device and approve the scope; a remote client without a device gets none")
    } else if method.lost > failed / 2 {
        finding("calls_unanswered", summary)
            .sure(Confidence::Likely)
            .look("look into the gateway's log for that method: it took the request and did not answer")
            .look("if the work is done in another container, see whether the gateway reaches it")
    } else {
        finding("calls_refused", summary)
            .look("look into the gateway's log for that method and code")
    })
}

/// Counts come from a file, which may be damaged.
fn sum(counts: impl IntoIterator<Item = u64>) -> u64 {
    counts.into_iter().fold(0, u64::saturating_add)
}

fn is_scope(code: &str) -> bool {
    code.contains("MISSING_SCOPE") || code.split('/').next() == Some("FORBIDDEN")
}

/// What the failing connections were allowed to do.
fn granted(failing: &[&Brief]) -> String {
    let scopes = tally(
        failing
            .iter()
            .filter_map(|b| b.openclaw.as_ref()?.granted.as_ref().map(|scopes| scopes.join(" "))),
    );
    match scopes.first() {
        Some((scopes, _)) if scopes.is_empty() => {
            "the gateway granted these clients no scope at all".to_owned()
        }
        Some((scopes, _)) => format!("the gateway granted only {scopes}"),
        None => "the client lacks the scope for it".to_owned(),
    }
}
