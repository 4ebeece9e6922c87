//! Upgrade, opening exchange, one call, pings, payload sizes: one session from 101 to Close.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::time::Instant as Deadline;

use super::Run;
use super::clock::{self, Dated};
use crate::check::eye::since;
use crate::check::line::{Answer, Challenge, Line, Stop};
use crate::check::step::{Finding, Outcome, Step};
use crate::check::visit::Refused;
use crate::openclaw::Client;
use crate::session;
use crate::session::Layer;
use crate::session::{Offset, Record};

/// How long the Close behind a refusal is waited for.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How much of an answer is shown.
const ANSWER_SHOWN: usize = 16 * 1024;

impl Run<'_> {
    /// Whether the gateway said hello.
    pub(super) async fn session(&mut self, dated: Option<Dated>) -> bool {
        let began = Instant::now();
        let line = match self.caller.open(self.settings.origin.as_deref()).await {
            Ok(line) => line,
            Err(Refused { eye, .. }) => {
                let record = eye.record();
                let mut step = Step::judged("upgrade", since(began), &record);
                self.stripped(&mut step, &record);
                self.push(heads(step, &record));
                return false;
            }
        };
        let record = line.eye().record();
        let step = Step::ok("upgrade", since(began), "101, and the accept key fits");
        self.push(heads(step, &record));
        let connect_took = record.upstream.dial.as_ref().and_then(|dial| dial.connect_ms);
        let Some((mut line, challenge)) = self.challenge(line).await else { return false };
        let round_trip = connect_took.unwrap_or_default();
        let clock = clock::step(&challenge, round_trip, dated);
        let Some(hello) = self.connect(&mut line, &challenge).await else {
            self.push(clock);
            return false;
        };
        self.call(&mut line).await;
        self.push(clock);
        self.pings(&mut line).await;
        let limit = hello["policy"]["maxPayload"].as_u64();
        self.sizes(line, limit.and_then(|limit| usize::try_from(limit).ok())).await;
        true
    }

    /// A page instead of a 101, where /healthz was the gateway's own: something dropped Upgrade.
    fn stripped(&self, step: &mut Step, record: &Record) {
        let alive =
            self.steps.iter().any(|one| one.name == "healthz" && one.verdict == Outcome::Ok);
        let page = record.response.as_ref().is_some_and(|r| r.status == Some(200));
        if alive && page {
            step.finding = Some(Finding::named("upgrade_stripped"));
            "the page came instead of a 101: what stands in front dropped Upgrade \
                           or Connection on the way to the gateway"
                .clone_into(&mut step.detail);
        }
    }

    async fn challenge(&mut self, mut line: Line) -> Option<(Line, Challenge)> {
        let began = Instant::now();
        match line.challenge().await {
            Ok(challenge) => {
                let detail = "the gateway sent its challenge";
                self.push(Step::ok("challenge", since(began), detail));
                Some((line, challenge))
            }
            Err(stop) => {
                let took = since(began);
                let record = line.leave().await;
                self.push(match stop {
                    Stop::TimedOut => self.no_challenge(took),
                    Stop::Over => Step::judged("challenge", took, &record),
                });
                None
            }
        }
    }

    /// By the wire alone a client that leaves is no failure; that it waited in vain is known here.
    fn no_challenge(&self, took: Offset) -> Step {
        let worker = self.caller.target.path.starts_with("/__openclaw__/worker");
        let (cause, detail) = if worker {
            ("worker_ingress_path", "this is the workers' entrance, which sends no challenge")
        } else {
            ("not_an_openclaw_gateway", "a WebSocket server answers and sends no challenge")
        };
        Step::failed("challenge", took, detail, Finding::named(cause))
    }

    /// Gives the payload of hello-ok.
    async fn connect(&mut self, line: &mut Line, challenge: &Challenge) -> Option<Value> {
        let began = Instant::now();
        let answer = line.connect(self.visitor(), challenge).await;
        let took = since(began);
        match answer {
            Ok(answer) if answer.ok && answer.payload["type"] == "hello-ok" => {
                self.push(hello_step(took, &answer.payload, self.client()));
                Some(answer.payload)
            }
            Ok(_) | Err(Stop::Over) => {
                line.listen(Deadline::now() + CLOSE_PATIENCE).await;
                self.refused(took, &line.eye().record());
                None
            }
            Err(Stop::TimedOut) => {
                line.close(4000, "connect timeout").await;
                self.refused(took, &line.eye().record());
                None
            }
        }
    }

    fn refused(&mut self, took: Offset, record: &Record) {
        let mut step = Step::judged("connect", took, record);
        if let Some(refusal) = record.openclaw.as_ref().and_then(|o| o.refusal.as_ref()) {
            step = step.fact("refusal", refusal);
        }
        let alone = self.settings.credentials.is_none() && self.settings.device.is_none();
        if let Some(finding) = step.finding.as_mut().filter(|_| alone) {
            let text = "this probe has shown no secret: give it the gateway's by \
                        OPENCLAW_GATEWAY_TOKEN, --token-file or --config; or --device where the \
                        gateway asks for none";
            let own = session::Step { text: text.to_owned(), command: None, config: None };
            finding.next.insert(0, own);
        }
        step = step.fact("close", &record.close).fact("sent", self.settings.credentials.shown());
        self.push(step);
    }

    async fn call(&mut self, line: &mut Line) {
        let health = ("health".to_owned(), json!({}));
        let (method, params) = self.settings.call.as_ref().unwrap_or(&health);
        let began = Instant::now();
        let answer = line.call(method, params).await;
        let took = since(began);
        let step = match answer {
            Ok(mut answer) => {
                answer.payload = line.eye().shown(&answer.payload);
                answer.error = line.eye().shown(&answer.error);
                call_step(method, took, &answer, self.settings.call.is_some())
            }
            Err(Stop::TimedOut) => {
                let patience = humantime::format_duration(self.caller.patience).to_string();
                let detail = format!("{method} was not answered within {patience}");
                Step::failed("call", took, detail, Finding::named("rpc_response_lost"))
            }
            Err(Stop::Over) => Step::judged("call", took, &line.eye().record()),
        };
        self.push(step);
    }

    async fn pings(&mut self, line: &mut Line) {
        if self.settings.pings == 0 {
            self.push(Step::skipped("ping", "not asked for"));
            return;
        }
        let began = Instant::now();
        let mut times = Vec::new();
        for _ in 0..self.settings.pings {
            match line.ping().await {
                Ok(time) => times.push(time),
                Err(Stop::TimedOut) => {
                    let next = ["look for a proxy on the way that swallows Ping or Pong frames"];
                    let finding = Finding::own(Layer::Transport, "pong_lost", &next);
                    let detail = "a ping of ours was not answered";
                    self.push(Step::failed("ping", since(began), detail, finding));
                    return;
                }
                Err(Stop::Over) => {
                    let record = line.eye().record();
                    self.push(Step::judged("ping", since(began), &record));
                    return;
                }
            }
        }
        times.sort_unstable();
        let at = |part: usize| times.get((times.len() - 1) * part / 2).copied().unwrap_or_default();
        let (min, median, max) = (at(0), at(1), at(2));
        let detail = format!("{} pongs, median {median}, {min} to {max}", times.len());
        let rtt = json!({ "min_ms": min, "median_ms": median, "max_ms": max });
        self.push(Step::ok("ping", since(began), detail).fact("rtt", rtt));
    }
}

