//! Upgrades behind other requests of the same connection, and refused ones as they are.

use wstap::session::{EndingKind, Kind};

use crate::frame::{self, TEXT};
use crate::rig::{Rig, SWITCHING, upgrade};
use crate::wire::{Conn, End};

/// Serves one request on a fresh connection of the tap: head and body as they came.
fn answer(gateway: &mut Conn, body_len: usize, response: &str) -> (String, Vec<u8>) {
    let head = gateway.take_head();
    let body = gateway.take(body_len);
    gateway.send(response);
    (head, body)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn an_upgrade_may_be_the_second_or_third_request_of_a_connection() {
    let rig = Rig::new();
    let (mut client, mut plain) = rig.dial("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    answer(&mut plain, 0, OK);
    assert_eq!(client.take(OK.len()), OK.as_bytes());
    client.send("POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    let (head, body) = answer(&mut plain, 4, OK);
    assert!(head.starts_with("POST /api HTTP/1.1\r\n"), "{head}");
    assert_eq!(body, b"body");
    assert_eq!(client.take(OK.len()), OK.as_bytes());
    let head = upgrade("/third", "x-ODD:  1\r\nX-odd:2 \r\n");
    let early = frame::from_client(TEXT, "early");
    client.send([head.as_bytes(), &early].concat());
    let mut gateway = rig.accept();
    assert_eq!(gateway.take_head(), head);
    assert_eq!(gateway.take(early.len()), early);
    gateway.send(SWITCHING);
    assert_eq!(client.take_head(), SWITCHING);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let records = rig.records(3);
    let kinds: Vec<_> = records.iter().map(|r| (r.kind, r.client.earlier_requests)).collect();
    assert_eq!(kinds, [(Kind::Http, 0), (Kind::Http, 1), (Kind::Websocket, 2)]);
    assert_eq!(records[1].exchange.as_ref().unwrap().body_c2s, Some(4));
}

#[test]
fn an_upgrade_may_be_pipelined_behind_requests_with_bodies() {
    let rig = Rig::new();
    let head = upgrade("/last", "");
    let all = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
         PUT /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n{head}"
    );
    let (mut client, mut plain) = rig.dial(&all);
    let (_, body) = answer(&mut plain, 3, OK);
    assert_eq!(body, b"abc");
    let head_of_b = plain.take_head();
    assert!(head_of_b.starts_with("PUT /b"), "{head_of_b}");
    assert_eq!(plain.take_until(b"0\r\n\r\n"), b"3\r\nxyz\r\n0\r\n\r\n");
    plain.send(OK);
    let mut gateway = rig.accept();
    assert_eq!(gateway.take_head(), head);
    gateway.send(SWITCHING);
    assert_eq!(client.take(2 * OK.len()), [OK, OK].concat().as_bytes());
    assert_eq!(client.take_head(), SWITCHING);
    client.fin();
    gateway.fin();
    assert_eq!(rig.record("/last").client.earlier_requests, 2);
}

#[test]
fn requests_whose_turn_never_came_are_not_recorded_as_answered() {
    let rig = Rig::new();
    let last = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let (mut client, mut plain) = rig.dial(format!("{last}GET /late HTTP/1.1\r\nHost: a\r\n\r\n"));
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    answer(&mut plain, 0, closing);
    assert_eq!(client.rest(), (closing.as_bytes().to_vec(), End::Fin));
    let late = rig.record("/late");
    assert_eq!((late.own_answer, late.response), (None, None));
    let exchange = late.exchange.unwrap();
    assert_eq!(exchange.complete, Some(false));
    assert!(exchange.error.unwrap().contains("before its turn"));
}

/// A refusal, how much of it is content, and whether the connection may go on behind it.
struct Refusal {
    response: &'static str,
    body: &'static str,
    goes_on: bool,
}

const fn refusal(response: &'static str, body: &'static str) -> Refusal {
    Refusal { response, body, goes_on: true }
}

const REFUSALS: [Refusal; 10] = [
    refusal(
        "HTTP/1.1 401 Unauthorized\r\nwww-AUTHENTICATE: Bearer\r\nContent-Length: 4\r\n\r\nwho?",
        "who?",
    ),
    refusal("HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n", ""),
    refusal("HTTP/1.1 404 Not  Found\r\nContent-Length:3\r\nX:1\r\nx: 2\r\n\r\nno\n", "no\n"),
    refusal(
        "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\ncontent-length: 1\r\n\r\n!",
        "!",
    ),
    refusal(
        "HTTP/1.1 502 Bad Gateway\r\nTransfer-Encoding: chunked\r\n\r\n\
         4;x=y\r\nno u\r\n3\r\np!\n\r\n0\r\nX-Trailer: 1\r\n\r\n",
        "no up!\n",
    ),
    refusal("HTTP/1.1 301 Moved\r\nLocation: https://b.test/\r\nContent-Length: 0\r\n\r\n", ""),
    refusal(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<!html>ok",
        "<!html>ok",
    ),
    refusal("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", ""),
    Refusal {
        response: "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy",
        body: "busy",
        goes_on: false,
    },
    Refusal {
        response: "HTTP/1.1 400 Bad\r\n\r\nuntil the end",
        body: "until the end",
        goes_on: false,
    },
];

#[test]
fn a_refused_upgrade_reaches_the_client_as_it_is() {
    let rig = Rig::new();
    for (at, Refusal { response, body, goes_on }) in REFUSALS.iter().enumerate() {
        let target = format!("/refused-{at}");
        let (mut client, mut gateway) = rig.dial(upgrade(&target, ""));
        gateway.take_head();
        gateway.send(response);
        assert_eq!(client.take(response.len()), response.as_bytes());
        if *goes_on {
            // The same connection serves another upgrade, on a new connection to the upstream.
            let head = upgrade(&format!("/after-{at}"), "");
            client.send(&head);
            let mut next = rig.accept();
            assert_eq!(next.take_head(), head);
            next.send(SWITCHING);
            assert_eq!(client.take_head(), SWITCHING);
            next.fin();
        } else {
            gateway.fin();
        }
        assert_eq!(client.end(), End::Fin);
        client.fin();
        let record = rig.record(&target);
        let facts = record.response.unwrap();
        assert_eq!(facts.body.as_deref(), Some(*body), "{response}");
        assert_eq!(facts.body_bytes, Some(body.len() as u64), "{response}");
        assert_eq!(facts.accept_ok, None);
        assert_eq!((record.own_answer, record.close.seen_by_client), (None, None), "{response}");
        assert_eq!(record.client.earlier_requests, 0);
        if *goes_on {
            assert_eq!(rig.record(&format!("/after-{at}")).client.earlier_requests, 1);
        }
    }
}

#[test]
fn a_plain_request_may_follow_a_refused_upgrade() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(upgrade("/refused", ""));
    gateway.take_head();
    gateway.send(REFUSALS[0].response);
    client.take(REFUSALS[0].response.len());
    client.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut plain = rig.accept();
    let (head, _) = answer(&mut plain, 0, OK);
    assert!(head.starts_with("GET /page HTTP/1.1\r\n"), "{head}");
    assert_eq!(client.take(OK.len()), OK.as_bytes());
    // The connection that was refused on ended with the refusal's exchange.
    assert_eq!(gateway.end(), End::Fin);
    client.fin();
    assert_eq!(client.end(), End::Fin);
    assert_eq!(rig.records(2).len(), 2);
}

#[test]
fn an_upstream_that_ends_without_an_answer_is_passed_on() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(upgrade("/silent-fin", ""));
    gateway.take_head();
    gateway.fin();
    assert_eq!(client.end(), End::Fin);
    client.fin();
    let (mut client, mut gateway) = rig.dial(upgrade("/silent-reset", ""));
    gateway.take_head();
    gateway.reset();
    assert_eq!(client.end(), End::Reset);
    let record = rig.record("/silent-fin");
    assert_eq!(record.endings[0].kind, EndingKind::Fin);
    assert!(record.response.is_none() && record.own_answer.is_none());
    let record = rig.record("/silent-reset");
    assert_eq!(record.endings[0].kind.name(), "reset");
}
