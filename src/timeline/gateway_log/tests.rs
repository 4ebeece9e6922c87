//! Lines as gateways wrote them, and lines as nobody writes them.

use super::*;

fn parse(line: &str) -> LogLine {
    LogLine::parse(line, str::to_owned)
}

/// A line with nothing but a message.
fn message(text: &str) -> LogLine {
    parse(&serde_json::json!({ "message": text }).to_string())
}

const REFUSED: &str = r#"{"0":"{\"subsystem\":\"gateway/ws\"}","1":{"cause":"unauthorized","durationMs":256,"handshake":"failed","phase":"auth_credentials_received","lastFrameMethod":"connect","remoteAddr":"127.0.0.1","remotePort":57184,"localAddr":"127.0.0.1","localPort":21801,"authReason":"token_mismatch"},"2":"closed before connect conn=2cbd4042-e863-4978-9302-1adccb6f7c12 peer=127.0.0.1:57184->127.0.0.1:21801 remote=127.0.0.1 fwd=n/a origin=n/a host=127.0.0.1:43791 ua=n/a code=1008 reason=unauthorized: gateway token mismatch (use this) phase=auth_credentials_received","_meta":{"logLevelName":"WARN"},"time":"2026-11-20T03:38:22.246+00:00"}"#;

#[test]
fn a_refused_connection_says_why_where_and_when() {
    let line = parse(REFUSED);
    assert_eq!(line.at.map(|at| at.to_string()).as_deref(), Some("2026-11-20T03:38:22.246Z"));
    assert_eq!(line.level.as_deref(), Some("WARN"));
    assert_eq!(line.subsystem.as_deref(), Some("gateway/ws"));
    assert_eq!(line.conn, Some(Conn::new("2cbd4042-e863-4978-9302-1adccb6f7c12")));
    assert_eq!(line.port(), Some(57184));
    let What::ClosedBeforeConnect(refused) = line.what else { panic!("{:?}", line.what) };
    assert_eq!(refused.cause.as_deref(), Some("unauthorized"));
    assert_eq!(refused.auth_reason.as_deref(), Some("token_mismatch"));
    assert_eq!(refused.code, Some(1008));
    let reason = "unauthorized: gateway token mismatch (use this)";
    assert_eq!(refused.reason.as_deref(), Some(reason));
    assert_eq!(refused.phase.as_deref(), Some("auth_credentials_received"));
    assert_eq!((refused.duration_ms, refused.request_id), (Some(256), None));
}

#[test]
fn lines_of_the_frame_log_name_the_connection_at_their_end() {
    let open = message(
        "← open remoteAddr=127.0.0.1 remotePort=5 endpoint=127.0.0.1:5->127.0.0.1:6 conn=5a4add91…b2ef",
    );
    assert_eq!(open.what, What::Open);
    assert_eq!(open.conn, Some(Conn::new("5a4add91…b2ef")));
    assert_eq!(open.port(), Some(5));
    let hello =
        message("\u{1b}[96m→\u{1b}[39m \u{1b}[1mhello-ok\u{1b}[22m methods=9 conn=5a4add91…b2ef");
    assert_eq!(hello.what, What::Hello);
    assert_eq!(hello.message, "→ hello-ok methods=9 conn=5a4add91…b2ef");
    let close = message(
        "→ close code=1006 reason=left conn=9 of 9 cause=heartbeat-timeout durationMs=75021 handshake=connected endpoint=[::1]:5->[::1]:6 conn=5a4add91…b2ef",
    );
    let What::Close(refused) = close.what else { panic!("{:?}", close.what) };
    assert_eq!(refused.cause.as_deref(), Some("heartbeat-timeout"));
    assert_eq!(refused.reason.as_deref(), Some("left conn=9 of 9"));
    assert_eq!((refused.code, refused.duration_ms), (Some(1006), Some(75021)));
    assert_eq!(close.peer.map(|peer| peer.remote.to_string()).as_deref(), Some("[::1]:5"));
    let answer = message(
        "⇄ res ✗ status 0ms errorCode=FORBIDDEN errorMessage=missing scope: operator.read conn=5a4add91…b2ef id=3:42f738bd-1…82ec",
    );
    let expected = What::Answer {
        method: Some("status".to_owned()),
        ok: false,
        error_code: Some("FORBIDDEN".to_owned()),
    };
    assert_eq!((answer.what, answer.conn), (expected, Some(Conn::new("5a4add91…b2ef"))));
}

#[test]
fn what_a_client_sends_is_not_taken_for_the_gateway_s_own_words() {
    let other = "11111111-1111-4111-8111-111111111111";
    let line = message(&format!(
        "closed before connect conn=2cbd4042-e863-4978-9302-1adccb6f7c12 peer=127.0.0.1:1->127.0.0.1:2 remote=127.0.0.1 fwd=n/a origin=n/a host=h ua=x conn={other} peer=9.9.9.9:9->9.9.9.9:9 code=1000 reason=n/a phase=ready"
    ));
    assert_eq!(line.conn, Some(Conn::new("2cbd4042-e863-4978-9302-1adccb6f7c12")));
    assert_eq!(line.port(), Some(1));
}

#[test]
fn names_are_shortened_as_the_gateway_does_it() {
    let full = Conn::new("5a4add91-aaaa-4bbb-8ccc-dddddddcb2ef");
    assert_eq!(full.short(), Conn::new("5a4add91…b2ef"));
    assert_eq!(Conn::new("5a4add91...b2ef").short(), full.short());
    assert!(full.is_full() && !full.short().is_full());
}

#[test]
fn whatever_is_in_the_file_is_a_line() {
    for text in ["", "no json", "{", "[1]", "\"x\"", "{\"message\":7}", "{\"1\":{}}", "\u{0}", "←"]
    {
        let line = parse(text);
        assert_eq!((line.what, line.conn, line.peer), (What::Unknown, None, None), "{text:?}");
    }
    assert_eq!(parse("no json").message, "no json");
    let long = parse(&"ü".repeat(5000));
    assert!(long.message.len() <= 2048);
}

#[test]
fn every_text_that_is_kept_was_scrubbed() {
    let line = LogLine::parse(REFUSED, |text| format!("<{}>", text.len()));
    let kept = serde_json::to_string(&line).expect("JSON");
    for word in ["unauthorized", "token_mismatch", "auth_credentials", "WARN", "use this", "failed"]
    {
        assert!(!kept.contains(word), "{word} in {kept}");
    }
}

#[test]
fn a_line_survives_its_json() {
    for text in [
        REFUSED,
        "no json",
        r#"{"message":"webchat disconnected code=1001 reason=n/a conn=cf1c8fb7-3cf5-44b4-9971-e933973b6a2b"}"#,
    ] {
        let line = parse(text);
        let json = serde_json::to_string(&line).expect("JSON");
        assert_eq!(serde_json::from_str::<LogLine>(&json).expect("JSON"), line, "{json}");
    }
}
