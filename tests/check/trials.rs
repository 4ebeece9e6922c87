//! Many connects, sessions kept open, growing frames, two ways side by side.

use std::time::Duration;

use wstap::check::{Counting, Holding, Outcome, compare};
use wstap::gateway::{Ending, Misbehaviour, Policy, When};

use crate::stage::{TOKEN, broken, detail, gateway, narrow, probe, settings, verdict, ws};

#[tokio::test]
async fn the_success_rate_is_held_against_the_threshold() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let mut settings = settings(&ws(gateway.addr()));
    settings.count = Some(Counting { times: 10, threshold: 97.0 });
    let report = probe(&settings).await;
    assert_eq!(broken(&report), None, "{report:#?}");
    assert_eq!(report.step("count").expect("a step").facts["rate"], 100.0);

    // The first is for the probe's own session.
    gateway.misbehave_next(Misbehaviour::None);
    for _ in 0..2 {
        gateway.misbehave_next(Misbehaviour::RefuseUpgrade { status: 502, body: "x".to_owned() });
    }
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("count", "transport", "http_502")), "{report:#?}");
    let count = report.step("count").expect("a step");
    assert_eq!(
        (&count.facts["rate"], &count.facts["failures"]["http_502"]),
        (&80.0.into(), &2.into())
    );
    let rows = count.facts["histogram"].as_array().expect("rows");
    let counted: u64 = rows.iter().filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(counted, 8);
}

#[tokio::test]
async fn a_held_session_that_is_cut_says_when_and_how() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let mut settings = settings(&ws(gateway.addr()));
    let time = Duration::from_millis(1200);
    settings.hold = Some(Holding { time, ping_every: Duration::from_millis(300) });
    let report = probe(&settings).await;
    assert_eq!(verdict(&report, "hold"), Outcome::Ok, "{report:#?}");

    gateway.misbehave_next(Misbehaviour::None);
    let cut = When::Elapsed(Duration::from_millis(600));
    for _ in 0..2 {
        gateway.misbehave_next(Misbehaviour::End { when: cut, how: Ending::Fin });
    }
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("hold", "transport", "eof_without_close_frame")));
    let quiet = &report.step("hold").expect("a step").facts["without_pings"];
    assert_eq!((&quiet["result"], &quiet["how"]), (&"cut".into(), &"fin".into()), "{quiet}");
    let after = quiet["after_ms"].as_f64().expect("a time");
    assert!((400.0..1200.0).contains(&after), "{after}");
}

#[tokio::test]
async fn the_size_at_which_frames_die_is_narrowed_down() {
    let gateway = gateway(Policy::token(TOKEN)).await;
    let narrow = narrow(gateway.addr(), 40_000).await;
    let mut settings = settings(&ws(narrow));
    settings.max_frame = 256 * 1024;
    let report = probe(&settings).await;
    assert_eq!(broken(&report), Some(("sizes", "transport", "frame_size_limit")), "{report:#?}");
    let facts = &report.step("sizes").expect("a step").facts;
    let (passes, dies) = (facts["passes"].as_u64(), facts["dies"].as_u64());
    // The connection's other bytes, less than 2 KiB, count against the limit.
    assert!((36_000..=40_000).contains(&passes.expect("a size")), "{facts:?}");
    assert!((37_000..=42_000).contains(&dies.expect("a size")), "{facts:?}");
    assert!(detail(&report, "sizes").contains("does not"));
}

#[tokio::test]
async fn two_ways_are_compared_by_what_differs() {
    let (one, two) = (gateway(Policy::token(TOKEN)).await, gateway(Policy::token("other-1")).await);
    let first = probe(&settings(&ws(one.addr()))).await;
    let same = compare(first.clone(), probe(&settings(&ws(one.addr()))).await);
    let told: Vec<_> = same.differences.iter().filter(|one| one.what != "took").collect();
    assert!(told.iter().all(|one| one.what == "detail" || one.step == "tcp"), "{told:#?}");
    let comparison = compare(first, probe(&settings(&ws(two.addr()))).await);
    let connect = comparison.differences.iter().find(|d| d.step == "connect").expect("one");
    assert_eq!((&*connect.what, &*connect.first, &*connect.second), ("verdict", "ok", "failed"));
}
