//! Figures over all sessions as text and JSON.

use super::clean::clean_json;
use super::clock::Clock;
use super::page::Page;
use super::quantity::{count, number};
use super::rows::Rows;
use crate::findings::{Kpis, MethodKpi, Quantiles, Rate, Restart};

/// One document over several lines, without the last line end.
pub fn kpi_document(kpis: &Kpis) -> serde_json::Result<String> {
    serde_json::to_string_pretty(kpis).map(clean_json)
}

/// The figures as tables.
pub fn kpis(kpis: &Kpis, clock: &Clock) -> String {
    let mut page = Page::default();
    page.headline("Figures");
    let sessions = format!("{}, {} failed", number(kpis.sessions), number(kpis.failed));
    page.row("sessions", &sessions);
    page.row("connects", &rate(kpis.connects));
    page.row("hellos", &rate(kpis.hellos));
    let pairings = rate(kpis.pairings);
    page.row("pairings", if kpis.pairings.all == 0 { "none had to wait" } else { &pairings });
    let first = kpis.first_pairing_ms.map(|time| time.to_string());
    page.row("first device in", first.as_deref().unwrap_or("none"));
    page.row(&kpis.spawn_method, &rate(kpis.spawns));
    page.row("all calls", &rate(kpis.calls));
    page.maybe("", kpis.call_times.map(times).as_deref());
    layers(&mut page, kpis);
    methods(&mut page, &kpis.by_method);
    restarts(&mut page, &kpis.restarts, clock);
    page.finish()
}

fn rate(rate: Rate) -> String {
    match rate.percent {
        Some(percent) => {
            format!("{percent:.1} %, {} of {}", number(rate.good), number(rate.all))
        }
        None => "none".to_owned(),
    }
}

fn times(times: Quantiles) -> String {
    let Quantiles { p50_ms, p90_ms, p99_ms } = times;
    format!("{p50_ms} / {p90_ms} / {p99_ms} (p50, p90, p99)")
}

fn table(page: &mut Page, title: &str, rows: &Rows) {
    page.section(title);
    for line in rows.to_string().lines() {
        page.line(line);
    }
}

fn layers(page: &mut Page, kpis: &Kpis) {
    if kpis.layers.is_empty() {
        return;
    }
    let mut rows = Rows::new(&["LAYER", "CAUSE", "SESSIONS"], &[2], None);
    for counted in &kpis.layers {
        let sessions = number(counted.sessions);
        rows.add([counted.layer.name().to_owned(), counted.cause.clone(), sessions]);
    }
    table(page, "Sessions by layer and cause", &rows);
}

fn methods(page: &mut Page, methods: &[MethodKpi]) {
    /// More of them are for `--json`.
    const SHOWN: usize = 20;
    if methods.is_empty() {
        return;
    }
    let heads = ["METHOD", "CALLS", "OK", "NO ANSWER", "P50", "P90", "P99", "ERRORS"];
    let mut rows = Rows::new(&heads, &[1, 2, 3, 4, 5, 6], None);
    for calls in methods.iter().take(SHOWN) {
        let errors: Vec<String> =
            calls.errors.iter().map(|(code, count)| format!("{code} ×{count}")).collect();
        let time = |of: fn(&Quantiles) -> String| calls.times.as_ref().map(of).unwrap_or_default();
        rows.add([
            calls.method.clone(),
            number(calls.requests),
            number(calls.ok),
            number(calls.never_answered),
            time(|t| t.p50_ms.to_string()),
            time(|t| t.p90_ms.to_string()),
            time(|t| t.p99_ms.to_string()),
            errors.join(", "),
        ]);
    }
    table(page, "Calls by method", &rows);
}

fn restarts(page: &mut Page, restarts: &[Restart], clock: &Clock) {
    if restarts.is_empty() {
        return;
    }
    page.section("Restarts of the gateway");
    for restart in restarts {
        let ended = count(restart.sessions as u64, "session");
        let sure = restart.confidence.name();
        page.row(&clock.short(restart.at), &format!("{}, {sure}, ended {ended}", restart.upstream));
        for seen in &restart.before {
            page.under(&format!("before it: {seen}"));
        }
    }
}
