//! `wstap sessions`.

use std::process::Stdio;

use wstap::session::SessionId;

use super::sample;
use super::wstap::{Place, full, reader_gone};

#[test]
fn the_table_has_the_newest_last() {
    let place = Place::with_all();
    insta::assert_snapshot!("sessions", place.snapshot("sessions"));
    insta::assert_snapshot!("sessions_limited", place.snapshot("sessions --limit 2"));
}

#[test]
fn times_are_local_unless_utc_is_asked_for() {
    let place = Place::with_all();
    let stamp = |line: &str| {
        let mut command = place.command(line);
        command.env("TZ", "<+0530>-5:30");
        place.finish(command).stdout
    };
    assert!(stamp("sessions").contains("  2026-11-20T09:16:56  "));
    assert!(stamp("sessions --utc").contains("2026-11-20T03:46:56Z"));
}

#[test]
fn every_filter_chooses() {
    let place = Place::with_all();
    let chosen = |line: &str| {
        let ran = place.run(&format!("sessions --json {line}"));
        assert_eq!(ran.code, 0, "{line}: {}", ran.stderr);
        let lines = ran.json_lines();
        let letters = lines.iter().map(|l| l["id"].as_str().expect("an id")[..1].to_owned());
        letters.collect::<String>()
    };
    for (line, ids) in [
        ("", "89abcd"),
        ("--since 2026-11-20T03:47:20Z", "bcd"),
        ("--until 2026-11-20T03:47:20Z", "89a"),
        ("--since 1s", ""),
        ("--origin https://ui.example", "89ab"),
        ("--path /healthz", "c"),
        ("--close-code 1008", "9"),
        ("--ending reset", "d"),
        ("--ending close_frame", "9a"),
        ("--kind opaque", "d"),
        ("--min-duration 500ms", "8a"),
        ("--max-duration 500ms", "9bcd"),
        ("--open", ""),
        ("--limit 2", "cd"),
        ("-n 0", "89abcd"),
        ("--layer pairing", "9"),
        ("--layer pairing,ok -n 1", "a"),
        ("--cause not_paired,upstream_refused", "9b"),
        ("--who gateway --layer auth", ""),
    ] {
        assert_eq!(chosen(line), ids, "{line}");
    }
}

#[test]
fn one_line_of_json_is_what_show_says() {
    let place = Place::with_all();
    let lines = place.run("sessions --json --kind http").json_lines();
    let shown = place.run("show c --json");
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert_eq!(lines, [shown]);
}

#[test]
fn nothing_to_list_is_said_with_what_to_try() {
    let nothing = Place::new();
    insta::assert_snapshot!("sessions_no_store", nothing.snapshot("sessions"));
    insta::assert_snapshot!(
        "sessions_no_such_store",
        nothing.snapshot("sessions --store other.db")
    );
    insta::assert_snapshot!("sessions_empty", Place::with(&[]).snapshot("sessions"));
    let all = Place::with_all();
    insta::assert_snapshot!("sessions_none_fits", all.snapshot("sessions --close-code 4999"));
}

#[test]
fn a_wrong_filter_says_what_to_type() {
    let place = Place::with_all();
    for (name, line) in [
        ("since", "--since yesterday"),
        ("duration", "--min-duration 30"),
        ("ending", "--ending rst"),
        ("kind", "--kind ws"),
        ("close_code", "--close-code normal"),
        ("close_code_derived", "--close-code 1006"),
        ("limit", "--limit -1"),
        ("layer", "--layer tcp"),
        ("who", "--who me"),
        ("fail_on", "--fail-on ok"),
    ] {
        let snapshot = place.snapshot(&format!("sessions {line}"));
        insta::assert_snapshot!(format!("wrong_{name}"), snapshot);
    }
}

#[test]
fn an_unknown_cause_is_answered_with_all_there_are() {
    let ran = Place::with_all().run("sessions --cause tokens");
    assert_eq!(ran.code, 2);
    for cause in wstap::verdict::causes() {
        assert!(ran.stderr.contains(&cause.cause), "{}", cause.cause);
    }
}

