//! OpenClaw's opening exchange.

use wstap::observe::Capture;
use wstap::session::{Credential, Event};

use crate::script::{C2S, CHALLENGE, CONNECT, HELLO, REFUSAL, S2C, Script, masked, plain};

fn names(script: &Script) -> Vec<String> {
    script
        .events()
        .into_iter()
        .map(|event| match event {
            Event::Envelope(found) => {
                let name = found.event.as_deref().or(found.method.as_deref()).unwrap_or("answer");
                format!("{}{}", name, if found.partial { " partial" } else { "" })
            }
            Event::Connect(_) => "Connect".to_owned(),
            Event::Hello(_) => "Hello".to_owned(),
            Event::Refusal(_) => "Refusal".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn an_established_session_is_read_to_its_hello_and_outlined_after_it() {
    let script = Script::new()
        .s2c(CHALLENGE)
        .c2s(CONNECT)
        .s2c(HELLO)
        .c2s(r#"{"type":"req","id":"2","method":"health","params":{"token":"never-kept"}}"#)
        .s2c(r#"{"type":"event","event":"tick","payload":{}}"#)
        .s2c("not json");
    assert_eq!(
        names(&script),
        ["connect.challenge", "connect", "Connect", "answer", "Hello", "health", "tick"]
    );
    assert!(script.observer.is_established());
    assert_eq!(script.kept(), [CHALLENGE, CONNECT, HELLO]);
    let events = script.events();
    let Event::Connect(connect) = events[2] else { panic!("{:?}", events[2]) };
    assert_eq!((connect.min_protocol, connect.max_protocol), (Some(3), Some(4)));
    assert_eq!(connect.client_id.as_deref(), Some("cli"));
    assert_eq!(
        connect.credentials,
        [Credential { name: "token".into(), len: 12, fingerprint: "fp12".into() }]
    );
    let Event::Hello(hello) = events[4] else { panic!("{:?}", events[4]) };
    assert_eq!(hello.conn_id.as_deref(), Some("c-1"));
    assert_eq!(hello.scopes.as_deref(), Some(&["operator.read".to_owned()][..]));
    assert_eq!((hello.max_payload, hello.tick_interval_ms), (Some(26_214_400), Some(30_000)));
    let said = format!("{events:?}");
    assert!(!said.contains("s3cret") && !said.contains("dt-123456") && !said.contains("never"));
}

#[test]
fn a_refusal_is_told_without_its_secrets() {
    let script = Script::with(Capture::None, 4096, None).s2c(CHALLENGE).c2s(CONNECT).s2c(REFUSAL);
    assert_eq!(names(&script).last().unwrap(), "Refusal");
    let events = script.events();
    let Some(Event::Refusal(refusal)) = events.last() else { panic!() };
    assert_eq!(refusal.detail_code.as_deref(), Some("AUTH_TOKEN_MISMATCH"));
    assert_eq!((refusal.retryable, refusal.retry_after_ms), (Some(true), Some(500)));
    let details = refusal.details.as_ref().unwrap();
    assert_eq!(details["canRetryWithDeviceToken"], true);
    assert!(details.get("deviceToken").is_none());
    assert!(!script.observer.is_established());
    assert_eq!(script.kept(), [""; 0]);
}

#[test]
fn fragments_binary_frames_and_a_swallowed_challenge_do_not_matter() {
    let (first, rest) = CONNECT.as_bytes().split_at(70);
    let script = Script::new()
        .bytes(C2S, &masked(0x02, first))
        .bytes(C2S, &masked(0x89, b"between"))
        .bytes(C2S, &masked(0x00, &rest[..10]))
        .bytes(C2S, &masked(0x80, &rest[10..]))
        .bytes(S2C, &plain(0x82, HELLO.as_bytes()));
    assert_eq!(names(&script), ["connect", "Connect", "answer", "Hello"]);
    assert_eq!(script.kept(), [CONNECT, HELLO]);
    assert_eq!(script.traffic(C2S).fragmented, 1);
}

#[test]
fn an_answer_to_something_else_decides_nothing() {
    let script = Script::new()
        .s2c(CHALLENGE)
        .c2s(CONNECT)
        .s2c(r#"{"type":"res","id":"other","ok":true,"payload":{}}"#);
    assert!(!script.observer.is_established());
    assert!(script.s2c(HELLO).observer.is_established());
}

#[test]
fn what_came_before_connect_is_told_once_openclaw_is_recognised() {
    let early = r#"{"type":"event","event":"early","payload":{}}"#;
    let script = Script::new().s2c(early).s2c(early).c2s(CONNECT).s2c(HELLO);
    assert_eq!(names(&script), ["early", "connect", "Connect", "answer", "Hello"]);
    assert_eq!(script.kept(), [early, CONNECT, HELLO]);
}

#[test]
fn another_protocol_is_left_alone() {
    let mut script = Script::new()
        .s2c(r#"{"type":"event","event":"ready"}"#)
        .c2s(r#"{"type":"req","id":"1","method":"subscribe"}"#)
        .c2s(CONNECT)
        .s2c(CHALLENGE)
        .s2c("text");
    assert_eq!(names(&script), [""; 0]);
    assert_eq!(script.kept(), [""; 0]);
    assert_eq!((script.end(C2S), script.end(S2C)), (None, None));
    assert_eq!(script.traffic(S2C).messages, 3);
}

#[test]
fn a_close_ends_the_opening_exchange() {
    let script = Script::new().s2c(CHALLENGE).bytes(S2C, &plain(0x88, &[0x03, 0xe8])).c2s(CONNECT);
    assert_eq!(names(&script), ["connect.challenge", "connect"]);
    assert_eq!(script.kept(), [CHALLENGE]);
    let script = Script::new().bytes(S2C, &plain(0x88, &[])).c2s(CONNECT);
    assert_eq!(names(&script), [""; 0]);
}
