//! From the name to an open connection: resolution, every address, the proxy, TLS.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Run;
use crate::check::eye::{since, wall_now};
use crate::check::http::{self, NoAnswer};
use crate::check::step::{Finding, Step};
use crate::connect::Dialled;
use crate::session::Layer;
use crate::session::{Certificate, Dial, DialFailure, DialStep, Event, Offset, TlsFacts};
use crate::socket::{Failure, errno_name};

/// A certificate that ends within this many days is worth a word.
const DAYS_LEFT: i64 = 21;
const MICROS_PER_DAY: i64 = 86_400_000_000;

impl Run<'_> {
    /// False when there is no connection to go on with.
    pub(super) async fn reach(&mut self) -> bool {
        let upstream = self.caller.dialer.upstream().clone();
        let settings = self.settings;
        let via = settings.reach.via.is_some();
        let reached = match (upstream.host(), via) {
            (None, _) => self.socket_file(),
            (Some(_), true) => true,
            (Some(host), false) => self.addresses(host, upstream.port().unwrap_or_default()).await,
        };
        reached && self.dial(via).await
    }

    async fn addresses(&mut self, host: &str, port: u16) -> bool {
        let began = Instant::now();
        let found = match host.parse::<IpAddr>() {
            Ok(ip) => {
                self.push(Step::ok("resolve", since(began), format!("{ip} is an address")));
                vec![ip]
            }
            Err(_) => match self.resolve(host).await {
                Some(found) => found,
                None => return false,
            },
        };
        self.tcp(&found, port).await
    }

    async fn resolve(&mut self, host: &str) -> Option<Vec<IpAddr>> {
        let began = Instant::now();
        let patience = self.caller.patience;
        let answer = timeout(patience, tokio::net::lookup_host((host, 0))).await;
        let took = since(began);
        let why = match answer {
            Ok(Ok(found)) => {
                let mut ips: Vec<IpAddr> = Vec::new();
                for ip in found.map(|addr| addr.ip()) {
                    if !ips.contains(&ip) {
                        ips.push(ip);
                    }
                }
                let shown: Vec<String> = ips.iter().map(ToString::to_string).collect();
                let detail = format!("{host} is {}", shown.join(", "));
                self.push(Step::ok("resolve", took, detail).fact("addresses", &ips));
                return Some(ips);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {}", humantime::format_duration(patience)),
        };
        let resolvers = crate::check::Place::here().resolvers;
        let asked =
            if resolvers.is_empty() { "no resolver".to_owned() } else { resolvers.join(", ") };
        let detail = format!("{host} does not resolve here: {why} (asked {asked})");
        let step = self.not_reached("resolve", took, ("no_such_host", detail));
        self.push(step.fact("resolvers", resolvers));
        None
    }

    /// Tries every address, not only until one answers.
    async fn tcp(&mut self, addresses: &[IpAddr], port: u16) -> bool {
        let began = Instant::now();
        let patience = self.caller.patience;
        let tries = addresses.iter().map(|ip| async move {
            let addr = SocketAddr::new(*ip, port);
            let began = Instant::now();
            let error = match timeout(patience, TcpStream::connect(addr)).await {
                Ok(Ok(_connected)) => None,
                Ok(Err(error)) => Some(errno_name(&error)),
                Err(_) => Some("ETIMEDOUT".to_owned()),
            };
            (addr, since(began), error)
        });
        let tried: Vec<(SocketAddr, Offset, Option<String>)> = join_all(tries).await;
        let rows: Vec<Value> = tried
            .iter()
            .map(|(addr, took, error)| json!({ "addr": addr, "took_ms": took, "error": error }))
            .collect();
        let (good, bad): (Vec<_>, Vec<_>) = tried.iter().partition(|(.., error)| error.is_none());
        let say = |(addr, took, error): &(SocketAddr, Offset, Option<String>)| match error {
            None => format!("{addr} in {took}"),
            Some(error) => format!("{addr} {error}"),
        };
        let all = good.iter().chain(&bad).map(|row| say(row)).collect::<Vec<_>>().join(", ");
        let took = since(began);
        let step = if good.is_empty() {
            let error = bad.first().and_then(|(.., error)| error.as_deref()).unwrap_or_default();
            let detail = format!("no address answers: {all}");
            self.not_reached("tcp", took, (word_of(error), detail))
        } else if bad.is_empty() {
            Step::ok("tcp", took, format!("connected to {all}"))
        } else {
            Step::info("tcp", took, format!("not every address answers: {all}"))
        };
        let reached = !step.is_failed();
        self.push(step.fact("attempts", rows));
        reached
    }

    /// Tells a missing file from one that may not be looked at and one that is no socket.
    fn socket_file(&mut self) -> bool {
        let began = Instant::now();
        let shown = self.caller.dialer.upstream().to_string();
        let path = Path::new(shown.strip_prefix("unix:").unwrap_or(&shown));
        let at = path.display();
        let (problem, detail) = match std::fs::metadata(path) {
            Ok(found) if found.file_type().is_socket() => {
                self.push(Step::ok("socket", since(began), format!("{at} is a socket")));
                return true;
            }
            Ok(_) => ("not_a_socket", format!("{at} is no socket")),
            Err(error) => match error.kind() {
                ErrorKind::NotFound => ("missing", format!("{at} does not exist")),
                ErrorKind::PermissionDenied => {
                    ("permission", format!("{at} may not be looked at by this user"))
                }
                _ => ("other", format!("{at}: {}", errno_name(&error))),
            },
        };
        let step = self.not_reached("socket", since(began), ("no_such_file", detail));
        self.push(step.fact("problem", problem));
        false
    }

    /// A failure to connect, judged as that of a dial.
    fn not_reached(&self, name: &'static str, took: Offset, why: (&str, String)) -> Step {
        let (cause, detail) = why;
        let failure = DialFailure {
            step: DialStep::Connect,
            cause: cause.to_owned(),
            detail: detail.clone(),
            timed_out: cause == "timeout",
        };
        let url = self.caller.dialer.upstream().to_string();
        let eye = self.caller.eye();
        eye.fact(Event::Dial(Dial { url, failure: Some(failure), ..Dial::default() }));
        Step { detail, ..Step::judged(name, took, &eye.record()) }
    }

    /// One dial as every client's: through the proxy, with TLS.
    async fn dial(&mut self, via: bool) -> bool {
        let began = Instant::now();
        let Dialled { result, dial, tls } = self.caller.dial().await;
        let took = since(began);
        let failure = result.err();
        if via {
            let before = failure.as_ref().filter(|failure| failure.step != DialStep::Tls);
            let made = match before {
                None => Step::ok("via", took, "the proxy opened a tunnel"),
                Some(failure) => {
                    let finding = if failure.cause == "via_refused" {
                        Finding::named("via_refused")
                    } else {
                        let next = ["check that the proxy runs, and its address in --via"];
                        Finding::own(Layer::Transport, "via_unreachable", &next)
                    };
                    Step::failed("via", took, failure.detail.clone(), finding)
                }
            };
            self.push(made.fact("via", &dial.via).fact("attempts", &dial.attempts));
        }
        let Some(failure) = failure else {
            let step = if self.caller.dialer.upstream().is_tls() {
                tls_step(tls.unwrap_or_default())
            } else {
                Step::skipped("tls", "the URL asks for none")
            };
            self.push(step);
            return true;
        };
        match failure.step {
            DialStep::Tls => {
                let step = self.tls_failed(&failure.cause, failure.detail, took, tls).await;
                self.push(step);
            }
            DialStep::Resolve | DialStep::Connect | DialStep::Via if !via => {
                self.not_dialled(&failure, took);
            }
            DialStep::Resolve | DialStep::Connect | DialStep::Via => {}
        }
        false
    }

    /// It went away since its addresses were tried, or nobody listens at the socket.
    fn not_dialled(&mut self, failure: &DialFailure, took: Offset) {
        let unix = self.caller.dialer.upstream().host().is_none();
        let name = if unix { "socket" } else { "tcp" };
        let problem = unix.then_some(match failure.cause.as_str() {
            "refused" => "nobody_listening",
            "permission" => "permission",
            _ => "other",
        });
        let why = (failure.cause.as_str(), failure.detail.clone());
        let step = self.not_reached(name, took, why).fact("problem", problem);
        self.steps.retain(|step| step.name != name);
        self.push(step);
    }

    /// Whether the other side speaks plain HTTP there is tried, not guessed.
    async fn tls_failed(
        &self,
        cause: &str,
        detail: String,
        took: Offset,
        tls: Option<TlsFacts>,
    ) -> Step {
        if cause == "certificate" {
            return untrusted(took, detail, tls.unwrap_or_default());
        }
        if let Some(plain) = self.settings.target.swapped()
            && let Ok(caller) = self.caller.elsewhere(&plain, &self.settings.reach)
            && let Ok(answer) = http::get(&caller, "/healthz").await.result
        {
            let detail = format!(
                "{} speaks plain HTTP (it answered {}), not TLS: use {plain}",
                self.caller.dialer.upstream(),
                answer.status
            );
            return Step::failed("tls", took, detail, Finding::named("tls_to_plaintext"));
        }
        Step::failed("tls", took, detail, Finding::named("upstream_tls_failed"))
    }

    /// After a plain request that got no sense: does the other side speak TLS there?
    pub(super) async fn speaks_tls(&mut self, why: &NoAnswer) -> bool {
        let worth_trying = match why {
            NoAnswer::Empty | NoAnswer::NotHttp(_) | NoAnswer::Failed(Failure::Reset) => true,
            NoAnswer::NotDialled(_) | NoAnswer::Failed(_) | NoAnswer::TimedOut => false,
        };
        worth_trying && self.tls_answers().await
    }

    /// Replaces the step `tls` when a TLS handshake succeeds where plain HTTP was asked for.
    pub(super) async fn tls_answers(&mut self) -> bool {
        if self.caller.dialer.upstream().is_tls() {
            return false;
        }
        let Some(secure) = self.settings.target.swapped() else { return false };
        let Ok(caller) = self.caller.elsewhere(&secure, &self.settings.reach) else { return false };
        let began = Instant::now();
        let dialled = caller.dial().await;
        if dialled.result.is_err() {
            return false;
        }
        let plain = self.caller.dialer.upstream();
        let detail = format!("{plain} speaks TLS, not plain HTTP: use {secure}");
        let finding = Finding::named("plaintext_to_tls");
        let step = Step::failed("tls", since(began), detail, finding);
        let step = with_facts(step, dialled.tls.unwrap_or_default());
        self.steps.retain(|step| step.name != "tls");
        self.push(step);
        true
    }
}

