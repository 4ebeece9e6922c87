//! Signals: what becomes of sessions, clients and certificates.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use wstap::session::{EndingKind, Leg, Record, State};

use crate::frame::{self, TEXT};
use crate::rig::{Rig, upgrade};
use crate::support::wait_for;
use crate::tls;
use crate::wire::{Conn, End, PATIENCE};

fn is_cut(record: &Record, leg: Leg) -> bool {
    let cut = |kind: &EndingKind| matches!(kind, EndingKind::CutByWstap { .. });
    record.endings.iter().any(|ending| ending.leg == leg && cut(&ending.kind))
}

fn until_no_client_is_taken(rig: &Rig) {
    let refused = || TcpStream::connect(rig.tap.addr).is_err().then_some(());
    wait_for("the listener to close", PATIENCE, refused);
}

#[test]
fn an_idle_tap_stops_at_once() {
    let mut rig = Rig::with(&["--drain", "1m"]);
    let began = Instant::now();
    assert!(rig.tap.child.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn sessions_go_on_while_it_drains_and_end_by_themselves() {
    let mut rig = Rig::with(&["--drain", "1m"]);
    let (mut client, mut gateway) = rig.session("/drained");
    rig.tap.child.signal("TERM");
    until_no_client_is_taken(&rig);
    let message = frame::from_gateway(TEXT, "still here");
    gateway.send(&message);
    assert_eq!(client.take(message.len()), message);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    assert!(rig.tap.child.wait(PATIENCE).success());
    let record = rig.record("/drained");
    assert_eq!(record.state, State::Ended);
    assert!(!is_cut(&record, Leg::Downstream) && !is_cut(&record, Leg::Upstream));
    assert_eq!(record.frames.s2c.frames, 1);
}

#[test]
fn what_is_open_after_the_drain_is_cut_and_marked_so() {
    let mut rig = Rig::with(&["--drain", "500ms"]);
    let (mut client, mut gateway) = rig.session("/cut");
    let (mut waiting, mut silent) = rig.dial(upgrade("/unanswered", ""));
    silent.take_head();
    let (mut page, mut slow) = rig.dial("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.take_head();
    let began = Instant::now();
    rig.tap.child.signal("TERM");
    for conn in [&mut client, &mut gateway, &mut waiting, &mut silent, &mut page, &mut slow] {
        let end = conn.end();
        assert_eq!(end, End::Fin, "a cut is no reset, and no Close frame is made up");
    }
    assert!(began.elapsed() >= Duration::from_millis(500));
    assert!(rig.tap.child.wait(PATIENCE).success());
    for target in ["/cut", "/unanswered"] {
        let record = rig.record(target);
        assert!(is_cut(&record, Leg::Downstream) && is_cut(&record, Leg::Upstream), "{target}");
        assert_eq!(record.close.code, None);
    }
    assert_eq!(rig.record("/cut").close.seen_by_client.unwrap().code, 1006);
    let page = rig.record("/page");
    assert!(is_cut(&page, Leg::Downstream));
    assert_eq!(page.exchange.unwrap().complete, Some(false));
}

#[test]
fn the_second_signal_cuts_at_once() {
    let mut rig = Rig::with(&["--drain", "10m"]);
    let (mut client, mut gateway) = rig.session("/cut");
    rig.tap.child.signal("TERM");
    until_no_client_is_taken(&rig);
    client.stays_silent(Duration::from_millis(300));
    rig.tap.child.signal("INT");
    assert_eq!(client.end(), End::Fin);
    assert_eq!(gateway.end(), End::Fin);
    assert!(rig.tap.child.wait(PATIENCE).success());
    assert!(is_cut(&rig.record("/cut"), Leg::Downstream));
}

/// What a client says to the certificate it is shown.
fn handshake(rig: &Rig) -> Result<(), String> {
    Conn::tcp(rig.tap.addr).try_tls(tls::client(&[])).map_err(|error| error.to_string())
}

#[test]
fn a_hang_up_reads_the_certificate_again() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["crt", "key"].map(|ext| folder.path().join(format!("shown.{ext}")));
    let show = |name: &str| {
        for (path, ext) in paths.iter().zip(["crt", "key"]) {
            std::fs::copy(tls::certs(&format!("{name}.{ext}")), path).unwrap();
        }
    };
    show("server");
    let [cert, key] = paths.each_ref().map(|path| path.display().to_string());
    let mut rig = Rig::with(&["--tls-cert", &cert, "--tls-key", &key]);
    handshake(&rig).unwrap();
    show("expired");
    handshake(&rig).expect("the old one until the signal");
    rig.tap.child.signal("HUP");
    rig.tap.child.stderr.first(PATIENCE, |line| line.contains("read again"));
    let said = handshake(&rig).expect_err("the new one is expired");
    assert!(said.contains("xpired"), "{said}");
    show("server");
    std::fs::write(&key, "no key").unwrap();
    rig.tap.child.signal("HUP");
    rig.tap.child.stderr.first(PATIENCE, |line| line.contains("stays as it was"));
    handshake(&rig).expect_err("still the expired one");
}
