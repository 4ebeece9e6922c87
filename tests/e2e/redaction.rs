//! A known token is sent everywhere a secret travels, and is found nowhere afterwards.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use wstap::session::{Record, Redaction};
use wstap::store::{Filter, Reader};

use crate::frame::{self, CLOSE, PING, TEXT, close_payload};
use crate::rig::{Rig, SWITCHING, upgrade};
use crate::wire::{Conn, End, PATIENCE};

const TOKEN: &str = "S3cr3t+9f27/c1d4e8b6a05f7733";
const OTHER: &str = "0th3r-5d1c8b7e2f60a9944c11";
/// The middle of the token, without a letter that any escape would change.
const CORE: &str = "c1d4e8b6a05f7733";

/// The token as it may be written in a URL.
fn percent(text: &str) -> String {
    text.replace('+', "%2B").replace('/', "%2F")
}

/// Every byte of it escaped.
fn percent_all(text: &str, upper: bool) -> String {
    text.bytes().fold(String::new(), |mut all, byte| {
        if upper { write!(all, "%{byte:02X}") } else { write!(all, "%{byte:02x}") }.unwrap();
        all
    })
}

fn json_escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, letter| {
        write!(all, "\\u{:04x}", u32::from(letter)).unwrap();
        all
    })
}

/// What of the base64 of any text with the token in it is the token's alone, at each alignment.
fn base64_cores(text: &str) -> Vec<String> {
    let aligned = |skip: usize| {
        let padded = [&vec![b'x'; skip][..], text.as_bytes()].concat();
        let encoded = STANDARD_NO_PAD.encode(padded);
        encoded[4 * skip.div_ceil(3)..encoded.len() - 4].to_owned()
    };
    (0..3).map(aligned).collect()
}

/// Everything that must not be found.
fn needles(token: &str) -> Vec<String> {
    let mut needles = vec![
        token.to_owned(),
        percent(token),
        percent_all(token, true),
        percent_all(token, false),
        json_escaped(token),
        token.replace('/', "\\/"),
    ];
    needles.extend(base64_cores(token));
    if token == TOKEN {
        needles.push(CORE.to_owned());
        needles.extend(base64_cores(CORE));
    }
    needles
}

/// Every place that outlives the traffic, by name: the store's files, what the store says of each
/// session, and the log.
fn places(rig: &Rig) -> Vec<(String, Vec<u8>)> {
    let store = rig.tap.store();
    let mut places: Vec<(String, Vec<u8>)> = ["", "-wal", "-shm"]
        .iter()
        .map(|ending| PathBuf::from(format!("{}{ending}", store.display())))
        .filter_map(|path| Some((path.display().to_string(), fs::read(path).ok()?)))
        .collect();
    let reader = Reader::open(&store).unwrap();
    for listed in reader.list(&Filter::default()).unwrap() {
        let record = reader.record(listed.id).unwrap();
        let events = reader.events(listed.id).unwrap();
        let text = serde_json::to_vec(&(record, events)).unwrap();
        places.push((format!("session {:?} {listed:?}", listed.path), text));
    }
    places.push(("the log".to_owned(), rig.tap.child.stderr.all().join("\n").into_bytes()));
    places
}

fn assert_found_nowhere(rig: &Rig, tokens: &[&str]) {
    for (place, bytes) in places(rig) {
        for needle in tokens.iter().flat_map(|token| needles(token)) {
            let found = memchr::memmem::find(&bytes, needle.as_bytes());
            let near = found.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(400)..at]));
            assert_eq!(near, None, "a form of the token of {} bytes is in {place}", needle.len());
        }
    }
}

/// The opening exchange of PROTOCOL.md §1.3, as the real client writes it.
fn connect(token: &str) -> String {
    format!(
        r#"{{"type":"req","id":"1","method":"connect","params":{{"minProtocol":4,"maxProtocol":4,"client":{{"id":"cli","version":"2026.9.6","platform":"linux","mode":"cli"}},"role":"operator","scopes":["operator.read"],"auth":{{"token":"{token}"}}}}}}"#
    )
}

