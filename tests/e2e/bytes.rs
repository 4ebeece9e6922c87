//! Any bytes, cut anywhere, come out as they went in, in both directions at once; and what is
//! WebSocket among them is counted right.

use std::thread;

use wstap::session::{Kind, Record};

use crate::frame::{self, BINARY, PING, PONG, TEXT};
use crate::noise::Noise;
use crate::rig::{Rig, Shape};
use crate::tls;
use crate::wire::{Conn, End, sha256};

/// Sends in chunks of random sizes.
fn send_in_pieces(conn: &mut Conn, bytes: &[u8], noise: &mut Noise) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let largest = if noise.0.bool() { 40 } else { 70_000 };
        let (piece, later) = rest.split_at(noise.0.usize(1..=largest).min(rest.len()));
        conn.send(piece);
        rest = later;
    }
}

/// Both streams at once, each in its own chunks; both ends get exactly the other one's.
fn both_ways(client: &mut Conn, gateway: &mut Conn, c2s: &[u8], s2c: &[u8], noise: &mut Noise) {
    let seeds = [noise.0.u64(..), noise.0.u64(..)];
    thread::scope(|scope| {
        for (conn, bytes, seed) in [(&*client, c2s, seeds[0]), (&*gateway, s2c, seeds[1])] {
            let mut writer = conn.twin();
            scope.spawn(move || {
                send_in_pieces(&mut writer, bytes, &mut Noise::new(seed));
                writer.fin();
            });
        }
        let up = scope.spawn(|| gateway.rest());
        assert_eq!(shape_of(client.rest()), shape_of((s2c.to_vec(), End::Fin)));
        assert_eq!(shape_of(up.join().unwrap()), shape_of((c2s.to_vec(), End::Fin)));
    });
}

/// Length, digest and end: what a failure can print.
fn shape_of((bytes, end): (Vec<u8>, End)) -> (usize, Vec<u8>, End) {
    (bytes.len(), sha256(&bytes), end)
}

/// Legal frames of all kinds, cut into fragments with control frames between them. Gives the
/// bytes and the number of frames.
fn legal_frames(noise: &mut Noise, from_client: bool, wanted: usize) -> (Vec<u8>, u64) {
    let whole = if from_client { frame::from_client } else { frame::from_gateway };
    let (mut bytes, mut frames) = (Vec::new(), 0);
    while bytes.len() < wanted {
        let size = match noise.0.u8(0..8) {
            0 => 0,
            1 => noise.0.usize(120..130),
            2 => noise.0.usize(65_530..65_540),
            3 => noise.0.usize(100_000..300_000),
            _ => noise.0.usize(1..2000),
        };
        match noise.0.u8(0..6) {
            0 => bytes.extend(whole(PING, noise.bytes(size.min(125)))),
            1 => bytes.extend(whole(PONG, noise.bytes(size.min(125)))),
            2 if from_client && size >= 5 => {
                bytes.extend(frame::fragments(BINARY, &noise.bytes(size), 3));
                frames += 2;
            }
            3 => bytes.extend(whole(TEXT, "t".repeat(size).into_bytes())),
            _ => bytes.extend(whole(BINARY, noise.bytes(size))),
        }
        frames += 1;
    }
    (bytes, frames)
}

#[test]
fn bytes_that_are_not_websocket_go_through_after_a_101() {
    let rig = Rig::new();
    for seed in 0..12 {
        let mut noise = Noise::new(seed);
        let target = format!("/noise-{seed}");
        let (mut client, mut gateway) = rig.session(&target);
        let (up, down) = (noise.0.usize(1..2_000_000), noise.0.usize(1..2_000_000));
        // A reserved opcode at the beginning is no frame (RFC 6455 §5.2).
        let c2s = [&[0x83][..], &noise.bytes(up)].concat();
        let s2c = [&[0x8f][..], &noise.bytes(down)].concat();
        both_ways(&mut client, &mut gateway, &c2s, &s2c, &mut noise);
        let frames = rig.record(&target).frames;
        assert_eq!((frames.c2s.bytes, frames.s2c.bytes), (c2s.len() as u64, s2c.len() as u64));
        for traffic in [&frames.c2s, &frames.s2c] {
            let marked = traffic.not_websocket_from.is_some() || !traffic.violations.is_empty();
            assert!(marked, "{seed}: {traffic:#?}");
        }
    }
}

