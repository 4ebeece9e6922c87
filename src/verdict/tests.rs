//! Rows of the protocol that no recorded session shows, and the parts around the cause.

use serde_json::json;

use super::*;
use crate::session::{
    At, ConnectFacts, Control, Dial, DialFailure, DialStep, Direction, Ending, EndingKind, Event,
    Head, HelloFacts, Kind, Leg, Offset, OpenClaw, RefusalFacts, RefusedCalls, SessionId, Started,
    Timed, Wall, Who,
};

fn head(lines: &[&str]) -> Head {
    let raw = format!("{}\r\n\r\n", lines.join("\r\n"));
    Head { bytes: raw.len(), raw, redactions: Vec::new(), verbatim: true }
}

/// An upgrade that was answered so, over loopback.
fn answered(response: &[&str], body: Option<&str>) -> Record {
    let mut record = Record::new(SessionId::from_bits(1), Wall(0));
    let request = head(&[
        "GET / HTTP/1.1",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        "Host: 127.0.0.1:18889",
    ]);
    let started = Started {
        kind: Kind::Websocket,
        listener: "127.0.0.1:18889".into(),
        client: "127.0.0.1:5000".into(),
        ..Started::default()
    };
    let dial = Dial {
        url: "http://127.0.0.1:18789".into(),
        peer: Some("127.0.0.1:18789".into()),
        ..Dial::default()
    };
    let mut events = vec![
        Event::Started(started),
        Event::Dial(dial),
        Event::Request { head: request, changes: Vec::new() },
        Event::Response { head: head(response), interim: Vec::new() },
    ];
    if let Some(text) = body {
        events.push(Event::ResponseBody { text: text.into(), bytes: text.len() as u64 });
    }
    for event in events {
        record.apply(&Timed { at: Offset(1000), event });
    }
    record.state = State::Ended;
    record
}

const SWITCHING: [&str; 4] = [
    "HTTP/1.1 101 Switching Protocols",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
];

/// An upgraded session in which the challenge and, perhaps, `connect` were seen.
fn opened(connect: bool) -> Record {
    let mut record = answered(&SWITCHING, None);
    record.openclaw = Some(OpenClaw {
        challenge_at: Some(Offset(1100)),
        connect_at: connect.then_some(Offset(1200)),
        connect: connect.then(|| ConnectFacts {
            client_mode: Some("cli".into()),
            scopes: vec!["operator.read".into()],
            ..ConnectFacts::default()
        }),
        ..OpenClaw::default()
    });
    record
}

fn greeted(mut record: Record) -> Record {
    if let Some(openclaw) = &mut record.openclaw {
        openclaw.hello = Some(HelloFacts {
            scopes: Some(vec!["operator.read".into()]),
            ..HelloFacts::default()
        });
        openclaw.answer_at = Some(Offset(2000));
    }
    record
}

fn close(mut record: Record, direction: Direction, code: u16, reason: &str) -> Record {
    let fact = Control {
        direction,
        opcode: 8,
        frame: 3,
        payload: reason.into(),
        len: reason.len() as u64 + 2,
        rtt_ms: None,
        code: Some(code),
        malformed: false,
    };
    record.control.push(At { at: Offset(900_000), fact });
    record
}

fn end(mut record: Record, leg: Leg, at: u64, kind: EndingKind) -> Record {
    record.endings.push(Ending { leg, at: Offset(at), kind });
    record.duration_ms = Offset(at);
    record
}

