//! Every kind of end on either leg comes out of the other leg as it went in, over every kind of
//! leg, and the record tells it.

use std::thread;
use std::time::Duration;

use wstap::session::{EndingKind, Leg, Record, TlsEnd};

use crate::frame::{self, CLOSE, TEXT, close_payload};
use crate::noise::Noise;
use crate::rig::{Rig, Shape, upgrade};
use crate::wire::{Conn, End};

const SHAPES: [Shape; 5] =
    [Shape::Tcp, Shape::TlsListener, Shape::TlsUpstream, Shape::BothTls, Shape::Unix];
const LEGS: [Leg; 2] = [Leg::Downstream, Leg::Upstream];

/// Two open ends; `acting` is on `leg`, `other` sees what comes of it.
struct Ends {
    acting: Conn,
    other: Conn,
    leg: Leg,
    shape: Shape,
}

impl Ends {
    fn acting_is_tls(&self) -> bool {
        match self.leg {
            Leg::Downstream => self.shape.client_is_tls(),
            Leg::Upstream => self.shape.upstream_is_tls(),
        }
    }

    fn other_is_tls(&self) -> bool {
        match self.leg {
            Leg::Downstream => self.shape.upstream_is_tls(),
            Leg::Upstream => self.shape.client_is_tls(),
        }
    }

    /// The acting side, which has nothing more to do.
    fn take_acting(&mut self) -> Conn {
        std::mem::replace(&mut self.acting, Conn::nowhere())
    }

    /// A message from the acting side.
    fn message(&self, payload: &str) -> Vec<u8> {
        match self.leg {
            Leg::Downstream => frame::from_client(TEXT, payload),
            Leg::Upstream => frame::from_gateway(TEXT, payload),
        }
    }
}

/// How an orderly end is recorded.
const fn orderly(tls: bool) -> EndingKind {
    if tls { EndingKind::Tls { end: TlsEnd::CloseNotify } } else { EndingKind::Fin }
}

/// Plays one ending over every shape and from either leg; gives what was recorded to `check`.
fn for_each(
    name: &str,
    shapes: &[Shape],
    play: impl Fn(&mut Ends) + Sync,
    check: impl Fn(&Ends, &Record) + Sync,
) {
    thread::scope(|scope| {
        for shape in shapes {
            let (play, check) = (&play, &check);
            // A failure names the thread.
            let thread = thread::Builder::new().name(format!("{name} {shape:?}"));
            let played = thread.spawn_scoped(scope, move || {
                let rig = Rig::of(*shape, &[]);
                for leg in LEGS {
                    let target = format!("/{name}-{}", leg.name());
                    let (client, gateway) = rig.session(&target);
                    let (acting, other) = match leg {
                        Leg::Downstream => (client, gateway),
                        Leg::Upstream => (gateway, client),
                    };
                    let mut ends = Ends { acting, other, leg, shape: *shape };
                    play(&mut ends);
                    check(&ends, &rig.record(&target));
                }
            });
            played.expect("a thread");
        }
    });
}

/// The endings of one leg without its Close frames.
fn endings_of(record: &Record, leg: Leg) -> Vec<&EndingKind> {
    let of_leg = record.endings.iter().filter(|ending| ending.leg == leg);
    of_leg
        .map(|ending| &ending.kind)
        .filter(|kind| !matches!(kind, EndingKind::CloseFrame { .. }))
        .collect()
}

/// No Close frame was on the wire, so no code is recorded, and an application would say 1006.
fn assert_no_code(record: &Record) {
    assert_eq!((&record.close.from, record.close.code), (&None, None));
    for seen in [&record.close.seen_by_client, &record.close.seen_by_gateway] {
        let seen = seen.as_ref().unwrap();
        assert_eq!((seen.code, seen.derived), (1006, true));
    }
}

#[test]
fn a_fin_after_a_whole_frame_is_a_fin() {
    let play = |ends: &mut Ends| {
        let message = ends.message("whole");
        ends.acting.send(&message);
        ends.acting.fin();
        assert_eq!(ends.other.rest(), (message, End::Fin), "{:?} {:?}", ends.shape, ends.leg);
        ends.other.fin();
        assert_eq!(ends.acting.end(), End::Fin);
    };
    for_each("fin", &SHAPES, play, |ends, record| {
        let (ours, theirs) = (ends.acting_is_tls(), ends.other_is_tls());
        assert_eq!(endings_of(record, ends.leg), [&orderly(ours)]);
        assert_eq!(endings_of(record, ends.leg.other()), [&orderly(theirs)]);
        assert_no_code(record);
    });
}

