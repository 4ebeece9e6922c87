//! Heads of upgrades go through byte for byte, whatever they look like.

use wstap::session::Kind;

use crate::frame::{self, TEXT};
use crate::rig::{KEY, Rig, SWITCHING, headers, upgrade};
use crate::wire::End;

/// Sends a request head and expects it unchanged; the same for the answer.
fn passes_untouched(rig: &Rig, request: &[u8], response: &[u8]) {
    let (mut client, mut gateway) = rig.dial(request);
    assert_eq!(gateway.take(request.len()), request);
    gateway.send(response);
    assert_eq!(client.take(response.len()), response);
    let hello = frame::from_gateway(TEXT, "hello");
    gateway.send(&hello);
    assert_eq!(client.take(hello.len()), hello);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    assert_eq!(client.end(), End::Fin);
}

#[test]
fn order_case_duplicates_and_whitespace_stay_as_they_are() {
    let rig = Rig::new();
    let request = format!(
        "GET /chat HTTP/1.1\r\nsec-WEBSOCKET-key:{KEY}\r\nX-Dup: one\r\nuPgRaDe:   WebSocket\t\r\n\
         HOST:\t127.0.0.1:1 \r\nX-dup:two\r\nConnection: keep-alive, Upgrade \r\n\
         X-Empty:\r\nX-Bytes: \u{e9}\u{1f980}\r\nOrigin:  https://a.test\r\nx-dup: one\r\n\
         Sec-WebSocket-Version: 13\r\nCookie: a=1; b=2\r\ncookie: c=3\r\n\r\n"
    );
    let response = "HTTP/1.1 101 Web Socket  Protocol Handshake\r\nsec-websocket-ACCEPT: odd=\r\n\
                    X-A:1\r\nupgrade:WEBSOCKET\r\nconnection:  upgrade\r\nx-a:\t2  \r\nX-E:\r\n\r\n";
    passes_untouched(&rig, request.as_bytes(), response.as_bytes());
    let record = rig.record("/chat");
    assert_eq!(record.kind, Kind::Websocket);
    let facts = record.request.unwrap();
    assert_eq!(facts.upgrade.as_deref(), Some("WebSocket"));
    assert_eq!(facts.host.as_deref(), Some("127.0.0.1:1"));
    assert_eq!(facts.origin.as_deref(), Some("https://a.test"));
    assert_eq!(facts.head.bytes, request.len());
    assert!(facts.changes.is_empty());
    let answer = record.response.unwrap();
    assert_eq!((answer.status, answer.accept_ok), (Some(101), Some(false)));
    assert_eq!(answer.reason.as_deref(), Some("Web Socket  Protocol Handshake"));
    assert_eq!(answer.head.raw, response);
}

#[test]
fn odd_targets_go_through() {
    let rig = Rig::new();
    for target in [
        "/a\"b",
        "/a#frag",
        "/a^b|c`d",
        "/<x>",
        "/{}\\",
        "/%zz%",
        "/caf\u{e9}",
        "//double//..//",
        "/a?x=1&y=%20+?&&",
        "http://gateway.test:1/absolute",
        "*",
        "/;p=1,2!$'()*~",
    ] {
        let request = upgrade(target, "");
        passes_untouched(&rig, request.as_bytes(), SWITCHING.as_bytes());
    }
    assert_eq!(rig.records(12).iter().filter(|r| r.kind == Kind::Websocket).count(), 12);
}

#[test]
fn large_heads_go_through() {
    let rig = Rig::new();
    let many = headers(1000);
    passes_untouched(&rig, upgrade("/many", &many).as_bytes(), SWITCHING.as_bytes());
    let long = format!("X-Long: {}\r\n", "l".repeat(60 << 10));
    passes_untouched(&rig, upgrade("/long", &long).as_bytes(), SWITCHING.as_bytes());
    let answer = SWITCHING
        .replace("\r\n\r\n", &format!("\r\nX-Long: {}\r\n{many}\r\n", "r".repeat(32 << 10)));
    passes_untouched(&rig, upgrade("/answer", "").as_bytes(), answer.as_bytes());
    for target in ["/many", "/long", "/answer"] {
        let record = rig.record(target);
        assert_eq!(record.response.unwrap().status, Some(101), "{target}");
        assert_eq!(record.frames.s2c.frames, 1, "{target}");
    }
}

