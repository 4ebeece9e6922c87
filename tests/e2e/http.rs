//! Requests that are not upgrades: streamed through, unchanged in what they mean, whole or
//! visibly broken.

use std::thread;
use std::time::Duration;

use wstap::session::{Kind, Leg, State};

use crate::memory::{peak, stays_flat};
use crate::noise::Noise;
use crate::rig::Rig;
use crate::wire::{Conn, End, sha256};

const LARGE: usize = 64 << 20;
/// What the tap may grow by while tens of megabytes stream through it.
const FLAT: u64 = 24 << 20;

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gateway.test\r\n\r\n")
}

/// Answers the next request and gives its head.
fn serve(gateway: &mut Conn, response: impl AsRef<[u8]>) -> String {
    let head = gateway.take_head();
    gateway.send(response);
    head
}

#[test]
fn pages_and_their_parts_come_over_one_connection() {
    let rig = Rig::new();
    let page = "<!doctype html>\u{1f980}".repeat(500);
    let answers = [
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nsEt-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
             set-cookie: a=1\r\nX-UPPER: v\r\nContent-Length: {}\r\n\r\n{page}",
            page.len()
        ),
        "HTTP/1.1 204 No Content\r\nX-Empty: \r\n\r\n".to_owned(),
        "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 503 Not Ready\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\nno".to_owned(),
    ];
    let (mut client, mut gateway) = rig.dial(get("/0"));
    for (at, answer) in answers.iter().enumerate() {
        if at > 0 {
            client.send(get(&format!("/{at}")));
        }
        let head = serve(&mut gateway, answer);
        assert_eq!(head, get(&format!("/{at}")));
        assert_same_response(&client.take(answer.len()), answer.as_bytes());
    }
    client.fin();
    assert_eq!(client.end(), End::Fin);
    let records = rig.records(answers.len());
    for (record, answer) in records.iter().zip(&answers) {
        assert_eq!((record.kind, record.state), (Kind::Http, State::Ended));
        assert_eq!(record.exchange.as_ref().unwrap().complete, Some(true), "{answer:.40}");
    }
    let finish = records[0].exchange.as_ref().unwrap();
    assert_eq!((finish.body_c2s, finish.body_s2c), (Some(0), Some(page.len() as u64)));
    let statuses: Vec<_> =
        records.iter().map(|r| r.response.as_ref().unwrap().status.unwrap()).collect();
    assert_eq!(statuses, [200, 204, 304, 200, 503]);
}

/// The same but for the reason phrase and the whitespace around values, which HTTP gives no
/// meaning and a library writes anew.
fn assert_same_response(got: &[u8], sent: &[u8]) {
    let parts = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().get(..12).unwrap().to_owned();
        let headers: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
        (status, headers, body.to_owned())
    };
    assert_eq!(parts(got), parts(sent));
}

#[test]
fn head_has_no_body_whatever_its_length_says() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial("HEAD /page HTTP/1.1\r\nHost: gateway.test\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n";
    let head = serve(&mut gateway, answer);
    assert!(head.starts_with("HEAD /page HTTP/1.1\r\n"));
    assert_eq!(client.take_head(), answer);
    client.send(get("/next"));
    serve(&mut gateway, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.take_head(), "HTTP/1.1 204 No Content\r\n\r\n");
    client.fin();
    let records = rig.records(2);
    assert_eq!(records[0].exchange.as_ref().unwrap().complete, Some(true));
}

#[test]
fn events_arrive_at_once_and_chunks_one_by_one() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/events"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    serve(&mut gateway, head);
    assert_eq!(client.take_head(), head);
    for n in 0..5 {
        let event = format!("data: {n}\n\n");
        // Nothing more is sent until this one has arrived.
        gateway.send(format!("{:x}\r\n{event}\r\n", event.len()));
        let size = client.take_until(b"\r\n");
        assert_eq!(String::from_utf8(size).unwrap().trim(), "9");
        assert_eq!(client.take(event.len() + 2), format!("{event}\r\n").as_bytes());
    }
    gateway.send("0\r\n\r\n");
    assert_eq!(client.take(5), b"0\r\n\r\n");
    client.fin();
    assert_eq!(rig.only_record().exchange.unwrap().body_s2c, Some(45));
}

#[test]
fn a_client_that_leaves_an_event_stream_ends_it_upstream() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/events"));
    serve(&mut gateway, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
    client.take_head();
    client.take(6);
    client.reset();
    let (_, end) = gateway.rest();
    assert!(matches!(end, End::Fin | End::Reset), "{end:?}");
    let record = rig.only_record();
    assert_eq!(record.endings[0].kind.name(), "reset");
    assert_eq!(record.exchange.unwrap().complete, Some(false));
}

