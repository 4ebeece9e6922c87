//! Origins tried against the stand-in: who refuses which, by which rule, and what to change.

use wstap::check::{
    Candidate, Decider, Expected, OriginSettings, OriginsReport, Row, Target, Why, origins, table,
};
use wstap::gateway::Policy;
use wstap::openclaw::GatewayConfig;
use wstap::session::Layer;

use crate::stage::{TOKEN, answer, closed_port, front, gateway, reach, ws};

fn settings(url: &str, given: &[(&str, Why)]) -> OriginSettings {
    let named = given
        .iter()
        .map(|(origin, why)| Candidate { origin: Some((*origin).to_owned()), why: why.clone() });
    OriginSettings {
        target: Target::parse(url, None).expect("a URL"),
        reach: reach(),
        named: named.collect(),
        near_misses: true,
        config: None,
        expected: Expected::default(),
    }
}

async fn run(settings: &OriginSettings) -> OriginsReport {
    origins(settings).await.expect("a trial that can be begun")
}

fn row<'a>(report: &'a OriginsReport, origin: &str) -> &'a Row {
    let wanted = (origin != "absent").then_some(origin);
    let found = report.rows.iter().find(|row| row.origin.as_deref() == wanted);
    found.unwrap_or_else(|| panic!("{origin} was not tried: {report:#?}"))
}

fn allowing(entries: &[&str]) -> Policy {
    let allowed_origins = entries.iter().map(|entry| (*entry).to_owned()).collect();
    Policy { allowed_origins, ..Policy::token(TOKEN) }
}

#[tokio::test]
async fn near_misses_are_refused_and_nothing_is_left_behind() {
    let gateway = gateway(allowing(&["https://ui.example:8443"])).await;
    let given = [("https://ui.example:8443", Why::Given)];
    let report = run(&settings(&ws(gateway.addr()), &given)).await;
    let rows = [
        ("https://ui.example:8443", true),
        ("HTTPS://UI.EXAMPLE:8443", true),
        ("https://ui.example:8444", false),
        ("http://ui.example:8443", false),
        ("https://ui.example.:8443", false),
        ("https://sub.ui.example:8443", false),
        ("https://ui.example:8443/page", false),
        ("null", false),
        ("absent", false),
    ];
    assert_eq!(report.rows.len(), rows.len(), "{report:#?}");
    for (origin, accepted) in rows {
        let row = row(&report, origin);
        assert_eq!((row.accepted, row.by), (Some(accepted), Decider::Gateway), "{row:?}");
        assert_eq!(row.change, None, "{row:?}");
    }
    assert_eq!((report.layer, &*report.findings), (Layer::Ok, &[][..]));
    assert!(gateway.pending().is_empty());
    assert!(table(&report).contains("refused"));
}

#[tokio::test]
async fn the_rule_of_the_configuration_is_named_and_held_against_the_answer() {
    let gateway = gateway(allowing(&["https://a.example"])).await;
    let given = [
        ("https://a.example", Why::Given),
        ("https://b.example", Why::Given),
        ("http://localhost:5173", Why::Given),
    ];
    let mut settings = settings(&ws(gateway.addr()), &given);
    settings.near_misses = false;
    let config = "{gateway: {controlUi: {allowedOrigins: ['https://a.example', 'https://b.example', 'https://c.example/']}}}";
    settings.config = Some(GatewayConfig::parse(config, |_| None).expect("a config"));
    let report = run(&settings).await;
    let rule = |origin| row(&report, origin).config.as_ref().map(|one| (one.rule, one.agrees));
    assert_eq!(rule("https://a.example"), Some(("listed", Some(true))));
    assert_eq!(rule("https://b.example"), Some(("listed", Some(false))), "not what runs there");
    assert_eq!(rule("http://localhost:5173"), Some(("local_loopback", Some(true))));
    let change = row(&report, "https://b.example").change.as_deref();
    assert_eq!(change, Some("add \"https://b.example\" to gateway.controlUi.allowedOrigins"));
    assert_eq!(report.findings.len(), 2, "{:#?}", report.findings);
    assert!(report.findings[0].contains("the configuration says otherwise"));
    assert!(
        report.findings[1].contains("\"https://c.example/\"")
            && report.findings[1].contains("\"https://c.example\" would")
    );
}

#[tokio::test]
async fn expectations_and_the_store_make_a_gate() {
    let gateway = gateway(allowing(&["*"])).await;
    let mut settings = settings(&ws(gateway.addr()), &[("https://seen.example", Why::Store)]);
    settings.near_misses = false;
    let text = "accept https://a.example\nrefuse https://b.example\nrefuse absent\n";
    settings.expected = Expected::parse(text).expect("expectations");
    settings.config =
        GatewayConfig::parse("{gateway:{controlUi:{allowedOrigins:['*']}}}", |_| None).ok();
    let report = run(&settings).await;
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
    assert!(report.findings[0].starts_with("https://b.example is accepted, expected is refuse"));
    let change = row(&report, "https://b.example").change.as_deref();
    assert_eq!(change, Some("remove \"*\" from gateway.controlUi.allowedOrigins"));

    gateway.set_policy(allowing(&["https://a.example"]));
    settings.config = None;
    let report = run(&settings).await;
    assert_eq!(report.findings, ["https://seen.example was seen in the store and is refused"]);
}

#[tokio::test]
async fn a_front_that_refuses_is_told_from_the_gateway_and_from_nobody() {
    let no = answer("403 Forbidden", "Server: envoy\r\nConnection: close\r\n", "no");
    let addr = front(move |_| no.clone()).await;
    let report = run(&settings(&ws(addr), &[("https://a", Why::Given)])).await;
    let refused = row(&report, "https://a");
    assert_eq!((refused.accepted, refused.by), (Some(false), Decider::Front));
    assert_eq!(refused.server.as_deref(), Some("envoy"));
    assert!(report.findings.iter().any(|one| one.contains("refuses every origin")));

    let bad = answer("502 Bad Gateway", "Server: nginx\r\nConnection: close\r\n", "");
    let addr = front(move |_| bad.clone()).await;
    let report = run(&settings(&ws(addr), &[])).await;
    assert_eq!((report.rows[0].accepted, report.layer), (None, Layer::Transport));

    let (_held, addr) = closed_port();
    let report = run(&settings(&ws(addr), &[])).await;
    assert_eq!((report.rows.len(), report.layer), (0, Layer::Transport));
}
