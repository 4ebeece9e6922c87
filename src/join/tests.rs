//! Records made by hand: two taps with clocks of their own, a hop between them.

use super::*;
use crate::session::{
    Confidence, Dial, Direction, Ending, EndingKind, Event, Finish, Head, Kind, Layer, Leg, Offset,
    Started, State, Timed, Who,
};

const START: i64 = 1_795_146_416_640_000;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const MS: i64 = 1000;

/// A tap: its clock's offset, and how much later than the client it sees what the client sends,
/// and earlier what the client gets.
struct Tap {
    clock: i64,
    from_client: i64,
}

const FRONT: Tap = Tap { clock: 0, from_client: 0 };

/// Ten milliseconds behind the front, on a machine whose clock is 3 s ahead.
const BEHIND: Tap = Tap { clock: 3_000_000, from_client: 10 * MS };

struct Made<'a> {
    key: &'a str,
    host: &'a str,
    endings: Vec<(i64, Leg, EndingKind)>,
    frames: usize,
}

impl Default for Made<'_> {
    fn default() -> Self {
        Self { key: KEY, host: "gw", endings: Vec::new(), frames: 6 }
    }
}

fn head(text: &str) -> Head {
    let raw = text.replace('\n', "\r\n");
    Head { bytes: raw.len(), raw, redactions: Vec::new(), verbatim: true }
}

impl Tap {
    /// Times are true ones, since `START`; each tap writes them by its own clock.
    fn sees(&self, made: &Made<'_>) -> Seen {
        let began = self.from_client;
        let at = |time: i64| Offset(u64::try_from(time - began).unwrap());
        let Made { key, host, endings, frames } = made;
        let mut record = Record::new(
            SessionId::from_bits(u64::try_from(self.clock + 1).unwrap()),
            Wall(START + began + self.clock),
        );
        let request = format!("GET / HTTP/1.1\nHost: {host}\nSec-WebSocket-Key: {key}\n\n");
        let mut apply = |time, event| record.apply(&Timed { at: at(time), event });
        apply(
            began,
            Event::Started(Started {
                kind: Kind::Websocket,
                client: "10.0.0.1:1".to_owned(),
                local: String::new(),
                listener: "127.0.0.1:1".to_owned(),
                earlier_requests: 0,
                proxy_header: None,
            }),
        );
        apply(began, Event::Dial(Dial { url: "ws://hop:80".to_owned(), ..Dial::default() }));
        apply(began, Event::Request { head: head(&request), changes: Vec::new() });
        let answered = 100 * MS - self.from_client;
        let answer = head("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n");
        apply(answered, Event::Response { head: answer, interim: Vec::new() });
        for (time, leg, kind) in endings {
            apply(*time, Event::Ending(Ending { leg: *leg, at: at(*time), kind: kind.clone() }));
        }
        if !endings.is_empty() {
            apply(70_000 * MS, Event::Finished(Finish::default()));
        }
        record.conclude();
        record.verdict = Some(crate::verdict::judge(&record));
        let frames = (0..*frames).map(|number| {
            let (direction, time) = if number % 2 == 0 {
                (Direction::ClientToServer, self.from_client)
            } else {
                (Direction::ServerToClient, 20 * MS - self.from_client)
            };
            let sent = 200 * MS + i64::try_from(number).unwrap() * 1000 * MS;
            FrameFact {
                at: at(sent + time),
                direction,
                number: number as u64 / 2,
                first: 0x81,
                masked: number % 2 == 0,
                minimal: true,
                len: 10 + number as u64,
            }
        });
        Seen { record, frames: frames.collect() }
    }
}

fn fin(ms: i64, leg: Leg) -> Vec<(i64, Leg, EndingKind)> {
    vec![(ms * MS, leg, EndingKind::Fin)]
}

fn joined(front: &Made<'_>, behind: &Made<'_>) -> Joined {
    join(&[FRONT.sees(front)], &[BEHIND.sees(behind)], Clocks::Two)
}

#[test]
fn clocks_that_differ_are_measured_by_the_frames() {
    let joined = joined(&Made::default(), &Made::default());
    let clock = joined.clock.unwrap();
    assert!(clock.consistent && !joined.swapped);
    assert!((clock.estimate_ms - 3000.0).abs() <= clock.uncertainty_ms, "{clock:?}");
    assert!(clock.uncertainty_ms <= 10.0, "{clock:?}");
    let pair = &joined.pairs[0];
    for delay in [pair.to_gateway.unwrap(), pair.to_client.unwrap()] {
        let Bounds { at_least_ms, at_most_ms } = delay.median;
        assert!(at_least_ms <= 10.0 && at_most_ms >= 10.0, "{delay:?}");
        assert!(at_most_ms <= 20.0, "{delay:?}");
    }
    assert_eq!((pair.to_gateway.unwrap().seen, pair.by), (4, By::Key));
}

#[test]
fn one_clock_gives_exact_delays() {
    let near = Tap { clock: 0, from_client: 10 * MS };
    let joined = join(&[FRONT.sees(&Made::default())], &[near.sees(&Made::default())], Clocks::One);
    let delay = joined.pairs[0].to_gateway.unwrap();
    assert_eq!(delay.median, Bounds { at_least_ms: 10.0, at_most_ms: 10.0 });
}

