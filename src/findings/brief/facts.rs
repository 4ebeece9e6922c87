//! How a record and its verdict become a brief.

use super::{Brief, CloseBrief, CulpritBrief, DialBrief, EndBrief, How, OpenClawBrief, TcpBrief};
use crate::findings::calls::add;
use crate::session::{
    Cadence, Calls, Culprit, Dial, Direction, EndingKind, Kind, MethodCalls, Offset, OpenClaw,
    Record, State, TcpSample, TlsEnd, Verdict,
};

/// Bounds of what a session may put into its brief; the wire chooses names and numbers.
const TEXT: usize = 120;
const METHODS: usize = 12;
const LISTED: usize = 16;
const CULPRITS: usize = 4;

/// A client that gave up an answer had waited for it.
const PATIENCE: Offset = Offset(3_000_000);

impl Brief {
    /// The facts of one session. Pure: same record and verdict, same brief.
    pub fn of(record: &Record, verdict: &Verdict) -> Self {
        let request = record.request.as_ref();
        let response = record.response.as_ref();
        let upgraded = response.filter(|r| r.status == Some(101) && record.kind == Kind::Websocket);
        let own = record.own_answer.as_ref().map(|answer| answer.status);
        let [c2s, s2c] = Direction::BOTH.map(|direction| record.frames.of(direction));
        let idle = &record.idle;
        Self {
            v: Self::VERSION,
            id: record.id,
            started: record.started_at,
            lasted: record.duration_ms,
            open: record.state == State::Open,
            kind: record.kind,
            layer: verdict.layer,
            cause: verdict.cause.clone(),
            who: verdict.who,
            confidence: verdict.confidence,
            failed: verdict.failed,
            client: client(record),
            origin: request.and_then(|r| short(r.origin.as_deref())),
            host: request.and_then(|r| short(r.host.as_deref())),
            path: request.and_then(|r| short(Some(r.path()))),
            forwarded: request.is_some_and(|r| !r.forwarding.is_empty()),
            status: own.or_else(|| response.and_then(|r| r.status)),
            dial: record.upstream.dial.as_ref().map(dial),
            handshake: response.zip(request).map(|(r, q)| r.at.since(q.at)),
            upgraded: upgraded.map(|r| r.at),
            end: end(record),
            close: close(record),
            silence: [idle.c2s_at_end_ms, idle.s2c_at_end_ms],
            pings: [pings(idle.c2s_pings.as_ref()), pings(idle.s2c_pings.as_ref())],
            largest: [c2s.largest, s2c.largest],
            cut: [c2s, s2c].map(|traffic| traffic.cut_frame.and_then(|cut| cut.declared)),
            tcp: [last(&record.client.tcp), last(&record.upstream.tcp)],
            culprits: verdict.culprits.iter().take(CULPRITS).map(culprit).collect(),
            openclaw: record.openclaw.as_ref().map(|o| Box::new(openclaw(record, o))),
        }
    }
}

fn short(text: Option<&str>) -> Option<String> {
    text.map(|text| text.chars().take(TEXT).collect())
}

