use proptest::prelude::*;

use super::*;
use crate::session::{Captured, Direction, Unstored};
use crate::websocket::Opcode;

fn redactor() -> Redactor {
    Redactor::new(FingerprintKey::new([7; 32]), true)
}

fn raw(bytes: &[u8]) -> RawMessage<'_> {
    RawMessage {
        direction: Direction::ClientToServer,
        frame: 0,
        opcode: Opcode::Text,
        len: bytes.len() as u64,
        bytes,
        whole: true,
        missing: None,
    }
}

const KEEP: Keep = Keep { limit: 1 << 16, any_text: false };

fn message(text: &str, secrets: &mut Secrets) -> Captured {
    redactor().message(raw(text.as_bytes()), KEEP, secrets)
}

/// The text with placeholders shortened, so that a test can be read.
fn line(text: &str) -> String {
    short(&redactor().line(text, &mut Secrets::default()))
}

fn short(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[redacted len=") {
        let (_, after) = after.split_once(']').unwrap();
        out.push_str(before);
        out.push('*');
        rest = after;
    }
    out + rest
}

/// What is left of a head of this start line and header.
fn head_of(start: &str, header: &str) -> String {
    let raw = format!("{start}\r\n{header}\r\n\r\n");
    short(&redactor().head(raw.as_bytes(), &mut Secrets::default()).raw)
}

