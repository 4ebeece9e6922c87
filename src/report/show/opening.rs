//! The opening exchange of an OpenClaw gateway: challenge, connect, and the answer.

use crate::report::clock::Clock;
use crate::report::page::Page;
use crate::report::quantity::{bytes, count, number};
use crate::session::{
    Calls, ConnectFacts, HelloFacts, MethodCalls, Offset, Record, RefusalFacts, RefusedCalls,
};

pub(super) fn opening(page: &mut Page, record: &Record, _: &Clock) {
    let Some(openclaw) = &record.openclaw else { return };
    page.section("OpenClaw");
    let at = |at: Option<Offset>| at.map_or_else(|| "not seen".to_owned(), |at| format!("at {at}"));
    page.row("challenge", &at(openclaw.challenge_at));
    page.row("connect", &at(openclaw.connect_at));
    if let Some(facts) = &openclaw.connect {
        connect(page, facts);
    }
    page.row("answer", &at(openclaw.answer_at));
    if let Some(facts) = &openclaw.hello {
        hello(page, facts);
    }
    if let Some(facts) = &openclaw.refusal {
        refusal(page, facts);
    }
    page.row("JSON frames", &number(openclaw.envelopes));
    calls(page, &openclaw.calls, openclaw.hello.is_some());
}

fn connect(page: &mut Page, facts: &ConnectFacts) {
    let words = [&facts.client_id, &facts.client_mode, &facts.client_version, &facts.platform];
    page.row("  client", &words.into_iter().flatten().cloned().collect::<Vec<_>>().join(", "));
    if let (Some(least), Some(most)) = (facts.min_protocol, facts.max_protocol) {
        page.row("  protocol", &format!("{least} to {most}"));
    }
    page.maybe("  role", facts.role.as_deref());
    page.row("  scopes", &facts.scopes.join(", "));
    page.maybe("  device", facts.device_id.as_deref());
    if facts.credentials.is_empty() {
        page.row("  credentials", "none");
    }
    for credential in &facts.credentials {
        let (name, size) = (&credential.name, bytes(credential.len as u64));
        page.row(
            "  credential",
            &format!("{name}: {size}, fingerprint {}", credential.fingerprint),
        );
    }
}

fn calls(page: &mut Page, calls: &Calls, greeted: bool) {
    /// More of them are for `--json`.
    const WAITING_SHOWN: usize = 5;
    if calls.requests > 0 {
        let answered = number(calls.answered);
        page.row("calls", &format!("{}, {answered} answered", number(calls.requests)));
    }
    for method in &calls.by_method {
        page.row(&format!("  {}", method.method), &by_method(method));
    }
    for refused in &calls.refused {
        let codes = [&refused.code, &refused.detail_code].into_iter().flatten().cloned();
        let codes = codes.collect::<Vec<_>>().join(" / ");
        let method = refused.method.as_deref().unwrap_or("a call");
        let times = count(refused.count, "time");
        page.row("  refused", &format!("{codes}, {times}, first {method} at {}", refused.at));
        if greeted && is_scope(refused) {
            page.under("no failure of the connection: the client lacks the scope for it");
        }
    }
    for waiting in calls.pending.iter().take(WAITING_SHOWN) {
        let method = waiting.method.as_deref().unwrap_or("a call");
        page.row("  never answered", &format!("{method} at {}", waiting.at));
    }
    if let Some(more @ 1..) = calls.pending.len().checked_sub(WAITING_SHOWN) {
        page.row("  never answered", &format!("{} more", number(more as u64)));
    }
    page.maybe("shutdown", calls.shutdown_at.map(|at| format!("announced at {at}")).as_deref());
}

/// How the calls of one method went.
fn by_method(calls: &MethodCalls) -> String {
    let mut words = vec![count(calls.requests, "call"), format!("{} ok", number(calls.ok))];
    words.extend(calls.errors.iter().map(|(code, times)| format!("{} {code}", number(*times))));
    if calls.unanswered() > 0 {
        words.push(format!("{} never answered", number(calls.unanswered())));
    }
    let times = [500, 900, 990].map(|share| calls.latencies.quantile(share));
    if let [Some(p50), Some(p90), Some(p99)] = times {
        words.push(format!("{p50} / {p90} / {p99} (p50, p90, p99)"));
    }
    words.join(", ")
}

fn is_scope(refused: &RefusedCalls) -> bool {
    refused.code.as_deref() == Some("FORBIDDEN")
        || refused.detail_code.as_deref() == Some("MISSING_SCOPE")
}

fn hello(page: &mut Page, facts: &HelloFacts) {
    page.row("  said", "hello-ok");
    page.maybe("  server version", facts.server_version.as_deref());
    page.maybe("  connection", facts.conn_id.as_deref());
    page.maybe("  auth method", facts.auth_method.as_deref());
    page.maybe("  role", facts.role.as_deref());
    if let Some(scopes) = &facts.scopes {
        let scopes = scopes.join(", ");
        page.row("  scopes", if scopes.is_empty() { "none granted" } else { &scopes });
    }
    let text = |n: Option<u64>, unit: &str| n.map(|n| format!("{} {unit}", number(n)));
    page.maybe("  protocol", facts.protocol.map(|n| n.to_string()).as_deref());
    page.maybe("  max payload", text(facts.max_payload, "B").as_deref());
    page.maybe("  tick interval", text(facts.tick_interval_ms, "ms").as_deref());
}

fn refusal(page: &mut Page, facts: &RefusalFacts) {
    page.row("  said", "refused");
    page.maybe("  code", facts.code.as_deref());
    page.maybe("  details.code", facts.detail_code.as_deref());
    page.maybe("  message", facts.message.as_deref());
    page.maybe("  details", facts.details.as_ref().map(ToString::to_string).as_deref());
    match facts.retryable {
        Some(true) => page.row("  retry", "may help"),
        Some(false) => page.row("  retry", "will not help"),
        None => {}
    }
    page.maybe("  retry after", facts.retry_after_ms.map(|ms| format!("{ms} ms")).as_deref());
}
