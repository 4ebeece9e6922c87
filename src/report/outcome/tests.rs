//! Every kind of ending, in the words of a table.

use super::*;
use crate::session::{Control, Event, Finish, Head, Offset, SessionId, Started, Timed, Wall};

fn record(kind: Kind, status: Option<&str>, endings: Vec<(Leg, EndingKind)>) -> Record {
    let mut record = Record::new(SessionId::from_bits(7), Wall(0));
    let mut apply = |event| record.apply(&Timed { at: Offset(5), event });
    apply(Event::Started(Started { kind, ..Started::default() }));
    if let Some(line) = status {
        let raw = format!("HTTP/1.1 {line}\r\n\r\n");
        let head = Head { bytes: raw.len(), raw, redactions: Vec::new(), verbatim: true };
        apply(Event::Response { head, interim: Vec::new() });
    }
    for (leg, kind) in endings {
        if let EndingKind::CloseFrame { code, reason } = &kind {
            apply(Event::Control(Control {
                direction: leg.reads(),
                opcode: 0x8,
                frame: 0,
                payload: reason.clone(),
                len: 0,
                rtt_ms: None,
                code: *code,
                malformed: false,
            }));
        }
        apply(Event::Ending(Ending { leg, at: Offset(5), kind }));
    }
    apply(Event::Finished(Finish::default()));
    record.conclude();
    record
}

fn websocket(endings: Vec<(Leg, EndingKind)>) -> String {
    how_it_ended(&record(Kind::Websocket, Some("101 Switching Protocols"), endings))
}

fn close(code: Option<u16>, reason: &str) -> EndingKind {
    EndingKind::CloseFrame { code, reason: reason.to_owned() }
}

#[test]
fn the_first_ending_names_its_side() {
    use Leg::{Downstream, Upstream};
    let reset = EndingKind::Reset { undelivered: 3, missing: Some(9) };
    let cut = EndingKind::FinMidFrame { opcode: 2, declared: Some(70_000), missing: Some(1234) };
    let ours = EndingKind::CutByWstap { why: "drained".to_owned() };
    let lost = EndingKind::Failed { error: "ETIMEDOUT".to_owned() };
    let rows = [
        (Upstream, close(Some(1008), "no"), "Close 1008 from gateway: no"),
        (Downstream, close(None, ""), "Close without a code from client"),
        (Upstream, EndingKind::Fin, "FIN from upstream, no Close frame (1006)"),
        (Downstream, EndingKind::Fin, "FIN from client, no Close frame (1006)"),
        (
            Downstream,
            reset,
            "RST from client in the middle of a frame, 9 B missing, 3 B could not be delivered, \
             no Close frame (1006)",
        ),
        (
            Upstream,
            cut,
            "FIN from upstream in the middle of a binary frame, 1,234 of 70,000 B missing, \
             no Close frame (1006)",
        ),
        (Upstream, ours, "cut by wstap: drained, no Close frame (1006)"),
        (Upstream, lost, "ETIMEDOUT on the upstream leg, no Close frame (1006)"),
        (
            Upstream,
            EndingKind::Tls { end: TlsEnd::Truncated },
            "TLS cut off by upstream without close_notify, no Close frame (1006)",
        ),
    ];
    for (leg, kind, words) in rows {
        assert_eq!(websocket(vec![(leg, kind)]), words);
    }
    assert_eq!(websocket(Vec::new()), "no ending was seen");
    let both = |end| vec![(Upstream, EndingKind::Tls { end }), (Upstream, EndingKind::Fin)];
    assert_eq!(
        websocket(both(TlsEnd::Truncated)),
        "FIN from upstream, TLS without close_notify, no Close frame (1006)"
    );
    assert_eq!(websocket(both(TlsEnd::CloseNotify)), "FIN from upstream, no Close frame (1006)");
}

#[test]
fn a_fin_stays_first_when_the_other_side_still_closes() {
    let endings =
        vec![(Leg::Downstream, EndingKind::Fin), (Leg::Upstream, close(Some(1001), "bye"))];
    assert_eq!(websocket(endings), "FIN from client, no Close frame (1006)");
}

#[test]
fn what_never_opened_says_who_refused() {
    let refused = record(Kind::Websocket, Some("403 Forbidden"), Vec::new());
    assert_eq!(how_it_ended(&refused), "refused by gateway: 403 Forbidden");
    let silent = record(Kind::Websocket, None, vec![(Leg::Upstream, EndingKind::Fin)]);
    assert_eq!(how_it_ended(&silent), "no answer: FIN from upstream");
    let page = record(Kind::Http, Some("200 OK"), Vec::new());
    assert_eq!(how_it_ended(&page), "200, complete");
    let mut open = page;
    open.state = State::Open;
    assert_eq!(how_it_ended(&open), "open");
    open.state = State::Interrupted;
    assert_eq!(how_it_ended(&open), "interrupted: wstap died while it was open");
}

#[test]
fn a_reason_cannot_command_a_terminal() {
    let words = websocket(vec![(Leg::Upstream, close(Some(1011), "\u{1b}]0;x\u{7}"))]);
    assert_eq!(words, "Close 1011 from gateway: \\u{1b}]0;x\\u{7}");
}
