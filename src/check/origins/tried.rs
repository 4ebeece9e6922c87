//! One origin tried: accepted or refused, and by whom.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant as Deadline;

use crate::check::Credentials;
use crate::check::line::{self, Answer, Stop};
use crate::check::visit::{Caller, Refused, Stage};
use crate::openclaw::Client;
use crate::session::Layer;
use crate::verdict;

/// How long the Close behind a refusal is waited for.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// Who decided about an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    Gateway,
    /// Something in front of it.
    Front,
    Nobody,
}

impl Decider {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Front => "front",
            Self::Nobody => "nobody",
        }
    }
}

#[derive(Debug)]
pub(super) struct Tried {
    pub(super) accepted: Option<bool>,
    pub(super) by: Decider,
    pub(super) reason: String,
    pub(super) server: Option<String>,
    /// Where it went wrong, when it was not decided.
    pub(super) layer: Option<Layer>,
    /// Nothing answers at all: the others need not be tried.
    pub(super) unreachable: bool,
}

impl Tried {
    /// The gateway's own answer.
    pub(super) fn by_gateway(&self) -> Option<bool> {
        self.accepted.filter(|_| self.by == Decider::Gateway)
    }
}

pub(super) async fn tried(caller: &Caller, nothing: &Credentials, origin: Option<&str>) -> Tried {
    let mut line = match caller.open(origin).await {
        Ok(line) => line,
        Err(refused) => return not_upgraded(&refused),
    };
    let visitor = line::Caller { client: Client::CONTROL_UI, credentials: nothing, device: None };
    let server = line.eye().record().response.and_then(|response| response.server);
    let asked = async {
        let challenge = line.challenge().await?;
        line.connect(visitor, &challenge).await
    };
    let answer: Result<Answer, Stop> = asked.await;
    let Ok(answer) = answer else {
        let verdict = verdict::judge(&line.leave().await);
        let (reason, layer) = (verdict.summary, Some(verdict.layer));
        let by = Decider::Nobody;
        return Tried { accepted: None, by, reason, server, layer, unreachable: false };
    };
    let (accepted, reason) = decided(&answer);
    if answer.ok {
        line.leave().await;
    } else {
        line.listen(Deadline::now() + CLOSE_PATIENCE).await;
    }
    let by = if accepted.is_some() { Decider::Gateway } else { Decider::Nobody };
    let layer = accepted.is_none().then_some(Layer::Protocol);
    Tried { accepted, by, reason, server, layer, unreachable: false }
}

fn not_upgraded(refused: &Refused) -> Tried {
    let record = refused.eye.record();
    let verdict = verdict::judge(&record);
    let server = record.response.as_ref().and_then(|response| response.server.clone());
    let status = record.response.as_ref().and_then(|response| response.status);
    // A gateway refuses origins after the 101 only.
    let by_front = status == Some(403) && verdict.cause != "proxy_attribution_required";
    Tried {
        accepted: by_front.then_some(false),
        by: if by_front { Decider::Front } else { Decider::Nobody },
        reason: verdict.summary,
        server,
        layer: Some(verdict.layer),
        unreachable: refused.stage == Stage::Dial,
    }
}

/// By the gateway's order of checks: what it complains of first tells how far it came.
fn decided(answer: &Answer) -> (Option<bool>, String) {
    if answer.ok {
        return (Some(true), "admitted without credentials".to_owned());
    }
    let code = answer.code().unwrap_or_default();
    let message = answer.message();
    if code == "CONTROL_UI_ORIGIN_NOT_ALLOWED" || message.starts_with("origin ") {
        let reason = answer.error["details"]["reason"].as_str().unwrap_or("origin not allowed");
        return (Some(false), reason.to_owned());
    }
    // The page's build is looked at last.
    let stale = answer.error["details"]["reloadRequired"] == true;
    let before = !stale
        && (matches!(code, "PROTOCOL_MISMATCH" | "UNAVAILABLE")
            || message.starts_with("invalid ")
            || message.starts_with("protocol mismatch"));
    if before {
        return (None, format!("refused before the origin was looked at: {message}"));
    }
    let asked = match code {
        "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" | "DEVICE_IDENTITY_REQUIRED" => {
            "it went on to ask for a device identity".to_owned()
        }
        _ => format!("it went on to: {message}"),
    };
    (Some(true), asked)
}
