//! The opening exchange and what follows it: the table of what each gateway leads to.

use std::time::{Duration, Instant};

use serde_json::json;
use wstap::check::{Credentials, DeviceChoice, Outcome, Source};
use wstap::gateway::{Auth, DeviceKey, Ending, LocalPairing, Misbehaviour, Policy, Startup, When};

use crate::stage::{TOKEN, broken, detail, gateway, probe, settings, token, verdict, ws};

#[tokio::test]
async fn a_healthy_gateway_is_probed_from_end_to_end_within_two_seconds() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let began = Instant::now();
    let report = probe(&settings(&ws(gateway.addr()))).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(broken(&report), None, "{report:#?}");
    let names: Vec<&str> = report.steps.iter().map(|step| step.name).collect();
    assert_eq!(
        names,
        [
            "resolve",
            "tcp",
            "tls",
            "healthz",
            "readyz",
            "upgrade",
            "challenge",
            "connect",
            "call",
            "clock",
            "ping",
            "sizes"
        ]
    );
    for step in report.steps.iter().filter(|step| step.name != "tls") {
        assert_eq!(step.verdict, Outcome::Ok, "{step:?}");
        assert!(step.took_ms.is_some());
    }
    let connect = report.step("connect").expect("a step");
    assert_eq!(connect.facts["auth_method"], "token");
    assert_eq!(report.step("sizes").expect("a step").facts["passes"], 16 * 1024);
    let upgrade = report.step("upgrade").expect("a step");
    let response = upgrade.facts["response"].as_str().expect("a head");
    assert!(response.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{response}");
    // Mode probe and no device: nothing is left behind.
    assert!(gateway.pending().is_empty());
}

#[tokio::test]
async fn every_refusal_has_its_layer_and_its_cause() {
    let starting = Policy { startup: Startup::Starting, ..Policy::token(TOKEN) };
    let password = Policy::new(Auth::Password("a-password-for-tests".to_owned()));
    let right_password =
        || Credentials::password("a-password-for-tests".to_owned(), Source::Option);
    let nothing = Credentials::default;
    let rows = [
        (
            Policy::token(TOKEN),
            token("another-token-1"),
            Some(("connect", "auth", "token_mismatch")),
        ),
        (Policy::token(TOKEN), nothing(), Some(("connect", "pairing", "device_identity_required"))),
        (password.clone(), token(TOKEN), Some(("connect", "auth", "password_mismatch"))),
        (password, right_password(), None),
        (
            Policy::new(Auth::None),
            nothing(),
            Some(("connect", "pairing", "device_identity_required")),
        ),
        (starting, token(TOKEN), Some(("connect", "transport", "gateway_starting"))),
    ];
    for (policy, credentials, expected) in rows {
        let shown = format!("{:?} {credentials:?}", policy.auth);
        let gateway = gateway(policy).await;
        let mut settings = settings(&ws(gateway.addr()));
        settings.credentials = credentials;
        let report = probe(&settings).await;
        assert_eq!(broken(&report), expected, "{shown}: {report:#?}");
        let after = if expected.is_some() { Outcome::Skipped } else { Outcome::Ok };
        assert_eq!(verdict(&report, "call"), after, "{shown}");
    }
}

#[tokio::test]
async fn every_way_to_fail_is_named_at_its_step() {
    let end = |when, how| Misbehaviour::End { when, how };
    let refuse = |status, body: &str| Misbehaviour::RefuseUpgrade { status, body: body.to_owned() };
    let rows = [
        (refuse(502, "bad gateway"), ("upgrade", "transport", "http_502")),
        (Misbehaviour::HtmlPage, ("upgrade", "transport", "upgrade_stripped")),
        (Misbehaviour::NoAnswer, ("upgrade", "transport", "upgrade_timeout")),
        (Misbehaviour::BadAccept, ("upgrade", "transport", "bad_accept_hash")),
        (Misbehaviour::NoChallenge, ("challenge", "protocol", "not_an_openclaw_gateway")),
        (end(When::Frames(1), Ending::Silence), ("connect", "transport", "hello_lost")),
        (end(When::Frames(1), Ending::Reset), ("connect", "transport", "reset_before_hello")),
    ];
    let gateway = gateway(Policy::token(TOKEN)).await;
    for (misbehaviour, expected) in rows {
        gateway.misbehave_next(misbehaviour.clone());
        let mut settings = settings(&ws(gateway.addr()));
        settings.reach.patience = Duration::from_millis(1500);
        let report = probe(&settings).await;
        assert_eq!(broken(&report), Some(expected), "{misbehaviour:?}: {report:#?}");
        assert_eq!(verdict(&report, "healthz"), Outcome::Ok, "{misbehaviour:?}");
    }
}

#[tokio::test]
async fn a_scope_that_is_missing_is_a_result_of_its_own() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let mut settings = settings(&ws(gateway.addr()));
    settings.call = Some(("status".to_owned(), json!({})));
    assert_eq!(broken(&probe(&settings).await), None);
    settings.call = Some(("config.set".to_owned(), json!({})));
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("call", "auth", "missing_scope")));
    assert!(detail(&report, "call").contains("operator.admin"), "{report:#?}");
    assert_eq!(verdict(&report, "sizes"), Outcome::Ok);
    settings.call = Some(("no.such".to_owned(), json!({})));
    assert_eq!(broken(&probe(&settings).await), Some(("call", "protocol", "call_refused")));
}

#[tokio::test]
async fn a_device_waits_for_approval_where_the_gateway_wants_it() {
    let policy = Policy { local_pairing: LocalPairing::Required, ..Policy::token(TOKEN) };
    let gateway = gateway(policy).await;
    let mut settings = settings(&ws(gateway.addr()));
    let key = DeviceKey::from_seed(&[7; 32]).expect("a key");
    let id = key.id();
    settings.device = Some(DeviceChoice { key, kept: false });
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("connect", "pairing", "not_paired")), "{report:#?}");
    let pending = gateway.pending();
    assert_eq!(pending.iter().map(|one| &one.device_id).collect::<Vec<_>>(), [&id]);
    assert!(gateway.approve(&pending[0].request_id));
    let report = probe(&settings).await;
    assert_eq!(broken(&report), None, "{report:#?}");
    assert_eq!(report.step("connect").expect("a step").facts["scopes"], json!(["operator.read"]));
}

#[tokio::test]
async fn an_origin_goes_along_and_may_be_refused() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let mut settings = settings(&ws(gateway.addr()));
    settings.origin = Some("https://elsewhere.example".to_owned());
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("connect", "origin", "origin_not_allowed")));
}
