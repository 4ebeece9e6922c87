use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader as Oracle;

use super::*;

/// What a sink was told, with payload pieces joined.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Header(FrameHeader),
    Frame(Vec<u8>),
}

#[derive(Default)]
struct All {
    seen: Vec<Seen>,
    payload: Vec<u8>,
}

impl Sink for All {
    fn header(&mut self, header: &FrameHeader) -> Interest {
        self.seen.push(Seen::Header(*header));
        if header.len >= 1 << 63 { Interest::Lost } else { Interest::Payload }
    }

    fn payload(&mut self, bytes: &[u8], offset: u64) {
        assert_eq!(offset, self.payload.len() as u64);
        self.payload.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.seen.push(Seen::Frame(std::mem::take(&mut self.payload)));
    }
}

fn scan(pieces: &[&[u8]]) -> (Vec<Seen>, Vec<u8>, Option<Unfinished>, Option<u64>) {
    let (mut scanner, mut all) = (Scanner::default(), All::default());
    for piece in pieces {
        scanner.scan(piece, &mut all);
    }
    assert_eq!(scanner.position(), pieces.iter().map(|p| p.len() as u64).sum::<u64>());
    (all.seen, all.payload, scanner.unfinished(), scanner.lost_at())
}

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let flag = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(flag | u8::try_from(len).unwrap()),
        len @ 126..0x1_0000 => {
            bytes.push(flag + 126);
            bytes.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            bytes.push(flag + 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(mask.iter().flatten());
    bytes.extend(payload);
    bytes
}

#[test]
fn every_cut_of_a_stream_scans_alike() {
    let mut stream = frame(0x81, None, b"Hello");
    stream.extend(frame(0x89, Some([1, 2, 3, 4]), b""));
    stream.extend(frame(0x02, Some([9; 4]), &[7; 300]));
    stream.extend(frame(0x80, None, &vec![8; 70_000]));
    stream.extend(&frame(0x81, None, b"cut off here")[..6]);
    let whole = scan(&[&stream]);
    assert_eq!(whole.0.len(), 9);
    assert_eq!(
        whole.2,
        Some(Unfinished { opcode: Opcode::Text, declared: Some(12), have: 4, missing: Some(8) })
    );
    for cut in (0..400).chain(stream.len() - 40..stream.len()) {
        let (a, b) = stream.split_at(cut);
        assert_eq!(scan(&[a, b]), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(scan(&single), whole);
}

#[test]
fn an_incomplete_header_is_an_unfinished_frame_of_unknown_length() {
    let unfinished = scan(&[&[0x81, 0xfe, 0x01]]).2.unwrap();
    assert_eq!((unfinished.opcode, unfinished.declared), (Opcode::Text, None));
}

#[test]
fn a_lost_stream_says_from_which_byte() {
    let mut stream = frame(0x81, None, b"ok");
    stream.extend([0x82, 0x7f, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    for cut in 0..stream.len() {
        let (a, b) = stream.split_at(cut);
        assert_eq!(scan(&[a, b]).3, Some(4), "cut at {cut}");
    }
}

#[test]
fn lengths_that_waste_bytes_are_told() {
    let header = |bytes: &[u8]| FrameHeader::parse(bytes).unwrap().0;
    assert!(!header(&[0x82, 126, 0, 125]).minimal);
    assert!(header(&[0x82, 126, 0, 126]).minimal);
    assert!(!header(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]).minimal);
    assert!(header(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]).minimal);
}

proptest! {
    #[test]
    fn any_bytes_cut_anywhere_give_the_same_frames(
        stream in proptest::collection::vec(any::<u8>(), 0..600),
        cuts in proptest::collection::vec(0_usize..600, 0..6),
    ) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(stream.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([stream.len()]) {
            pieces.push(&stream[from..cut]);
            from = cut;
        }
        prop_assert_eq!(scan(&pieces), scan(&[&stream]));
    }

    #[test]
    fn legal_frames_are_read_as_tungstenite_reads_them(
        opcode in prop_oneof![Just(0_u8), Just(1), Just(2), Just(8), Just(9), Just(10)],
        fin in any::<bool>(),
        mask in proptest::option::of(any::<[u8; 4]>()),
        len in prop_oneof![0_usize..130, 65_530_usize..65_540],
    ) {
        let bytes = frame(opcode | if fin { 0x80 } else { 0 }, mask, &vec![0; len]);
        let (ours, ours_len) = FrameHeader::parse(&bytes).unwrap();
        let mut cursor = std::io::Cursor::new(&bytes);
        let (theirs, their_len) = Oracle::parse(&mut cursor).unwrap().unwrap();
        prop_assert_eq!(ours.len, their_len);
        prop_assert_eq!(ours_len as u64, cursor.position());
        prop_assert_eq!(ours.fin(), theirs.is_final);
        prop_assert_eq!(ours.mask, theirs.mask);
        prop_assert_eq!(ours.opcode().nibble(), u8::from(theirs.opcode));
        prop_assert!(ours.minimal);
    }
}
