//! What the tap says when it starts, and when nobody comes.

use crate::rig::{Rig, upgrade};
use crate::wire::PATIENCE;

#[test]
fn the_start_says_where_it_is_and_what_that_changes() {
    let rig = Rig::with(&["--set-header", "X-Added: yes"]);
    let says = |word: &str| rig.tap.child.stderr.first(PATIENCE, |line| line.starts_with(word));
    let listening = says("listening");
    assert!(listening.contains(&rig.tap.addr.to_string()), "{listening}");
    assert!(listening.contains(&rig.gateway.url("ws")), "{listening}");
    assert!(says("store").contains(&rig.tap.store().display().to_string()));
    let line =
        format!("OPENCLAW_GATEWAY_PORT={} openclaw gateway call health", rig.tap.addr.port());
    assert!(says("try").ends_with(&line));
    let place = says("place");
    assert!(place.contains("--set-header") && !place.contains("No header"), "{place}");

    let (mut client, mut gateway) = rig.dial(upgrade("/placed", ""));
    assert!(gateway.take_head().contains("X-Added: yes"));
    client.fin();
    gateway.fin();
    let notes = rig.record("/placed").notes;
    let noted = notes.iter().find(|note| note.slug == "place").unwrap();
    assert!(place.ends_with(&noted.text), "{noted:?}");
}

#[test]
fn a_tap_behind_a_proxy_does_not_call_the_gateway_local() {
    let rig = Rig::with(&["--via", "http://127.0.0.1:9"]);
    let place = rig.tap.child.stderr.first(PATIENCE, |line| line.starts_with("place"));
    assert!(place.contains("dialled through a proxy"), "{place}");
    assert!(place.contains("No header is added, removed or rewritten"), "{place}");
}

#[test]
fn when_nobody_comes_one_line_says_why_that_may_be() {
    let rig = Rig::new();
    let lonely = rig.tap.child.stderr.first(PATIENCE, |line| line.contains("nobody has connected"));
    assert!(lonely.contains("OPENCLAW_GATEWAY_PORT") && lonely.contains("another origin"));
}