#[test]
fn a_fin_in_mid_frame_is_one_and_the_missing_bytes_are_counted() {
    let play = |ends: &mut Ends| {
        let message = ends.message(&"m".repeat(1000));
        let half = &message[..message.len() - 300];
        ends.acting.send(half);
        ends.acting.fin();
        assert_eq!(ends.other.rest(), (half.to_vec(), End::Fin), "{:?} {:?}", ends.shape, ends.leg);
        ends.other.fin();
        assert_eq!(ends.acting.end(), End::Fin);
    };
    for_each("mid-frame", &SHAPES, play, |ends, record| {
        let cut = record.frames.of(ends.leg.reads()).cut_frame.unwrap();
        assert_eq!((cut.opcode, cut.declared, cut.have), (TEXT, Some(1000), 700));
        assert_eq!(cut.missing, Some(300));
        if !ends.acting_is_tls() {
            let (declared, missing) = (Some(1000), Some(300));
            let mid = EndingKind::FinMidFrame { opcode: TEXT, declared, missing };
            assert_eq!(endings_of(record, ends.leg), [&mid]);
        }
        assert_no_code(record);
    });
}

#[test]
fn a_fin_in_the_header_of_a_frame_claims_no_length() {
    let play = |ends: &mut Ends| {
        let begun = &ends.message(&"m".repeat(1000))[..3];
        ends.acting.send(begun);
        ends.acting.fin();
        assert_eq!(ends.other.rest(), (begun.to_vec(), End::Fin));
        ends.other.fin();
        assert_eq!(ends.acting.end(), End::Fin);
    };
    for_each("mid-header", &[Shape::Tcp], play, |ends, record| {
        let mid = EndingKind::FinMidFrame { opcode: TEXT, declared: None, missing: None };
        assert_eq!(endings_of(record, ends.leg), [&mid]);
    });
}

#[test]
fn a_half_closed_session_goes_on_in_the_other_direction() {
    let play = |ends: &mut Ends| {
        ends.acting.fin();
        assert_eq!(ends.other.end(), End::Fin);
        let answer = Noise::new(4).bytes(50_000);
        for piece in answer.chunks(10_000) {
            ends.other.send(piece);
            assert_eq!(ends.acting.take(piece.len()), piece);
            // Kept for as long as it takes: longer than a dead leg is given.
            if ends.shape == Shape::Tcp {
                ends.acting.stays_silent(Duration::from_millis(800));
            }
        }
        ends.other.fin();
        assert_eq!(ends.acting.end(), End::Fin);
    };
    for_each("half-close", &SHAPES, play, |ends, record| {
        assert_eq!(record.frames.of(ends.leg.other().reads()).bytes, 50_000);
        assert_eq!(record.endings.first().unwrap().leg, ends.leg);
        assert_no_code(record);
    });
}

const TCP_SHAPES: [Shape; 4] = [Shape::Tcp, Shape::TlsListener, Shape::TlsUpstream, Shape::BothTls];

#[test]
fn a_reset_of_an_idle_session_is_a_reset() {
    let play = |ends: &mut Ends| {
        ends.take_acting().reset();
        assert_eq!(ends.other.end(), End::Reset, "{:?} {:?}", ends.shape, ends.leg);
    };
    for_each("reset", &TCP_SHAPES, play, |ends, record| {
        let reset = EndingKind::Reset { undelivered: 0, missing: None };
        assert_eq!(endings_of(record, ends.leg), [&reset]);
        assert_eq!(endings_of(record, ends.leg.other()), [] as [&EndingKind; 0]);
        assert_no_code(record);
    });
}

#[test]
fn data_before_a_reset_is_delivered_first() {
    let play = |ends: &mut Ends| {
        let message = ends.message(&"d".repeat(20_000));
        let cut = ends.message(&"c".repeat(500));
        let sent = [&message[..], &cut[..400]].concat();
        ends.acting.send(&sent);
        // Zero linger throws away what the tap's kernel has not acknowledged.
        ends.acting.until_acknowledged();
        ends.take_acting().reset();
        let (got, end) = ends.other.rest();
        assert_eq!((got.len(), end), (sent.len(), End::Reset), "{:?} {:?}", ends.shape, ends.leg);
        assert_eq!(got, sent);
    };
    for_each("data-reset", &TCP_SHAPES, play, |ends, record| {
        let missing = 500 - (400 - header_len(ends.leg));
        let reset = EndingKind::Reset { undelivered: 0, missing: Some(missing) };
        assert_eq!(endings_of(record, ends.leg), [&reset]);
        assert_no_code(record);
    });
}

/// Of a frame with a two-byte length.
const fn header_len(leg: Leg) -> u64 {
    match leg {
        Leg::Downstream => 8,
        Leg::Upstream => 4,
    }
}

