//! Every finding from sessions made by hand: one that is, one that is not, and one that nearly is.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::session::{Confidence, Leg, Offset, Record, SessionId, Verdict};

const START: i64 = 1_795_146_416_640_000;
const NOW: Wall = Wall(START + 3_600_000_000);

/// A session by number, so many milliseconds after the start; `more` is laid over its JSON.
fn brief(number: u64, ms: i64, more: &Value) -> Brief {
    let started = Wall(START + ms * 1000);
    let mut all = json!({
        "v": 1, "id": SessionId::from_bits(number * 7919 + 1), "t": started, "d": 60_000.0,
        "k": "websocket", "l": "ok", "c": "connected", "w": "client", "s": "certain",
        "client": "127.0.0.1", "st": 101, "hs": 2.0, "up": 3.0,
        "dial": {"url": "ws://gw:18789", "re": ["10.0.0.1"], "peer": "10.0.0.1:18789", "lo": "10.0.0.9"},
    });
    overlay(&mut all, more);
    Brief::read(&all.to_string()).unwrap_or_else(|| panic!("{all}"))
}

fn overlay(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                overlay(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

/// So many sessions, one every `every` milliseconds.
fn many(count: u64, every: i64, more: impl Fn(u64) -> Value) -> Vec<Brief> {
    (0..count).map(|n| brief(n, i64::try_from(n).unwrap() * every, &more(n))).collect()
}

fn found(briefs: &[Brief]) -> Vec<Finding> {
    find(briefs, &Thresholds::default(), NOW)
}

fn slugs(briefs: &[Brief]) -> Vec<&'static str> {
    found(briefs).iter().map(|finding| finding.slug).collect()
}

/// The only finding there is.
fn only(briefs: &[Brief]) -> Finding {
    let mut found = found(briefs);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.pop().unwrap()
}

/// A session that the upstream's side ended with a FIN, after that silence.
fn silent(seconds: f64, lived: f64) -> Value {
    let at = lived * 1000.0;
    json!({
        "d": at, "l": "transport", "c": "eof_without_close_frame", "f": true,
        "end": {"l": "upstream", "h": "fin", "at": at + 3.0},
        "si": [seconds * 1000.0, seconds * 1000.0],
    })
}

fn culprit(name: &str, named: bool) -> Value {
    json!({"n": name, "d": format!("{name}_timeout 60s"), "c": "idle", "ms": 60_000.0, "h": named})
}

fn lived(n: u64) -> f64 {
    // Far from each other, so that no lives are equal.
    f64::from(u32::try_from(n).unwrap()).mul_add(37.0, 90.0)
}

#[test]
fn equal_silences_make_a_timer_likely_and_then_certain() {
    let with = |count| many(count, 500_000, |n| silent(60.0 + lived(n) / 1e4, lived(n)));
    assert_eq!(slugs(&with(2)), [""; 0]);
    let three = only(&with(3));
    assert_eq!((three.slug, three.confidence), ("equal_silences", Confidence::Likely));
    assert!(three.summary.contains("No keepalive was seen"), "{}", three.summary);
    assert!(three.summary.contains("No known limit"), "{}", three.summary);
    let six = only(&with(6));
    assert_eq!((six.confidence, six.sessions.len()), (Confidence::Certain, 6));
    let spread = many(12, 500_000, |n| silent(lived(n) / 2.0, lived(n)));
    assert_eq!(slugs(&spread), [""; 0], "silences that differ");
}

#[test]
fn a_culprit_is_named_when_nothing_else_fits() {
    let with = |culprits: Value| {
        many(6, 500_000, |n| {
            let mut more = silent(60.0, lived(n));
            more["cu"] = culprits.clone();
            more["pi"] = json!([null, [2, 25_000.0]]);
            more["oc"] = json!({"he": 5.0, "ti": 75_000.0});
            more
        })
    };
    let both = only(&with(json!([culprit("nginx", false), culprit("alb", false)])));
    assert!(both.summary.contains("nothing tells them apart: nginx, alb"), "{}", both.summary);
    let named = only(&with(json!([culprit("nginx", true), culprit("alb", false)])));
    assert!(named.summary.contains("headers name nginx, whose limit fits"), "{}", named.summary);
    assert_eq!(named.numbers["culprits"], json!(["nginx"]));
    assert!(named.summary.contains("The gateway's pings, due every 25.000 s, should have"));
    assert!(named.summary.contains("ticks come every 75.000 s, too seldom"), "{}", named.summary);
}

#[test]
fn a_client_that_closes_is_not_cut() {
    let closing = |from: Leg| {
        many(6, 500_000, move |n| {
            let mut more = silent(60.0, lived(n));
            more["cl"] = json!({"l": from, "c": 1000, "at": lived(n) * 1000.0});
            more
        })
    };
    assert_eq!(slugs(&closing(Leg::Downstream)), [""; 0]);
    assert_eq!(slugs(&closing(Leg::Upstream)), ["equal_silences"]);
    let aged = many(6, 500_000, |n| silent(lived(n) / 9.0, 300.0));
    assert_eq!(slugs(&aged), ["equal_ages"]);
}

/// A session that lives until a moment that all share.
fn until(n: u64, end: &Value) -> Value {
    let at = 100_000.0 - f64::from(u32::try_from(n).unwrap()) * 7000.0;
    let mut more = json!({
        "d": at, "l": "transport", "c": "x", "f": true,
        "end": {"l": "upstream", "h": "fin", "at": at},
        "si": [n * 3100 + 400, n * 3100 + 500],
    });
    overlay(&mut more, end);
    if let Some(close) = more.get_mut("cl") {
        close["at"] = json!(at);
    }
    if more["oc"].is_object() {
        more["oc"]["sd"] = json!(at - 5.0);
    }
    more
}

#[test]
fn sessions_that_end_at_once_are_told_by_what_they_saw() {
    let with = |count, end: Value| many(count, 7000, move |n| until(n, &end));
    let fin = only(&with(6, json!({})));
    assert_eq!((fin.slug, fin.confidence), ("ended_at_once", Confidence::Possible));
    assert!(fin.summary.contains("a FIN 6 times"), "{}", fin.summary);
    assert_eq!(slugs(&with(4, json!({}))), [""; 0]);
    let away = only(&with(6, json!({"cl": {"l": "upstream", "c": 1001}})));
    assert!(away.summary.contains("reloaded") && away.confidence == Confidence::Likely);
    let shutdown = json!({"cl": {"l": "upstream", "c": 1012}, "oc": {"he": 1.0}});
    let restart = only(&with(6, shutdown));
    assert_eq!((restart.severity, restart.confidence), (Severity::Info, Confidence::Certain));
    let mut died = with(6, json!({}));
    died.push(brief(
        99,
        101_000,
        &json!({
            "l": "transport", "c": "upstream_refused", "f": true, "st": 502, "up": null,
            "dial": {"no": "refused"},
        }),
    ));
    assert_eq!(only(&died).numbers["refused_after"], 1);
    let together = many(6, 10, |_| until(0, &json!({})));
    assert!(!slugs(&together).contains(&"ended_at_once"), "equal lives are a timer's doing");
}

fn dialled(answer: &str, failure: Option<&str>) -> Value {
    let mut more = json!({"dial": {"re": [answer], "peer": format!("{answer}:18789")}});
    if let Some(failure) = failure {
        more["dial"]["no"] = json!(failure);
        overlay(
            &mut more,
            &json!({
                "l": "transport", "c": "upstream_timeout", "f": true, "up": null, "st": 504,
            }),
        );
    }
    more
}

#[test]
fn a_name_that_leads_elsewhere_is_a_stale_address() {
    let with = |answers: &[(&str, Option<&str>)]| {
        let of = |n: u64| answers[usize::try_from(n).unwrap()];
        many(answers.len() as u64, 1000, |n| dialled(of(n).0, of(n).1))
    };
    let bad = Some("timeout");
    let moved =
        only(&with(&[("10.0.0.1", None), ("10.0.0.2", bad), ("10.0.0.2", bad), ("10.0.0.2", bad)]));
    assert_eq!((moved.slug, moved.severity), ("stale_address", Severity::Error));
    let late = only(&with(&[
        ("10.0.0.1", None),
        ("10.0.0.1", bad),
        ("10.0.0.1", bad),
        ("10.0.0.1", bad),
        ("10.0.0.2", None),
    ]));
    assert!(late.summary.contains("still led to the old address"), "{}", late.summary);
    for answers in [
        [("10.0.0.1", None), ("10.0.0.1", bad), ("10.0.0.1", bad), ("10.0.0.1", bad)],
        [("10.0.0.1", None), ("10.0.0.2", bad), ("10.0.0.2", bad), ("10.0.0.2", None)],
        [("10.0.0.1", None), ("10.0.0.2", bad), ("10.0.0.3", bad), ("10.0.0.4", bad)],
        [("10.0.0.2", bad), ("10.0.0.2", bad), ("10.0.0.2", bad), ("10.0.0.1", None)],
    ] {
        assert_eq!(slugs(&with(&answers)), [""; 0], "{answers:?}");
    }
}

#[test]
fn a_rate_counts_from_a_hundred_connects_on() {
    let with =
        |count, bad: u64| {
            many(count, 1000, move |n| {
                if n < bad { dialled("10.0.0.1", Some("timeout")) } else { json!({}) }
            })
        };
    let low = only(&with(100, 4));
    assert_eq!(
        (low.slug, low.severity, low.sessions.len()),
        ("connect_success", Severity::Warning, 4)
    );
    assert!(low.summary.contains("upstream_timeout 4 times"), "{}", low.summary);
    assert_eq!(slugs(&with(100, 3)), [""; 0]);
    assert_eq!(slugs(&with(99, 50)), [""; 0]);
    let mut thresholds = Thresholds::default();
    thresholds.set("connect_dials=10").unwrap();
    assert_eq!(find(&with(20, 3), &thresholds, NOW).len(), 1);
    let later = [with(1000, 0), many(4, 1, |_| dialled("10.0.0.1", Some("timeout")))].concat();
    assert_eq!(slugs(&later), ["connect_success"], "a bad hundred among many good ones");
}

fn token(fingerprint: &str, good: bool) -> Value {
    if good {
        return json!({"oc": {"co": 4.0, "he": 5.0, "cr": [["token", fingerprint]]}});
    }
    json!({
        "l": "auth", "c": "token_mismatch", "f": true,
        "cl": {"l": "upstream", "c": 1008, "at": 9.0},
        "oc": {"co": 4.0, "rf": "AUTH_TOKEN_MISMATCH", "cr": [["token", fingerprint]]},
    })
}

fn tokens(sent: &[(&str, bool)]) -> Vec<Brief> {
    let of = |n: u64| sent[usize::try_from(n).unwrap()];
    many(sent.len() as u64, 10_000, |n| token(of(n).0, of(n).1))
}

#[test]
fn token_mismatches_are_told_by_their_fingerprints() {
    let says = |sent: &[(&str, bool)]| {
        let found = found(&tokens(sent));
        let finding = found.iter().find(|f| f.slug == "token_mismatches").expect("a finding");
        finding.summary.clone()
    };
    let (a, b) = (("aaaa", false), ("bbbb", false));
    assert!(says(&[a, a, a, a]).contains("the same token (fingerprint aaaa), and none"));
    assert!(says(&[a, b, a, b]).contains("2 different tokens (aaaa, bbbb)"));
    assert!(says(&[("cccc", true), a, a, a, a]).contains("cccc was accepted, aaaa was refused"));
    assert!(says(&[("aaaa", true), a, a, a, a]).contains("the gateway's token was changed"));
    assert!(says(&[a, a, ("aaaa", true), a, a]).contains("two gateways"));
    assert_eq!(slugs(&tokens(&[a, a, a])), [""; 0]);
    let slow = many(8, 120_000, |_| token("aaaa", false));
    assert_eq!(slugs(&slow), [""; 0], "never more than three in five minutes");
}

#[test]
fn a_client_that_bounces_is_told_what_differs() {
    let (good, bad) = (("cccc", true), ("aaaa", false));
    let bounced = only(&tokens(&[good, bad, good, bad, good]));
    assert_eq!(bounced.slug, "accepted_and_refused");
    assert!(bounced.summary.contains("secret they send"), "{}", bounced.summary);
    let same = only(&tokens(&[good, ("cccc", false), good, ("cccc", false), good]));
    assert!(same.summary.contains("nothing that they send differs"), "{}", same.summary);
    assert_eq!(slugs(&tokens(&[good, bad, bad, good, bad])), [""; 0]);
}

fn device(name: &str, version: Option<&str>, more: &Value) -> Value {
    let mut all = json!({"oc": {"co": 4.0, "de": name, "sg": ["operator.read"]}});
    match version {
        Some(version) => overlay(&mut all, &json!({"oc": {"he": 5.0, "sv": version}})),
        None => overlay(
            &mut all,
            &json!({
                "l": "pairing", "c": "not_paired", "f": true,
                "oc": {"rf": "PAIRING_REQUIRED", "rq": format!("request-{name}")},
            }),
        ),
    }
    overlay(&mut all, more);
    all
}

/// Devices with the version that welcomed them; none when they were refused.
fn devices(all: &[(&str, Option<&str>)]) -> Vec<Brief> {
    let of = |n: u64| all[usize::try_from(n).unwrap()];
    let approver = json!({"oc": {"sg": ["operator.pairing"]}, "o": true});
    let mut briefs = many(all.len() as u64, 10_000, |n| device(of(n).0, of(n).1, &json!({})));
    briefs.push(brief(500, -1, &device("approver", Some("x"), &approver)));
    briefs
}

#[test]
fn a_pairing_that_is_gone_after_an_upgrade_was_lost() {
    let (old, new) = (Some("2026.4"), Some("2026.9"));
    let lost = only(&devices(&[("a", old), ("b", new), ("a", None)]));
    assert_eq!((lost.slug, lost.confidence), ("pairing_lost", Confidence::Possible));
    assert_eq!(lost.next[0].command.as_deref(), Some("openclaw devices approve request-a"));
    let two = only(&devices(&[("a", old), ("b", old), ("a", None), ("b", None), ("c", new)]));
    assert_eq!((two.numbers["devices"].clone(), two.confidence), (json!(2), Confidence::Likely));
    assert_eq!(slugs(&devices(&[("a", old), ("b", old), ("a", None), ("b", old)])), [""; 0]);
    assert_eq!(slugs(&devices(&[("a", old), ("b", new), ("a", None), ("a", new)])), [""; 0]);
    assert_eq!(slugs(&devices(&[("b", old), ("a", None), ("b", new)])), [""; 0], "never paired");
    let mut removed = devices(&[("a", old), ("b", new), ("a", None)]);
    let taken = json!({"l": "pairing", "c": "device_removed", "f": true});
    removed.push(brief(77, 5, &device("a", old, &taken)));
    assert_eq!(slugs(&removed), [""; 0]);
}

#[test]
fn nobody_who_could_approve_is_a_deadlock() {
    let waiting = |more: &[Value]| {
        let mut briefs = many(3, 400_000, |_| device("a", None, &json!({})));
        let of = |(n, more)| brief(50 + n as u64, 1000, more);
        briefs.extend(more.iter().enumerate().map(of));
        briefs
    };
    let dead = only(&waiting(&[]));
    assert_eq!((dead.slug, dead.confidence), ("pairing_deadlock", Confidence::Likely));
    let approver = json!({"oc": {"he": 5.0, "sg": ["operator.pairing"]}});
    assert_eq!(slugs(&waiting(&[approver])), [""; 0]);
    let reader = json!({"oc": {"he": 5.0, "sg": ["operator.read"]}});
    assert_eq!(slugs(&waiting(&[reader])), ["pairing_deadlock"]);
    let mut approved = waiting(&[]);
    approved.push(brief(60, 2_000_000, &device("a", Some("x"), &json!({}))));
    assert_eq!(slugs(&approved), [""; 0]);
    let live = find(&waiting(&[]), &Thresholds::default(), Wall(START + 900_000_000));
    assert_eq!(live[0].next[0].command.as_deref(), Some("openclaw devices approve request-a"));
    assert!(live[0].summary.contains("1 device waits"), "{}", live[0].summary);
}

#[test]
fn refused_origins_are_listed_beside_the_accepted_ones() {
    let with = |origin: Value, refused: bool| {
        let mut more = json!({"origin": origin, "oc": {"co": 4.0}});
        let told = if refused {
            json!({"l": "origin", "c": "origin_not_allowed", "f": true})
        } else {
            json!({"oc": {"he": 5.0}})
        };
        overlay(&mut more, &told);
        more
    };
    let (good, bad) = (json!("https://a.example"), json!("https://b.example"));
    let one = only(&[brief(0, 0, &with(good.clone(), false)), brief(1, 9, &with(bad, true))]);
    let list = r#"gateway.controlUi.allowedOrigins += ["https://b.example"]"#;
    assert_eq!((one.slug, one.next[0].config.as_deref()), ("origins_refused", Some(list)));
    assert_eq!(slugs(&[brief(0, 0, &with(good.clone(), false))]), [""; 0]);
    let upper = with(json!("HTTPS://B.example"), true);
    let mut page = with(json!("https://b.example/page"), true);
    page["c"] = json!("origin_missing_or_invalid");
    let bad = with(json!("https://b.example"), true);
    let some = only(&[brief(0, 0, &bad), brief(1, 9, &upper), brief(2, 18, &page)]);
    assert_eq!(
        some.next[0].config.as_deref(),
        Some(list),
        "each once, and none that never matches"
    );
    let mut known = with(good.clone(), true);
    known["l"] = json!("pairing");
    known["c"] = json!("control_ui_device_identity_required");
    let asked = only(&[brief(0, 0, &bad), brief(1, 9, &known)]);
    assert!(asked.summary.contains("Accepted were https://a.example"), "{}", asked.summary);
    let null = only(&[brief(0, 0, &with(json!("null"), true))]);
    assert!(null.next.iter().all(|step| step.config.is_none()), "null is nothing to allow");
    let both = only(&[brief(0, 0, &with(good.clone(), false)), brief(1, 9, &with(good, true))]);
    assert!(both.summary.contains("One origin was both"), "{}", both.summary);
}

#[test]
fn one_address_means_one_budget() {
    let with = |clients: u64| {
        let mut briefs = many(9, 100, |n| json!({"client": format!("10.1.0.{}", n % clients)}));
        briefs.push(brief(20, 5000, &json!({
            "l": "transport", "c": "too_many_unauthenticated_sockets", "f": true, "st": 503, "up": null,
        })));
        briefs
    };
    let shared = only(&with(3));
    assert_eq!((shared.slug, shared.confidence), ("shared_budget", Confidence::Certain));
    assert!(shared.summary.contains("all of them at 10.0.0.9"), "{}", shared.summary);
    let alone = [with(1), vec![brief(30, 400_000, &json!({"client": "10.1.0.77"}))]].concat();
    let alone: Vec<Brief> = alone
        .into_iter()
        .map(|mut b| {
            if b.status == Some(503) {
                b.client = "10.1.0.0".to_owned();
            }
            b
        })
        .collect();
    assert_eq!(only(&alone).confidence, Confidence::Likely);
    assert_eq!(slugs(&many(9, 100, |_| json!({}))), [""; 0]);
}

#[test]
fn large_frames_that_stick_are_the_paths_fault_only_with_evidence() {
    let with = |stuck: Value, passed: u64| {
        let mut briefs = many(4, 9000, |_| json!({"la": [90, 700]}));
        briefs.extend((0..2).map(|n| {
            let mut more = json!({"la": [90, 9000], "l": "transport", "c": "x", "f": true});
            more["tcp"] = stuck.clone();
            brief(40 + n, 100_000 + 9000 * i64::try_from(n).unwrap(), &more)
        }));
        briefs.push(brief(50, 200_000, &json!({"la": [90, passed]})));
        briefs
    };
    let evidence = json!([{"r": 6, "m": 1448, "u": 2896}, null]);
    let stuck = only(&with(evidence.clone(), 1000));
    assert_eq!((stuck.slug, stuck.confidence), ("large_frames_stuck", Confidence::Possible));
    assert_eq!(slugs(&with(evidence, 20_000)), [""; 0], "a larger one passed");
    assert_eq!(slugs(&with(json!([{"r": 1, "m": 1448, "u": 9}, null]), 0)), [""; 0]);
    assert_eq!(slugs(&with(json!([{"r": 9, "m": 1448}, null]), 0)), [""; 0]);
}

#[test]
fn handshakes_that_slow_down_with_load_are_told() {
    let with = |took: fn(u64) -> u64| many(80, 1000, move |n| json!({"d": 900_000, "hs": took(n)}));
    let slow = only(&with(|n| 5 + n * 5));
    assert_eq!((slow.slug, slow.confidence), ("slow_under_load", Confidence::Likely));
    assert_eq!(slugs(&with(|_| 300)), [""; 0]);
    assert_eq!(slugs(&with(|n| 1 + n / 4)), [""; 0], "nobody notices");
    let alone = many(80, 2_000_000, |n| json!({"hs": 5 + n * 5}));
    assert_eq!(slugs(&alone), [""; 0], "slower, but never two at once");
}

fn called(ok: u64, errors: &Value, waited: u64) -> Value {
    let errors = errors.as_array().cloned().unwrap_or_default();
    let refused: u64 = errors.iter().filter_map(|e| e[1].as_u64()).sum();
    let waits = if waited > 0 { json!([["sessions_spawn", waited]]) } else { json!([]) };
    json!({"oc": {"co": 4.0, "he": 5.0, "sg": [], "wa": waits, "ca": [{
        "method": "sessions_spawn", "requests": ok + refused + waited, "ok": ok, "errors": errors,
        "latencies": [[10.0, ok + refused]],
    }]}})
}

#[test]
fn calls_that_fail_after_a_good_handshake_are_named_for_what_it_is() {
    let one = |ok, errors: Value, waited| vec![brief(0, 0, &called(ok, &errors, waited))];
    let scope = only(&one(1, json!([["FORBIDDEN/MISSING_SCOPE", 4]]), 0));
    assert_eq!(scope.slug, "missing_scope");
    assert!(scope.summary.contains("granted these clients no scope at all"), "{}", scope.summary);
    assert_eq!(only(&one(1, json!([["UNAVAILABLE", 4]]), 0)).slug, "calls_refused");
    let lost = only(&one(1, json!([]), 4));
    assert_eq!((lost.slug, lost.confidence), ("calls_unanswered", Confidence::Likely));
    assert_eq!(slugs(&one(100, json!([["UNAVAILABLE", 4]]), 0)), [""; 0]);
    assert_eq!(slugs(&one(0, json!([["UNAVAILABLE", 2]]), 0)), [""; 0]);
    let mut own = called(0, &json!([["FORBIDDEN/MISSING_SCOPE", 4]]), 0);
    own["oc"]["ca"][0]["method"] = json!("wstap.probe.size");
    assert_eq!(slugs(&[brief(0, 0, &own)]), [""; 0], "refused as it was meant to be");
    assert_eq!(Kpis::of(&[brief(0, 0, &own)], SPAWN_METHOD).calls.all, 0);
    let mut probe = called(0, &json!([["FORBIDDEN/MISSING_SCOPE", 4]]), 0);
    probe["oc"]["cm"] = json!("probe");
    assert_eq!(slugs(&[brief(0, 0, &probe)]), [""; 0]);
}

#[test]
fn figures_count_calls_pairings_and_restarts() {
    let mut briefs = vec![
        brief(0, 0, &called(9, &json!([["UNAVAILABLE", 1]]), 0)),
        brief(1, 1000, &device("a", None, &json!({}))),
        brief(2, 60_000, &device("a", Some("x"), &json!({}))),
        brief(3, 61_000, &device("b", None, &json!({}))),
    ];
    let stopped = json!({"d": 9000.0, "l": "transport", "c": "gateway_shutdown", "f": true,
        "oc": {"he": 1.0, "sd": 8000.0, "lc": ["config.apply", 7000.0]}});
    briefs.extend((0..3).map(|n| brief(10 + n, 100_000, &stopped)));
    let kpis = Kpis::of(&briefs, SPAWN_METHOD);
    assert_eq!(kpis.spawns, Rate { all: 10, good: 9, percent: Some(90.0) });
    assert_eq!((kpis.pairings.good, kpis.pairings.all), (1, 2));
    assert_eq!(kpis.first_pairing_ms, Some(Offset(59_005_000)));
    assert_eq!((kpis.connects.good, kpis.connects.all), (7, 7));
    let [restart] = kpis.restarts.as_slice() else { panic!("{:?}", kpis.restarts) };
    assert_eq!((restart.sessions, restart.confidence), (3, Confidence::Certain));
    assert_eq!(
        restart.before,
        ["last calls: config.apply 3 times", "failures: not_paired once",].map(str::to_owned)
    );
    let p50 = kpis.by_method[0].times.unwrap().p50_ms.millis();
    assert!((9.0..12.0).contains(&p50), "{p50}");
}

#[test]
fn deaths_without_a_word_are_restarts_when_nobody_listens_afterwards() {
    let mut briefs = many(3, 7000, |n| until(n, &json!({})));
    assert!(Kpis::of(&briefs, SPAWN_METHOD).restarts.is_empty());
    briefs.push(brief(9, 101_000, &dialled("10.0.0.1", Some("refused"))));
    assert!(Kpis::of(&briefs, SPAWN_METHOD).restarts.is_empty(), "timed out, not refused");
    briefs[3].cause = "upstream_refused".to_owned();
    let restarts = Kpis::of(&briefs, SPAWN_METHOD).restarts;
    assert_eq!((restarts.len(), restarts[0].confidence), (1, Confidence::Likely));
}

#[test]
fn a_brief_survives_its_text_and_is_short() {
    let mut record = Record::new(SessionId::from_bits(1), Wall(START));
    record.openclaw = Some(crate::session::OpenClaw::default());
    let verdict: Verdict = serde_json::from_value(json!({
        "layer": "unknown", "cause": "still_open", "who": "unknown", "leg": null,
        "confidence": "possible", "reasons": [], "summary": "", "evidence": [], "next": [],
        "warnings": [], "culprits": [], "failed": false, "rules_version": 1,
    }))
    .unwrap();
    let brief = Brief::of(&record, &verdict);
    assert_eq!(Brief::read(&brief.write()), Some(brief.clone()));
    assert!(brief.write().len() < 250, "{}", brief.write());
    assert_eq!(Brief::read(&brief.write().replace("\"v\":1", "\"v\":2")), None);
    assert_eq!(Brief::read("{"), None);
}

#[test]
fn nothing_is_found_in_nothing() {
    assert_eq!(slugs(&[]), [""; 0]);
    assert_eq!(Kpis::of(&[], SPAWN_METHOD).spawns.percent, None);
}

fn any_more() -> impl Strategy<Value = Value> {
    let ms = prop_oneof![Just(0.0), Just(60_000.0), 0.0..1e15];
    let leg = prop_oneof![Just("client"), Just("upstream")];
    let how = prop_oneof![Just("fin"), Just("reset"), Just("cut"), Just("ours"), Just("broken")];
    let cause = prop_oneof![
        Just("token_mismatch"),
        Just("not_paired"),
        Just("too_many_unauthenticated_sockets"),
        Just("upstream_refused"),
        Just("connected"),
        Just("device_removed"),
    ];
    let layer = prop_oneof![Just("ok"), Just("origin"), Just("pairing"), Just("transport")];
    let numbers = (ms.clone(), ms.clone(), ms.clone(), ms, any::<u64>());
    let words = (leg, how, cause, layer, any::<[bool; 6]>());
    (numbers, words).prop_map(|((a, b, c, d, n), (leg, how, cause, layer, on))| {
        let mut more = json!({
            "d": a, "l": layer, "c": cause, "f": on[0], "o": on[1], "hs": b, "la": [n, n],
            "si": [c, null], "end": {"l": leg, "h": how, "at": b},
            "tcp": [{"r": 9, "m": 1, "u": 7}, null], "origin": if on[5] { "null" } else { "http://é" },
        });
        if on[2] {
            more["cl"] = json!({"l": leg, "c": 1001 + n % 12, "at": d});
        }
        if on[3] {
            more["oc"] = json!({
                "co": a, "de": "d", "rq": "r", "sd": d, "wa": [["m", n]], "lc": ["m", c],
                "ca": [{"method": "m", "requests": n, "ok": n, "errors": [["FORBIDDEN", n]]}],
            });
            more["oc"]["he"] = if on[4] { json!(b) } else { Value::Null };
        }
        more
    })
}

proptest! {
    #[test]
    fn no_sessions_make_it_panic(
        all in proptest::collection::vec((any_more(), any::<i32>()), 0..60),
        now in any::<i64>(),
    ) {
        let briefs: Vec<Brief> = all
            .iter()
            .enumerate()
            .map(|(n, (more, ms))| brief(n as u64, i64::from(*ms), more))
            .collect();
        let mut thresholds = Thresholds::default();
        for _ in 0..2 {
            for finding in find(&briefs, &thresholds, Wall(now)) {
                prop_assert!(!finding.sessions.is_empty() && !finding.next.is_empty());
            }
            for name in ["connect_dials", "equal_silences", "burst_sessions", "load_factor"] {
                thresholds.set(&format!("{name}=0")).expect("a name");
            }
        }
        let kpis = Kpis::of(&briefs, "m");
        prop_assert!(serde_json::to_string(&kpis).is_ok());
    }
}
