//! Frames, rules and times, of any WebSocket session.

use wstap::session::{CutFrame, Event, Offset, OpcodeCount, Silence, TlsRecords};

use crate::script::{C2S, S2C, Script, Seen, masked, plain};

#[test]
fn equal_frames_are_one_run_and_counted_once() {
    let stream: Vec<u8> = (0..100).flat_map(|_| plain(0x82, &[7; 64])).collect();
    let mut script = Script::new().s2c("not openclaw").c2s("neither");
    script.notes.runs.clear();
    let script = script.wait(5).bytes(S2C, &stream).bytes(S2C, &plain(0x82, &vec![7; 20_000]));
    let runs: Vec<_> =
        script.notes.runs.iter().map(|(_, at, run)| (*at, run.len, run.count)).collect();
    assert_eq!(runs, [(1, 64, 100), (101, 20_000, 1)]);
    let traffic = script.traffic(S2C);
    assert_eq!((traffic.frames, traffic.messages, traffic.fragmented), (102, 102, 0));
    assert_eq!((traffic.payload_bytes, traffic.largest), (12 + 6400 + 20_000, 20_000));
    assert_eq!(traffic.bytes, 14 + 6600 + 20_004);
    assert_eq!(
        traffic.by_opcode,
        [
            OpcodeCount { opcode: 1, frames: 1, bytes: 12 },
            OpcodeCount { opcode: 2, frames: 101, bytes: 26_400 }
        ]
    );
    assert_eq!(traffic.sizes.buckets().collect::<Vec<_>>(), [(8, 1), (64, 100), (16_384, 1)]);
    assert_eq!((traffic.masked, traffic.unmasked), (0, 102));
    assert_eq!(script.notes.seen, []);
}

#[test]
fn each_broken_rule_is_told_once_and_counted_always() {
    let mut script = Script::new()
        .bytes(C2S, &plain(0x82, b"x"))
        .bytes(C2S, &plain(0x82, b"x"))
        .bytes(C2S, &masked(0x80, b"nothing to continue"))
        .bytes(C2S, &masked(0x01, b"begins"))
        .bytes(C2S, &masked(0x82, b"interrupts"))
        .bytes(C2S, &masked(0x83, b"reserved"))
        .bytes(S2C, &plain(0x88, &[0x03, 0xee, 0xff]))
        .bytes(S2C, &plain(0x81, b"late"));
    assert_eq!(
        script.violations(),
        [
            "c2s:not_masked@0",
            "c2s:unexpected_continuation@2",
            "c2s:message_interrupted@4",
            "c2s:reserved_opcode@5",
            "s2c:close_code_invalid@0",
            "s2c:close_payload_malformed@0",
            "s2c:frame_after_close@1",
        ]
    );
    let traffic = script.traffic(C2S);
    assert_eq!((traffic.violations[0].count, traffic.violations[0].first_frame), (2, 0));
    assert_eq!((traffic.frames, traffic.fragmented), (6, 1));
    assert_eq!(script.observer.first_close(), Some(S2C));
    assert_eq!(script.end(C2S), None);
}

#[test]
fn a_pong_tells_the_round_trip() {
    let script = Script::new()
        .bytes(S2C, &plain(0x89, b"a"))
        .wait(3)
        .bytes(S2C, &plain(0x89, b"b"))
        .wait(4)
        .bytes(C2S, &masked(0x8a, b"b"))
        .bytes(C2S, &masked(0x8a, b"unasked"));
    let rtts: Vec<_> = script
        .notes
        .seen
        .iter()
        .map(|seen| match seen {
            Seen::Control { payload, rtt, .. } => (payload.as_slice(), *rtt),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        rtts,
        [(b"a".as_slice(), None), (b"b", None), (b"b", Some(Offset(4000))), (b"unasked", None)]
    );
}

#[test]
fn what_is_not_websocket_is_marked_from_its_byte() {
    let script = Script::new()
        .bytes(S2C, &plain(0x82, b"ok"))
        .bytes(S2C, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        .bytes(S2C, b"more");
    assert_eq!(script.events(), [&Event::NotWebsocket { direction: S2C, byte: 4 }]);
    let traffic = script.traffic(S2C);
    assert_eq!((traffic.bytes, traffic.frames), (4 + 28 + 4, 1));
    assert_eq!(traffic.not_websocket_from, Some(4));
}

#[test]
fn a_cut_frame_and_silences_are_told() {
    let mut script = Script::new()
        .wait(10)
        .bytes(S2C, &plain(0x82, b"x"))
        .wait(500)
        .bytes(S2C, &plain(0x89, b""))
        .wait(20)
        .bytes(S2C, &plain(0x82, &[1; 300])[..104]);
    let cut = CutFrame { opcode: 2, declared: Some(300), have: 100, missing: Some(200) };
    assert_eq!(script.end(S2C), Some(cut));
    let traffic = script.traffic(S2C);
    assert_eq!(traffic.cut_frame, Some(cut));
    assert_eq!(traffic.first_byte, Some(Offset(10_000)));
    assert_eq!(traffic.last_control_frame, Some(Offset(510_000)));
    assert_eq!(traffic.last_data_frame, Some(Offset(530_000)));
    assert_eq!(
        traffic.longest_silence,
        Some(Silence { ms: Offset(500_000), from: Offset(10_000) })
    );
}

#[test]
fn opaque_bytes_are_counted_with_their_tls_records() {
    let mut script = Script::new();
    script.observer.on_opaque(C2S, Offset(1), &[22, 3, 1, 0]);
    script.observer.on_opaque(C2S, Offset(2), &[2, 9, 9, 23, 3, 3, 0, 1, 8]);
    script.observer.on_opaque(S2C, Offset(2), b"SSH-2.0-x");
    let traffic = script.traffic(C2S);
    assert_eq!((traffic.bytes, traffic.last_byte), (13, Some(Offset(2))));
    assert_eq!(
        traffic.tls_records,
        Some(TlsRecords { records: 2, bytes: 3, largest: 2, non_application: 1 })
    );
    assert_eq!(script.traffic(S2C).tls_records, None);
}