#[test]
fn a_client_that_leaves_before_the_answer_ends_the_request_upstream() {
    let rig = Rig::new();
    let (client, mut gateway) = rig.dial(get("/slow"));
    assert_eq!(gateway.take_head(), get("/slow"));
    client.reset();
    assert!(matches!(gateway.end(), End::Fin | End::Reset));
    let record = rig.only_record();
    assert_eq!(record.endings[0].kind.name(), "reset");
    assert_eq!(record.exchange.unwrap().complete, Some(false));
}

#[test]
fn a_large_upload_streams_with_flat_memory() {
    let rig = Rig::new();
    let (mut client, mut gateway) =
        rig.dial(format!("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {LARGE}\r\n\r\n"));
    let before = peak(&rig.tap);
    gateway.take_head();
    let writer = thread::spawn(move || {
        let sum = Noise::new(1).send(&mut client, LARGE);
        (client, sum)
    });
    let got = gateway.digest(LARGE);
    let (mut client, sent) = writer.join().unwrap();
    assert_eq!(got, sent);
    gateway.send("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert!(client.take_head().starts_with("HTTP/1.1 201 Created\r\n"));
    stays_flat(&rig.tap, before, FLAT);
    client.fin();
    assert_eq!(rig.only_record().exchange.unwrap().body_c2s, Some(LARGE as u64));
}

#[test]
fn a_large_download_streams_with_flat_memory() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/download"));
    let before = peak(&rig.tap);
    serve(&mut gateway, format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"));
    let writer = thread::spawn(move || Noise::new(2).send(&mut gateway, LARGE));
    client.take_head();
    let got = client.digest(LARGE);
    assert_eq!(got, writer.join().unwrap());
    stays_flat(&rig.tap, before, FLAT);
    client.fin();
    assert_eq!(rig.only_record().exchange.unwrap().body_s2c, Some(LARGE as u64));
}

#[test]
fn a_client_may_wait_for_100_continue() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig
        .dial("POST /big HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    let head = gateway.take_head();
    assert!(head.contains("\r\nExpect: 100-continue\r\n"), "{head}");
    gateway.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.take_head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(gateway.take(4), b"body");
    gateway.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.take_head(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.take(2), b"ok");
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let record = rig.only_record();
    assert_eq!((record.kind, record.frames.c2s.bytes), (Kind::Http, 4));
    let answer = record.response.unwrap();
    assert_eq!((answer.status, answer.interim), (Some(200), vec![100]));
}

#[test]
fn a_refused_expectation_is_the_upstreams_own() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig
        .dial("POST /big HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    serve(&mut gateway, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n");
    assert!(client.take_head().starts_with("HTTP/1.1 417 "));
    client.fin();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let rig = Rig::new();
    let all: String = (0..5).map(|n| get(&format!("/{n}"))).collect();
    let (mut client, mut gateway) = rig.dial(all);
    for n in 0..5 {
        let head = serve(&mut gateway, format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}"));
        assert_eq!(head, get(&format!("/{n}")));
    }
    for n in 0..5 {
        client.take_head();
        assert_eq!(client.take(1), n.to_string().as_bytes());
    }
    client.fin();
    assert_eq!(rig.records(5).len(), 5);
}

#[test]
fn an_http_1_0_client_gets_an_answer_that_ends_with_the_connection() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial("GET /old HTTP/1.0\r\nX-Old: 1\r\n\r\n");
    let head = serve(
        &mut gateway,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    assert!(head.starts_with("GET /old HTTP/1."), "{head}");
    let answer = client.take_head();
    assert!(!answer.to_ascii_lowercase().contains("chunked"), "{answer}");
    assert_eq!(client.rest(), (b"abc".to_vec(), End::Fin));
}

#[test]
fn a_client_may_end_its_direction_after_the_request() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/half-close"));
    client.fin();
    gateway.take_head();
    gateway.stays_silent(Duration::from_millis(300));
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    gateway.send(answer);
    assert_eq!(client.rest(), (answer.as_bytes().to_vec(), End::Fin));
    assert_eq!(rig.only_record().exchange.unwrap().complete, Some(true));
}

#[test]
fn a_body_that_breaks_off_is_broken_for_the_client_too() {
    let rig = Rig::new();
    let heads = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ];
    for (at, half) in heads.iter().enumerate() {
        for reset in [false, true] {
            let path = format!("/broken-{at}-{reset}");
            let (mut client, mut gateway) = rig.dial(get(&path));
            serve(&mut gateway, half);
            assert_eq!(client.take(half.len()), half.as_bytes());
            if reset {
                gateway.reset();
            } else {
                gateway.fin();
            }
            // Not the end of a chunked body, and not ten bytes.
            let (rest, _) = client.rest();
            assert_eq!(rest, b"", "{path}");
            let finish = rig.record(&path).exchange.unwrap();
            assert_eq!((finish.complete, finish.body_s2c), (Some(false), Some(4)), "{path}");
        }
    }
}