/// A certificate that nobody may be spoken to with, and how to take it all the same.
fn untrusted(took: Offset, detail: String, facts: TlsFacts) -> Step {
    let mut finding = Finding::named("upstream_tls_untrusted");
    let mut detail = detail;
    if let Some(certificate) = &facts.certificate {
        if is_self_signed(certificate) {
            detail = format!(
                "the certificate is self-signed ({}), as gateway.tls.autoGenerate makes it",
                certificate.subject
            );
        }
        finding.next.push(crate::session::Step {
            text: "compare its fingerprint on the gateway's host, then probe again with it"
                .to_owned(),
            command: Some(format!("--pin {}", certificate.sha256)),
            config: None,
        });
    }
    with_facts(Step::failed("tls", took, detail, finding), facts)
}

fn is_self_signed(certificate: &Certificate) -> bool {
    certificate.subject == certificate.issuer
}

fn tls_step(facts: TlsFacts) -> Step {
    let took = facts.handshake_ms;
    let version = facts.version.clone().unwrap_or_else(|| "TLS".to_owned());
    let Some(certificate) = &facts.certificate else {
        return Step::ok("tls", took, version);
    };
    let left =
        certificate.not_after.map(|end| (end.micros() - wall_now().micros()) / MICROS_PER_DAY);
    let until = match (certificate.not_after, left) {
        (Some(end), Some(days)) => format!(", valid until {end} ({days} days)"),
        (_, _) => String::new(),
    };
    let detail =
        format!("{version}; {} issued by {}{until}", certificate.subject, certificate.issuer);
    let step = match &facts.verify_error {
        Some(_) if is_self_signed(certificate) => {
            Step::info("tls", took, format!("{detail}; self-signed, taken as asked"))
        }
        Some(error) => {
            Step::info("tls", took, format!("{detail}; taken although it does not verify: {error}"))
        }
        None if left.is_some_and(|days| days < DAYS_LEFT) => {
            Step::info("tls", took, format!("{detail}; it ends soon"))
        }
        None => Step::ok("tls", took, format!("{detail}; chain and name verify")),
    };
    with_facts(step, facts)
}

fn with_facts(mut step: Step, facts: TlsFacts) -> Step {
    if let Ok(Value::Object(members)) = serde_json::to_value(facts) {
        step.facts.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    step
}

/// The word of a failed dial for an error of connecting.
fn word_of(errno: &str) -> &'static str {
    match errno {
        "ECONNREFUSED" => "refused",
        "ETIMEDOUT" => "timeout",
        "ECONNRESET" => "reset",
        _ => "unreachable",
    }
}
