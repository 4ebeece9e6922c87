//! Which payload is handed over, and what becomes of what cannot be.

use flate2::{Compress, Compression, FlushCompress};
use wstap::observe::Capture;
use wstap::session::Unstored;

use crate::script::{C2S, CHALLENGE, CONNECT, HELLO, S2C, Script, Seen, masked, plain};

const DEFLATE: Option<&str> = Some("permessage-deflate");

fn fates(script: &Script) -> Vec<(u64, usize, bool, Option<Unstored>)> {
    script
        .notes
        .seen
        .iter()
        .filter_map(|seen| match seen {
            Seen::Message { len, bytes, whole, missing, .. } => {
                Some((*len, bytes.len(), *whole, *missing))
            }
            Seen::Event(_) | Seen::Control { .. } => None,
        })
        .collect()
}

/// A compressed message less its tail (RFC 7692 §7.2.1).
fn deflate(with: &mut Compress, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1024);
    with.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}

#[test]
fn text_and_all_keep_every_message_of_their_kind() {
    let run = |capture| {
        Script::with(capture, 8, None)
            .s2c("hello")
            .c2s("a longer text")
            .bytes(S2C, &plain(0x82, &[1, 2, 3]))
            .s2c(CHALLENGE)
            .kept()
    };
    assert_eq!(run(Capture::Handshake), [""; 0]);
    assert_eq!(run(Capture::Text), ["hello", "a longer", CHALLENGE]);
    assert_eq!(run(Capture::All), ["hello", "a longer", "\u{1}\u{2}\u{3}", CHALLENGE]);
}

#[test]
fn json_is_whole_or_too_long() {
    let long = format!("[\"{}\"]", "x".repeat(200 << 10));
    let script = Script::with(Capture::Text, 8, None).s2c("first").c2s("first").s2c(&long);
    assert_eq!(fates(&script)[2], (long.len() as u64, 128 << 10, false, Some(Unstored::TooLong)));
    let script = Script::with(Capture::Text, 1 << 20, None).s2c(&long);
    assert_eq!(fates(&script), [(long.len() as u64, long.len(), true, None)]);
}

#[test]
fn a_message_without_an_end_is_incomplete() {
    let mut script = Script::with(Capture::Text, 64, None)
        .bytes(C2S, &masked(0x01, b"first, "))
        .bytes(C2S, &masked(0x01, b"second, "))
        .bytes(C2S, &masked(0x00, b"half of it")[..10]);
    script.end(C2S);
    assert_eq!(
        fates(&script),
        [(7, 7, false, Some(Unstored::Incomplete)), (12, 12, false, Some(Unstored::Incomplete))]
    );
}

#[test]
fn a_compressed_exchange_is_read() {
    let (mut server, mut client) =
        (Compress::new(Compression::fast(), false), Compress::new(Compression::fast(), false));
    let challenge = deflate(&mut server, CHALLENGE.as_bytes());
    let connect = deflate(&mut client, CONNECT.as_bytes());
    let hello = deflate(&mut server, HELLO.as_bytes());
    let script = Script::with(Capture::Handshake, 4096, DEFLATE)
        .bytes(S2C, &plain(0xc1, &challenge))
        .bytes(C2S, &masked(0x41, &connect[..20]))
        .bytes(C2S, &masked(0x80, &connect[20..]))
        .bytes(S2C, &plain(0xc1, &hello));
    assert_eq!(script.kept(), [CHALLENGE, CONNECT, HELLO]);
    assert!(script.observer.is_established());
    let compression = script.traffic(S2C).compression.unwrap();
    assert_eq!((compression.messages, compression.not_inflated), (2, 0));
    assert_eq!(compression.wire_bytes, (challenge.len() + hello.len()) as u64);
    assert_eq!(compression.inflated_bytes, (CHALLENGE.len() + HELLO.len()) as u64);
    assert_eq!((script.traffic(S2C).rsv1, script.violations().len()), (2, 0));
}

#[test]
fn compression_is_counted_where_nothing_is_kept_and_damage_is_told() {
    let mut server = Compress::new(Compression::fast(), false);
    let script = Script::with(Capture::Handshake, 64, DEFLATE).s2c("generic").c2s("generic");
    let script = script.bytes(S2C, &plain(0xc1, &deflate(&mut server, &[b'x'; 5000])));
    assert_eq!(script.traffic(S2C).compression.unwrap().inflated_bytes, 5000);
    let script = script.bytes(S2C, &plain(0xc1, &[0xff; 30]));
    assert_eq!(script.traffic(S2C).compression.unwrap().not_inflated, 1);
    assert_eq!(script.kept(), [""; 0]);
    let script = Script::with(Capture::All, 64, DEFLATE).bytes(S2C, &plain(0xc1, &[0xff; 30]));
    assert_eq!(fates(&script)[0].3, Some(Unstored::NotInflated));
}

#[test]
fn text_that_is_not_utf8_is_told_where_it_is_read() {
    let bad = [b'{', 0xc3, 0x28];
    let script = Script::new().bytes(S2C, &plain(0x81, &bad));
    assert_eq!(script.violations(), ["s2c:text_not_utf8@0"]);
    let (mut a, mut b) = (plain(0x01, "é".as_bytes()), plain(0x01, &"é".as_bytes()[..1]));
    a[0] = 0x81;
    b.extend(plain(0x80, &"é".as_bytes()[1..]));
    let script = Script::new().bytes(S2C, &a).bytes(S2C, &b);
    assert_eq!(script.violations(), [""; 0]);
    let generic = Script::new().s2c("a").c2s("b").bytes(S2C, &plain(0x81, &bad));
    assert_eq!(generic.violations(), [""; 0]);
}