#[test]
fn a_body_until_close_is_complete_when_the_upstream_ends() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/until-close"));
    let body = Noise::new(3).bytes(100_000);
    serve(&mut gateway, [&b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"[..], &body].concat());
    gateway.fin();
    let head = client.take_head();
    let (rest, end) = client.rest();
    assert_eq!(end, End::Fin);
    let whole = if head.to_ascii_lowercase().contains("chunked") { unchunked(&rest) } else { rest };
    assert_eq!(sha256(&whole), sha256(&body));
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let at = memchr::memmem::find(bytes, b"\r\n").expect("a chunk size");
        let size = usize::from_str_radix(str::from_utf8(&bytes[..at]).unwrap(), 16).unwrap();
        let (chunk, rest) = bytes[at + 2..].split_at(size);
        whole.extend_from_slice(chunk);
        bytes = &rest[2..];
        if size == 0 {
            return whole;
        }
    }
}

#[test]
fn an_upstream_that_closed_between_requests_is_dialled_again() {
    let rig = Rig::new();
    let (mut client, mut first) = rig.dial(get("/1"));
    serve(&mut first, "HTTP/1.1 204 No Content\r\n\r\n");
    client.take_head();
    first.fin();
    assert_eq!(first.end(), End::Fin);
    client.send(get("/2"));
    let mut second = rig.accept();
    serve(&mut second, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.take_head(), "HTTP/1.1 204 No Content\r\n\r\n");
    client.fin();
    let records = rig.records(2);
    assert_ne!(
        records[0].upstream.dial.as_ref().unwrap().local,
        records[1].upstream.dial.as_ref().unwrap().local
    );
}

#[test]
fn a_request_whose_framing_is_disputed_is_the_upstreams_to_judge() {
    let rig = Rig::new();
    for framing in [
        "Content-Length: x",
        "Content-Length: +2",
        "Content-Length: 2, 2",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
    ] {
        let request = format!("POST /disputed HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\nhi");
        let (mut client, mut gateway) = rig.dial(&request);
        assert_eq!(gateway.take(request.len()), request.as_bytes(), "{framing}");
        let answer = "HTTP/1.1 400 Own Words\r\nX: y\r\nContent-Length: 2\r\n\r\nno";
        gateway.send(answer);
        assert_eq!(client.take(answer.len()), answer.as_bytes(), "{framing}");
        client.fin();
        gateway.fin();
    }
}

#[test]
fn an_answer_comes_while_half_of_the_next_request_is_there() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.dial(get("/first") + "GET /second HT");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(serve(&mut gateway, answer), get("/first"));
    assert_eq!(client.take(answer.len()), answer.as_bytes());
    client.send("TP/1.1\r\nHost: gateway.test\r\n\r\n");
    assert_eq!(serve(&mut gateway, answer), get("/second"));
    assert_eq!(client.take(answer.len()), answer.as_bytes());
}

#[test]
fn odd_answers_that_clients_take_go_through() {
    let rig = Rig::new();
    let folded = "HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nX-B : c\r\nContent-Length: 2\r\n\r\nhi";
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n\
                2\r\nhi\r\n0\r\n\r\n";
    for (answer, body) in [(folded, "hi"), (both, "2\r\nhi\r\n0\r\n\r\n")] {
        let (mut client, mut gateway) = rig.dial(get("/odd"));
        serve(&mut gateway, answer);
        assert!(client.take_head().starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(client.take(body.len()), body.as_bytes());
    }
}

#[test]
fn a_client_that_breaks_its_upload_off_is_the_one_that_ended() {
    let rig = Rig::new();
    let head = "POST /broken HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n";
    let (mut client, mut gateway) = rig.dial(format!("{head}hello"));
    assert_eq!(gateway.take(head.len() + 5), format!("{head}hello").as_bytes());
    client.fin();
    gateway.rest();
    let record = rig.only_record();
    let endings: Vec<_> = record.endings.iter().map(|e| (e.leg, e.kind.name())).collect();
    assert_eq!(endings, [(Leg::Downstream, "fin")]);
    let exchange = record.exchange.unwrap();
    assert_eq!((exchange.complete, exchange.body_c2s), (Some(false), Some(5)));
    assert!(exchange.error.unwrap().contains("client"));
}

#[test]
fn an_upstream_that_breaks_its_answer_off_is_the_one_that_ended() {
    let rig = Rig::new();
    for (target, reset) in [("/reset", true), ("/fin", false)] {
        let (mut client, mut gateway) = rig.dial(get(target));
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello";
        serve(&mut gateway, answer);
        assert_eq!(client.take(answer.len()), answer.as_bytes());
        if reset {
            gateway.reset();
        } else {
            gateway.fin();
        }
        client.rest();
        client.fin();
        let record = rig.record(target);
        let endings: Vec<_> = record.endings.iter().map(|e| (e.leg, e.kind.name())).collect();
        assert_eq!(endings, [(Leg::Upstream, if reset { "reset" } else { "fin" })], "{target}");
    }
}
