//! Dials that arrive, and dials that say why they do not.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt, time::Duration};

use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener},
};
use wstap::{
    connect::{DialSettings, Dialer, Dialled},
    session::{DialFailure, DialStep},
};

use crate::soon;

pub(crate) async fn dial(url: &str, settings: DialSettings) -> Dialled {
    soon(Dialer::new(url.parse().unwrap(), settings).unwrap().dial()).await
}

pub(crate) fn failed(dialled: &Dialled) -> (DialStep, &str, &str) {
    let DialFailure { step, cause, detail, timed_out } = dialled.dial.failure.as_ref().unwrap();
    assert_eq!(*timed_out, cause == "timeout");
    assert_eq!(dialled.result.as_ref().err(), dialled.dial.failure.as_ref());
    (*step, cause, detail)
}

/// A port that nobody listens at, and nobody else can take.
pub(crate) fn closed_port() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let addr = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, addr)
}

#[tokio::test]
async fn an_open_port_is_reached_and_our_own_port_recorded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let url = format!("ws://{addr}");
    let settings =
        DialSettings { keepalive: Some(Duration::from_secs(30)), ..DialSettings::default() };
    let (dialled, accepted) = tokio::join!(dial(&url, settings), listener.accept());
    let (mut peer, from) = accepted.unwrap();
    let mut ours = dialled.result.unwrap();
    let dial = dialled.dial;
    assert_eq!(dial.url, url);
    assert_eq!(dial.local, Some(from.to_string()));
    assert_eq!(dial.peer, Some(addr.to_string()));
    assert_eq!(dial.resolved, [addr.ip()]);
    assert_eq!((dial.resolve_ms, dial.failure, dial.via), (None, None, None));
    assert_eq!(dial.attempts.len(), 1);
    assert!(dial.attempts[0].took_ms.is_some() && dial.connect_ms.is_some());
    ours.write_all(b"hi").await.unwrap();
    let mut read = [0; 2];
    soon(peer.read_exact(&mut read)).await.unwrap();
    assert_eq!(&read, b"hi");
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let (_closed, addr) = closed_port();
    let dialled = dial(&format!("ws://{addr}"), DialSettings::default()).await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Connect, "refused"));
    assert!(detail.contains("ECONNREFUSED") && detail.contains(&addr.to_string()), "{detail}");
    assert_eq!(dialled.dial.attempts[0].error.as_deref(), Some("ECONNREFUSED"));
    assert_eq!((dialled.dial.peer, dialled.dial.local), (None, None));
}

#[tokio::test]
async fn a_name_is_resolved_and_every_address_tried() {
    // Bound to IPv4 only, so that where `localhost` is ::1 too, that one refuses first.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dialled = dial(&format!("ws://localhost:{port}"), DialSettings::default()).await;
    assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
    let dial = dialled.dial;
    assert!(dial.resolve_ms.is_some());
    assert!(dial.resolved.contains(&"127.0.0.1".parse().unwrap()), "{:?}", dial.resolved);
    assert_eq!(dial.peer, Some(format!("127.0.0.1:{port}")));
    for attempt in &dial.attempts {
        let refused = attempt.addr.is_ipv6();
        assert_eq!(attempt.error.as_deref(), refused.then_some("ECONNREFUSED"), "{attempt:?}");
    }
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_no_such_host() {
    // RFC 6761 §6.4: `invalid` never resolves.
    let dialled = dial("ws://gateway.invalid:1", DialSettings::default()).await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Resolve, "no_such_host"), "{detail}");
    assert!(detail.contains("gateway.invalid"), "{detail}");
    assert!(dialled.dial.attempts.is_empty());
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up_in_time() {
    // A full backlog: the kernel drops further SYNs.
    let (hole, addr) = closed_port();
    hole.listen(0).unwrap();
    let mut fillers = Vec::new();
    let mut full = false;
    for _ in 0..64 {
        let connect = TcpStream::connect(addr);
        let Ok(filler) = tokio::time::timeout(Duration::from_millis(300), connect).await else {
            full = true;
            break;
        };
        fillers.push(filler.unwrap());
    }
    assert!(full, "{} connections fit into a backlog of 0", fillers.len());
    let settings =
        DialSettings { connect_timeout: Duration::from_millis(300), ..DialSettings::default() };
    let dialled = dial(&format!("ws://{addr}"), settings).await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Connect, "timeout"));
    assert!(detail.contains("300ms"), "{detail}");
    assert_eq!(dialled.dial.attempts.len(), 1);
    assert_eq!(dialled.dial.attempts[0].took_ms, None);
}

#[tokio::test]
async fn a_unix_socket_is_reached_or_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let url = format!("unix:{}", path.display());

    let missing = dial(&url, DialSettings::default()).await;
    assert_eq!(failed(&missing).1, "no_such_file");

    let listener = UnixListener::bind(&path).unwrap();
    let open = dial(&url, DialSettings::default()).await;
    assert!(open.result.is_ok());
    assert_eq!(open.dial.local.as_deref(), Some("unix"));
    assert_eq!(open.dial.peer, Some(url.clone()));

    drop(listener);
    let stale = dial(&url, DialSettings::default()).await;
    assert_eq!(failed(&stale).1, "refused");
}

#[tokio::test]
async fn a_forbidden_unix_socket_is_a_matter_of_permission() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let forbid = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    forbid(0o000);
    let dialled = dial(&format!("unix:{}", path.display()), DialSettings::default()).await;
    // The superuser may connect to anything.
    let superuser = std::os::unix::net::UnixStream::connect(&path).is_ok();
    if superuser {
        assert!(dialled.result.is_ok());
    } else {
        assert_eq!(failed(&dialled).1, "permission");
    }
    forbid(0o600);
}
