//! What a listing says of a session, and whether it ended well.

use super::*;
use crate::session::{Control, Ending, Leg, OwnAnswer, Started};

fn head(raw: &str) -> Head {
    Head { raw: raw.to_owned(), bytes: raw.len(), redactions: Vec::new(), verbatim: true }
}

fn upgrade(status: u16) -> Vec<Event> {
    vec![
        Event::Started(Started { kind: Kind::Websocket, ..Started::default() }),
        Event::Request {
            head: head("GET /ws?token=x HTTP/1.1\r\nOrigin: https://a.test\r\n\r\n"),
            changes: Vec::new(),
        },
        Event::Response {
            head: head(&format!("HTTP/1.1 {status} X\r\n\r\n")),
            interim: Vec::new(),
        },
    ]
}

fn close(direction: Direction, code: Option<u16>) -> Event {
    Event::Control(Control {
        direction,
        opcode: 8,
        frame: 0,
        payload: String::new(),
        len: 2,
        rtt_ms: None,
        code,
        malformed: false,
    })
}

fn ending(kind: EndingKind) -> Event {
    Event::Ending(Ending { leg: Leg::Upstream, at: Offset(1), kind })
}

fn columns(events: impl IntoIterator<Item = Event>) -> Columns {
    let mut columns = Columns::default();
    for (at, event) in (0..).zip(events) {
        columns.apply(&Timed { at: Offset(at), event });
    }
    columns
}

fn ended_well(events: impl IntoIterator<Item = Event>) -> bool {
    let end = [Event::Finished(Finish::default())];
    columns(events.into_iter().chain(end)).well().unwrap()
}

#[test]
fn columns_are_taken_from_heads_and_firsts() {
    let columns = columns(upgrade(101).into_iter().chain([
        close(Direction::ServerToClient, Some(1008)),
        close(Direction::ClientToServer, Some(1000)),
        ending(EndingKind::Fin),
        ending(EndingKind::Reset { undelivered: 0, missing: None }),
    ]));
    let texts = columns.texts.as_ref().unwrap();
    assert_eq!(texts.path.as_deref(), Some("/ws"));
    assert_eq!(texts.origin.as_deref(), Some("https://a.test"));
    assert_eq!(columns.status, Some(101));
    assert_eq!(
        columns.close,
        Some(FirstClose { code: Some(1008), from: Direction::ServerToClient })
    );
    assert_eq!(columns.ending, Some("fin"));
    assert_eq!(columns.duration, Offset(6));
    assert_eq!(columns.well(), None);
}

#[test]
fn a_websocket_session_ends_well_by_a_good_close_alone() {
    let with = |close| upgrade(101).into_iter().chain(close);
    assert!(ended_well(with(Some(close(Direction::ServerToClient, Some(1000))))));
    assert!(ended_well(with(Some(close(Direction::ServerToClient, Some(1001))))));
    assert!(ended_well(with(Some(close(Direction::ClientToServer, None)))));
    assert!(!ended_well(with(Some(close(Direction::ServerToClient, None)))));
    assert!(!ended_well(with(Some(close(Direction::ServerToClient, Some(1008))))));
    assert!(!ended_well(with(None)));
    assert!(!ended_well(upgrade(401)));
}

#[test]
fn other_sessions_end_well_unless_they_failed() {
    let http = || vec![Event::Started(Started { kind: Kind::Http, ..Started::default() })];
    assert!(ended_well(http()));
    let answer = OwnAnswer { status: 502, leg: Leg::Upstream, why: "refused".to_owned() };
    assert!(!ended_well(http().into_iter().chain([Event::OwnAnswer(answer)])));
    assert!(ended_well([Event::Started(Started::default()), ending(EndingKind::Fin)]));
    let reset = ending(EndingKind::Reset { undelivered: 0, missing: None });
    assert!(!ended_well([Event::Started(Started::default()), reset]));
}