#[test]
fn a_gate_has_a_code_for_each_layer_and_changes_nothing_else() {
    let place = Place::with_all();
    for (filter, layers, code) in [
        ("", "origin,auth", 0),
        ("", "pairing", 12),
        ("", "pairing,transport", 10),
        ("--cause not_paired", "pairing,transport", 12),
        ("--kind http", "transport", 0),
    ] {
        let plain = place.run(&format!("sessions {filter}"));
        let gated = place.run(&format!("sessions {filter} --fail-on {layers}"));
        assert_eq!(gated.code, code, "{filter} {layers}");
        assert_eq!((gated.stdout, gated.stderr), (plain.stdout, plain.stderr));
    }
    assert_eq!(Place::new().run("sessions --fail-on transport").code, 0);
    assert_eq!(place.run("sessions --follow --fail-on transport").code, 2);
}

#[test]
fn a_gate_sees_more_than_the_table() {
    let mut samples = vec![sample::unpaired()];
    for number in 0..60 {
        let mut good = sample::good();
        good.id = SessionId::from_bits(1000 + number);
        samples.push(good);
    }
    let place = Place::with(&samples);
    let ran = place.run("sessions --fail-on pairing --junit all.xml");
    assert_eq!((ran.code, ran.stdout.lines().count()), (12, 51));
    assert_eq!(place.run("sessions --fail-on pairing").code, 12, "judged now");
    assert_eq!(place.run("verdict --again").code, 0);
    assert_eq!(place.run("sessions --fail-on pairing").code, 12, "judged before");
    let junit = std::fs::read_to_string(place.path("all.xml")).expect("a file");
    assert!(junit.contains(r#"<testsuites tests="61" failures="1">"#), "{junit}");
    assert_eq!(place.run("sessions --fail-on pairing -n 1").code, 0);
}

#[test]
fn a_junit_file_has_a_case_for_each_session() {
    let place = Place::with_all();
    assert_eq!(place.run("sessions --junit all.xml --utc").code, 0);
    let junit = std::fs::read_to_string(place.path("all.xml")).expect("a file");
    insta::assert_snapshot!("junit", junit);
    assert_eq!(place.run("sessions --junit none.xml --origin nobody").code, 0);
    let junit = std::fs::read_to_string(place.path("none.xml")).expect("a file");
    assert!(junit.contains(r#"<testsuites tests="0" failures="0">"#), "{junit}");
    assert_eq!(place.run("sessions --junit no/such/folder.xml").code, 3);
}

#[test]
fn what_is_no_store_is_not_read() {
    let place = Place::new();
    std::fs::write(place.path("notes.txt"), "not a database, but long enough to be read as one")
        .expect("a file");
    insta::assert_snapshot!("sessions_not_a_store", place.snapshot("sessions --store notes.txt"));
}

#[test]
fn the_store_may_be_named_by_the_environment() {
    let place = Place::with_all();
    let mut command = Place::new().command("sessions --json -n 1");
    command.env("WSTAP_STORE", place.store()).current_dir("/");
    assert_eq!(place.finish(command).json_lines().len(), 1);
}

#[test]
fn a_reader_that_left_is_no_failure_and_a_full_disk_is() {
    let place = Place::with_all();
    for line in ["sessions", "sessions --json", "show", "show --json", "show 8 --frames"] {
        let code = |stdout: Stdio| {
            let status = place.command(line).stdout(stdout).stderr(Stdio::null()).status();
            status.expect("the program starts").code()
        };
        assert_eq!(code(reader_gone()), Some(0), "{line}");
        assert_eq!(code(full()), Some(3), "{line}");
    }
}

#[test]
fn colour_is_for_those_who_see_it() {
    let place = Place::with_all();
    let styled = |line: &str, settings: &[(&str, &str)]| {
        let mut command = place.command(line);
        command.envs(settings.iter().copied());
        place.finish(command).stdout.contains('\u{1b}')
    };
    assert!(!styled("show 8", &[]));
    assert!(styled("show 8", &[("CLICOLOR_FORCE", "1")]));
    assert!(!styled("show 8 --color never", &[("CLICOLOR_FORCE", "1")]));
    assert!(styled("show 8 --color always", &[("NO_COLOR", "1")]));
    assert!(!styled("show 8 --json --color always", &[]));
}