/// An address without its port.
fn host(address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

fn client(record: &Record) -> String {
    let header = record.client.proxy_header.as_ref();
    host(header.and_then(|h| h.source.as_deref()).unwrap_or(&record.client.addr))
}

fn dial(dial: &Dial) -> DialBrief {
    DialBrief {
        url: short(Some(&dial.url)).unwrap_or_default(),
        resolved: dial.resolved.iter().take(LISTED).copied().collect(),
        peer: dial.peer.clone(),
        local: dial.local.as_deref().map(host),
        connect: dial.connect_ms,
        failure: dial.failure.as_ref().map(|failure| failure.cause.clone()),
    }
}

fn end(record: &Record) -> Option<EndBrief> {
    record.endings.iter().find_map(|ending| {
        let how = match &ending.kind {
            EndingKind::CloseFrame { .. } | EndingKind::ResetNotPassed => return None,
            EndingKind::Fin | EndingKind::Tls { end: TlsEnd::CloseNotify | TlsEnd::Truncated } => {
                How::Fin
            }
            EndingKind::FinMidFrame { .. } => How::Cut,
            EndingKind::Reset { .. } => How::Reset,
            EndingKind::Failed { .. } | EndingKind::Tls { .. } => How::Broken,
            EndingKind::CutByWstap { .. } => How::Ours,
        };
        Some(EndBrief { leg: ending.leg, how, at: ending.at })
    })
}

fn close(record: &Record) -> Option<CloseBrief> {
    let first = record.control.iter().find(|control| control.fact.opcode == 0x8)?;
    let (from, code) = (first.fact.direction.source(), first.fact.code);
    Some(CloseBrief { from, code, at: first.at })
}

fn pings(cadence: Option<&Cadence>) -> Option<(u64, Option<Offset>)> {
    cadence.map(|c| (c.pings, c.every_ms.map(|[_, median, _]| median)))
}

fn last(samples: &[TcpSample]) -> Option<TcpBrief> {
    samples.last().map(|sample| TcpBrief {
        retransmits: sample.retransmits,
        mss: sample.snd_mss,
        unacked: sample.unacked_bytes,
    })
}

fn culprit(culprit: &Culprit) -> CulpritBrief {
    CulpritBrief {
        name: culprit.name.clone(),
        directive: culprit.directive.clone(),
        clock: culprit.clock.clone(),
        limit: culprit.limit_ms,
        named: culprit.fits.iter().any(|fit| fit.contains("headers name it")),
    }
}

fn openclaw(record: &Record, facts: &OpenClaw) -> OpenClawBrief {
    let connect = facts.connect.as_ref();
    let hello = facts.hello.as_ref();
    let refusal = facts.refusal.as_ref();
    let text = |text: Option<&String>| short(text.map(String::as_str));
    let listed = |scopes: &[String]| scopes.iter().take(LISTED).cloned().collect::<Vec<_>>();
    let detail = |key: &str| refusal?.details.as_ref()?.get(key)?.as_str();
    let credentials = connect.iter().flat_map(|c| &c.credentials).take(LISTED);
    OpenClawBrief {
        connect_at: facts.connect_at,
        client_id: text(connect.and_then(|c| c.client_id.as_ref())),
        client_mode: text(connect.and_then(|c| c.client_mode.as_ref())),
        client_version: text(connect.and_then(|c| c.client_version.as_ref())),
        device: text(connect.and_then(|c| c.device_id.as_ref())),
        role: text(connect.and_then(|c| c.role.as_ref())),
        credentials: credentials.map(|c| (c.name.clone(), c.fingerprint.clone())).collect(),
        asked: connect.map(|c| listed(&c.scopes)).unwrap_or_default(),
        granted: hello.and_then(|h| h.scopes.as_deref()).map(listed),
        hello_at: facts.answer_at.filter(|_| hello.is_some()),
        server_version: text(hello.and_then(|h| h.server_version.as_ref())),
        conn: text(hello.and_then(|h| h.conn_id.as_ref())),
        tick: hello.and_then(|h| h.tick_interval_ms).map(|ms| Offset(ms.saturating_mul(1000))),
        refused: text(refusal.and_then(|r| r.detail_code.as_ref().or(r.code.as_ref()))),
        request_id: short(detail("requestId")),
        calls: methods(&facts.calls.by_method),
        waited: waited(record, &facts.calls),
        last_call: facts.calls.last.as_ref().map(|last| (last.method.clone(), last.at)),
        shutdown: shutdown(record, facts),
    }
}

/// The methods that were called most, and all others together.
fn methods(all: &[MethodCalls]) -> Vec<MethodCalls> {
    let mut methods = all.to_vec();
    methods.sort_by_key(|calls| std::cmp::Reverse(calls.requests));
    let rest = methods.split_off(methods.len().min(METHODS));
    if !rest.is_empty() {
        let mut other = MethodCalls { method: Calls::OTHER.to_owned(), ..MethodCalls::default() };
        for calls in &rest {
            add(&mut other, calls);
        }
        methods.push(other);
    }
    methods
}

fn waited(record: &Record, calls: &Calls) -> Vec<(String, u64)> {
    let end = record.endings.iter().map(|ending| ending.at).min().unwrap_or(record.duration_ms);
    let mut waited: Vec<(String, u64)> = Vec::new();
    let lost = calls.pending.iter().filter(|call| end.since(call.at) >= PATIENCE);
    for method in lost.filter_map(|call| call.method.as_ref()) {
        let full = waited.len() >= METHODS;
        match waited.iter_mut().find(|(have, _)| have == method) {
            Some((_, count)) => *count += 1,
            None if !full => waited.push((method.clone(), 1)),
            None => {}
        }
    }
    waited
}

/// Code 1012 alone is not enough: a gateway also sends it when what it knows of a node changed.
fn shutdown(record: &Record, facts: &OpenClaw) -> Option<Offset> {
    const WORDS: [&str; 2] = ["service restart", "gateway-shutdown"];
    let closed = record.control.iter().find(|control| {
        let fact = &control.fact;
        fact.opcode == 0x8
            && fact.direction == Direction::ServerToClient
            && fact.code == Some(1012)
            && WORDS.contains(&fact.payload.as_str())
    });
    facts.calls.shutdown_at.or_else(|| closed.map(|control| control.at))
}
