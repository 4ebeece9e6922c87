//! Verdicts in the store, made again, and with limits of the user's own.

use wstap::session::{
    Ending, EndingKind, Event, Finish, Layer, Leg, Offset, SessionId, Timed, Verdict,
};
use wstap::store::{Reader, Verdicts};
use wstap::verdict::judge;

use super::sample::{self, Sample};
use super::wstap::Place;

/// A store whose verdict of one session was made by rules that knew less.
fn with_an_old_verdict(id: SessionId) -> Place {
    let place = Place::with_all();
    let record = Reader::open(&place.store()).expect("a store").record(id).expect("a record");
    let cause = "policy_violation".to_owned();
    let old = Verdict { layer: Layer::Unknown, cause, rules_version: 0, ..judge(&record) };
    let mut verdicts = Verdicts::open(&place.store()).expect("a store");
    verdicts.write(&[(id, old, String::new())]).expect("a verdict");
    place
}

fn causes(place: &Place) -> Vec<String> {
    let lines = place.run("sessions --json").json_lines();
    lines.iter().map(|l| l["verdict"]["cause"].as_str().expect("a cause").to_owned()).collect()
}

#[test]
fn old_sessions_are_judged_again_when_that_is_asked_for() {
    let id = sample::unpaired().id;
    let place = with_an_old_verdict(id);
    assert_eq!(causes(&place)[1], "policy_violation");
    insta::assert_snapshot!("verdict", place.snapshot("verdict"));
    assert_eq!(causes(&place)[1], "policy_violation", "nothing was written");
    let changed = place.run(&format!("verdict --json {id}")).json_lines();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["before"]["cause"], "policy_violation");
    assert_eq!(changed[0]["after"]["cause"], "not_paired");
    assert_eq!(place.run("verdict --again").code, 0);
    assert_eq!(causes(&place)[1], "not_paired");
    insta::assert_snapshot!("verdict_nothing_to_do", place.snapshot("verdict --again"));
    assert_eq!(place.run(&format!("verdict {id}")).stdout, "");
}

#[test]
fn filters_see_stored_verdicts_and_those_made_now() {
    let place = with_an_old_verdict(sample::unpaired().id);
    let chosen = |line: &str| place.run(&format!("sessions --json {line}")).json_lines().len();
    assert_eq!(chosen("--cause policy_violation"), 1);
    assert_eq!(chosen("--cause not_paired"), 0);
    assert_eq!(chosen("--cause upstream_refused,policy_violation"), 2);
}

#[test]
fn an_id_must_name_a_session() {
    insta::assert_snapshot!("verdict_unknown", Place::with_all().snapshot("verdict zzz"));
}

/// Cut after 42 seconds of silence.
fn silent() -> Sample {
    let mut sample = sample::good();
    sample.events.truncate(4);
    let at = Offset(42_004_000);
    let ending = Ending { leg: Leg::Upstream, at, kind: EndingKind::Fin };
    for event in [Event::Ending(ending), Event::Finished(Finish::default())] {
        sample.events.push(Timed { at, event });
    }
    sample
}

#[test]
fn limits_of_the_user_s_own_are_compared_too() {
    let place = Place::with(&[silent()]);
    let row = r#"[{"name":"our box","directive":"idle 1h","ms":42000,"clock":"idle",
        "ends":["fin"],"marks":[],"hop":"front","source":"its manual"}]"#;
    std::fs::write(place.path("limits.json"), row).expect("a file");
    std::fs::write(place.path("bad.json"), r#"[{"nam":"our box"}]"#).expect("a file");
    let named = |line: &str| place.run(line).stdout.contains("our box");
    assert!(!named("show --json"));
    for line in ["show", "show --json", "sessions --json", "verdict --json"] {
        assert!(named(&format!("{line} --limits limits.json")), "{line}");
    }
    assert_eq!(place.run("verdict --again --limits limits.json").code, 0);
    assert!(named("show --json"), "it was written");
    assert_eq!(place.run("verdict --again --limits limits.json").stdout, "");
    insta::assert_snapshot!("limits_bad", place.snapshot("show --limits bad.json"));
    insta::assert_snapshot!("limits_none", place.snapshot("sessions --limits none.json"));
    assert_eq!(place.run("proxy --limits bad.json").code, 3);
}