const CHALLENGE: &str = r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"d3061aef-327e-4c2d-88da-0a224a0df271","ts":1795146300642}}"#;

/// An OpenClaw session whose `connect` request is sent as these bytes.
fn opening(rig: &Rig, target: &str, connect_frames: &[u8], token: &str) -> Record {
    let (mut client, mut gateway) = rig.session(target);
    let challenge = frame::from_gateway(TEXT, CHALLENGE);
    gateway.send(&challenge);
    assert_eq!(client.take(challenge.len()), challenge);
    client.send(connect_frames);
    assert_eq!(gateway.take(connect_frames.len()), connect_frames);
    let refusal = format!(
        r#"{{"type":"res","id":"1","ok":false,"error":{{"code":"INVALID_REQUEST","message":"unauthorized: {token} does not match","details":{{"code":"AUTH_TOKEN_MISMATCH"}}}}}}"#
    );
    let ends = [
        frame::from_gateway(TEXT, refusal),
        frame::from_gateway(PING, token),
        frame::from_gateway(CLOSE, close_payload(1008, &format!("unauthorized: {token}"))),
    ]
    .concat();
    gateway.send(&ends);
    gateway.fin();
    assert_eq!(client.rest(), (ends, End::Fin));
    client.fin();
    rig.record(target)
}

/// What was taken out of the field with this name, wherever it stands in the record.
fn taken_out<'a>(record: &'a Record, field: &str) -> Vec<&'a Redaction> {
    let heads = [
        record.request.as_ref().map(|request| &request.head.redactions),
        record.response.as_ref().map(|response| &response.head.redactions),
    ];
    let messages = record.messages.iter().map(|message| &message.fact.redactions);
    let all = heads.into_iter().flatten().chain(messages).flatten();
    all.filter(|redaction| redaction.field.eq_ignore_ascii_case(field)).collect()
}

#[test]
fn a_token_in_heads_is_found_nowhere() {
    let rig = Rig::new();
    let more = format!(
        "Authorization: Bearer {TOKEN}\r\nCookie: theme=dark; session={TOKEN}; n=1\r\n\
         X-Api-Key: {TOKEN}\r\nReferer: https://a.test/?token={}\r\nX-Note: it is {TOKEN}!\r\n",
        percent(TOKEN)
    );
    let target = format!("/ws?room=1&token={}&x=%{:02X}", percent(TOKEN), b'y');
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{OTHER}"));
    let (mut client, mut gateway) = rig.session_with(&target, &more, SWITCHING);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let with_basic = format!("Authorization: Basic {basic}\r\n");
    let (mut client, mut gateway) = rig.session_with("/basic", &with_basic, SWITCHING);
    client.fin();
    gateway.fin();
    let record = &rig.records(2)[0];
    let bearer = taken_out(record, "authorization");
    assert_eq!((bearer.len(), bearer[0].len), (1, TOKEN.len()));
    let query = taken_out(record, "query:token");
    assert_eq!(query[0].fingerprint, bearer[0].fingerprint, "equal tokens, equal fingerprints");
    let head = &record.request.as_ref().unwrap().head;
    assert!(head.raw.contains("theme=[") && head.raw.contains("room=1"), "{}", head.raw);
    assert_eq!(bearer[0].fingerprint.len(), 8);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
    assert_found_nowhere_base64(&rig, &basic);
}

fn assert_found_nowhere_base64(rig: &Rig, encoded: &str) {
    for (place, bytes) in places(rig) {
        assert!(memchr::memmem::find(&bytes, encoded.as_bytes()).is_none(), "{place}");
    }
}

