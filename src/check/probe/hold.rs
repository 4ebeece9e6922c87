//! Sessions that are kept open: if, when and how they are cut, with and without pings of ours.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::Instant as Deadline;

use super::Run;
use crate::check::eye::since;
use crate::check::line::{Line, Stop};
use crate::check::step::{Finding, Step};
use crate::session;
use crate::session::Verdict;
use crate::session::{Leg, Offset, Record};
use crate::verdict;

/// How long, and how often one of both sessions pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    pub time: Duration,
    pub ping_every: Duration,
}

/// What became of one held session.
#[derive(Debug)]
enum Held {
    NotOpened,
    Survived,
    Cut(Box<Cut>),
}

/// A session that was ended before its time.
#[derive(Debug)]
struct Cut {
    after: Offset,
    /// How long neither side had sent.
    silence: Option<Offset>,
    how: String,
    /// What stands in front calls itself so.
    server: Option<String>,
    verdict: Verdict,
}

impl Run<'_> {
    pub(super) async fn hold(&mut self, holding: Holding) {
        let began = Instant::now();
        let (quiet, pinging) = tokio::join!(self.held(holding, false), self.held(holding, true));
        self.push(step(holding, since(began), &quiet, &pinging));
    }

    async fn held(&self, holding: Holding, pings: bool) -> Held {
        let Some(mut line) = self.welcomed().await else { return Held::NotOpened };
        let began = Instant::now();
        let until = Deadline::now() + holding.time;
        let over = if pings {
            pinged(&mut line, until, holding.ping_every).await
        } else {
            line.listen(until).await == Stop::Over
        };
        if !over {
            line.leave().await;
            return Held::Survived;
        }
        let record = line.eye().record();
        Held::Cut(Box::new(Cut {
            after: since(began),
            silence: record.idle.at_end_ms,
            how: how(&record),
            server: record.response.as_ref().and_then(|response| response.server.clone()),
            verdict: verdict::judge(&record),
        }))
    }
}

/// Whether it was over before its time.
async fn pinged(line: &mut Line, until: Deadline, every: Duration) -> bool {
    while Deadline::now() < until {
        if line.ping().await == Err(Stop::Over)
            || line.listen(until.min(Deadline::now() + every)).await == Stop::Over
        {
            return true;
        }
    }
    false
}

/// The first thing that ended the gateway's leg.
fn how(record: &Record) -> String {
    let end = record.endings.iter().find(|ending| ending.leg == Leg::Upstream);
    match (record.close.code, end) {
        (Some(code), _) => format!("Close {code}"),
        (None, Some(end)) => end.kind.name().to_owned(),
        (None, None) => "unknown".to_owned(),
    }
}

fn step(holding: Holding, took: Offset, quiet: &Held, pinging: &Held) -> Step {
    let time = humantime::format_duration(holding.time);
    let every = humantime::format_duration(holding.ping_every);
    let detail = format!(
        "held for {time}: without pings of ours {}; with a ping every {every} {}",
        quiet.shown(),
        pinging.shown()
    );
    let only_quiet = matches!((quiet, pinging), (Held::Cut(_), Held::Survived));
    let step = match [quiet, pinging].into_iter().find_map(Held::cut) {
        Some(cut) => {
            let mut finding = Finding::of(&cut.verdict);
            if only_quiet {
                finding.next.insert(0, cut.idle_limit());
            }
            Step::failed("hold", took, detail, finding)
        }
        None if matches!((quiet, pinging), (Held::Survived, Held::Survived)) => {
            Step::ok("hold", took, detail)
        }
        None => Step::info("hold", took, detail),
    };
    step.fact("without_pings", quiet.facts()).fact("with_pings", pinging.facts())
}

impl Cut {
    /// Pings kept the other session alive, so silence was what ended this one.
    fn idle_limit(&self) -> session::Step {
        let by = self.server.as_deref().unwrap_or("what stands between");
        let silence = self.silence.unwrap_or(self.after);
        let likely = self.verdict.culprits.first();
        session::Step {
            text: format!("raise the idle limit of {by} (it cut after {silence} of silence)"),
            command: None,
            config: likely.map(|likely| likely.directive.clone()),
        }
    }
}

impl Held {
    fn shown(&self) -> String {
        let cut = match self {
            Self::NotOpened => return "the session did not open".to_owned(),
            Self::Survived => return "it stayed open".to_owned(),
            Self::Cut(cut) => cut,
        };
        let Cut { after, how, silence, verdict, .. } = &**cut;
        let silence = silence.map(|time| format!(" ({time} of silence)")).unwrap_or_default();
        let likely = verdict.culprits.first();
        let likely = likely.map(|likely| format!(", likely {}", likely.name)).unwrap_or_default();
        format!("it was cut after {after}{silence} by {how}{likely}")
    }

    fn cut(&self) -> Option<&Cut> {
        match self {
            Self::NotOpened | Self::Survived => None,
            Self::Cut(cut) => Some(cut),
        }
    }

    fn facts(&self) -> Value {
        match self {
            Self::NotOpened => json!({ "result": "not_opened" }),
            Self::Survived => json!({ "result": "survived" }),
            Self::Cut(cut) => json!({
                "result": "cut", "after_ms": cut.after, "silence_ms": cut.silence,
                "how": cut.how, "server": cut.server, "cause": cut.verdict.cause,
                "culprits": cut.verdict.culprits,
            }),
        }
    }
}
