//! `/healthz` and `/readyz`: alive, ready, or not OpenClaw at all.

use serde_json::Value;

use super::Run;
use super::clock::Dated;
use crate::check::http::{self, Answer, Got, NoAnswer};
use crate::check::step::{Finding, Step};
use crate::session::Offset;
use crate::verdict;

impl Run<'_> {
    /// Gives the server's clock as its Date header says it.
    pub(super) async fn health(&mut self) -> Option<Dated> {
        let live = http::get(&self.caller, "/healthz").await;
        let lost = match &live.result {
            Err(why) => self.speaks_tls(why).await,
            // nginx and others say so themselves, but a 400 may have other reasons.
            Ok(answer) if answer.status == 400 => self.tls_answers().await,
            Ok(_) => false,
        };
        if lost {
            return None;
        }
        let date = live.result.as_ref().ok().and_then(Dated::of);
        self.push(live_step(&live));
        if live.result.is_ok() {
            let ready = http::get(&self.caller, "/readyz").await;
            self.push(ready_step(&ready));
        } else {
            self.push(Step::skipped("readyz", "/healthz was not answered"));
        }
        date
    }
}

fn live_step(got: &Got) -> Step {
    let answer = match &got.result {
        Ok(answer) => answer,
        Err(why) => return unanswered("healthz", got.took, why),
    };
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    if answer.status == 200 && json["ok"] == true && json["status"] == "live" {
        return with_facts(Step::ok("healthz", got.took, "200: the gateway is alive"), answer);
    }
    with_facts(refused("healthz", got.took, answer), answer)
}

fn ready_step(got: &Got) -> Step {
    let answer = match &got.result {
        Ok(answer) => answer,
        Err(why) => return unanswered("readyz", got.took, why),
    };
    let json: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let ready = json.get("ready").and_then(Value::as_bool);
    let step = match (answer.status, ready) {
        (200, Some(true)) => Step::ok("readyz", got.took, "200: the gateway is ready"),
        (503, Some(false)) => {
            let finding = Finding::named("gateway_starting");
            let detail = "503: the gateway runs and is not ready";
            Step::failed("readyz", got.took, detail, finding).fact("failing", &json["failing"])
        }
        _ => refused("readyz", got.took, answer),
    };
    with_facts(step.fact("ready", ready), answer)
}

/// An answer that no gateway gives on this path.
fn refused(name: &'static str, took: Offset, answer: &Answer) -> Step {
    let status = answer.status;
    let by = answer.server().map_or_else(
        || "a server that does not name itself".to_owned(),
        |server| format!("Server: {server}"),
    );
    let (cause, what) = match status {
        502 => ("http_502", "a front proxy cannot reach the gateway"),
        504 => ("http_504", "a front proxy got no answer from the gateway in time"),
        503 => ("http_503", "a front proxy, or a server that is not OpenClaw, is not available"),
        301 | 302 | 303 | 307 | 308 => ("http_redirect", "it sends elsewhere"),
        401 => ("http_401_reverse_proxy", "a front proxy wants a login"),
        429 => ("http_429_reverse_proxy", "a front proxy limits the rate"),
        403 if answer.body.contains("proxy_attribution_required") => (
            "proxy_attribution_required",
            "the gateway does not trust the proxy that forwarded this",
        ),
        _ if answer.body.contains("data-openclaw-") => (
            "not_an_openclaw_gateway",
            "the Control UI page came instead: a front rewrites the path",
        ),
        _ => ("not_an_openclaw_gateway", "this is not OpenClaw"),
    };
    let to = answer.head.header("location").map(|to| format!(" to {to}")).unwrap_or_default();
    // The rules fill in who and where, when they come to the same.
    let verdict = verdict::judge(&answer.record);
    let finding =
        if verdict.cause == cause { Finding::of(&verdict) } else { Finding::named(cause) };
    Step::failed(name, took, format!("{status}{to}: {what} ({by})"), finding)
}

fn unanswered(name: &'static str, took: Offset, why: &NoAnswer) -> Step {
    let (cause, detail) = match why {
        NoAnswer::NotDialled(dial) => {
            let detail = dial.failure.as_ref().map(|f| f.detail.clone()).unwrap_or_default();
            ("upstream_unreachable", detail)
        }
        NoAnswer::Empty => {
            ("upstream_empty_reply", "the connection was closed without a byte".to_owned())
        }
        NoAnswer::Failed(failure) => ("upstream_reset", format!("no answer: {failure:?}")),
        NoAnswer::TimedOut => ("upgrade_timeout", "no answer in time".to_owned()),
        NoAnswer::NotHttp(bytes) => {
            let shown = bytes.escape_ascii().to_string();
            let shown: String = shown.chars().take(60).collect();
            ("not_an_openclaw_gateway", format!("the answer is not HTTP: it begins with {shown}"))
        }
    };
    Step::failed(name, took, detail, Finding::named(cause))
}

fn with_facts(step: Step, answer: &Answer) -> Step {
    let body: String = answer.body.chars().take(400).collect();
    step.fact("status", answer.status)
        .fact("server", answer.server())
        .fact("via", answer.head.header("via"))
        .fact("body", body)
        .fact("head", &answer.head.raw)
}