#[test]
fn refusals_are_named_by_their_codes() {
    let rows = [
        ("AUTH_TOKEN_NOT_CONFIGURED", json!({}), Layer::Auth, "token_not_configured"),
        ("AUTH_PASSWORD_NOT_CONFIGURED", json!({}), Layer::Auth, "password_not_configured"),
        ("AUTH_TAILSCALE_IDENTITY_MISSING", json!({}), Layer::Auth, "tailscale_refused"),
        ("AUTH_REQUIRED", json!({}), Layer::Auth, "unauthorized"),
        ("AUTH_NEVER_SEEN", json!({}), Layer::Auth, "unauthorized"),
        ("AUTH_VERIFIED_USER_REQUIRED", json!({}), Layer::Auth, "verified_user_required"),
        ("DEVICE_AUTH_DEVICE_ID_MISMATCH", json!({}), Layer::Auth, "device_id_mismatch"),
        ("DEVICE_AUTH_NONCE_MISMATCH", json!({}), Layer::Auth, "device_nonce_mismatch"),
        ("DEVICE_AUTH_PUBLIC_KEY_INVALID", json!({}), Layer::Auth, "device_public_key_invalid"),
        ("CLIENT_VERSION_MISMATCH", json!({}), Layer::Protocol, "client_version_mismatch"),
        (
            "AUTHENTICATED_PROFILE_UNAVAILABLE",
            json!({}),
            Layer::Auth,
            "profile_verification_unavailable",
        ),
        (
            "AUTH_UNAUTHORIZED",
            json!({"authReason": "trusted_proxy_untrusted_source"}),
            Layer::Auth,
            "trusted_proxy_refused",
        ),
        (
            "PAIRING_REQUIRED",
            json!({"reason": "metadata-upgrade"}),
            Layer::Pairing,
            "metadata_upgrade",
        ),
        ("PAIRING_REQUIRED", json!({"reason": "newer-reason"}), Layer::Pairing, "not_paired"),
    ];
    for (code, details, layer, cause) in rows {
        let mut record = opened(true);
        if let Some(openclaw) = &mut record.openclaw {
            openclaw.refusal = Some(RefusalFacts {
                detail_code: Some(code.into()),
                details: Some(details),
                ..RefusalFacts::default()
            });
        }
        let verdict = judge(&close(record, Direction::ServerToClient, 1008, "whatever"));
        assert_eq!((verdict.layer, verdict.cause.as_str()), (layer, cause), "{code}");
        assert!(verdict.failed);
    }
}

#[test]
fn closes_of_the_gateway_are_named_by_code_and_reason() {
    let rows = [
        (false, 1008, "invalid request frame", Layer::Protocol, "invalid_request_frame"),
        (
            false,
            1008,
            "too many pending handshake frames",
            Layer::Protocol,
            "too_many_pending_frames",
        ),
        (false, 1008, "gateway message handler loading", Layer::Transport, "gateway_unavailable"),
        (false, 1009, "", Layer::Protocol, "preauth_payload_too_large"),
        (false, 1013, "gateway restart in progress", Layer::Transport, "gateway_restarting"),
        (true, 1008, "slow consumer", Layer::Transport, "slow_consumer"),
        (true, 1008, "origin not allowed", Layer::Origin, "origin_policy_changed"),
        (true, 1009, "", Layer::Transport, "message_too_big"),
        (
            true,
            1011,
            "gateway install changed; run: openclaw",
            Layer::Transport,
            "gateway_unavailable",
        ),
        (true, 1012, "node capabilities changed", Layer::Transport, "node_capabilities_changed"),
        (true, 4001, "operator role changed", Layer::Auth, "client_invalidated"),
        (true, 4001, "device removed", Layer::Pairing, "device_removed"),
        (true, 1002, "", Layer::Transport, "ws_protocol_error"),
        (true, 1001, "", Layer::Transport, "server_going_away"),
        (true, 4777, "odd", Layer::Unknown, "gateway_closed"),
    ];
    for (hello, code, reason, layer, cause) in rows {
        let record = if hello { greeted(opened(true)) } else { opened(true) };
        let verdict = judge(&close(record, Direction::ServerToClient, code, reason));
        assert_eq!((verdict.layer, verdict.cause.as_str()), (layer, cause), "{code} {reason}");
    }
}

#[test]
fn the_clients_close_alone_decides_little() {
    let c2s = Direction::ClientToServer;
    let rows = [
        (true, 1002, "", "corrupted_frame"),
        (true, 4000, "tick timeout", "tick_timeout"),
        (true, 1012, "node manifest changed", "node_reconnects"),
        (true, 1008, "device removed", "client_closed"),
        (false, 4000, "connect timeout", "hello_lost"),
        (false, 1008, "connect failed", "client_closed"),
        (true, 1000, "", "connected"),
        (true, 1001, "", "client_going_away"),
    ];
    for (hello, code, reason, cause) in rows {
        let record = if hello { greeted(opened(true)) } else { opened(true) };
        assert_eq!(judge(&close(record, c2s, code, reason)).cause, cause, "{code} {reason}");
    }
}

