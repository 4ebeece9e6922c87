//! A record as a few words, `name=value`, that a table can ask for.

use std::net::SocketAddr;

use wstap::session::{Record, Verdict};

use crate::support::record::Recorded;

/// The addresses whose ports differ from run to run, and their names in the words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    pub(crate) front: SocketAddr,
    pub(crate) tap: SocketAddr,
    pub(crate) upstream: SocketAddr,
}

impl Places {
    fn name(&self, text: &str) -> String {
        [(self.front, "front"), (self.tap, "tap"), (self.upstream, "upstream")]
            .iter()
            .fold(text.to_owned(), |text, (place, name)| text.replace(&place.to_string(), name))
    }
}

pub(crate) fn words(session: &Recorded, places: &Places) -> Vec<String> {
    let record = &session.record;
    let mut words = vec![
        format!("kind={}", record.kind.name()),
        format!("status={}", session.status().map_or_else(none, |status| status.to_string())),
        format!("own={}", record.own_answer.as_ref().map_or(0, |own| own.status)),
        format!("first={}", session.endings().first().map_or("-", String::as_str))
            .replace(' ', ":"),
        format!("close={}", close(record)),
        format!("silent={}s", silence_before_the_end(record)),
        format!("client_tls={}", record.client.tls.is_some()),
        format!("upstream_tls={}", record.upstream.tls.is_some()),
        format!("proxy={}", record.client.proxy_header.as_ref().map_or(0, |header| header.version)),
        format!("opaque={}", record.opaque.as_ref().map_or("-", |opaque| &opaque.what)),
        format!(
            "foreign={}",
            record.frames.s2c.not_websocket_from.map_or_else(none, |byte| byte.to_string())
        ),
    ];
    let mut header = |name: &str, value: Option<&String>| {
        let value = value.map_or_else(none, |value| places.name(value).replace(' ', "_"));
        words.push(format!("{name}={value}"));
    };
    let request = record.request.as_ref();
    header("host", request.and_then(|request| request.host.as_ref()));
    header("origin", request.and_then(|request| request.origin.as_ref()));
    header("upgrade", request.and_then(|request| request.upgrade.as_ref()));
    header("connection", request.and_then(|request| request.connection.as_ref()));
    let forwarding = request.map(|request| &request.forwarding);
    header("xff", forwarding.and_then(|forwarding| forwarding.get("x-forwarded-for")));
    let response = record.response.as_ref();
    header("server", response.and_then(|response| response.server.as_ref()));
    header("location", response.and_then(|response| response.location.as_ref()));
    header("authenticate", response.and_then(|response| response.www_authenticate.as_ref()));
    words
}

/// A verdict in the same form. Settings are named by their first word.
pub(crate) fn verdict_words(verdict: &Verdict) -> Vec<String> {
    let configs = verdict.next.iter().filter_map(|step| step.config.as_deref());
    let culprit = verdict.culprits.first();
    let directives = configs.chain(culprit.map(|culprit| &*culprit.directive));
    let first_words = directives.filter_map(|setting| setting.split([' ', ':']).next());
    let mut words = vec![
        format!("layer={}", verdict.layer.name()),
        format!("cause={}", verdict.cause),
        format!("who={}", verdict.who.name()),
        format!("leg={}", verdict.leg.map_or("-", |leg| leg.name())),
        format!("sure={}", verdict.confidence.name()),
        format!("culprit={}", culprit.map_or("-", |culprit| &culprit.name).replace(' ', "_")),
    ];
    words.extend(verdict.warnings.iter().map(|warning| format!("warns={}", warning.slug)));
    words.extend(first_words.map(|word| format!("set={word}")));
    words
}

fn none() -> String {
    "-".to_owned()
}

/// `client:1001`, `gateway:-`, `none`.
fn close(record: &Record) -> String {
    let code = record.close.code.map_or_else(none, |code| code.to_string());
    record.close.from.as_ref().map_or_else(|| "none".to_owned(), |from| format!("{from}:{code}"))
}

/// The seconds between the last byte of either direction and the first ending; `3` also for a limit
/// of three that a busy machine kept late.
fn silence_before_the_end(record: &Record) -> u64 {
    let last = record.frames.c2s.last_byte.max(record.frames.s2c.last_byte);
    let first = record.endings.first().map(|ending| ending.at);
    match first.zip(last).map_or(0, |(first, last)| first.since(last).micros() / 1000) {
        2_800..6_000 => 3,
        millis => millis / 1000,
    }
}