/// What an upgrade showed, whatever came of it.
fn heads(step: Step, record: &Record) -> Step {
    let request = record.request.as_ref().map(|request| &request.head.raw);
    let step = step.fact("request", request);
    let step =
        step.fact("local", record.upstream.dial.as_ref().and_then(|dial| dial.local.clone()));
    let Some(response) = &record.response else { return step };
    let mut step = step
        .fact("status", response.status)
        .fact("server", &response.server)
        .fact("via", &response.via)
        .fact("body", &response.body)
        .fact("response", &response.head.raw);
    if let Some(server) = &response.server
        && step.is_failed()
        && !step.detail.contains(server)
    {
        step.detail = format!("{} (Server: {server})", step.detail);
    }
    step
}

fn hello_step(took: Offset, hello: &Value, client: Client) -> Step {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let (server, auth) = (&hello["server"], &hello["auth"]);
    let scopes: Vec<String> = auth["scopes"]
        .as_array()
        .map(|scopes| scopes.iter().map(text).collect())
        .unwrap_or_default();
    // Older gateways do not say by what.
    let by = auth["method"].as_str().map(|method| format!(", admitted by {method}"));
    let detail = format!(
        "hello from OpenClaw {}, protocol {}{}",
        text(&server["version"]),
        hello["protocol"],
        by.unwrap_or_default(),
    );
    // Mode probe is given none by design; anybody else without scopes can call next to nothing.
    let cleared = scopes.is_empty() && client.mode != "probe";
    let step = if cleared {
        let detail = format!("{detail}; but no scope was granted");
        Step::info("connect", took, detail)
    } else {
        Step::ok("connect", took, detail)
    };
    step.fact("version", &server["version"])
        .fact("protocol", &hello["protocol"])
        .fact("conn_id", &server["connId"])
        .fact("auth_method", &auth["method"])
        .fact("scopes", scopes)
        .fact("max_payload", &hello["policy"]["maxPayload"])
        .fact("tick_interval_ms", &hello["policy"]["tickIntervalMs"])
}

fn call_step(method: &str, took: Offset, answer: &Answer, asked: bool) -> Step {
    if answer.ok {
        let step = Step::ok("call", took, format!("{method} was answered"));
        let step = step.fact("method", method);
        let text = answer.payload.to_string();
        return if asked && text.len() <= ANSWER_SHOWN {
            step.fact("answer", &answer.payload)
        } else {
            step.fact("answer_bytes", text.len())
        };
    }
    let code = answer.code().unwrap_or("no code").to_owned();
    let said = answer.message();
    let (detail, finding) = if code == "MISSING_SCOPE" {
        (format!("connected, but {method} is not allowed: {said}"), Finding::named("missing_scope"))
    } else {
        let next = ["the connection works: look at the method's name and params"];
        (
            format!("{method} was refused: {said} ({code})"),
            Finding::own(Layer::Protocol, "call_refused", &next),
        )
    };
    Step::failed("call", took, detail, finding)
        .fact("method", method)
        .fact("code", code)
        .fact("error", &answer.error)
}
