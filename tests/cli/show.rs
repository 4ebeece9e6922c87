//! `wstap show`.

use wstap::session::SessionId;

use super::sample::{self, Sample};
use super::wstap::Place;

#[test]
fn a_page_for_every_kind_of_session() {
    let place = Place::with_all();
    for (name, id) in [
        ("everything", "8"),
        ("unpaired", "9"),
        ("good", "a"),
        ("unreachable", "b"),
        ("http", "c"),
        ("opaque", "d"),
    ] {
        let snapshot = place.snapshot(&format!("show {id}"));
        insta::assert_snapshot!(format!("show_{name}"), snapshot);
    }
}

#[test]
fn the_first_screen_says_what_is_wrong_and_what_to_do() {
    let place = Place::with_all();
    for id in ["8", "9", "a", "b", "c", "d"] {
        let page = place.run(&format!("show {id}")).stdout;
        let screen = page.lines().take(24).collect::<Vec<_>>().join("\n");
        let verdict = place.run(&format!("show {id} --json")).stdout;
        let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("JSON");
        let verdict = &verdict["verdict"];
        for word in ["layer", "cause", "who", "confidence", "summary"] {
            assert!(screen.contains(verdict[word].as_str().expect("a word")), "{word}: {screen}");
        }
        for step in verdict["next"].as_array().expect("steps") {
            assert!(screen.contains(step["text"].as_str().expect("a step")), "{step}: {screen}");
        }
    }
}

#[test]
fn times_have_their_zone() {
    let place = Place::with_all();
    let mut command = place.command("show 8");
    command.env("TZ", "<+0530>-5:30");
    assert!(place.finish(command).stdout.contains("2026-11-20T09:16:56.640+05:30"));
    assert!(place.run("show 8 --utc").stdout.contains("2026-11-20T03:46:56.640Z"));
}

#[test]
fn without_an_id_it_is_the_newest_that_did_not_end_well() {
    let place = Place::with_all();
    let ran = place.run("show --json");
    assert!(ran.stdout.contains("\"id\": \"d"), "{}", ran.stdout);
    assert!(ran.stderr.contains("the newest session that did not end well"), "{}", ran.stderr);
    let place = Place::with(&[sample::good()]);
    let ran = place.run("show --json");
    assert!(ran.stdout.contains("\"id\": \"a"), "{}", ran.stdout);
    assert!(ran.stderr.contains("none ended badly"), "{}", ran.stderr);
}

#[test]
fn frames_are_listed_with_what_they_carried() {
    let place = Place::with_all();
    insta::assert_snapshot!("frames", place.snapshot("show 8 --frames"));
    insta::assert_snapshot!("frames_json", place.snapshot("show 8 --frames --json"));
}

/// Another session whose id begins like that of the good one.
fn twin_of_good() -> Sample {
    let mut twin = sample::good();
    let beginning = twin.id.as_str()[..SessionId::LEN - 2].to_owned();
    twin.id = format!("{beginning}zz").parse().expect("an id");
    twin
}

#[test]
fn an_id_that_does_not_name_one_session_says_what_to_type() {
    let place = Place::with(&[sample::good(), twin_of_good()]);
    for (name, id) in
        [("unknown", "zzz"), ("ambiguous", "a"), ("malformed", "../x"), ("long", "aaaaaaaaaaaaa")]
    {
        insta::assert_snapshot!(format!("id_{name}"), place.snapshot(&format!("show {id}")));
    }
    insta::assert_snapshot!("show_empty", Place::with(&[]).snapshot("show"));
    insta::assert_snapshot!("show_no_store", Place::new().snapshot("show"));
}

#[test]
fn an_id_may_be_typed_in_capitals() {
    let id = sample::good().id.to_string().to_uppercase();
    assert_eq!(Place::with_all().run(&format!("show {id}")).code, 0);
}
