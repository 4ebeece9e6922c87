//! What a rule is: a cause as data, and the conditions under which it is found.

use super::view::View;
use crate::session::{Confidence, Evidence, Layer, Who};
use crate::session::{Direction, Leg, Offset};

/// One cause: its words, and how it shows. Texts may hold `{names}` of `values.rs`.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) slug: &'static str,
    pub(super) layer: Layer,
    pub(super) who: Who,
    /// One sentence that stands on its own.
    pub(super) says: &'static str,
    pub(super) next: &'static [Todo],
    /// Tried in order.
    pub(super) when: &'static [When],
}

/// One step, as a template.
#[derive(Debug)]
pub(super) struct Todo {
    pub(super) text: &'static str,
    pub(super) command: Option<&'static str>,
    pub(super) config: Option<&'static str>,
}

/// A step to think about.
pub(super) const fn look(text: &'static str) -> Todo {
    Todo { text, command: None, config: None }
}

/// A step that is a command.
pub(super) const fn run(text: &'static str, command: &'static str) -> Todo {
    Todo { text, command: Some(command), config: None }
}

/// A step that is a setting.
pub(super) const fn set(text: &'static str, config: &'static str) -> Todo {
    Todo { text, command: None, config: Some(config) }
}

/// How a cause shows.
#[derive(Debug)]
pub(super) enum When {
    /// `error.details.code` of the refusal of `connect`.
    Code(&'static str),
    /// The same, where more than the code should have been there.
    CodeAlone(&'static str),
    /// A code that begins so: one that a newer gateway may send.
    CodeLike(&'static str),
    /// A code, and a member of its details with a value that begins so.
    Detail(&'static str, &'static str, &'static str),
    /// A refusal that never has a details code: its message begins so.
    Says(&'static str),
    /// A refusal that has a code in newer gateways: its message, or the close, begins so.
    Said(&'static str),
    /// The gateway closed first, with no refusal before, in this phase.
    Closed(Phase, u16, &'static str),
    Fact(fn(&View<'_>) -> Option<Finding>),
}

/// Where in the session a close came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    BeforeHello,
    AfterHello,
    Any,
}

/// That a cause was found, and on what grounds.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) confidence: Confidence,
    pub(super) who: Option<Who>,
    pub(super) leg: Option<Leg>,
    pub(super) reasons: Vec<String>,
    pub(super) evidence: Vec<Evidence>,
}

impl Finding {
    pub(super) const fn of(confidence: Confidence) -> Self {
        Self { confidence, who: None, leg: None, reasons: Vec::new(), evidence: Vec::new() }
    }

    pub(super) const fn certain() -> Self {
        Self::of(Confidence::Certain)
    }

    pub(super) const fn likely() -> Self {
        Self::of(Confidence::Likely)
    }

    pub(super) const fn possible() -> Self {
        Self::of(Confidence::Possible)
    }

    /// Certain when `sure`, else likely.
    pub(super) const fn certain_if(sure: bool) -> Self {
        if sure { Self::certain() } else { Self::likely() }
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reasons.push(reason.into());
        self
    }

    pub(super) fn because_if(self, so: bool, reason: &str) -> Self {
        if so { self.because(reason) } else { self }
    }

    pub(super) fn cite(
        mut self,
        refers: impl Into<String>,
        what: impl Into<String>,
        at: Option<Offset>,
    ) -> Self {
        self.evidence.push(Evidence { what: what.into(), at, refers: refers.into() });
        self
    }

    pub(super) const fn by(mut self, who: Who) -> Self {
        self.who = Some(who);
        self
    }

    pub(super) const fn on(mut self, leg: Leg) -> Self {
        self.leg = Some(leg);
        self
    }
}

impl Rule {
    /// The first condition that holds.
    pub(super) fn find(&self, view: &View<'_>) -> Option<Finding> {
        self.when.iter().find_map(|when| when.holds(view))
    }
}

impl When {
    fn holds(&self, view: &View<'_>) -> Option<Finding> {
        match *self {
            Self::Code(code) => coded(view, Finding::certain(), |have| have == code),
            Self::CodeAlone(code) => coded(view, Finding::likely(), |have| have == code),
            Self::CodeLike(prefix) => {
                coded(view, Finding::likely(), |have| have.starts_with(prefix))
                    .map(|f| f.because("this code is newer than these rules"))
            }
            Self::Detail(code, key, value) => {
                let found = coded(view, Finding::certain(), |have| have == code)?;
                let have = view.detail(key)?;
                have.starts_with(value).then(|| {
                    let refers = format!("openclaw.refusal.details.{key}");
                    found.cite(refers, format!("{key} is {have}"), view.answer_at())
                })
            }
            Self::Says(prefix) => said(view, prefix, Finding::certain()),
            Self::Said(prefix) => said(view, prefix, Finding::likely()),
            Self::Closed(phase, code, reason) => closed(view, phase, code, reason),
            Self::Fact(fact) => fact(view),
        }
    }
}

fn coded(view: &View<'_>, finding: Finding, fits: impl Fn(&str) -> bool) -> Option<Finding> {
    let code = view.refusal()?.detail_code.as_deref()?;
    fits(code).then(|| {
        let what = format!("the gateway refused connect with {code}");
        finding.cite("openclaw.refusal.detail_code", what, view.answer_at()).on(Leg::Upstream)
    })
}

/// By message where no code came. The close repeats the message: both together are as good as
/// the `full` finding, one of them alone is not.
fn said(view: &View<'_>, prefix: &str, full: Finding) -> Option<Finding> {
    if view.refusal().is_some_and(|r| r.detail_code.is_some()) || view.greeted() {
        return None;
    }
    let message = view.refusal().and_then(|r| r.message.as_deref());
    let message = message.filter(|text| text.starts_with(prefix));
    let close = view.first_close.filter(|close| {
        close.from == Direction::ServerToClient && close.reason.starts_with(prefix)
    });
    let finding = match (message, close) {
        (None, None) => return None,
        (Some(_), Some(_)) => full,
        (Some(_), None) | (None, Some(_)) => Finding::possible(),
    };
    let finding = message.into_iter().fold(finding, |f, text| {
        f.cite("openclaw.refusal.message", format!("the gateway said: {text}"), view.answer_at())
    });
    Some(close.into_iter().fold(finding, |f, close| close.cite(f)).on(Leg::Upstream))
}

fn closed(view: &View<'_>, phase: Phase, code: u16, reason: &str) -> Option<Finding> {
    let close = view.first_close.filter(|c| c.from == Direction::ServerToClient)?;
    let in_phase = match phase {
        Phase::BeforeHello => !view.greeted(),
        Phase::AfterHello => view.greeted(),
        Phase::Any => true,
    };
    let fits = close.code == Some(code) && close.reason.starts_with(reason);
    (in_phase && fits && view.refusal().is_none())
        .then(|| close.cite(Finding::certain_if(!reason.is_empty())).on(Leg::Upstream))
}
