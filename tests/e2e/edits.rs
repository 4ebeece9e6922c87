//! What options change in request heads, and that the record says so; PROXY protocol headers.

use wstap::session::Change;

use crate::rig::{Rig, SWITCHING, upgrade};
use crate::wire::{Conn, End};

fn change(what: &str, header: &str, value: Option<&str>, option: &str) -> Change {
    Change {
        what: what.to_owned(),
        header: header.to_owned(),
        value: value.map(str::to_owned),
        option: option.to_owned(),
    }
}

/// The head that the upstream got for this one, and what the record says was changed.
fn through(rig: &Rig, target: &str, head: &str) -> (String, Vec<Change>) {
    let (mut client, mut gateway) = rig.dial(head);
    let seen = gateway.take_head();
    gateway.send(SWITCHING);
    client.take_head();
    client.fin();
    gateway.fin();
    let request = rig.record(target).request.unwrap();
    assert_eq!(request.head.raw, head, "the record shows what the client sent");
    (seen, request.changes)
}

#[test]
fn headers_are_set_and_removed_and_nothing_else_is_touched() {
    let rig = Rig::with(&[
        "--set-header",
        "X-Dup: new",
        "--set-header",
        "X-Added:  yes",
        "--remove-header",
        "user-agent",
        "--remove-header",
        "absent",
    ]);
    let head = upgrade("/set", "x-dup: 1\r\nUser-AGENT: odd\r\nX-Odd:  kept \r\nX-DUP:2\r\n");
    let (seen, changes) = through(&rig, "/set", &head);
    let wanted = head
        .replace("x-dup: 1\r\n", "X-Dup: new\r\n")
        .replace("User-AGENT: odd\r\n", "")
        .replace("X-DUP:2\r\n\r\n", "X-Added: yes\r\n\r\n");
    assert_eq!(seen, wanted);
    assert_eq!(
        changes,
        [
            change("set", "X-Dup", Some("new"), "--set-header"),
            change("set", "X-Added", Some("yes"), "--set-header"),
            change("removed", "user-agent", None, "--remove-header"),
        ]
    );
}

#[test]
fn plain_requests_are_edited_too() {
    let rig = Rig::with(&["--set-header", "X-Added: yes", "--remove-header", "accept"]);
    let (mut client, mut gateway) =
        rig.dial("GET /page HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n");
    let head = gateway.take_head();
    assert!(head.contains("\r\nX-Added: yes\r\n") && !head.contains("Accept"), "{head}");
    gateway.send("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(client.take_head(), "HTTP/1.1 204 No Content\r\n\r\n");
    client.fin();
    assert_eq!(rig.record("/page").request.unwrap().changes.len(), 2);
}

#[test]
fn the_clients_address_is_appended_or_replaces_what_was_there() {
    let forwarded = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n\
                     X-Real-IP: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n";
    let rig = Rig::with(&["--forwarded", "append"]);
    let head = upgrade("/append", forwarded);
    let (seen, changes) = through(&rig, "/append", &head);
    let wanted = head
        .replace("For: 203.0.113.9\r\nForw", "For: 203.0.113.9, 127.0.0.1\r\nForw")
        .replace("https\r\n\r\n", "https\r\nX-Forwarded-Host: gateway.test\r\n\r\n");
    assert_eq!(seen, wanted);
    let what: Vec<_> = changes.iter().map(|c| (c.what.as_str(), c.header.as_str())).collect();
    assert_eq!(what, [("appended", "X-Forwarded-For"), ("set", "X-Forwarded-Host")]);

    let twice = "X-Forwarded-For: 203.0.113.1\r\nA: b\r\nx-forwarded-for: 203.0.113.2\r\n";
    let (seen, _) = through(&rig, "/twice", &upgrade("/twice", twice));
    let chain = "\r\nX-Forwarded-For: 203.0.113.1, 203.0.113.2, 127.0.0.1\r\nA: b\r\n";
    assert!(seen.contains(chain), "{seen}");

    let rig = Rig::with(&["--forwarded", "replace"]);
    let (seen, changes) = through(&rig, "/replace", &upgrade("/replace", forwarded));
    let wanted = upgrade(
        "/replace",
        "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n\
         X-Forwarded-Host: gateway.test\r\n",
    );
    assert_eq!(seen, wanted);
    assert!(changes.iter().all(|change| change.option == "--forwarded"), "{changes:#?}");
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n";

fn v2() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([192, 0, 2, 8, 192, 0, 2, 1]);
    header.extend(4712_u16.to_be_bytes());
    header.extend(443_u16.to_be_bytes());
    header
}

#[test]
fn a_proxy_header_of_a_trusted_peer_is_taken_off_and_recorded() {
    let rig = Rig::with(&["--proxy-protocol-from", "127.0.0.0/8", "--forwarded", "append"]);
    for (header, version, ip, port) in
        [(V1.to_vec(), 1, "192.0.2.7", 4711), (v2(), 2, "192.0.2.8", 4712)]
    {
        let target = format!("/v{version}");
        let head = upgrade(&target, "");
        let (mut client, mut gateway) = rig.dial([&header, head.as_bytes()].concat());
        let seen = gateway.take_head();
        assert!(seen.contains(&format!("X-Forwarded-For: {ip}\r\n")), "{seen}");
        gateway.send(SWITCHING);
        client.take_head();
        let own = client.local_addr().to_string();
        client.fin();
        gateway.fin();
        let side = rig.record(&target).client;
        assert_eq!(side.addr, own);
        let recorded = side.proxy_header.unwrap();
        assert_eq!(recorded.version, version);
        assert_eq!(recorded.source, Some(format!("{ip}:{port}")));
        assert_eq!(recorded.destination.as_deref(), Some("192.0.2.1:443"));
    }
}

#[test]
fn a_proxy_header_of_anybody_else_is_traffic() {
    let rig = Rig::with(&["--proxy-protocol-from", "192.0.2.0/24"]);
    let bytes = [V1, upgrade("/x", "").as_bytes()].concat();
    let (mut client, mut gateway) = rig.dial(&bytes);
    assert_eq!(gateway.take(bytes.len()), bytes);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let record = rig.only_record();
    assert_eq!(record.client.proxy_header, None);
    assert_eq!(record.opaque.unwrap().what, "not_http");
}

#[test]
fn a_trusted_peer_without_a_proxy_header_is_refused_and_recorded() {
    let rig = Rig::with(&["--proxy-protocol-from", "127.0.0.1"]);
    let mut client = Conn::tcp(rig.tap.addr);
    client.send(upgrade("/x", ""));
    let (bytes, _) = client.rest();
    assert!(bytes.is_empty());
    assert!(rig.gateway.nobody_came());
    let record = rig.only_record();
    assert_eq!(record.endings[0].kind.name(), "cut_by_wstap");
    // The next one is served.
    let (mut client, mut gateway) = rig.dial([V1, upgrade("/next", "").as_bytes()].concat());
    gateway.take_head();
    gateway.send(SWITCHING);
    client.take_head();
}
