//! Active checks against the real gateway: what each way of connecting leads to, and that nothing
//! is left behind.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::gateway::{GatewayOptions, RealGateway};
use crate::pinned::Release;
use crate::program::{Ran, wstap};
use crate::shared::with_token;
use crate::support::tap::Wstap;

/// A gateway with this inside of `gateway`, beside mode, bind and port.
fn gateway(inside: &str) -> RealGateway {
    let config = format!(
        "{{\"gateway\": {{\"mode\": \"local\", \"bind\": \"loopback\", \"port\": PORT, {inside}}}, \
         \"update\": {{\"checkOnStart\": false}}}}"
    );
    RealGateway::start(&GatewayOptions { config: Some(config), ..GatewayOptions::default() })
}

/// A probe's JSON and exit code.
fn probe(args: &[&str], environment: &[(&str, &str)]) -> (Value, i32) {
    let ran = wstap(&[&["probe", "--json"], args].concat(), environment);
    (json(&ran), ran.code)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"))
}

fn step<'a>(report: &'a Value, name: &str) -> &'a Value {
    let steps = report["steps"].as_array().expect("steps");
    steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("{name}: {report:#}"))
}

/// The first broken step and its cause; `none` when all is well.
fn broken(report: &Value) -> String {
    let Some(name) = report["broken"].as_str() else { return "none".to_owned() };
    format!("{name} {}", step(report, name)["finding"]["cause"].as_str().expect("a cause"))
}

/// Arguments, environment, the step that breaks and its cause, exit code.
type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, i32);

#[test]
fn a_gateway_with_a_token() {
    let gateway = RealGateway::start(&GatewayOptions::default());
    let url = gateway.url();
    let right = [("OPENCLAW_GATEWAY_TOKEN", gateway.token.as_str())];
    let wrong = [("OPENCLAW_GATEWAY_TOKEN", "another-token-1")];
    let rows: [Row<'_>; 8] = [
        (&[&url], &right, "none", 0),
        (&[&url, "--channels"], &right, "none", 0),
        (&[&url, "--call", "status"], &right, "none", 0),
        (&[&url, "--call", "config.set"], &right, "call missing_scope", 11),
        (&[&url], &wrong, "connect token_mismatch", 11),
        (&[&url], &[], "connect device_identity_required", 12),
        (&[&url, "--origin", "https://a.example"], &right, "connect origin_not_allowed", 13),
        (
            &[&url, "--header", "X-Forwarded-For: 192.0.2.9"],
            &right,
            "readyz proxy_attribution_required",
            10,
        ),
    ];
    for (args, environment, expected, code) in rows {
        let (report, exit) = probe(args, environment);
        assert_eq!((&*broken(&report), exit), (expected, code), "{args:?}: {report:#}");
    }

    let (report, _) = probe(&[&url, "--count", "20", "--max-frame", "1MiB"], &right);
    let took = report["took_ms"].as_f64().expect("a time");
    assert_eq!(step(&report, "count")["facts"]["rate"], 100.0);
    assert_eq!(step(&report, "sizes")["facts"]["passes"], 1 << 20);
    let offset = step(&report, "clock")["facts"]["offset_ms"].as_i64().expect("an offset");
    assert!(offset.abs() < 1000, "it is the same clock: {offset}");
    assert!(took > 0.0);

    let secure = url.replace("ws://", "wss://");
    let (report, code) = probe(&[&secure], &right);
    assert_eq!((&*broken(&report), code), ("tls tls_to_plaintext", 10));

    // All of these connects left no device and no request.
    let list = gateway.cli().run(&["devices", "list", "--json"]);
    let devices: Value = serde_json::from_str(&list.stdout).unwrap_or_else(|_| panic!("{list:?}"));
    assert_eq!(devices["pending"].as_array().map(Vec::len), Some(0), "{devices:#}");
    let ids = devices["paired"].to_string();
    assert!(!ids.contains("\"probe\""), "{devices:#}");
}

#[test]
fn a_healthy_gateway_is_probed_within_two_seconds() {
    let gateway = RealGateway::start(&GatewayOptions::default());
    let right = [("OPENCLAW_GATEWAY_TOKEN", gateway.token.as_str())];
    // The first answer of a gateway that has just started may take longer.
    let (warm, _) = probe(&[&gateway.url()], &right);
    assert_eq!(broken(&warm), "none", "{warm:#}");
    let times: Vec<f64> = (0..3)
        .map(|_| probe(&[&gateway.url()], &right).0["took_ms"].as_f64().expect("a time"))
        .collect();
    assert!(times.iter().any(|took| *took < 2000.0), "{times:?}");
}