#[test]
fn a_token_in_the_opening_exchange_is_found_nowhere() {
    let mut rig = Rig::new();
    let plain = connect(TOKEN);
    let escaped = connect(&json_escaped(TOKEN));
    let solidus = connect(&TOKEN.replace('/', "\\/"));
    let cases = [
        ("/whole", frame::from_client(TEXT, &plain)),
        ("/three-frames", frame::fragments(TEXT, plain.as_bytes(), 3)),
        ("/many-frames", frame::fragments(TEXT, plain.as_bytes(), plain.len() / 2)),
        ("/escaped", frame::from_client(TEXT, &escaped)),
        ("/escaped-frames", frame::fragments(TEXT, escaped.as_bytes(), 7)),
        ("/solidus", frame::from_client(TEXT, &solidus)),
        ("/spaced", frame::from_client(TEXT, plain.replace(':', " : ").replace(',', " ,\n\t"))),
    ];
    let mut fingerprints = Vec::new();
    for (target, bytes) in &cases {
        let record = opening(&rig, target, bytes, TOKEN);
        let taken = taken_out(&record, "params.auth.token");
        assert_eq!(taken.len(), 1, "{target}: {:#?}", record.messages);
        fingerprints.push(taken[0].fingerprint.clone());
        assert_eq!(record.close.code, Some(1008));
        assert!(record.close.reason.unwrap().starts_with("unauthorized"), "{target}");
        assert!(record.openclaw.unwrap().refusal.is_some(), "{target}");
    }
    let other = opening(&rig, "/other", &frame::from_client(TEXT, connect(OTHER)), OTHER);
    let other = taken_out(&other, "params.auth.token")[0].fingerprint.clone();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 1, "equal tokens have equal fingerprints: {fingerprints:?}");
    assert_ne!(fingerprints[0], other);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
    // Once more when everything has been written out.
    rig.tap.child.terminate();
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
}

#[test]
fn it_is_found_nowhere_whatever_is_captured() {
    for capture in ["none", "text", "all"] {
        let rig = Rig::with(&["--capture", capture]);
        opening(&rig, "/opening", &frame::fragments(TEXT, connect(TOKEN).as_bytes(), 3), TOKEN);
        assert_found_nowhere(&rig, &[TOKEN]);
    }
}

#[test]
fn an_opening_exchange_that_is_never_finished_is_found_nowhere() {
    let rig = Rig::new();
    let message = connect(TOKEN);
    let at = message.find(TOKEN).unwrap() + TOKEN.len() / 2;
    let bytes = frame::from_client(TEXT, &message);
    let header = bytes.len() - message.len();
    // Cut in the middle of the token, then behind it; and broken JSON.
    for (target, cut) in [("/half", header + at), ("/behind", bytes.len() - 2)] {
        let (mut client, mut gateway) = rig.session(target);
        client.send(&bytes[..cut]);
        client.fin();
        assert_eq!(gateway.rest(), (bytes[..cut].to_vec(), End::Fin));
        gateway.fin();
        rig.record(target);
    }
    let broken = frame::from_client(TEXT, &message[..message.len() - 3]);
    let (mut client, mut gateway) = rig.session("/broken");
    client.send(&broken);
    gateway.take(broken.len());
    client.fin();
    gateway.fin();
    rig.record("/broken");
    assert_found_nowhere(&rig, &[TOKEN]);
    for (place, bytes) in places(&rig) {
        let half = &TOKEN[..TOKEN.len() / 2];
        assert!(memchr::memmem::find(&bytes, half.as_bytes()).is_none(), "{place}");
    }
}