#[test]
fn a_reset_reaches_a_side_that_does_not_read_within_a_bound() {
    let play = |ends: &mut Ends| {
        let flood = Noise::new(5).bytes(256 << 10);
        ends.acting.until_full(&flood);
        ends.take_acting().reset();
        // Not read for now: when the reset has arrived the kernel throws the rest away.
        ends.other.until_reset();
    };
    for_each("stalled-reset", &TCP_SHAPES, play, |ends, record| {
        let kinds = endings_of(record, ends.leg);
        let [EndingKind::Reset { undelivered, .. }] = kinds.as_slice() else {
            panic!("{kinds:?}");
        };
        assert!(*undelivered > 0);
        let took = record.endings.last().unwrap().at.millis()
            - record.response.as_ref().unwrap().at.millis();
        assert!(took < 25_000.0, "{took} ms");
    });
}

#[test]
fn a_half_closed_side_that_is_killed_ends_the_other_one() {
    let play = |ends: &mut Ends| {
        ends.acting.fin();
        assert_eq!(ends.other.end(), End::Fin);
        ends.take_acting().reset();
        ends.other.until_reset();
    };
    for_each("half-then-reset", &TCP_SHAPES, play, |ends, record| {
        let names: Vec<_> = endings_of(record, ends.leg).iter().map(|kind| kind.name()).collect();
        let first = if ends.acting_is_tls() { "tls" } else { "fin" };
        assert_eq!(names, [first, "reset"]);
    });
}

#[test]
fn a_reset_while_the_last_bytes_wait_for_it_is_passed_on() {
    let play = |ends: &mut Ends| {
        ends.acting.fin();
        assert_eq!(ends.other.end(), End::Fin);
        let flood = Noise::new(6).bytes(256 << 10);
        ends.other.until_full(&flood);
        ends.other.cut();
        ends.take_acting().reset();
        ends.other.until_reset();
    };
    for_each("fins-then-reset", &TCP_SHAPES, play, |ends, record| {
        let names: Vec<_> = endings_of(record, ends.leg).iter().map(|kind| kind.name()).collect();
        assert_eq!(names.last(), Some(&"reset"), "{names:?}");
        assert_no_code(record);
    });
}

#[test]
fn bytes_towards_a_side_that_is_gone_meet_a_reset() {
    let play = |ends: &mut Ends| {
        // A full close: the kernel answers whatever comes now with a reset.
        ends.acting.fin();
        ends.take_acting().close();
        assert_eq!(ends.other.end(), End::Fin);
        ends.other.send_until_broken();
    };
    for_each("full-close", &TCP_SHAPES, play, |ends, record| {
        let names: Vec<_> = endings_of(record, ends.leg).iter().map(|kind| kind.name()).collect();
        let first = if ends.acting_is_tls() { "tls" } else { "fin" };
        assert_eq!(names, [first, "reset"]);
        assert_no_code(record);
    });
}

#[test]
fn tls_that_is_truncated_is_passed_on_as_such() {
    let shapes = [Shape::BothTls];
    let play = |ends: &mut Ends| {
        let message = ends.message("before");
        ends.acting.send(&message);
        ends.acting.cut();
        assert_eq!(ends.other.rest(), (message, End::Truncated), "{:?}", ends.leg);
        ends.other.cut();
        assert_eq!(ends.acting.end(), End::Truncated);
    };
    for_each("truncated", &shapes, play, |_, record| {
        let kinds: Vec<_> = record.endings.iter().map(|ending| &ending.kind).collect();
        let truncated = EndingKind::Tls { end: TlsEnd::Truncated };
        assert_eq!(kinds, [&truncated, &truncated]);
        assert_no_code(record);
    });
}

#[test]
fn truncated_tls_is_a_fin_where_the_other_leg_is_plain() {
    for (shape, leg) in [(Shape::TlsListener, Leg::Downstream), (Shape::TlsUpstream, Leg::Upstream)]
    {
        let rig = Rig::of(shape, &[]);
        let (client, gateway) = rig.session("/");
        let (mut tls, mut plain) =
            if leg == Leg::Downstream { (client, gateway) } else { (gateway, client) };
        tls.cut();
        assert_eq!(plain.end(), End::Fin);
        plain.fin();
        assert_eq!(tls.end(), End::Fin);
        let record = rig.only_record();
        let truncated = EndingKind::Tls { end: TlsEnd::Truncated };
        assert_eq!(endings_of(&record, leg), [&truncated]);
        assert_eq!(endings_of(&record, leg.other()), [&EndingKind::Fin]);
    }
}