#[test]
fn ends_of_tcp_are_named_by_phase_side_and_kind() {
    let reset = || EndingKind::Reset { undelivered: 0, missing: None };
    let rows = vec![
        (greeted(opened(true)), Leg::Upstream, reset(), "reset_mid_session"),
        (opened(true), Leg::Upstream, reset(), "reset_before_hello"),
        (opened(false), Leg::Downstream, reset(), "client_reset_pre_hello"),
        (opened(false), Leg::Downstream, EndingKind::Fin, "client_left_before_connect"),
        (greeted(opened(true)), Leg::Upstream, EndingKind::Fin, "eof_without_close_frame"),
        (
            greeted(opened(true)),
            Leg::Upstream,
            EndingKind::CutByWstap { why: "limit".into() },
            "cut_by_wstap",
        ),
    ];
    for (record, leg, kind, cause) in rows {
        assert_eq!(judge(&end(record, leg, 700_000, kind)).cause, cause);
    }
}

#[test]
fn http_answers_tell_the_gateway_from_others() {
    let rows: [(&[&str], &str, Layer, &str); 9] = [
        (
            &["HTTP/1.1 503 x"],
            "Gateway websocket admission closed",
            Layer::Transport,
            "gateway_restarting",
        ),
        (
            &["HTTP/1.1 503 x"],
            "Gateway websocket handlers unavailable",
            Layer::Transport,
            "gateway_unavailable",
        ),
        (&["HTTP/1.1 503 x", "Server: haproxy"], "<html>", Layer::Transport, "http_503"),
        (&["HTTP/1.1 400 x"], "Bad Request", Layer::Transport, "upgrade_stripped"),
        (&["HTTP/1.1 400 x"], "Invalid Upgrade header", Layer::Transport, "http_400_upgrade"),
        (&["HTTP/1.1 426 x", "Server: nginx"], "", Layer::Transport, "upgrade_stripped"),
        (&["HTTP/1.1 401 x"], "", Layer::Auth, "http_401_upgrade"),
        (&["HTTP/1.1 403 x", "Server: envoy"], "", Layer::Transport, "http_403_reverse_proxy"),
        (&["HTTP/1.1 418 x"], "", Layer::Transport, "http_refused"),
    ];
    for (response, body, layer, cause) in rows {
        let verdict = judge(&answered(response, Some(body)));
        assert_eq!((verdict.layer, verdict.cause.as_str()), (layer, cause), "{response:?} {body}");
    }
}

#[test]
fn bytes_that_are_not_http_are_blamed_on_their_sender() {
    let mut record = answered(&SWITCHING, None);
    record.response = None;
    record.opaque = Some(crate::session::OpaqueFacts::named("not_http"));
    record.frames.s2c.bytes = 9;
    assert_eq!(judge(&record).cause, "answer_not_http");
    record.request = None;
    record.kind = Kind::Opaque;
    assert_eq!(judge(&record).cause, "http_400_malformed");
}

#[test]
fn an_idle_cut_names_nginx_and_what_to_set() {
    let mut lines = SWITCHING.to_vec();
    lines.push("Server: nginx/1.22.1");
    let mut record = answered(&lines, None);
    record.openclaw = greeted(opened(true)).openclaw;
    record.frames.s2c.last_byte = Some(Offset(5_000_000));
    let record = end(record, Leg::Upstream, 65_003_000, EndingKind::Fin);
    let verdict = judge(&record);
    assert_eq!((verdict.cause.as_str(), verdict.who), ("eof_without_close_frame", Who::FrontProxy));
    assert_eq!(verdict.confidence, Confidence::Likely);
    let first = &verdict.culprits[0];
    assert!(first.name.starts_with("nginx"), "{first:?}");
    assert_eq!((first.clock.as_str(), first.confidence), ("idle", Confidence::Possible));
    assert!(verdict.culprits.len() > 1, "60 s fits others, too");
    let set = verdict.next[0].config.as_deref();
    assert_eq!(set, Some("proxy_read_timeout 3600s; proxy_send_timeout 3600s;"));
}

#[test]
fn a_client_that_ends_after_a_round_silence_may_be_a_proxy() {
    let ended = |at| {
        let mut record = answered(&SWITCHING, None);
        record.openclaw = greeted(opened(true)).openclaw;
        record.frames.s2c.last_byte = Some(Offset(1_000_000));
        judge(&end(record, Leg::Downstream, at, EndingKind::Fin))
    };
    let soon = ended(1_400_000);
    assert_eq!((soon.who, soon.confidence), (Who::Client, Confidence::Certain), "{soon:#?}");
    assert_eq!(soon.cause, "client_fin_no_close_frame");
    let round = ended(31_003_000);
    assert_eq!((round.who, round.confidence), (Who::Unknown, Confidence::Likely), "{round:#?}");
    assert_eq!(round.cause, "client_fin_no_close_frame");
}

