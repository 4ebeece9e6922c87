//! The two connections: how the upstream was reached, TLS, and what the kernel measured.

use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::{bytes, count, micros, short};
use crate::session::{Attempt, Dial, DialStep, Leg, Record, TcpSample, TlsFacts, TlsRecords, Via};

pub(super) fn dial(page: &mut Page, record: &Record, _: &Clock) {
    let Some(dial) = &record.upstream.dial else { return };
    page.section("Dial");
    page.row("upstream", &dial.url);
    let answers: Vec<String> = dial.resolved.iter().map(ToString::to_string).collect();
    let took = dial.resolve_ms.map_or_else(String::new, |took| format!("  in {}", short(took)));
    page.row("name resolved to", &format!("{}{took}", answers.join(", ")));
    dial.attempts.iter().for_each(|attempt| page.row("tried", &tried(attempt, dial)));
    if let Some(took) = dial.connect_ms {
        page.row("connected in", &short(took));
    }
    if let Some(via) = &dial.via {
        page.row("via", &through(via));
    }
    page.maybe("our address", dial.local.as_deref());
    page.maybe("its address", dial.peer.as_deref());
    if let Some(failure) = &dial.failure {
        let step = match failure.step {
            DialStep::Resolve => "name resolution",
            DialStep::Connect => "connect",
            DialStep::Via => "the proxy between",
            DialStep::Tls => "TLS",
        };
        let late = if failure.timed_out { ", timed out" } else { "" };
        page.row("failed at", &format!("{step} ({}{late}): {}", failure.cause, failure.detail));
    }
}

fn tried(attempt: &Attempt, dial: &Dial) -> String {
    let addr = attempt.addr.to_string();
    let outcome = match &attempt.error {
        Some(error) => error.as_str(),
        None if dial.peer.as_ref() == Some(&addr) => "connected",
        None => "given up for another",
    };
    let took = attempt.took_ms.map_or_else(String::new, |took| format!(" after {}", short(took)));
    format!("{addr}  at {}: {outcome}{took}", short(attempt.started_ms))
}

fn through(via: &Via) -> String {
    let status = via.status.map_or_else(|| "no answer".to_owned(), |s| format!("answered {s}"));
    format!("{} proxy {} to {}, {status}", via.protocol, via.proxy, via.target)
}

pub(super) fn tls(page: &mut Page, record: &Record, clock: &Clock) {
    let client = &record.client;
    if client.tls.is_some() || client.tls_error.is_some() {
        page.section("TLS on the client leg");
        page.maybe("not established", client.tls_error.as_deref());
    }
    client.tls.iter().for_each(|facts| leg_tls(page, facts, clock));
    client.tls_records.iter().for_each(|both| records(page, *both));
    if record.upstream.tls.is_some() {
        page.section("TLS on the upstream leg");
    }
    record.upstream.tls.iter().for_each(|facts| leg_tls(page, facts, clock));
    record.upstream.tls_records.iter().for_each(|both| records(page, *both));
}

fn leg_tls(page: &mut Page, facts: &TlsFacts, clock: &Clock) {
    page.maybe("version", facts.version.as_deref());
    page.maybe("cipher", facts.cipher.as_deref());
    page.maybe("ALPN", facts.alpn.as_deref());
    page.maybe("server name", facts.sni.as_deref());
    page.row("handshake", &facts.handshake_ms.to_string());
    if let Some(certificate) = &facts.certificate {
        page.row("subject", &certificate.subject);
        page.row("issuer", &certificate.issuer);
        let expires = certificate.not_after.map(|wall| clock.seconds(wall));
        page.maybe("expires", expires.as_deref());
        page.row("SHA-256", &certificate.sha256);
    }
    match facts.verified {
        Some(true) => page.row("certificate", "verified"),
        Some(false) => page.row("certificate", "NOT verified, --insecure let it pass"),
        None => {}
    }
    page.maybe("verification says", facts.verify_error.as_deref());
}

fn records(page: &mut Page, both: [TlsRecords; 2]) {
    for (label, counted) in ["records read", "records written"].into_iter().zip(both) {
        page.row(label, &tls_records(counted));
    }
}

pub(super) fn tls_records(counted: TlsRecords) -> String {
    format!(
        "{}, {}, largest {}, {} not application data",
        count(counted.records, "record"),
        bytes(counted.bytes),
        bytes(counted.largest.into()),
        counted.non_application
    )
}

pub(super) fn tcp(page: &mut Page, record: &Record, _: &Clock) {
    let legs = [(Leg::Downstream, &record.client.tcp), (Leg::Upstream, &record.upstream.tcp)];
    if legs.iter().all(|(_, samples)| samples.is_empty()) {
        return;
    }
    page.section("TCP, as the kernel measured it");
    for (leg, samples) in legs {
        let Some(last) = samples.last() else { continue };
        page.row(leg.name(), &round_trips(samples));
        page.under(&at_last(*last));
    }
}

fn round_trips(samples: &[TcpSample]) -> String {
    let mut rtts: Vec<u32> = samples.iter().map(|sample| sample.rtt_us).collect();
    rtts.sort_unstable();
    let at = |index: usize| rtts.get(index).copied().map_or_else(String::new, micros);
    let (least, median, most) = (at(0), at(rtts.len() / 2), at(rtts.len().saturating_sub(1)));
    let sent_again = samples.iter().map(|sample| sample.retransmits).max().unwrap_or_default();
    let samples = count(samples.len() as u64, "sample");
    let sent_again = count(sent_again.into(), "retransmit");
    format!("rtt {least} / {median} / {most} (least, median, most of {samples}), {sent_again}")
}

fn at_last(sample: TcpSample) -> String {
    format!(
        "at {}: {}, {} unacknowledged in {}, window {}, MSS {} out {} in",
        sample.at,
        state_name(sample.state),
        bytes(sample.unacked_bytes.into()),
        count(sample.unacked.into(), "segment"),
        sample.snd_cwnd,
        sample.snd_mss,
        sample.rcv_mss
    )
}

/// Linux's numbers (`include/net/tcp_states.h`).
const fn state_name(state: u8) -> &'static str {
    match state {
        1 => "ESTABLISHED",
        2 => "SYN-SENT",
        3 => "SYN-RECEIVED",
        4 => "FIN-WAIT-1",
        5 => "FIN-WAIT-2",
        6 => "TIME-WAIT",
        7 => "CLOSED",
        8 => "CLOSE-WAIT",
        9 => "LAST-ACK",
        10 => "LISTEN",
        11 => "CLOSING",
        _ => "unknown state",
    }
}
