//! How legs end, as the relay must be able to tell.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
};
use wstap::{
    session::{Leg, Offset},
    socket::{Failure, Finish, Stream},
};

use crate::{pairs, soon};

fn reset(peer: TcpStream) {
    peer.set_zero_linger().unwrap();
    drop(peer);
}

async fn finish(stream: &mut Stream, how: Finish) {
    soon(poll_fn(|cx| stream.poll_finish(cx, how))).await.unwrap();
}

async fn next(stream: &mut Stream) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![0; 1024];
    match soon(stream.read(&mut bytes)).await {
        Ok(len) => Ok(bytes[..len].to_vec()),
        Err(error) => Err(Stream::read_failure(&error)),
    }
}

#[tokio::test]
async fn a_reset_is_read_after_the_bytes_before_it() {
    let (mut ours, mut peer) = pairs::tcp().await;
    peer.write_all(b"last words").await.unwrap();
    reset(peer);
    // Its arrival is known without taking it away.
    let mut bytes = Vec::new();
    loop {
        match next(&mut ours).await {
            Ok(more) => bytes.extend(more),
            Err(failure) => {
                assert_eq!(failure, Failure::Reset);
                break;
            }
        }
    }
    assert_eq!(bytes, b"last words");
}

#[tokio::test]
async fn a_watch_tells_a_reset_that_nobody_reads() {
    let (mut ours, mut peer) = pairs::tcp().await;
    let watch = ours.watch_error().unwrap();
    peer.write_all(b"unread").await.unwrap();
    reset(peer);
    assert_eq!(soon(watch).await, Failure::Reset);
    assert_eq!(next(&mut ours).await.unwrap(), b"unread");
    assert_eq!(next(&mut ours).await.unwrap(), b"", "the watch has taken the reset");
}

#[tokio::test]
async fn a_reset_after_a_fin_is_told_by_the_watch_alone() {
    let (mut ours, mut peer) = pairs::tcp().await;
    peer.shutdown().await.unwrap();
    assert_eq!(next(&mut ours).await.unwrap(), b"");
    let mut watch = ours.watch_error().unwrap();
    // A half-closed peer is not an error.
    ours.write_all(b"still here").await.unwrap();
    let mut read = [0; 10];
    soon(peer.read_exact(&mut read)).await.unwrap();
    assert!(poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut watch).poll(cx).is_pending())).await);
    reset(peer);
    assert_eq!(soon(watch).await, Failure::Reset);
}

#[tokio::test]
async fn a_watch_does_not_mind_data_and_fin() {
    let (ours, mut peer) = pairs::tcp().await;
    let watch = ours.watch_error().unwrap();
    peer.write_all(b"data").await.unwrap();
    peer.shutdown().await.unwrap();
    let quiet = tokio::time::timeout(Duration::from_millis(200), watch).await;
    assert!(quiet.is_err(), "{quiet:?}");
}

#[tokio::test]
async fn zero_linger_resets_and_a_watch_delays_it() {
    let (ours, mut peer) = pairs::tcp().await;
    let watch = ours.watch_error().unwrap();
    ours.set_zero_linger().unwrap();
    drop(ours);
    let mut byte = [0];
    let quiet = tokio::time::timeout(Duration::from_millis(200), peer.read(&mut byte)).await;
    assert!(quiet.is_err(), "the duplicate holds the connection: {quiet:?}");
    drop(watch);
    let error = soon(peer.read(&mut byte)).await.unwrap_err();
    assert_eq!(Stream::read_failure(&error), Failure::Reset);
}

#[tokio::test]
async fn a_fin_ends_one_direction_only() {
    for how in [Finish::Orderly, Finish::Truncate] {
        let (mut ours, mut peer) = pairs::tcp().await;
        ours.write_all(b"all").await.unwrap();
        finish(&mut ours, how).await;
        let mut all = Vec::new();
        soon(peer.read_to_end(&mut all)).await.unwrap();
        assert_eq!(all, b"all");
        peer.write_all(b"answer").await.unwrap();
        assert_eq!(next(&mut ours).await.unwrap(), b"answer");
    }
}