#[test]
fn legal_frames_go_through_and_are_counted() {
    for shape in [Shape::Tcp, Shape::Unix] {
        let rig = Rig::of(shape, &[]);
        for seed in 100..108 {
            let mut noise = Noise::new(seed);
            let target = format!("/frames-{seed}");
            let (mut client, mut gateway) = rig.session(&target);
            let (c2s, up) = legal_frames(&mut noise, true, 1 << 20);
            let (s2c, down) = legal_frames(&mut noise, false, 2 << 20);
            both_ways(&mut client, &mut gateway, &c2s, &s2c, &mut noise);
            let record = rig.record(&target);
            assert_eq!((record.frames.c2s.frames, record.frames.s2c.frames), (up, down), "{seed}");
            assert_eq!(record.frames.c2s.bytes, c2s.len() as u64);
            assert_eq!(record.frames.s2c.bytes, s2c.len() as u64);
            assert_eq!(record.frames.c2s.masked, up);
            assert_eq!(record.frames.s2c.unmasked, down);
            assert_whole(&record);
        }
    }
}

fn assert_whole(record: &Record) {
    for traffic in [&record.frames.c2s, &record.frames.s2c] {
        assert_eq!(traffic.violations, []);
        assert_eq!((traffic.cut_frame, traffic.not_websocket_from), (None, None));
    }
    assert_eq!(record.gap, None);
}

#[test]
fn frames_go_through_tls_in_lockstep() {
    for shape in [Shape::TlsListener, Shape::TlsUpstream, Shape::BothTls] {
        let rig = Rig::of(shape, &[]);
        let mut noise = Noise::new(200);
        let (mut client, mut gateway) = rig.session("/");
        let (c2s, up) = legal_frames(&mut noise, true, 1 << 20);
        let (s2c, down) = legal_frames(&mut noise, false, 1 << 20);
        let (mut up_rest, mut down_rest) = (&c2s[..], &s2c[..]);
        while !up_rest.is_empty() || !down_rest.is_empty() {
            // Both are under way at once; both fit into the sockets' buffers.
            let sizes =
                [up_rest.len(), down_rest.len()].map(|len| noise.0.usize(0..30_000).min(len));
            let (up_piece, up_later) = up_rest.split_at(sizes[0]);
            let (down_piece, down_later) = down_rest.split_at(sizes[1]);
            client.send(up_piece);
            gateway.send(down_piece);
            assert_eq!(sha256(&gateway.take(sizes[0])), sha256(up_piece));
            assert_eq!(sha256(&client.take(sizes[1])), sha256(down_piece));
            (up_rest, down_rest) = (up_later, down_later);
        }
        client.fin();
        assert_eq!(gateway.end(), End::Fin);
        gateway.fin();
        let record = rig.only_record();
        assert_eq!((record.frames.c2s.frames, record.frames.s2c.frames), (up, down));
        assert_whole(&record);
        let records = [&record.client.tls_records, &record.upstream.tls_records];
        assert_eq!(records.map(Option::is_some), [shape.client_is_tls(), shape.upstream_is_tls()]);
        let legs = [&record.client.tls, &record.upstream.tls];
        assert_eq!(legs.map(Option::is_some), [shape.client_is_tls(), shape.upstream_is_tls()]);
        for facts in legs.into_iter().flatten() {
            assert_eq!(facts.version.as_deref(), Some("TLSv1.3"));
            assert!(facts.cipher.as_deref().unwrap().starts_with("TLS13_"), "{facts:?}");
            let certificate = facts.certificate.as_ref().unwrap();
            assert!(certificate.subject.contains("localhost"), "{certificate:?}");
            assert!(certificate.issuer.contains("wstap test CA"), "{certificate:?}");
            assert_eq!(certificate.sha256.len(), 64);
        }
        if let Some(facts) = &record.client.tls {
            assert_eq!(facts.sni.as_deref(), Some("localhost"));
        }
        let samples = [&record.client.tcp, &record.upstream.tcp];
        assert!(samples.iter().all(|samples| !samples.is_empty()), "both sockets were looked at");
    }
}