#[test]
fn a_gateway_with_a_password_and_tls_of_its_own() {
    let gateway = gateway(
        "\"auth\": {\"mode\": \"password\", \"password\": \"a-password-for-tests\"}, \
         \"tls\": {\"enabled\": true, \"autoGenerate\": true}",
    );
    let plain = gateway.url();
    let url = plain.replace("ws://", "wss://");
    let right = [("OPENCLAW_GATEWAY_PASSWORD", "a-password-for-tests")];

    let (report, code) = probe(&[&url], &right);
    assert_eq!((&*broken(&report), code), ("tls upstream_tls_untrusted", 10));
    let certificate = &step(&report, "tls")["facts"]["certificate"];
    let pin = certificate["sha256"].as_str().expect("a fingerprint").to_owned();
    assert!(step(&report, "tls")["detail"].as_str().is_some_and(|d| d.contains("self-signed")));

    let (report, code) = probe(&[&plain], &right);
    assert_eq!((&*broken(&report), code), ("tls plaintext_to_tls", 10));

    let (report, code) = probe(&[&url, "--pin", &pin], &right);
    assert_eq!((&*broken(&report), code), ("none", 0), "{report:#}");
    assert_eq!(step(&report, "connect")["facts"]["auth_method"], "password");

    let wrong = [("OPENCLAW_GATEWAY_PASSWORD", "wrong-1")];
    let (report, code) = probe(&[&url, "--pin", &pin], &wrong);
    assert_eq!((&*broken(&report), code), ("connect password_mismatch", 11));
    let token = [("OPENCLAW_GATEWAY_TOKEN", "a-token-1")];
    let (report, _) = probe(&[&url, "--pin", &pin], &token);
    assert_eq!(broken(&report), "connect password_mismatch");
}

#[test]
fn a_gateway_behind_a_trusted_proxy() {
    let gateway = gateway(
        "\"auth\": {\"mode\": \"trusted-proxy\", \"trustedProxy\": {\"userHeader\": \
         \"x-forwarded-user\", \"allowLoopback\": true}}, \"trustedProxies\": [\"127.0.0.1\"]",
    );
    let url = gateway.url();
    let user = "X-Forwarded-User: me@example.com";
    let client = "X-Forwarded-For: 192.0.2.9";
    let (report, code) = probe(&[&url, "--header", client, "--header", user], &[]);
    assert_eq!((&*broken(&report), code), ("none", 0), "{report:#}");
    assert_eq!(step(&report, "connect")["facts"]["auth_method"], "trusted-proxy");
    let (report, code) = probe(&[&url, "--header", client], &[]);
    // Before it looks at the user, the gateway asks whoever has no device for an identity.
    assert_eq!((&*broken(&report), code), ("connect device_identity_required", 12));
}

#[test]
fn origins_are_decided_as_the_configuration_says() {
    let gateway = gateway(
        "\"auth\": {\"mode\": \"token\", \"token\": \"a-token-for-tests\"}, \"controlUi\": \
         {\"allowedOrigins\": [\"https://ui.example:8443\", \"https://slash.example/\"]}",
    );
    let url = gateway.url();
    let config = gateway.folder().join("openclaw.json");
    let config = config.to_str().expect("a path");
    let args = [
        "origins",
        &url,
        "--json",
        "--config",
        config,
        "--origin",
        "https://ui.example:8443",
        "--origin",
        "http://localhost:5173",
        "--origin",
        "https://slash.example",
    ];
    let ran = wstap(&args, &[]);
    let report = json(&ran);
    let rows = report["rows"].as_array().expect("rows");
    let mut listed = 0;
    for row in rows {
        assert_eq!(row["by"], "gateway", "{row:#}");
        assert_eq!(row["config"]["agrees"], true, "{row:#}");
        listed += usize::from(row["config"]["rule"] == "listed");
    }
    // The entry itself, and the same in upper case.
    assert_eq!(listed, 2, "{report:#}");
    let answer = |origin: &str| {
        let row = rows.iter().find(|row| row["origin"] == origin);
        row.unwrap_or_else(|| panic!("{origin}: {report:#}"))["accepted"].clone()
    };
    for (origin, accepted) in [
        ("https://ui.example:8443", true),
        ("HTTPS://UI.EXAMPLE:8443", true),
        ("https://ui.example:8444", false),
        ("http://ui.example:8443", false),
        ("https://ui.example.:8443", false),
        ("https://sub.ui.example:8443", false),
        ("http://localhost:5173", true),
        ("http://127.0.0.1:5173", true),
        ("https://slash.example", false),
        ("null", false),
    ] {
        assert_eq!(answer(origin), accepted, "{origin}: {report:#}");
    }
    let findings = report["findings"].to_string();
    assert!(findings.contains("https://slash.example/") && findings.contains("never matches"));
    assert_eq!(ran.code, 1);

    // Not a rate limit was touched: the right token still works, and nothing waits.
    let token = [("OPENCLAW_GATEWAY_TOKEN", "a-token-for-tests")];
    assert_eq!(probe(&[&url], &token).1, 0);
    let list = gateway.cli().run(&["devices", "list", "--json"]);
    let devices: Value = serde_json::from_str(&list.stdout).unwrap_or_else(|_| panic!("{list:?}"));
    assert_eq!(devices["pending"].as_array().map(Vec::len), Some(0), "{devices:#}");
}