#[test]
fn heads_that_break_rules_go_through() {
    let rig = Rig::new();
    let without_host = upgrade("/no-host", "").replace("Host: gateway.test\r\n", "");
    passes_untouched(&rig, without_host.as_bytes(), SWITCHING.as_bytes());
    let without_key = upgrade("/no-key", "").replace(&format!("Sec-WebSocket-Key: {KEY}\r\n"), "");
    passes_untouched(&rig, without_key.as_bytes(), SWITCHING.as_bytes());
    let posted = upgrade("/post", "Content-Length: 0\r\n").replace("GET", "POST");
    passes_untouched(&rig, posted.as_bytes(), SWITCHING.as_bytes());
    let old = upgrade("/old", "").replace("HTTP/1.1", "HTTP/1.0");
    passes_untouched(&rig, old.as_bytes(), SWITCHING.as_bytes());
    let bare = upgrade("/bare", "").replace("\r\n", "\n");
    passes_untouched(&rig, bare.as_bytes(), SWITCHING.as_bytes());
    // RFC 9112 §5.2: a folded line is no header for a parser; here it is bytes like any other.
    let folded = upgrade("/folded", "X-Folded: one\r\n two\r\n\tthree\r\n");
    passes_untouched(&rig, folded.as_bytes(), SWITCHING.as_bytes());
    let folded_answer = SWITCHING.replace("\r\n\r\n", "\r\nX-Folded: one\r\n two\r\n\r\n");
    passes_untouched(&rig, upgrade("/answer", "").as_bytes(), folded_answer.as_bytes());
    rig.records(7);
}

#[test]
fn a_head_in_single_bytes_goes_through_in_both_directions() {
    let rig = Rig::new();
    let request = upgrade("/slow", "");
    let (first, rest) = request.split_at(1);
    let (mut client, mut gateway) = {
        let mut client = rig.connect();
        client.send(first);
        for byte in rest.as_bytes() {
            client.send([*byte]);
        }
        (client, rig.accept())
    };
    assert_eq!(gateway.take_head(), request);
    for byte in SWITCHING.as_bytes() {
        gateway.send([*byte]);
    }
    assert_eq!(client.take_head(), SWITCHING);
    client.fin();
    gateway.fin();
    assert_eq!(rig.record("/slow").response.unwrap().accept_ok, Some(true));
}

#[test]
fn bytes_behind_a_head_in_its_segment_are_not_lost() {
    let rig = Rig::new();
    let early = frame::from_client(TEXT, "early");
    let request = [upgrade("/same-segment", "").as_bytes(), &early].concat();
    let (mut client, mut gateway) = rig.dial(&request);
    assert_eq!(gateway.take(request.len()), request);
    let first = frame::from_gateway(TEXT, "first");
    let response = [SWITCHING.as_bytes(), &first].concat();
    gateway.send(&response);
    assert_eq!(client.take(response.len()), response);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let record = rig.record("/same-segment");
    for traffic in [&record.frames.c2s, &record.frames.s2c] {
        assert_eq!((traffic.frames, traffic.payload_bytes), (1, 5));
    }
}

#[test]
fn interim_responses_go_through_and_are_recorded() {
    let rig = Rig::new();
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let response = [interim, SWITCHING].concat();
    passes_untouched(&rig, upgrade("/interim", "").as_bytes(), response.as_bytes());
    let answer = rig.record("/interim").response.unwrap();
    assert_eq!((answer.status, answer.interim), (Some(101), vec![103, 100]));
}

#[test]
fn an_answer_that_is_not_http_goes_through() {
    let rig = Rig::new();
    for (at, answer) in
        [&b"SSH-2.0-OpenSSH_9\r\n"[..], b"\x15\x03\x01\x00\x02\x02\x16", b"\0\xff\r\n\r\n"]
            .iter()
            .enumerate()
    {
        let target = format!("/not-http-{at}");
        let (mut client, mut gateway) = rig.dial(upgrade(&target, ""));
        gateway.take_head();
        gateway.send(answer);
        gateway.fin();
        assert_eq!(client.rest(), (answer.to_vec(), End::Fin));
        client.fin();
        let record = rig.record(&target);
        assert!(record.response.is_none());
        assert_eq!(record.opaque.unwrap().what, "not_http");
        assert_eq!(record.frames.s2c.bytes, answer.len() as u64);
        assert_eq!(record.close.seen_by_client, None);
    }
}

#[test]
fn a_truncated_answer_is_passed_on_as_it_is() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(upgrade("/half", ""));
    gateway.take_head();
    let half = &SWITCHING.as_bytes()[..40];
    gateway.send(half);
    gateway.fin();
    assert_eq!(client.rest(), (half.to_vec(), End::Fin));
    client.fin();
    let record = rig.record("/half");
    let note = record.notes.iter().find(|note| note.slug == "incomplete_response_head");
    assert_eq!(note.unwrap().text.as_bytes(), half);
}