#[test]
fn a_round_time_behind_a_named_proxy_may_have_been_set() {
    let mut lines = SWITCHING.to_vec();
    lines.push("Server: nginx");
    let mut record = answered(&lines, None);
    record.frames.s2c.last_byte = Some(Offset(1_000_000));
    let verdict = judge(&end(record, Leg::Upstream, 4_002_000, EndingKind::Fin));
    assert_eq!(verdict.culprits[0].limit_ms, Offset(3_000_000));
}

#[test]
fn next_steps_carry_the_values_of_the_session() {
    let mut record = opened(true);
    if let Some(openclaw) = &mut record.openclaw {
        openclaw.refusal = Some(RefusalFacts {
            detail_code: Some("PAIRING_REQUIRED".into()),
            details: Some(json!({"reason": "not-paired", "requestId": "r-42"})),
            ..RefusalFacts::default()
        });
    }
    let verdict = judge(&record);
    assert_eq!(verdict.next[0].command.as_deref(), Some("openclaw devices approve r-42"));
    assert_eq!(verdict.evidence[0].refers, "openclaw.refusal.detail_code");
}

#[test]
fn next_steps_name_the_socket_file_and_who_adds_a_forwarded_header() {
    let mut gone = answered(&SWITCHING, None);
    gone.response = None;
    gone.upstream.dial = Some(Dial {
        url: "unix:/run/gw.sock".into(),
        failure: Some(DialFailure {
            step: DialStep::Connect,
            cause: "no_such_file".into(),
            detail: String::new(),
            timed_out: false,
        }),
        ..Dial::default()
    });
    let verdict = judge(&gone);
    assert_eq!(verdict.cause, "upstream_socket_missing");
    assert_eq!(verdict.next[0].command.as_deref(), Some("ls -l /run/gw.sock"));

    let body = r#"{"error":{"type":"proxy_attribution_required"}}"#;
    let verdict = judge(&answered(&["HTTP/1.1 403 Forbidden", "Server: nginx"], Some(body)));
    assert_eq!(verdict.cause, "proxy_attribution_required");
    let step = &verdict.next[2].text;
    assert!(step.contains("between wstap and the gateway (nginx) adds it"), "{step}");
}

#[test]
fn calls_that_wstap_makes_to_be_refused_are_no_lack_of_scope() {
    let refused = |method: &str| RefusedCalls {
        code: Some("FORBIDDEN".into()),
        detail_code: None,
        count: 2,
        method: Some(method.into()),
        at: Offset(3000),
    };
    let with = |methods: &[&str]| {
        let mut record = greeted(opened(true));
        let calls = methods.iter().map(|method| refused(method)).collect();
        record.openclaw.as_mut().unwrap().calls.refused = calls;
        judge(&close(record, Direction::ClientToServer, 1000, ""))
    };
    assert_eq!(with(&["wstap.probe.size"]).layer, Layer::Ok);
    let verdict = with(&["wstap.probe.size", "cron.list"]);
    assert_eq!(verdict.cause, "missing_scope");
    assert!(verdict.summary.contains("cron.list"), "{}", verdict.summary);
}

#[test]
fn a_remote_client_made_local_by_the_tap_is_warned_of() {
    let mut record = close(greeted(opened(true)), Direction::ClientToServer, 1000, "");
    record.client.addr = "192.168.7.9:50000".into();
    record.client.listener = "0.0.0.0:18889".into();
    let slugs: Vec<String> = judge(&record).warnings.into_iter().map(|w| w.slug).collect();
    assert_eq!(slugs, ["became_local_through_wstap", "listener_grants_locality"]);
}

#[test]
fn lost_events_leave_no_certainty() {
    let mut record = close(greeted(opened(true)), Direction::ClientToServer, 1000, "");
    assert_eq!(judge(&record).confidence, Confidence::Certain);
    record.gap = Some(crate::session::Gap { frames: 0, events: 1 });
    assert_eq!(judge(&record).confidence, Confidence::Likely);
}

fn refused(details: serde_json::Value) -> Record {
    let mut record = opened(true);
    if let Some(openclaw) = &mut record.openclaw {
        openclaw.refusal = Some(RefusalFacts {
            detail_code: details["code"].as_str().map(str::to_owned),
            details: Some(details),
            ..RefusalFacts::default()
        });
    }
    record
}