#[test]
fn behind_forwarded_headers_the_gateway_takes_nobody_for_local() {
    let gateway = gateway(
        "\"auth\": {\"mode\": \"token\", \"token\": \"a-token-for-tests\"}, \"trustedProxies\": \
         [\"127.0.0.1\"]",
    );
    let url = gateway.url();
    let config = gateway.folder().join("openclaw.json");
    let config = config.to_str().expect("a path");
    let args = [
        "origins",
        &url,
        "--json",
        "--exact",
        "--config",
        config,
        "--header",
        "X-Forwarded-For: 192.0.2.9",
        "--origin",
        "http://localhost:5173",
    ];
    let report = json(&wstap(&args, &[]));
    let row = &report["rows"][0];
    assert_eq!((&row["accepted"], &row["config"]["agrees"]), (&false.into(), &true.into()));
    let detail = row["config"]["detail"].as_str().expect("a detail");
    assert!(detail.contains("another machine"), "{row:#}");
}

#[test]
fn the_previous_release_is_checked_as_well() {
    let options = GatewayOptions { release: Release::Previous, ..GatewayOptions::default() };
    let gateway = RealGateway::start(&options);
    let url = gateway.url();
    let right = [("OPENCLAW_GATEWAY_TOKEN", gateway.token.as_str())];
    let (report, code) = probe(&[&url, "--timeout", "30s"], &right);
    assert_eq!((&*broken(&report), code), ("none", 0), "{report:#}");
    assert_eq!(step(&report, "connect")["facts"]["protocol"], 3);
    let wrong = [("OPENCLAW_GATEWAY_TOKEN", "another-token-1")];
    assert_eq!(broken(&probe(&[&url], &wrong).0), "connect token_mismatch");

    let origin = ["--origin", "https://a.example", "--origin", "http://localhost:5173"];
    let report =
        json(&wstap(&[&["origins", &url, "--json", "--exact"], &origin[..]].concat(), &[]));
    let answers: Vec<&Value> =
        report["rows"].as_array().expect("rows").iter().map(|row| &row["accepted"]).collect();
    assert_eq!(answers, [&Value::from(false), &Value::from(true)], "{report:#}");
}

#[test]
fn what_only_a_trial_sent_through_a_tap_is_no_origin_in_use() {
    let gateway = with_token();
    let tap = Wstap::start(&gateway.url());
    wstap(&["origins", &tap.url(), "--exact", "--origin", "https://tried.example"], &[]);
    let browser = ["--header", "User-Agent: Mozilla/5.0", "--origin", "https://used.example"];
    wstap(&[&["probe", &tap.url()], &browser[..]].concat(), &[]);
    let store = tap.store();
    let store = store.to_str().expect("UTF-8");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut rows = Vec::new();
    while !rows.iter().any(|origin| origin == "https://used.example") {
        assert!(Instant::now() < deadline, "{rows:?}");
        let args = ["origins", &gateway.url(), "--exact", "--json", "--store", store];
        let report = json(&wstap(&args, &[]));
        let tried = report["rows"].as_array().expect("rows");
        rows = tried.iter().map(|row| row["origin"].clone()).collect();
    }
    assert!(rows.iter().all(|origin| origin != "https://tried.example"), "{rows:?}");
}