#[test]
fn fragments_and_compressed_frames_are_untouched() {
    let rig = Rig::new();
    let answer = crate::rig::SWITCHING
        .replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n");
    let offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    let (mut client, mut gateway) = rig.session_with("/deflate", offer, &answer);
    // "Hello" twice as of RFC 7692 §7.2.3.1 and §7.2.3.2, then a message that is no DEFLATE.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let down = [
        frame::compressed(false, &hello),
        frame::compressed(false, &again),
        frame::compressed(false, &[0xff; 20]),
    ]
    .concat();
    gateway.send(&down);
    assert_eq!(client.take(down.len()), down);
    let up = frame::fragments(TEXT, "one message in five frames".as_bytes(), 5);
    client.send(&up);
    assert_eq!(gateway.take(up.len()), up);
    client.fin();
    gateway.fin();
    let record = rig.record("/deflate");
    let deflate = record.frames.s2c.compression.unwrap();
    assert_eq!((deflate.messages, deflate.not_inflated), (3, 1));
    assert_eq!(deflate.inflated_bytes, 10);
    assert_eq!((record.frames.s2c.rsv1, record.frames.c2s.fragmented), (3, 1));
    let facts = record.response.unwrap();
    assert_eq!(facts.extensions.as_deref(), Some("permessage-deflate"));
}

#[test]
fn nothing_is_answered_on_anybodys_behalf() {
    let rig = Rig::new();
    let (mut client, mut gateway) = rig.session("/pings");
    let ping = frame::from_gateway(PING, "are you there");
    gateway.send(&ping);
    assert_eq!(client.take(ping.len()), ping);
    gateway.stays_silent(std::time::Duration::from_millis(300));
    let pong = frame::from_client(PONG, "are you there");
    client.send(&pong);
    assert_eq!(gateway.take(pong.len()), pong);
    client.fin();
    gateway.fin();
    let record = rig.record("/pings");
    let pings = record.idle.s2c_pings.unwrap();
    assert_eq!((pings.pings, pings.answered), (1, 1));
    assert!(pings.rtt_ms.unwrap()[0].millis() >= 300.0);
}

#[test]
fn bytes_that_are_not_http_are_relayed_opaque() {
    let rig = Rig::new();
    let hello = b"SSH-2.0-client\r\n";
    let (mut client, mut gateway) = rig.dial(hello);
    assert_eq!(gateway.take(hello.len()), hello);
    let mut noise = Noise::new(300);
    let (c2s, s2c) = (noise.bytes(300_000), noise.bytes(500_000));
    both_ways(&mut client, &mut gateway, &c2s, &s2c, &mut noise);
    let record = rig.only_record();
    assert_eq!((record.kind, record.opaque.unwrap().what.as_str()), (Kind::Opaque, "not_http"));
    let bytes = (record.frames.c2s.bytes, record.frames.s2c.bytes);
    assert_eq!(bytes, (300_000 + hello.len() as u64, 500_000));
}

#[test]
fn tls_on_the_plain_port_goes_through_and_is_recorded() {
    let rig = Rig::new();
    // The client speaks TLS with the upstream; the tap has no part in it.
    let (mut client, mut gateway) = thread::scope(|scope| {
        let dialling =
            scope.spawn(|| Conn::tcp(rig.tap.addr).with_tls(tls::client(&["h2", "http/1.1"])));
        let gateway = rig.gateway.accept().with_tls(tls::server());
        (dialling.join().unwrap(), gateway)
    });
    let mut noise = Noise::new(400);
    let bytes = noise.bytes(40_000);
    client.send(&bytes);
    assert_eq!(gateway.take(bytes.len()), bytes);
    gateway.send(&bytes);
    assert_eq!(client.take(bytes.len()), bytes);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    assert_eq!(client.end(), End::Fin);
    let record = rig.only_record();
    let facts = record.opaque.unwrap();
    assert_eq!(facts.what, "tls_client_hello");
    assert_eq!(facts.sni.as_deref(), Some("localhost"));
    assert_eq!(facts.alpn, ["h2", "http/1.1"]);
    for traffic in [&record.frames.c2s, &record.frames.s2c] {
        let records = traffic.tls_records.unwrap();
        assert!(records.bytes > 40_000 && records.largest > 16_000, "{records:?}");
        assert!(records.non_application > 0 && records.records > 3, "{records:?}");
    }
}

#[test]
fn a_client_hello_in_pieces_still_says_whom_it_is_for() {
    let rig = Rig::new();
    let mut hello = Vec::new();
    tls::client(&["h2"]).write_tls(&mut hello).unwrap();
    let (mut client, mut gateway) = rig.dial(&hello[..40]);
    for piece in hello[40..].chunks(40) {
        client.send(piece);
    }
    assert_eq!(gateway.take(hello.len()), hello);
    client.fin();
    assert_eq!(gateway.end(), End::Fin);
    gateway.fin();
    let facts = rig.only_record().opaque.unwrap();
    assert_eq!(
        (facts.what.as_str(), facts.sni.as_deref()),
        ("tls_client_hello", Some("localhost"))
    );
    assert_eq!(facts.alpn, ["h2"]);
}