#[test]
fn nothing_but_a_space_ends_a_secret_in_a_request_line() {
    for odd in ["ab`cd", "ab\"cd\"", "ab\\cd", "ab<cd>", "'ab'cd", "\"ab\"", "{\"a\":1}"] {
        let head = head_of(&format!("GET /?password={odd}&x=1 HTTP/1.1"), "Host: a");
        assert_eq!(head, "GET /?password=*&x=1 HTTP/1.1\r\nHost: a\r\n\r\n", "{odd}");
    }
    for (target, left) in [
        ("/x?code=\"c0de\"", "/x?code=*"),
        ("/x;jsessionid=c0de11/y", "/x;jsessionid=*"),
        ("/api/token/c0de1199/y", "/api/token/*/y"),
        ("/api/tokens/list/y", "/api/tokens/list/y"),
        ("/%5F%5Fopenclaw__/cap/c0de/y", "/%5F%5Fopenclaw__/cap/*/y"),
        ("/x?accesskey=a&auth_key=b", "/x?accesskey=*&auth_key=*"),
    ] {
        let head = head_of(&format!("GET {target} HTTP/1.1"), "Host: a");
        assert_eq!(head, format!("GET {left} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    assert_eq!(line("see /?token='a'bc"), "see /?token=*");
}

#[test]
fn headers_that_carry_secrets_in_odd_ways_lose_them() {
    for (header, left) in [
        ("X-Access-Key: abc", "X-Access-Key: *"),
        ("Ocp-Apim-Subscription-Key: abc", "Ocp-Apim-Subscription-Key: *"),
        ("X-Session-Id: abc", "X-Session-Id: *"),
        ("X-OpenClaw-Session-Key: agent:main", "X-OpenClaw-Session-Key: agent:main"),
        ("WWW-Authenticate: Negotiate abcdef==", "WWW-Authenticate: Negotiate *"),
        ("WWW-Authenticate: Basic", "WWW-Authenticate: Basic"),
        (
            "WWW-Authenticate: Basic realm=\"a\", Bearer realm=\"b\", e=\"no token=abc\"",
            "WWW-Authenticate: Basic realm=\"a\", Bearer realm=\"b\", e=\"no token=*\"",
        ),
        ("Sec-WebSocket-Protocol: Bearer abc", "Sec-WebSocket-Protocol: Bearer *"),
        ("Sec-WebSocket-Protocol: auth, abc", "Sec-WebSocket-Protocol: auth, *"),
        ("Sec-WebSocket-Protocol: chat, 1a2b3c4d5e6f7a8b", "Sec-WebSocket-Protocol: chat, *"),
        (
            "Sec-WebSocket-Protocol: graphql-transport-ws",
            "Sec-WebSocket-Protocol: graphql-transport-ws",
        ),
        (
            "Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Protocol: abc",
            "Sec-WebSocket-Protocol: bearer\r\nSec-WebSocket-Protocol: *",
        ),
    ] {
        let start = "GET / HTTP/1.1";
        assert_eq!(head_of(start, header), format!("{start}\r\n{left}\r\n\r\n"));
    }
}

#[test]
fn json_that_carries_secrets_in_odd_ways_loses_them() {
    let deep = serde_json::json!({ "token": "ab\"cd" }).to_string();
    let deep = serde_json::json!({ "c": deep }).to_string();
    let deep = serde_json::json!({ "b": deep }).to_string();
    let deep = serde_json::json!({ "a": deep }).to_string();
    let left = message(&deep, &mut Secrets::default()).text.unwrap();
    assert!(!left.contains("ab") && !left.contains("cd"), "{left}");
    for (text, left) in [
        (r#"{"token":123456}"#, r#"{"token":"*"}"#),
        (r#"{"maxTokens":1,"tokenCount":2}"#, r#"{"maxTokens":1,"tokenCount":2}"#),
        (r#"{"deviceTokens":{"a1b2c3":{"x":true}}}"#, r#"{"deviceTokens":{"*":{"x":true}}}"#),
        (r#"{"name":"API_KEY","value":"v"}"#, r#"{"name":"API_KEY","value":"*"}"#),
        (r#"{"path":["auth","token"],"value":1}"#, r#"{"path":["auth","token"],"value":"*"}"#),
        (r#"{"path":["ui","color"],"value":1}"#, r#"{"path":["ui","color"],"value":1}"#),
        (r#"[["x-api-key","v"],["a","v"]]"#, r#"[["x-api-key","*"],["a","v"]]"#),
    ] {
        let kept = message(text, &mut Secrets::default()).text;
        assert_eq!(short(&kept.unwrap()), left);
    }
    assert_eq!(
        line(r#"<input name="csrf_token" value="abc"><input name="q" value="abc">"#),
        r#"<input name="csrf_token" value="*"><input name="q" value="abc">"#
    );
}

#[test]
fn a_request_head_keeps_all_but_its_secrets() {
    let raw = b"GET /a/__openclaw__/cap/CAPTOKEN99/x?client=cli&token=abcdefgh12&x=1 HTTP/1.1\r\n\
        Host: gw.test\r\nauthorization:  Bearer  bearer-abc-1\r\nX-Api-Key: k1k2k3k4\r\n\
        Cookie: sid=s3ss10n; theme=\"dark77\"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Referer: http://me:pw@h.test/#access_token=frag1234\r\n\
        Sec-WebSocket-Protocol: v1, base64url.bearer.authorization.k8s.io.TOKEN123\r\n\
        X-Auth-User: someone\r\nfolded: a\r\n  b\r\nX-Secret: a\r\n more\r\n\r\n";
    let head = redactor().head(raw, &mut Secrets::default());
    assert_eq!(head.bytes, raw.len());
    assert_eq!(
        short(&head.raw),
        "GET /a/__openclaw__/cap/*/x?client=cli&token=*&x=1 HTTP/1.1\r\n\
        Host: gw.test\r\nauthorization:  Bearer  *\r\nX-Api-Key: *\r\n\
        Cookie: sid=*; theme=\"*\"\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Referer: http://*@h.test/#access_token=*\r\n\
        Sec-WebSocket-Protocol: v1, base64url.bearer.*\r\n\
        X-Auth-User: *\r\nfolded: a\r\n  b\r\nX-Secret: *\r\n *\r\n\r\n"
    );
    let token = head.redactions.iter().find(|r| r.field == "query:token").unwrap();
    assert_eq!((token.len, token.fingerprint.len()), (10, 8));
    assert_eq!(token.fingerprint, redactor().fingerprint("abcdefgh12"));
    assert!(head.raw.contains(&format!("[redacted len=10 fp={}]", token.fingerprint)));
}

#[test]
fn a_response_head_keeps_cookie_attributes_and_challenges() {
    let raw = b"HTTP/1.1 302 Found\r\nSet-Cookie: id=abcdef12; Path=/; HttpOnly; token=zzzzzz\r\n\
        WWW-Authenticate: Basic realm=\"gate\"\r\nLocation: /cb?code=c0de11&state=ok\r\n\r\n";
    assert_eq!(
        short(&redactor().head(raw, &mut Secrets::default()).raw),
        "HTTP/1.1 302 Found\r\nSet-Cookie: id=*; Path=/; HttpOnly; token=*\r\n\
        WWW-Authenticate: Basic realm=\"gate\"\r\nLocation: /cb?code=*&state=ok\r\n\r\n"
    );
}

#[test]
fn free_text_keeps_its_sense() {
    for text in [
        "unauthorized: gateway token mismatch (use this gateway's gateway.auth.token or pair)",
        "pairing required: device is not approved yet (requestId: 9ad90423-7a03-4509)",
        "code=1008 reason=slow consumer",
        "invalid token: expired. Bearer token required, Basic authentication too",
        "http://127.0.0.1:18789/?session=main".split_once('?').unwrap().0,
    ] {
        assert_eq!(line(text), text);
    }
    assert_eq!(line("bad token=abc, try token: \"x y\""), "bad token=*, try token: \"*\"");
    assert_eq!(line("wss://u:p@h/?%74oken=a%20b#id_token=c"), "wss://*@h/?%74oken=*#id_token=*");
    assert_eq!(
        line("/r?to=ws%3A%2F%2Fh%3Ftoken%3Dabc%26x%3D1"),
        "/r?to=ws%3A%2F%2Fh%3Ftoken%3D*%26x%3D1"
    );
    assert_eq!(
        line("sent Bearer abc123def and eyJhbGciOiJIUzI1.eyJzdWIi.c2ln!"),
        "sent Bearer * and *!"
    );
}

#[test]
fn a_connect_and_a_hello_keep_what_is_no_secret() {
    let mut secrets = Secrets::default();
    let kept = message(
        r#"{"type":"req","id":"1","method":"connect","params":{"client":{"id":"cli"},"pathEnv":"/usr/bin:/bin","device":{"id":"d","publicKey":"pk","signature":"sig-sig-sig","nonce":"n"},"auth":{"token":"tok\u002dabc","method":"meth","password":123456},"auth":{"token":"tok\u002dabc","method":"meth","password":123456}}}"#,
        &mut secrets,
    );
    assert_eq!(
        short(&kept.text.unwrap()),
        r#"{"type":"req","id":"1","method":"connect","params":{"client":{"id":"cli"},"pathEnv":"*","device":{"id":"d","publicKey":"pk","signature":"*","nonce":"n"},"auth":{"token":"*","method":"*","password":"*"}}}"#
    );
    let fields: Vec<&str> = kept.redactions.iter().map(|r| r.field.as_str()).collect();
    assert_eq!(fields[2], "params.auth.token");
    assert_eq!(redactor().fingerprint("tok-abc"), kept.redactions[2].fingerprint);
    let kept = message(
        r#"{"type":"res","ok":true,"payload":{"type":"hello-ok","auth":{"method":"token","role":"operator","scopes":["operator.read"],"deviceToken":"dt-123456","issuedAtMs":5,"deviceTokens":[{"deviceToken":"dt-2","scopes":["a"]}],"recoveryScope":"rs"},"policy":{"maxTokens":9},"pluginSurfaceUrls":{"canvas":"http://h/__openclaw__/cap/x"},"echo":"dt%2D123456 tok-abc"}}"#,
        &mut secrets,
    );
    let text = short(&kept.text.unwrap());
    assert!(text.contains(r#""method":"token","role":"operator","scopes":["operator.read"]"#));
    assert!(text.contains(r#""deviceToken":"*","issuedAtMs":5"#), "{text}");
    assert!(text.contains(r#""recoveryScope":"*""#) && text.contains(r#""canvas":"*""#));
    assert!(text.contains(r#""maxTokens":9"#) && text.contains(r#""echo":"* *""#), "{text}");
}

#[test]
fn what_cannot_be_redacted_safely_is_not_stored() {
    let secrets = &mut Secrets::default();
    let why = |text: &[u8], change: fn(&mut RawMessage<'_>), any_text, secrets: &mut Secrets| {
        let mut raw = raw(text);
        change(&mut raw);
        let kept = redactor().message(raw, Keep { limit: 100, any_text }, secrets);
        assert_eq!(kept.text.is_none(), kept.unstored.is_some());
        kept.unstored
    };
    let same: fn(&mut RawMessage<'_>) = |_| {};
    assert_eq!(why(br#"{"token":"abc""#, same, true, secrets), Some(Unstored::UnparsableJson));
    let deep = "[".repeat(5000);
    assert_eq!(why(deep.as_bytes(), same, true, secrets), Some(Unstored::UnparsableJson));
    assert_eq!(why(b"{\"a\":1}", |raw| raw.whole = false, true, secrets), Some(Unstored::TooLong));
    assert_eq!(why(b"hello", same, false, secrets), Some(Unstored::NotJson));
    assert_eq!(why(b"hello", same, true, secrets), None);
    assert_eq!(why(&[0xff, 0xfe], same, false, secrets), Some(Unstored::NotText));
    assert_eq!(why(&[0xff, 0xfe], same, true, secrets), None);
    assert_eq!(why(b"\xff\xa5token\xa3abc", same, true, secrets), Some(Unstored::NotText));
    let kept = redactor().message(
        RawMessage { whole: false, ..raw(b"words and tok") },
        Keep { limit: 100, any_text: true },
        secrets,
    );
    assert_eq!((kept.text.as_deref(), kept.cut), (Some("words and"), true));
}

#[test]
fn control_payloads_are_text_or_hex() {
    let redactor = redactor();
    let mut secrets = Secrets::default();
    assert_eq!(redactor.control(b"keepalive", &mut secrets), "keepalive");
    assert_eq!(redactor.control(&[0, 255], &mut secrets), "hex:00ff");
    redactor.head(b"GET / HTTP/1.1\r\nAuthorization: Bearer abcdef99\r\n\r\n", &mut secrets);
    assert_eq!(short(&redactor.control(b"\x00abcdef99", &mut secrets)), "*");
    assert_eq!(short(&redactor.control(b"is abcdef99", &mut secrets)), "is *");
}

#[test]
fn without_redaction_everything_passes() {
    let redactor = Redactor::new(FingerprintKey::new([7; 32]), false);
    let mut secrets = Secrets::default();
    let text = br#"{"auth":{"token":"abcdefgh"}}"#;
    let kept = redactor.message(raw(text), Keep { limit: 12, any_text: false }, &mut secrets);
    assert_eq!(kept.text.as_deref(), Some(r#"{"auth":{"to"#));
    assert!(kept.cut && kept.redactions.is_empty());
    let head = b"GET /?token=abcdefgh HTTP/1.1\r\nX: \xe9\r\n\r\n";
    assert_eq!(redactor.head(head, &mut secrets).raw.chars().count(), head.len());
    assert_eq!(redactor.line("token=abcdefgh", &mut secrets), "token=abcdefgh");
}

/// Every text that comes out when `token` stands in one of the known places and turns up again.
fn outputs(token: &str, place: usize, around: (&str, &str)) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    let redactor = redactor();
    let mut secrets = Secrets::default();
    let percent = token.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    let json = token.bytes().fold(String::new(), |text, byte| format!("{text}\\u{byte:04x}"));
    let quoted = serde_json::to_string(token).unwrap();
    let heads = [
        format!("GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nX-Some-Token: {token}\r\n\r\n"),
        format!("GET /?a=1&token={percent}&b HTTP/1.1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nReferer: http://h/#access_token={percent}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nCookie: a=b; sid={token}\r\n\r\n"),
        format!("GET /x/__openclaw__/cap/{percent}/y HTTP/1.1\r\n\r\n"),
        format!(
            "GET / HTTP/1.1\r\nAuthorization: Basic {}\r\n\r\n",
            STANDARD.encode(format!("u:{token}"))
        ),
    ];
    let messages = [
        format!(r#"{{"method":"connect","params":{{"auth":{{"token":"{json}"}}}}}}"#),
        format!(r#"{{"method":"x","params":{{"deep":[{{"apiKey":{quoted}}}]}}}}"#),
        format!(r#"{{"url":"ws://h/?ticket={percent}"}}"#),
    ];
    let mut out = Vec::new();
    if let Some(head) = heads.get(place) {
        out.push(redactor.head(head.as_bytes(), &mut secrets).raw);
    } else {
        let text = &messages[place - heads.len()];
        let kept = message(text, &mut secrets);
        out.extend(kept.redactions.iter().map(|redaction| redaction.field.clone()));
        out.extend(kept.text);
    }
    let inside = format!("{}{token}{}", around.0, around.1);
    for again in [
        inside.clone(),
        percent,
        STANDARD.encode(&inside),
        URL_SAFE.encode(&inside),
        format!("\"{json}\""),
        quoted,
    ] {
        out.push(redactor.line(&again, &mut secrets));
        out.push(redactor.control(again.as_bytes(), &mut secrets));
        let text = serde_json::json!({ "note": again, again.as_str(): 1 }).to_string();
        out.extend(message(&text, &mut secrets).text);
        let text = format!("GET / HTTP/1.1\r\nX-Note: {}\r\n\r\n", again.replace(['\r', '\n'], ""));
        out.push(redactor.head(text.as_bytes(), &mut secrets).raw);
    }
    out
}

proptest! {
    #[test]
    fn a_token_never_comes_out(
        token in "[A-Za-z0-9_./+~-]{12,40}",
        place in 0_usize..10,
        before in "[ a-z:]{0,4}",
        after in "[ a-z]{0,4}",
    ) {
        use base64::Engine;
        use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
        let secret = token.as_bytes();
        let cores: Vec<String> = [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]
            .into_iter()
            .flat_map(|engine| (0..3).map(move |before| {
                let text = engine.encode([&vec![0; before][..], secret].concat());
                text[4..text.len() - 4].to_owned()
            }))
            .collect();
        for text in outputs(&token, place, (&before, &after)) {
            let plain = percent::decoded(&text).replace("\\/", "/");
            let unescaped = serde_json::from_str::<String>(&format!("\"{text}\"")).unwrap_or_default();
            for seen in [&text, &plain, &unescaped] {
                prop_assert!(!seen.contains(&token), "{token} in {seen}");
                for core in &cores {
                    prop_assert!(!seen.contains(core.as_str()), "{core} in {seen}");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "(\\PC|[=:%?&\"'\\\\/ bBe]|token|Bearer |://|%3D|eyJ){0,40}") {
        let redactor = redactor();
        let mut secrets = Secrets::default();
        redactor.line("token=abcdef%41", &mut secrets);
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            for any_text in [true, false] {
                let keep = Keep { limit: 7, any_text };
                redactor.message(raw(bytes), keep, &mut secrets);
                redactor.message(RawMessage { whole: false, ..raw(bytes) }, keep, &mut secrets);
            }
            let head = redactor.head(bytes, &mut secrets);
            prop_assert_eq!(head.bytes, bytes.len());
            redactor.control(bytes, &mut secrets);
        }
        redactor.line(&text, &mut secrets);
    }

    #[test]
    fn text_without_secrets_stays_as_it_is(text in "[A-Za-z0-9 ,.()!?]{0,60}") {
        prop_assert_eq!(line(&text.replace("eyJ", "")), text.replace("eyJ", ""));
    }
}
