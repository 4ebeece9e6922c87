//! `wstap explain`.

use super::wstap::Place;

/// What the command says of this text, typed as one word as in quotes.
fn json(text: &str) -> serde_json::Value {
    let place = Place::new();
    let mut command = place.command("explain --json");
    command.arg(text);
    let ran = place.finish(command);
    assert_eq!(ran.code, 0, "{text}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).expect("JSON")
}

#[test]
fn a_code_a_cause_and_both_have_a_page() {
    let place = Place::new();
    insta::assert_snapshot!("explain_1006", place.snapshot("explain 1006"));
    insta::assert_snapshot!("explain_cause", place.snapshot("explain not_paired"));
    let line = "explain 1008 pairing required: device is not approved yet";
    insta::assert_snapshot!("explain_code_and_reason", place.snapshot(line));
    insta::assert_snapshot!("explain_nothing", place.snapshot("explain it does not work"));
    assert_eq!(place.run("explain").code, 2);
}

#[test]
fn what_a_client_printed_is_understood_as_it_is_pasted() {
    for (text, cause, code) in [
        (
            "gateway closed (1008): pairing required: device is asking for more scopes than currently approved (requestId: 5f)",
            "scope_upgrade",
            Some(1008),
        ),
        (
            "Error: gateway closed (1008): unauthorized: gateway token mismatch\n  (set gateway.remote.token to match gateway.auth.token)",
            "token_mismatch",
            Some(1008),
        ),
        (
            "gateway closed (1006 abnormal closure (no close frame)): no close reason",
            "eof_without_close_frame",
            Some(1006),
        ),
        ("connect ECONNREFUSED 127.0.0.1:18789", "upstream_refused", None),
        ("gateway closed (1012): service restart", "gateway_shutdown", Some(1012)),
        (
            "gateway connect failed: GatewayClientRequestError: device pairing required (requestId: 6b)",
            "not_paired",
            None,
        ),
        ("gateway closed (1002): protocol mismatch", "protocol_mismatch", Some(1002)),
        ("gateway timeout after 6000ms", "upgrade_timeout", None),
        (
            "gateway connect failed: GatewayClientRequestError: unauthorized: gateway password mismatch (use this gateway's gateway.auth.password)",
            "password_mismatch",
            None,
        ),
        ("AUTH_TOKEN_MISMATCH", "token_mismatch", None),
        ("Unexpected server response: 502", "http_502", None),
    ] {
        let said = json(text);
        assert_eq!(said["cause"]["cause"], cause, "{text}");
        assert_eq!(said["code"]["code"].as_u64(), code, "{text}");
    }
}

#[test]
fn every_cause_is_listed_and_explained() {
    let place = Place::new();
    let listed: Vec<serde_json::Value> =
        serde_json::from_str(&place.run("explain --list --json").stdout).expect("JSON");
    let table = place.run("explain --list").stdout;
    assert!(listed.len() > 100, "{} causes", listed.len());
    assert_eq!(table.lines().count(), listed.len() + 1);
    for cause in &listed {
        let slug = cause["cause"].as_str().expect("a slug");
        assert_eq!(json(slug)["cause"], *cause);
        assert!(table.lines().any(|line| line.starts_with(&format!("{slug} "))), "{slug}");
    }
}