#[test]
fn what_a_peer_sent_is_pasted_as_one_word_or_not_at_all() {
    let pairing = |id: &str| {
        refused(json!({"code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": id}))
    };
    let command = |record: &Record| judge(record).next[0].command.clone().unwrap_or_default();
    let rows = [
        ("a; rm -rf ~", "openclaw devices approve 'a; rm -rf ~'"),
        ("it's", "openclaw devices approve 'it'\\''s'"),
        ("--all", "openclaw devices approve '--all'"),
        ("", "openclaw devices approve <requestId>"),
    ];
    for (id, expected) in rows {
        assert_eq!(command(&pairing(id)), expected);
    }
    let code = json!({"code": "CONTROL_UI_ORIGIN_NOT_ALLOWED", "reason": "origin not allowed"});
    let mut record = refused(code);
    if let Some(request) = &mut record.request {
        request.origin = Some("http://a\", \"*".into());
    }
    let config = judge(&record).next[0].config.clone();
    assert_eq!(config.as_deref(), Some("gateway.controlUi.allowedOrigins += \"<origin>\""));
}

#[test]
fn empty_and_odd_headers_give_no_empty_words() {
    let own = "Gateway websocket admission closed";
    let rows = [
        ("Retry-After: 5", "wait 5 s and try again"),
        ("Retry-After: ", "wait a few seconds and try again"),
        ("Retry-After: -5; x", "wait a few seconds and try again"),
        (
            "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",
            "wait until Wed, 21 Oct 2026 07:28:00 GMT and try again",
        ),
    ];
    for (header, expected) in rows {
        let verdict = judge(&answered(&["HTTP/1.1 503 X", header], Some(own)));
        assert_eq!(verdict.next[0].text, expected);
    }
    let unnamed = judge(&answered(&["HTTP/1.1 502 X", "Server: "], Some("no")));
    assert_eq!(unnamed.confidence, Confidence::Likely);
    assert!(!unnamed.summary.contains("()"), "{}", unnamed.summary);
    let moved = judge(&answered(&["HTTP/1.1 301 X", "Location: "], None));
    assert_eq!(moved.confidence, Confidence::Likely);
    let bare = judge(&refused(json!({})));
    assert!(bare.summary.contains("no code"), "{}", bare.summary);
}

#[test]
fn words_that_others_use_too_give_no_certainty() {
    let node = judge(&answered(&["HTTP/1.1 503 X"], Some("node not ready in cluster")));
    assert_eq!(node.cause, "http_503");
    let said = judge(&close(greeted(opened(true)), Direction::ServerToClient, 1007, "bad json"));
    assert_eq!((said.confidence, said.who), (Confidence::Possible, Who::Unknown));
    let mut early = close(opened(true), Direction::ClientToServer, 1000, "");
    assert_eq!(judge(&early).confidence, Confidence::Possible);
    early.control[0].at = Offset(5_000_000);
    assert_eq!(judge(&early).confidence, Confidence::Likely);
    let mut json_first = close(opened(false), Direction::ServerToClient, 1000, "");
    json_first.frames.c2s.by_opcode =
        vec![crate::session::OpcodeCount { opcode: 1, frames: 1, ..Default::default() }];
    if let Some(openclaw) = &mut json_first.openclaw {
        openclaw.calls.requests = 1;
    }
    let verdict = judge(&json_first);
    assert_eq!(
        (verdict.cause.as_str(), verdict.confidence),
        ("non_json_first_frame", Confidence::Possible)
    );
}

#[test]
fn our_own_answer_to_a_plain_request_is_called_ours() {
    let mut record = Record::new(SessionId::from_bits(1), Wall(0));
    let why = "127.0.0.1:9 refused the connection".to_owned();
    let own = crate::session::OwnAnswer { status: 502, leg: Leg::Upstream, why };
    let begun = Started { kind: Kind::Http, ..Started::default() };
    for event in [
        Event::Started(begun),
        Event::OwnAnswer(own),
        Event::Finished(crate::session::Finish::default()),
    ] {
        record.apply(&Timed { at: Offset(1), event });
    }
    record.conclude();
    let verdict = judge(&record);
    assert_eq!((verdict.cause.as_str(), verdict.failed), ("http_exchange_failed", true));
    assert!(verdict.summary.contains("wstap answered 502, 127.0.0.1:9 refused"), "{verdict:?}");
}
