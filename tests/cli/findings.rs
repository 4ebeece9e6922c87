//! `wstap findings` and `wstap kpi`.

use wstap::session::{Event, SessionId, Wall};

use super::sample::{self, START, Sample};
use super::wstap::Place;

/// Unpaired devices, refused again and again, and one of each other kind.
fn waiting() -> Place {
    let mut samples = sample::all();
    samples.extend((0..3).map(|n| {
        let mut unpaired = sample::unpaired();
        for timed in &mut unpaired.events {
            if let Event::Connect(facts) = &mut timed.event {
                facts.device_id = Some("0123456789abcdef".to_owned());
            }
        }
        Sample {
            id: SessionId::from_bits(1 << 40 | n),
            started_at: Wall(START.0 + i64::try_from(n).expect("few") * 400_000_000),
            ..unpaired
        }
    }));
    Place::with(&samples)
}

#[test]
fn findings_are_told_with_what_to_do() {
    let place = waiting();
    insta::assert_snapshot!("findings", place.snapshot("findings"));
    insta::assert_snapshot!("findings_json", place.snapshot("findings --json"));
    assert_eq!(place.run("findings --until 2026-11-20T03:46:00Z").code, 0);
}

#[test]
fn a_threshold_changes_what_is_found() {
    let place = Place::with_all();
    assert_eq!(place.run("findings").code, 0);
    let ran = place.run("findings --threshold connect_dials=2 --threshold connect_success=100");
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("connect_success"), "{}", ran.stdout);
    insta::assert_snapshot!("wrong_threshold", place.snapshot("findings --threshold dials=2"));
}

#[test]
fn figures_are_a_table_and_json() {
    let place = waiting();
    insta::assert_snapshot!("kpi", place.snapshot("kpi --utc"));
    let kpis: serde_json::Value =
        serde_json::from_str(&place.run("kpi --json").stdout).expect("JSON");
    assert_eq!(kpis["sessions"], 9);
    assert_eq!(kpis["pairings"]["all"], 1);
}

#[test]
fn a_gate_fails_when_its_condition_holds() {
    let place = waiting();
    let gate = |condition: &str| {
        let mut command = place.command("kpi --fail-if");
        command.arg(condition);
        place.finish(command)
    };
    let held = gate("pairing_success < 95%");
    assert_eq!(held.code, 1);
    assert_eq!(held.stderr, "failed: pairing_success < 95%: it is 0.0%\n");
    assert_eq!(gate("restarts > 0").code, 0);
    let nothing = gate("spawn_success < 95%");
    assert_eq!(nothing.code, 0);
    assert_eq!(nothing.stderr, "not measured: spawn_success < 95%: nothing to measure\n");
    let unknown = gate("spawns_success < 95%");
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("spawn_success, calls"), "{}", unknown.stderr);
}

#[test]
fn without_a_store_there_is_nothing_to_find() {
    let place = Place::new();
    assert_eq!(place.run("findings").code, 0);
    assert_eq!(place.run("findings --store other.db").code, 3);
}
