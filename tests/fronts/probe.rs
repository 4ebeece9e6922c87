//! `wstap probe` and `wstap origins` through real fronts: which step breaks, by which cause, and
//! that the front is named.

use std::time::Duration;

use wstap::check::{
    Candidate, Credentials, Expected, Holding, OriginSettings, ProbeReport, ProbeSettings, Reach,
    Source, Target, Why, origins, probe,
};
use wstap::gateway::{Gateway, Policy};

use crate::client::TOKEN;
use crate::front::{Front, Program};
use crate::support::ClosedPort;

/// What is replaced in the front's baseline.
type Change = &'static [(&'static str, &'static str)];

const UPGRADE: &str = "      proxy_set_header Upgrade $http_upgrade;\n";
const HOST: &str = "      proxy_set_header Host $http_host;\n";
const FORWARDED: &str = "      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;\n";

async fn stand_in() -> Gateway {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    Gateway::start(listener, Policy::token(TOKEN)).expect("an address")
}

fn reach() -> Reach {
    Reach { patience: Duration::from_secs(20), ..Reach::default() }
}

fn settings(front: &Front) -> ProbeSettings {
    ProbeSettings {
        target: Target::parse(&format!("ws://{}", front.addr), None).expect("a URL"),
        reach: reach(),
        credentials: Credentials::token(TOKEN.to_owned(), Source::Option),
        origin: None,
        device: None,
        call: None,
        max_frame: 64 * 1024,
        pings: 1,
        count: None,
        hold: None,
    }
}

/// The first broken step and its cause; `none` when all is well.
fn broken(report: &ProbeReport) -> String {
    let Some(step) = report.broken() else { return "none".to_owned() };
    format!("{} {}", step.name, step.finding.as_ref().expect("a finding").cause)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_step_that_a_front_breaks_is_named() {
    const ROWS: [(Program, Change, &str); 5] = [
        (Program::Nginx, &[], "none"),
        (Program::Haproxy, &[], "none"),
        (Program::Caddy, &[], "none"),
        (Program::Nginx, &[(UPGRADE, "")], "upgrade upgrade_stripped"),
        (Program::Nginx, &[(HOST, FORWARDED)], "healthz proxy_attribution_required"),
    ];
    let gateway = stand_in().await;
    for (program, change, expected) in ROWS {
        let front = Front::start(program, change, gateway.addr());
        let report = probe(&settings(&front)).await.expect("a probe");
        assert_eq!(broken(&report), expected, "{program:?} {change:?}: {report:#?}");
    }
    let closed = ClosedPort::new();
    for (program, expected) in [
        (Program::Nginx, "healthz http_502"),
        (Program::Haproxy, "healthz http_503"),
        (Program::Caddy, "healthz http_502"),
    ] {
        let front = Front::start(program, &[], closed.addr);
        let report = probe(&settings(&front)).await.expect("a probe");
        assert_eq!(broken(&report), expected, "{program:?}: {report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_limit_is_measured_within_half_a_second_and_named() {
    const ROWS: [(Program, Change, &str); 2] = [
        (
            Program::Nginx,
            &[("proxy_read_timeout 3600s", "proxy_read_timeout 3s")],
            "nginx proxy_read_timeout",
        ),
        (Program::Haproxy, &[("timeout tunnel 1h", "timeout tunnel 3s")], ""),
    ];
    let gateway = stand_in().await;
    for (program, change, likely) in ROWS {
        let front = Front::start(program, change, gateway.addr());
        let mut settings = settings(&front);
        let time = Duration::from_secs(5);
        settings.hold = Some(Holding { time, ping_every: Duration::from_secs(1) });
        let report = probe(&settings).await.expect("a probe");
        let step = report.step("hold").expect("a step");
        assert!(broken(&report).starts_with("hold "), "{report:#?}");
        let (quiet, pinging) = (&step.facts["without_pings"], &step.facts["with_pings"]);
        assert_eq!(pinging["result"], "survived", "{step:#?}");
        let silence = quiet["silence_ms"].as_f64().expect("a time");
        assert!((silence - 3000.0).abs() < 500.0, "{program:?}: {step:#?}");
        assert!(step.detail.contains(likely), "{program:?}: {step:#?}");
        let next = &step.finding.as_ref().expect("a finding").next[0];
        assert!(next.text.starts_with("raise the idle limit of"), "{next:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_that_spoils_origin_or_host_shows_in_the_table() {
    const ROWS: [(Change, bool); 3] = [
        (&[], true),
        (&[(HOST, "      proxy_set_header Host $http_host; proxy_set_header Origin '';\n")], false),
        (
            &[(
                HOST,
                "      proxy_set_header Host $http_host; proxy_set_header Origin 'https://x';\n",
            )],
            false,
        ),
    ];
    let gateway = stand_in().await;
    for (change, accepted) in ROWS {
        let front = Front::start(Program::Nginx, change, gateway.addr());
        let origin = Some("http://localhost:5173".to_owned());
        let settings = OriginSettings {
            target: Target::parse(&format!("ws://{}", front.addr), None).expect("a URL"),
            reach: reach(),
            named: vec![Candidate { origin, why: Why::Given }],
            near_misses: false,
            config: None,
            expected: Expected::default(),
        };
        let report = origins(&settings).await.expect("a trial");
        let row = &report.rows[0];
        assert_eq!(row.accepted, Some(accepted), "{change:?}: {row:#?}");
        assert_eq!(row.server.as_deref().map(|server| server.starts_with("nginx")), Some(true));
    }
}