#[test]
fn stores_in_the_other_order_are_turned_round() {
    let (a, b) = (FRONT.sees(&Made::default()), BEHIND.sees(&Made::default()));
    let joined = join(&[b], &[a], Clocks::Two);
    assert!(joined.swapped);
    assert!((joined.clock.unwrap().estimate_ms - 3000.0).abs() <= 10.0);
}

#[test]
fn a_hop_that_cuts_is_named_whatever_the_clocks_say() {
    let front = Made { endings: fin(60_003, Leg::Upstream), host: "gw.example", ..Made::default() };
    let behind = Made { endings: fin(60_020, Leg::Downstream), ..Made::default() };
    let pair = joined(&front, &behind).pairs.remove(0);
    assert_eq!(pair.ended.by, EndedBy::Hop);
    let said = "the client side saw FIN at 60.003 s while the gateway side was still open";
    assert!(pair.ended.says.starts_with(said), "{}", pair.ended.says);
    let sharpened = pair.sharpened.unwrap();
    assert_eq!((sharpened.who, sharpened.confidence), (Who::FrontProxy, Confidence::Certain));
    for verdict in pair.verdicts.iter().flatten() {
        assert_eq!((verdict.who, verdict.confidence), (Who::FrontProxy, Confidence::Certain));
        assert!(verdict.summary.contains("the hop between them cut it"), "{}", verdict.summary);
    }
    let host = &pair.request[0];
    assert_eq!((&*host.name, &*host.before[0], &*host.after[0]), ("host", "gw.example", "gw"));
}

#[test]
fn an_end_that_only_one_tap_saw_is_the_hop_s_or_was_not_passed_on() {
    let cut = Made { endings: fin(60_003, Leg::Upstream), ..Made::default() };
    let pair = joined(&cut, &Made::default()).pairs.remove(0);
    assert_eq!(pair.ended.by, EndedBy::Hop);
    assert!(pair.ended.says.contains("the gateway side is still open"), "{}", pair.ended.says);
    // Nothing else tells that there is a proxy.
    assert_eq!(pair.sharpened.unwrap().who, Who::Network);
    let gone = Made { endings: fin(5_000, Leg::Downstream), ..Made::default() };
    let pair = joined(&gone, &Made::default()).pairs.remove(0);
    assert_eq!(pair.ended.by, EndedBy::Client);
    assert!(pair.ended.says.contains("has not passed that on"), "{}", pair.ended.says);
}

#[test]
fn ends_that_were_passed_on_name_the_side_they_came_from() {
    let made = |ms, leg| Made { endings: fin(ms, leg), ..Made::default() };
    let by = |front, behind| joined(&front, &behind).pairs.remove(0).ended;
    let client = by(made(5_000, Leg::Downstream), made(5_010, Leg::Downstream));
    assert_eq!(client.by, EndedBy::Client);
    let gateway = by(made(5_010, Leg::Upstream), made(5_000, Leg::Upstream));
    assert_eq!(gateway.by, EndedBy::Gateway);
    let crossed = by(made(5_000, Leg::Downstream), made(9_000, Leg::Upstream));
    assert_eq!(crossed.by, EndedBy::Client);
    let at_once = by(made(5_000, Leg::Downstream), made(5_001, Leg::Upstream));
    assert_eq!(at_once.by, EndedBy::BothEnds);
}

#[test]
fn a_refusal_stays_what_it_is() {
    let front = Made { endings: fin(60_003, Leg::Upstream), ..Made::default() };
    let behind = Made { endings: fin(60_020, Leg::Downstream), ..Made::default() };
    let (front, behind) = (FRONT.sees(&front).record, BEHIND.sees(&behind).record);
    let sharpened = sharpen(&front, &behind).unwrap();
    let mut refused = front.verdict.unwrap();
    refused.layer = Layer::Pairing;
    assert_eq!(sharpened.apply(&refused), refused);
}

#[test]
fn a_hop_that_makes_a_key_of_its_own_is_joined_by_frames() {
    let other = Made { key: "AAAAAAAAAAAAAAAAAAAAAA==", ..Made::default() };
    let few = Made { frames: 2, ..other };
    let joined_by = |behind: &Made<'_>| {
        let joined = joined(&Made::default(), behind);
        joined.pairs.first().map(|pair| pair.by)
    };
    let other = Made { key: "AAAAAAAAAAAAAAAAAAAAAA==", ..Made::default() };
    assert_eq!(joined_by(&other), Some(By::Frames));
    assert_eq!(joined_by(&few), None);
}

#[test]
fn a_repeated_upgrade_is_joined_with_its_last_copy() {
    let behind = [BEHIND.sees(&Made::default()), BEHIND.sees(&Made::default())];
    let joined = join(&[FRONT.sees(&Made::default())], &behind, Clocks::Two);
    assert_eq!((joined.pairs.len(), joined.only_behind.len()), (1, 1));
}

#[test]
fn what_is_printed_says_who_cut_it() {
    let front = Made { endings: fin(60_003, Leg::Upstream), host: "gw.example", ..Made::default() };
    let behind = Made { endings: fin(60_020, Leg::Downstream), ..Made::default() };
    let text = text(&joined(&front, &behind));
    for part in [
        "clock behind is +3000.000 ms off",
        "host: gw.example  ->  gw",
        "to the gateway: median",
        "the hop between them cut it",
        "front_proxy, certain: between ws://hop:80 and 127.0.0.1:1",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(joined(&front, &behind).pairs[0].started_at, Wall(START));
    assert_eq!(State::Ended, FRONT.sees(&front).record.state);
}
