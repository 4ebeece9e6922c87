//! However a stream is cut into chunks, the same is said of it.

use proptest::prelude::*;
use wstap::observe::Capture;
use wstap::session::{CutFrame, Direction, FrameRun, Traffic};

use crate::script::{C2S, CHALLENGE, CONNECT, HELLO, REFUSAL, S2C, Script, Seen, masked, plain};

#[derive(Debug, PartialEq)]
struct Told {
    seen: Vec<Seen>,
    runs: [Vec<FrameRun>; 2],
    traffic: [Traffic; 2],
    cut: [Option<CutFrame>; 2],
}

fn told(capture: Capture, parts: &[(Direction, Vec<u8>)], cuts: &[usize]) -> Told {
    let mut script = Script::with(capture, 100, Some("permessage-deflate"));
    let mut cuts = cuts.iter().cycle();
    for (direction, bytes) in parts {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let size = cuts.next().map_or(rest.len(), |cut| (*cut).min(rest.len()));
            let (piece, after) = rest.split_at(size);
            script = script.bytes(*direction, piece);
            rest = after;
        }
    }
    let cut = Direction::BOTH.map(|direction| script.end(direction));
    let mut runs: [Vec<FrameRun>; 2] = Default::default();
    let mut numbers = [0; 2];
    for (direction, first, run) in &script.notes.runs {
        let at = direction.index();
        assert_eq!(*first, numbers[at]);
        numbers[at] += run.count;
        match runs[at].last_mut() {
            Some(last) if last.shape == run.shape && last.len == run.len => last.count += run.count,
            _ => runs[at].push(*run),
        }
    }
    let traffic = Direction::BOTH.map(|direction| script.traffic(direction));
    Told { seen: script.notes.seen, runs, traffic, cut }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop_oneof![Just(CHALLENGE), Just(CONNECT), Just(HELLO), Just(REFUSAL)]
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => Just(b"same".to_vec()),
        2 => "[a-z{}\":,é ]{0,40}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..300),
    ]
}

fn part() -> impl Strategy<Value = (Direction, Vec<u8>)> {
    let first = prop_oneof![
        8 => Just(0x81_u8),
        2 => Just(0x82),
        2 => prop_oneof![Just(0x01_u8), Just(0x00), Just(0x80), Just(0xc1), Just(0x41)],
        2 => prop_oneof![Just(0x88_u8), Just(0x89), Just(0x8a)],
        1 => any::<u8>(),
    ];
    let frame = (any::<bool>(), any::<bool>(), first, payload(), 1_usize..4);
    let frame = frame.prop_map(|(client, odd, first, payload, times)| {
        let wears_mask = client ^ (odd && payload.len() == 7);
        let one = if wears_mask { masked(first, &payload) } else { plain(first, &payload) };
        (if client { C2S } else { S2C }, one.repeat(times))
    });
    let junk = (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(client, bytes)| (if client { C2S } else { S2C }, bytes));
    prop_oneof![12 => frame, 1 => junk]
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_facts(
        parts in proptest::collection::vec(part(), 0..12),
        cuts in proptest::collection::vec(prop_oneof![1_usize..4, 1_usize..400], 1..8),
        capture in prop_oneof![
            Just(Capture::None), Just(Capture::Handshake), Just(Capture::Text), Just(Capture::All)
        ],
    ) {
        prop_assert_eq!(told(capture, &parts, &cuts), told(capture, &parts, &[]));
    }
}