#[test]
fn a_tls_alert_is_recorded_by_its_name_and_ends_the_other_side() {
    let shapes = [Shape::TlsListener, Shape::TlsUpstream, Shape::BothTls];
    let play = |ends: &mut Ends| {
        let message = ends.message("before");
        ends.acting.send(&message);
        if ends.acting_is_tls() {
            ends.acting.alert();
            ends.acting.cut();
        } else {
            ends.acting.fin();
        }
        let (got, end) = ends.other.rest();
        assert_eq!(got, message);
        let plain = !ends.other_is_tls() || !ends.acting_is_tls();
        assert_eq!(end, if plain { End::Fin } else { End::Truncated }, "{:?}", ends.shape);
        ends.other.fin();
    };
    for_each("alert", &shapes, play, |ends, record| {
        if ends.acting_is_tls() {
            let kinds = endings_of(record, ends.leg);
            let alert = TlsEnd::Alert("bad_record_mac".to_owned());
            assert_eq!(kinds.first(), Some(&&EndingKind::Tls { end: alert }));
        }
    });
}

#[test]
fn tls_that_is_broken_is_recorded_and_truncates_the_other_side() {
    let play = |ends: &mut Ends| {
        let message = ends.message("before");
        ends.acting.send(&message);
        ends.acting.send_raw(b"this is no TLS record at all");
        assert_eq!(ends.other.rest(), (message, End::Truncated), "{:?}", ends.leg);
        ends.other.fin();
    };
    for_each("broken", &[Shape::BothTls], play, |ends, record| {
        let kinds = endings_of(record, ends.leg);
        let broken = |kind: &EndingKind| matches!(kind, EndingKind::Tls { end: TlsEnd::Broken(_) });
        assert!(broken(kinds[0]), "{kinds:?}");
        assert_no_code(record);
    });
}

#[test]
fn a_full_close_of_a_unix_socket_with_unread_bytes_is_a_reset() {
    // unix(7): the peer of a socket that is closed with unread bytes gets ECONNRESET.
    let rig = Rig::of(Shape::Unix, &[]);
    let (client, mut gateway) = rig.session("/unread");
    let message = frame::from_gateway(TEXT, "unread");
    gateway.send(&message);
    client.until_readable();
    client.close();
    let (_, end) = gateway.rest();
    assert!(matches!(end, End::Reset | End::Fin), "{end:?}");
    let record = rig.record("/unread");
    assert_eq!(record.endings[0].leg, Leg::Downstream);
    assert_eq!(record.endings[0].kind.name(), "reset");
    assert_no_code(&record);
}

#[test]
fn close_frames_are_recorded_as_they_were_on_the_wire() {
    let rig = Rig::new();
    let said = "never on the wire, they say";
    let cases = [
        ("code", close_payload(1000, ""), Some(1000), "", 1000),
        ("reason", close_payload(4001, "auth changed"), Some(4001), "auth changed", 4001),
        ("empty", vec![], None, "", 1005),
        ("one-byte", vec![0x03], None, "", 1005),
        ("forbidden", close_payload(1006, said), Some(1006), said, 1006),
    ];
    for (name, payload, code, reason, reported) in cases {
        for from_gateway in [false, true] {
            let target = format!("/{name}-{from_gateway}");
            let (mut client, mut gateway) = rig.session(&target);
            let bytes = if from_gateway {
                frame::from_gateway(CLOSE, &payload)
            } else {
                frame::from_client(CLOSE, &payload)
            };
            let (from, to) = if from_gateway {
                (&mut gateway, &mut client)
            } else {
                (&mut client, &mut gateway)
            };
            from.send(&bytes);
            from.fin();
            assert_eq!(to.rest(), (bytes, End::Fin));
            to.fin();
            assert_eq!(from.end(), End::Fin, "no Close frame is made up");
            let close = rig.record(&target).close;
            let side = if from_gateway { "gateway" } else { "client" };
            assert_eq!(close.from.as_deref(), Some(side), "{name}");
            assert_eq!((close.code, close.reason.as_deref()), (code, Some(reason)), "{name}");
            let (seen, unseen) = if from_gateway {
                (close.seen_by_client.unwrap(), close.seen_by_gateway.unwrap())
            } else {
                (close.seen_by_gateway.unwrap(), close.seen_by_client.unwrap())
            };
            assert_eq!((seen.code, seen.derived), (reported, code.is_none()), "{name}");
            assert_eq!((unseen.code, unseen.derived), (1006, true), "{name}");
        }
    }
}

#[test]
fn an_answer_before_the_request_was_read_is_delivered_before_the_reset() {
    let rig = Rig::new();
    let busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for _ in 0..20 {
        let mut client = rig.connect();
        // The tap dials when the head is complete, and meets an upstream that has answered.
        client.send(upgrade("/busy", ""));
        let mut gateway = rig.accept();
        gateway.send(busy);
        gateway.until_acknowledged();
        gateway.reset();
        let (got, _) = client.rest();
        assert_eq!(got, busy.as_bytes());
    }
}
