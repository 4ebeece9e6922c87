//! Clients that are slow, endless or nonsense, and a process without descriptors: each is
//! recorded, and the next client is served.

use std::thread;
use std::time::Duration;

use wstap::session::Kind;

use crate::noise::Noise;
use crate::rig::{Gateway, Rig, SWITCHING, headers, upgrade};
use crate::support::tap::Wstap;
use crate::support::wait_for;
use crate::wire::{Conn, End, PATIENCE};

fn the_next_one_is_served(rig: &Rig) {
    let (mut client, mut gateway) = rig.session("/next");
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    assert_eq!(client.end(), End::Fin);
    assert_eq!(rig.record("/next").response.unwrap().status, Some(101));
}

#[test]
fn a_head_that_does_not_end_in_time_goes_on_as_bytes() {
    let rig = Rig::with(&["--head-timeout", "300ms"]);
    let mut slow = rig.connect();
    slow.send("GET / HTTP/1.1\r\nHos");
    let mut gateway = rig.accept();
    assert_eq!(gateway.take(19), b"GET / HTTP/1.1\r\nHos");
    the_next_one_is_served(&rig);
    // From here on it is a matter between the two.
    slow.send("t: a\r\n\r\n");
    assert_eq!(gateway.take(8), b"t: a\r\n\r\n");
    let answer = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n";
    gateway.send(answer);
    gateway.fin();
    assert_eq!(slow.rest(), (answer.as_bytes().to_vec(), End::Fin));
    slow.fin();
    let records = rig.records(2);
    assert_eq!(records[0].opaque.as_ref().unwrap().what, "slow_head");
}

#[test]
fn a_client_without_a_byte_waits_as_long_as_it_likes() {
    let rig = Rig::with(&["--head-timeout", "100ms"]);
    let mut early = rig.connect();
    early.stays_silent(Duration::from_millis(600));
    let head = upgrade("/early", "");
    early.send(&head);
    let mut gateway = rig.accept();
    assert_eq!(gateway.take_head(), head);
    gateway.send(SWITCHING);
    early.take_head();
    early.fin();
    gateway.fin();
    assert_eq!(rig.record("/early").kind, Kind::Websocket);
}

#[test]
fn endless_heads_go_on_as_bytes_and_the_upstream_answers() {
    let rig = Rig::new();
    let many = headers(10_000);
    let long = format!("X: {}\r\n", "x".repeat(1 << 20));
    for lines in [many, long] {
        let request = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        let mut client = rig.connect();
        let mut gateway = thread::scope(|scope| {
            let mut writer = client.twin();
            scope.spawn({
                let request = &request;
                move || writer.send(request)
            });
            let mut gateway = rig.accept();
            assert_eq!(gateway.take(request.len()), request.as_bytes());
            gateway
        });
        let answer = "HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n";
        gateway.send(answer);
        gateway.fin();
        assert_eq!(client.rest(), (answer.as_bytes().to_vec(), End::Fin));
        client.fin();
        the_next_one_is_served(&rig);
    }
    let records = rig.records(4);
    assert_eq!(records[0].opaque.as_ref().unwrap().what, "head_too_long");
    assert_eq!(records[2].opaque.as_ref().unwrap().what, "head_too_long");
}

#[test]
fn garbage_and_nothing_at_all_are_recorded() {
    let rig = Rig::new();
    let mut noise = Noise::new(11);
    for _ in 0..20 {
        let size = noise.0.usize(1..3000);
        let garbage = [&[0x00][..], &noise.bytes(size)].concat();
        let (mut client, mut gateway) = rig.dial(&garbage);
        assert_eq!(gateway.take(garbage.len()), garbage);
        gateway.reset();
        assert_eq!(client.end(), End::Reset);
    }
    let mut nothing = rig.connect();
    nothing.fin();
    assert_eq!(nothing.end(), End::Fin);
    rig.connect().reset();
    let records = rig.records(22);
    assert!(records.iter().all(|record| record.kind == Kind::Opaque));
    let what: Vec<_> = records.iter().map(|r| r.opaque.as_ref().unwrap().what.as_str()).collect();
    assert_eq!(what.iter().filter(|what| **what == "not_http").count(), 20);
    assert_eq!(what.iter().filter(|what| **what == "no_bytes").count(), 2);
    assert!(rig.gateway.nobody_came(), "nothing is dialled for a client that says nothing");
    the_next_one_is_served(&rig);
}

#[test]
fn a_head_that_breaks_off_is_recorded_as_one() {
    let rig = Rig::new();
    let begun = "GET /begun HTTP/1.1\r\nHo";
    // After a FIN there is still somebody to answer.
    let (mut client, mut gateway) = {
        let mut client = rig.connect();
        client.send(begun);
        client.fin();
        (client, rig.accept())
    };
    assert_eq!(gateway.rest(), (begun.as_bytes().to_vec(), End::Fin));
    gateway.fin();
    assert_eq!(client.end(), End::Fin);
    let record = rig.only_record();
    assert_eq!(record.opaque.unwrap().what, "incomplete_head");
    assert_eq!(record.frames.c2s.bytes, begun.len() as u64);

    // After a reset there is nobody; on a fresh connection, and behind a refused upgrade.
    let mut fresh = rig.connect();
    fresh.send(begun);
    fresh.until_acknowledged();
    fresh.reset();
    let refusal = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
    let (mut refused, _gateway) = rig.session_with("/refused", "", refusal);
    refused.send(begun);
    refused.until_acknowledged();
    refused.reset();
    let records = rig.records(4);
    let broken: Vec<_> = records
        .iter()
        .filter(|record| record.endings.first().is_some_and(|end| end.kind.name() == "reset"))
        .collect();
    assert_eq!(broken.len(), 2, "{records:#?}");
    for record in broken {
        assert_eq!(record.opaque.as_ref().unwrap().what, "incomplete_head");
        assert_eq!(record.notes.iter().filter(|n| n.slug == "not_passed_on").count(), 1);
    }
    the_next_one_is_served(&rig);
}

#[test]
fn out_of_descriptors_it_pauses_says_so_and_goes_on() {
    let gateway = Gateway::tcp();
    let tap = Wstap::start_with_descriptors(&gateway.url("ws"), 40);
    let mut held: Vec<Conn> = (0..60).map(|_| Conn::tcp(tap.addr)).collect();
    let said = tap.child.stderr.first(PATIENCE, |line| line.contains("accepts no clients for now"));
    assert!(said.contains("ulimit -n"), "{said}");
    for conn in &mut held {
        conn.fin();
    }
    drop(held);
    tap.child.stderr.first(PATIENCE, |line| line.contains("accepts clients again"));
    // Among those that came meanwhile one may still have found no descriptor for its dial.
    wait_for("a served client", PATIENCE, || {
        let mut client = Conn::tcp(tap.addr);
        client.send(upgrade("/next", ""));
        let mut upstream = gateway.accept();
        upstream.take_head();
        upstream.send(SWITCHING);
        (client.take_head() == SWITCHING).then_some(())
    });
}