#[tokio::test]
async fn the_kernel_tells_what_is_not_acknowledged() {
    let (mut ours, mut peer) = pairs::tcp().await;
    let sample = ours.sample(Leg::Upstream, Offset(7)).unwrap();
    assert_eq!((sample.leg, sample.at, sample.state), (Leg::Upstream, Offset(7), 1));
    assert!(sample.snd_mss > 500 && sample.snd_cwnd > 0, "{sample:?}");
    assert_eq!(ours.unsent(), Some(0));

    // More than both kernels' buffers take while the peer does not read.
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while let Ok(len) = tokio::time::timeout(Duration::from_millis(200), ours.write(&chunk)).await {
        sent += len.unwrap();
    }
    let waiting = ours.unsent().unwrap();
    assert!(waiting > 0, "{waiting} of {sent}");
    assert_eq!(ours.sample(Leg::Upstream, Offset(8)).unwrap().unacked_bytes, waiting);

    finish(&mut ours, Finish::Orderly).await;
    let mut all = Vec::new();
    soon(peer.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all.len(), sent);
    soon(async {
        while ours.unsent() != Some(0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_unix_socket_has_names_and_ends_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let (ours, theirs) = tokio::join!(UnixStream::connect(&path), listener.accept());
    let (mut ours, theirs) = (Stream::from(ours.unwrap()), theirs.unwrap().0);
    assert_eq!(ours.peer_name(), format!("unix:{}", path.display()));
    assert_eq!(ours.local_name(), "unix");
    assert_eq!(ours.sample(Leg::Upstream, Offset(0)), None);
    let watch = ours.watch_error().unwrap();
    ours.write_all(b"unread").await.unwrap();
    // Closing with unread input resets.
    drop(theirs);
    assert_eq!(soon(watch).await, Failure::Reset);
}

#[tokio::test]
async fn tls_ends_with_and_without_close_notify() {
    let (mut server, mut client) = pairs::tls().await;
    client.write_all(b"whole").await.unwrap();
    finish(&mut client, Finish::Orderly).await;
    assert_eq!(next(&mut server).await.unwrap(), b"whole");
    assert!(!server.ended_with_close_notify());
    assert_eq!(next(&mut server).await.unwrap(), b"");
    assert!(server.ended_with_close_notify());
    // The other direction is still open.
    server.write_all(b"answer").await.unwrap();
    server.flush().await.unwrap();
    assert_eq!(next(&mut client).await.unwrap(), b"answer");
    finish(&mut server, Finish::Truncate).await;
    assert_eq!(next(&mut client).await, Err(Failure::TlsTruncated));
    assert!(!client.ended_with_close_notify());
}

#[tokio::test]
async fn truncation_delivers_what_was_written() {
    let (mut server, mut client) = pairs::tls().await;
    let sent = vec![b'x'; 3 << 20];
    let write = async {
        server.write_all(&sent).await.unwrap();
        poll_fn(|cx| server.poll_finish(cx, Finish::Truncate)).await.unwrap();
    };
    let read = async {
        let mut all = Vec::new();
        let error = client.read_to_end(&mut all).await.unwrap_err();
        (all.len(), Stream::read_failure(&error))
    };
    let ((), read) = soon(async { tokio::join!(write, read) }).await;
    assert_eq!(read, (sent.len(), Failure::TlsTruncated));
}

#[tokio::test]
async fn a_reset_beneath_tls_is_a_reset() {
    let (mut server, client) = pairs::tls().await;
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(next(&mut server).await, Err(Failure::Reset));
}

#[tokio::test]
async fn both_ends_count_the_same_records() {
    let (mut server, mut client) = pairs::tls().await;
    assert!(server.is_tls() && client.is_tls());
    client.write_all(&vec![b'x'; 40_000]).await.unwrap();
    finish(&mut client, Finish::Orderly).await;
    let mut all = Vec::new();
    soon(server.read_to_end(&mut all)).await.unwrap();
    finish(&mut server, Finish::Orderly).await;
    assert_eq!(next(&mut client).await.unwrap(), b"");

    let [client_read, client_written] = client.tls_records().unwrap();
    let [server_read, server_written] = server.tls_records().unwrap();
    assert_eq!(client_written, server_read);
    assert_eq!(client_read, server_written);
    assert!(client_written.bytes > 40_000, "{client_written:?}");
    // 16 KiB, the type of what is inside and the tag (RFC 8446 §5.2).
    assert_eq!(client_written.largest, 16_384 + 1 + 16);
    assert!(client_written.non_application >= 1, "the ClientHello: {client_written:?}");
}