#[test]
fn a_token_in_a_refusal_or_a_page_is_found_nowhere() {
    let rig = Rig::new();
    let target = format!("/refused?token={}", percent(TOKEN));
    let (mut client, mut gateway) = rig.dial(upgrade(&target, ""));
    gateway.take_head();
    let body = format!("no such token: {TOKEN} (token={OTHER})");
    let answer = format!(
        "HTTP/1.1 401 Unauthorized\r\nSet-Cookie: session={TOKEN}; Path=/\r\n\
         Location: /login?token={}\r\nContent-Length: {}\r\n\r\n{body}",
        percent(TOKEN),
        body.len()
    );
    gateway.send(&answer);
    assert_eq!(client.take(answer.len()), answer.as_bytes());
    client.fin();
    gateway.fin();
    let page = format!("GET /page?access_token={} HTTP/1.1\r\nHost: a\r\n", percent(TOKEN));
    let (mut client, mut gateway) =
        rig.dial(format!("{page}Authorization: Bearer {TOKEN}\r\n\r\n"));
    gateway.take_head();
    gateway.send("HTTP/1.1 204 No Content\r\n\r\n");
    client.take_head();
    client.fin();
    rig.records(2);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
}

#[test]
fn a_token_towards_an_upstream_that_is_gone_is_found_nowhere() {
    let closed = format!("ws://127.0.0.1:{}", crate::support::free_port());
    let rig = Rig::towards(&closed, &["--set-header", &format!("Authorization: Bearer {OTHER}")]);
    let target = format!("/gone?token={}", percent(TOKEN));
    let mut client: Conn = rig.connect();
    client.send(upgrade(&target, &format!("Authorization: Bearer {TOKEN}\r\n")));
    client.rest();
    client.fin();
    rig.records(1);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
}

#[test]
fn a_token_in_what_was_cut_off_is_found_nowhere() {
    let rig = Rig::new();
    // In a head that never became complete.
    let (mut client, mut gateway) = rig.dial(upgrade("/head", ""));
    gateway.take_head();
    let answer = format!("HTTP/1.1 401 No\r\nSet-Cookie: sid={OTHER}\r\nX-Session: {OTHER}");
    gateway.send(&answer);
    gateway.fin();
    assert_eq!(client.rest(), (answer.into_bytes(), End::Fin));
    client.fin();
    // Half of it at the end of what is kept of a body.
    let (mut client, mut gateway) =
        rig.dial(upgrade("/body", &format!("Authorization: Bearer {TOKEN}\r\n")));
    gateway.take_head();
    let half = TOKEN.len() - 4;
    let body = format!("{} {TOKEN} is no token", "x".repeat(4096 - 1 - half));
    let answer = format!("HTTP/1.1 401 No\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    gateway.send(&answer);
    assert_eq!(client.take(answer.len()), answer.as_bytes());
    client.fin();
    gateway.fin();
    rig.records(2);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
}

#[test]
fn a_token_in_an_envelope_is_found_nowhere() {
    let rig = Rig::new();
    opening(&rig, "/opening", &frame::from_client(TEXT, connect(TOKEN)), TOKEN);
    let (mut client, mut gateway) = rig.session("/envelopes");
    let messages = [
        connect(TOKEN).replace("\"cli\"", &format!("\"{TOKEN}\"")),
        format!(r#"{{"type":"req","id":"{TOKEN}","method":"token={OTHER}"}}"#),
        format!(r#"{{"type":"res","id":"2","ok":false,"error":{{"code":"{TOKEN}"}}}}"#),
    ];
    for message in &messages {
        let bytes = frame::from_client(TEXT, message);
        client.send(&bytes);
        gateway.take(bytes.len());
    }
    client.fin();
    gateway.fin();
    rig.records(2);
    assert_found_nowhere(&rig, &[TOKEN, OTHER]);
}

#[test]
fn without_redaction_it_is_kept_and_warned_about() {
    let rig = Rig::with(&["--no-redact"]);
    rig.tap.child.stderr.first(PATIENCE, |line| line.contains("WARNING"));
    opening(&rig, "/clear", &frame::from_client(TEXT, connect(TOKEN)), TOKEN);
    let all: Vec<u8> = places(&rig).into_iter().flat_map(|(_, bytes)| bytes).collect();
    assert!(memchr::memmem::find(&all, TOKEN.as_bytes()).is_some());
}
