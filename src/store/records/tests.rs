//! What was put in comes out, and no bytes whatever make the decoder fail.

use proptest::prelude::*;

use super::*;

fn shape() -> impl Strategy<Value = FrameShape> {
    (any::<u8>(), any::<bool>(), any::<bool>()).prop_map(|(first, masked, minimal)| FrameShape {
        first,
        masked,
        minimal,
    })
}

fn run() -> impl Strategy<Value = FrameRun> {
    (shape(), prop_oneof![0..200_u64, any::<u64>()], 1..5_u64)
        .prop_map(|(shape, len, count)| FrameRun { shape, len, count })
}

fn head() -> impl Strategy<Value = GroupHead> {
    (any::<bool>(), any::<u64>(), any::<u64>()).prop_map(|(up, at, first_frame)| GroupHead {
        direction: if up { Direction::ClientToServer } else { Direction::ServerToClient },
        at: Offset(at),
        first_frame,
    })
}

/// Every frame by itself, so that it does not matter which runs were joined.
fn flat(runs: impl Iterator<Item = FrameRun>) -> Vec<(FrameShape, u64)> {
    runs.flat_map(|run| (0..run.count).map(move |_| (run.shape, run.len))).collect()
}

proptest! {
    #[test]
    fn groups_come_back_as_they_were(
        groups in prop::collection::vec((head(), prop::collection::vec(run(), 1..20)), 0..20)
    ) {
        let mut blob = Vec::new();
        let mut last = Offset(0);
        let mut encoder = GroupEncoder::default();
        for (head, runs) in &groups {
            for run in runs {
                encoder.push(*run);
            }
            put_group(&mut blob, last, *head, encoder.items());
            last = head.at;
            encoder.clear();
            prop_assert!(encoder.is_empty());
        }
        let back: Vec<Group<'_>> = Groups::of(&blob).collect();
        prop_assert_eq!(back.len(), groups.len());
        for (group, (head, runs)) in back.iter().zip(&groups) {
            prop_assert_eq!(group.head, *head);
            prop_assert_eq!(flat(group.runs()), flat(runs.iter().copied()));
        }
    }

    #[test]
    fn any_bytes_decode_to_something(blob in prop::collection::vec(any::<u8>(), 0..300)) {
        for group in Groups::of(&blob) {
            let runs = group.runs().count();
            prop_assert!(runs <= blob.len());
        }
    }
}

#[test]
fn equal_frames_take_six_bytes_however_many() {
    let shape = FrameShape { first: 0x82, masked: false, minimal: true };
    let mut encoder = GroupEncoder::default();
    for _ in 0..4096 {
        encoder.push(FrameRun { shape, len: 62, count: 1 });
    }
    assert_eq!(encoder.frames(), 4096);
    assert_eq!(encoder.items().len(), 2 + 2 + 2);
}
