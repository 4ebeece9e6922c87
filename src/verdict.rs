//! What is to be said of a session: the layer that failed, the cause, how sure that is, what it
//! rests on, and what to do. A pure function of the record: same record, same verdict.
//!
//! Rules are data: one file per family of causes, one ordered table per profile. A rule sees the
//! record through `View` and answers with a `Finding`; the first one that is found decides.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod auth;
mod close_code;
mod culprit;
mod ending;
mod explain;
mod framing;
mod http;
mod ok;
mod opaque;
mod origin;
mod pairing;
mod profile;
mod protocol;
mod reach;
mod restart;
mod rule;
mod values;
mod view;
mod warnings;

pub use culprit::Limits;
pub use explain::{
    CodeExplanation, Explanation, causes, explain_cause, explain_code, explain_reason,
};

use crate::session::{Confidence, Layer, Record, State, Verdict};
use profile::Known;
use rule::{Finding, Rule};
use view::View;

/// Rises with every change of a rule or of the table of limits.
pub const RULES_VERSION: u32 = 1;

/// Judges a session with the limits that come with wstap.
pub fn judge(record: &Record) -> Verdict {
    judge_with(record, Limits::standard())
}

/// Judges a session with the given table of limits.
pub fn judge_with(record: &Record, limits: &Limits) -> Verdict {
    let mut view = View::of(record);
    let culprits = limits.rank(&view);
    view.limit_fits = !culprits.is_empty();
    let (rules, known) = profile::rules(&view);
    let found = rules.iter().find_map(|rule| rule.find(&view).map(|finding| (*rule, finding)));
    let (rule, finding) = found.unwrap_or_else(|| (&ending::STILL_OPEN, Finding::possible()));
    let finding = doubt(&view, known, rule, finding);
    let value = |name: &str| values::of(&view, &culprits, name);
    let fill = |text: &str| values::fill(text, value);
    Verdict {
        layer: rule.layer,
        cause: rule.slug.to_owned(),
        who: finding.who.unwrap_or(rule.who),
        leg: finding.leg.or_else(|| values::leg_of(&view)),
        confidence: finding.confidence,
        reasons: finding.reasons,
        summary: fill(rule.says),
        evidence: finding.evidence,
        next: rule.next.iter().map(|todo| explain::step(todo, value)).collect(),
        warnings: warnings::of(&view, known == Known::No),
        failed: rule.layer.is_failure() || rule.slug == ok::HTTP_FAILED.slug,
        culprits: if rule.layer == Layer::Ok { Vec::new() } else { culprits },
        rules_version: RULES_VERSION,
    }
}

/// What makes any finding less sure, whatever rule found it.
fn doubt(view: &View<'_>, known: Known, rule: &Rule, mut finding: Finding) -> Finding {
    let mut at_most = |confidence: Confidence, reason: &str| {
        if finding.confidence > confidence {
            finding.confidence = confidence;
            finding.reasons.push(reason.to_owned());
        }
    };
    if view.record.gap.is_some_and(|gap| gap.events > 0) {
        at_most(Confidence::Likely, "the recorder lost events of this session");
    }
    if view.record.state == State::Interrupted {
        at_most(Confidence::Likely, "wstap stopped while the session was open");
    }
    if known == Known::LooksLikeOpenclaw && rule.layer == Layer::Protocol {
        let reason = "that this is OpenClaw is told only by the shape of the client's request";
        at_most(Confidence::Likely, reason);
    }
    finding
}

#[cfg(test)]
mod tests;
