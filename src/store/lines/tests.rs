//! Every event comes back as it was, with its own time and that of its seeing.

use super::*;
use crate::session::{
    Control, Direction, Ending, EndingKind, Envelope, Finish, Gap, Head, Leg, OwnAnswer, Started,
    TcpSample, Traffic, Violated,
};

fn samples() -> Vec<Event> {
    let head = Head {
        raw: "GET /ws?a=1 HTTP/1.1\r\nHost: \u{ff}\r\n\r\n".to_owned(),
        bytes: 40,
        redactions: Vec::new(),
        verbatim: true,
    };
    let tcp = TcpSample {
        leg: Leg::Upstream,
        at: Offset(17),
        rtt_us: 1,
        rttvar_us: 2,
        retransmits: 3,
        unacked: 4,
        unacked_bytes: 5,
        snd_mss: 6,
        rcv_mss: 7,
        snd_cwnd: 8,
        state: 1,
    };
    let ending = |kind| Event::Ending(Ending { leg: Leg::Downstream, at: Offset(99), kind });
    vec![
        Event::Started(Started { listener: "127.0.0.1:1".to_owned(), ..Started::default() }),
        Event::Request { head: head.clone(), changes: Vec::new() },
        Event::Response { head, interim: vec![103] },
        Event::OwnAnswer(OwnAnswer { status: 502, leg: Leg::Upstream, why: "a\nb".to_owned() }),
        Event::Control(Control {
            direction: Direction::ServerToClient,
            opcode: 8,
            frame: 3,
            payload: "bye".to_owned(),
            len: 5,
            rtt_ms: None,
            code: Some(1000),
            malformed: false,
        }),
        Event::Envelope(Envelope {
            direction: Some(Direction::ClientToServer),
            kind: Some("event".to_owned()),
            event: Some("tick".to_owned()),
            ..Envelope::default()
        }),
        Event::Violated(Violated {
            direction: Direction::ClientToServer,
            name: "not_masked".to_owned(),
            frame: 1,
        }),
        ending(EndingKind::Fin),
        ending(EndingKind::FinMidFrame { opcode: 1, declared: Some(9), missing: Some(4) }),
        ending(EndingKind::CutByWstap { why: "drain".to_owned() }),
        Event::Tcp(tcp),
        Event::Gap(Gap { frames: 1, events: 2 }),
        Event::Traffic {
            direction: Direction::ClientToServer,
            traffic: Box::new(Traffic {
                bytes: 7,
                first_byte: Some(Offset(3)),
                ..Traffic::default()
            }),
        },
        Event::Finished(Finish::default()),
    ]
}

#[test]
fn every_event_comes_back_as_it_was() {
    let timed = |(at, event): (u64, Event)| Timed { at: Offset(at * 1_000_003), event };
    let all: Vec<Timed> = (0..).zip(samples()).map(timed).collect();
    let mut lines = Vec::new();
    assert!(all.iter().all(|timed| put_line(&mut lines, timed)));
    assert_eq!(str::from_utf8(&lines).unwrap().lines().count(), all.len());
    assert_eq!(events(&lines).collect::<Vec<_>>(), all);
}

#[test]
fn a_damaged_line_is_shown_and_hides_no_other() {
    let finished = Timed { at: Offset(5), event: Event::Finished(Finish::default()) };
    let mut lines = b"[1,{\"event\":\"fini\n".to_vec();
    put_line(&mut lines, &finished);
    let events: Vec<Timed> = events(&lines).collect();
    assert!(matches!(&events[0].event, Event::Note(note) if note.slug == "unreadable_event"));
    assert_eq!(events[1..], [finished]);
}
