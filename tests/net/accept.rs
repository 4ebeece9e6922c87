//! Listeners, their certificates, and what does not stop them.

use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};
use wstap::{
    accept::{
        Accept, BindError, Incoming, ListenSpec, Listener, ServerTls, TlsFailure, read_proxy_header,
    },
    authority::Authority,
    connect::{ClientTlsSettings, DialSettings},
    session::TlsFacts,
    socket::{Failure, Stream},
};

use crate::{certificates::TestCa, connect::dial, pairs, soon};

fn listen(text: &str) -> Listener {
    Listener::bind(&text.parse::<ListenSpec>().unwrap()).unwrap()
}

async fn accepted(listener: &mut Listener) -> Incoming {
    match soon(listener.accept()).await {
        Accept::Accepted(incoming) => incoming,
        other @ (Accept::Paused(_) | Accept::Resumed) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_tcp_client_is_named() {
    let mut listener = listen("127.0.0.1:0");
    let addr = listener.local_addr().unwrap();
    assert_eq!(listener.name(), addr.to_string());
    let client = TcpStream::connect(addr).await.unwrap();
    let incoming = accepted(&mut listener).await;
    assert_eq!(incoming.peer, client.local_addr().unwrap().to_string());
    assert_eq!(incoming.local, addr.to_string());
    assert_eq!(incoming.peer_ip, Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn a_client_that_is_gone_again_does_not_stop_the_next() {
    let mut listener = listen("127.0.0.1:0");
    let addr = listener.local_addr().unwrap();
    let gone = TcpStream::connect(addr).await.unwrap();
    gone.set_zero_linger().unwrap();
    drop(gone);
    let next = TcpStream::connect(addr).await.unwrap().local_addr().unwrap().to_string();
    while accepted(&mut listener).await.peer != next {}
}

#[tokio::test]
async fn a_port_in_use_says_so() {
    let listener = listen("127.0.0.1:0");
    let again = listener.name().parse::<ListenSpec>().unwrap();
    let error = Listener::bind(&again).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_unix_socket_is_its_owners_and_goes_with_its_listener() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wstap.sock");
    let spec: ListenSpec = format!("unix:{}", path.display()).parse().unwrap();
    let mut listener = Listener::bind(&spec).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut client = UnixStream::connect(&path).await.unwrap();
    let mut incoming = accepted(&mut listener).await;
    assert_eq!((incoming.peer.as_str(), incoming.peer_ip), ("unix", None));
    assert_eq!(incoming.local, spec.to_string());
    client.write_all(b"hi").await.unwrap();
    let mut read = [0; 2];
    soon(incoming.stream.read_exact(&mut read)).await.unwrap();

    let error = Listener::bind(&spec).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    assert!(UnixStream::connect(&path).await.is_ok(), "the first one still listens");
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_and_another_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wstap.sock");
    let spec = ListenSpec::Unix(path.clone());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "left over");
    drop(Listener::bind(&spec).unwrap());

    std::fs::write(&path, "precious").unwrap();
    let error = Listener::bind(&spec).unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn a_minted_certificate_verifies_and_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let authority = Arc::new(Authority::open_or_create(dir.path()).unwrap());
    let ca = authority.certificate_path().to_owned();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let server = ServerTls::minted(authority, names, false).unwrap();
    let mut listener = listen("tls://127.0.0.1:0");
    assert!(listener.is_tls() && listener.name().starts_with("tls://127.0.0.1:"));
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let mut shown = Vec::new();
    for _ in 0..2 {
        let tls = ClientTlsSettings { ca: Some(ca.clone()), ..ClientTlsSettings::default() };
        let serve = async {
            let incoming = accepted(&mut listener).await;
            server.establish(incoming.stream, Bytes::new()).await.unwrap()
        };
        let dial = dial(&url, DialSettings { tls, ..DialSettings::default() });
        let ((_, facts), dialled) = tokio::join!(serve, dial);
        assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
        assert_eq!(facts.certificate, server.certificate());
        assert_eq!(facts.certificate, dialled.tls.unwrap().certificate);
        shown.push(facts.certificate.unwrap());
        server.reload().unwrap();
    }
    assert!(shown[0].issuer.starts_with("CN=wstap local CA "), "{:?}", shown[0]);
    assert_ne!(shown[0].sha256, shown[1].sha256);
}

#[tokio::test]
async fn a_failed_reload_keeps_the_certificate() {
    let ca = TestCa::new();
    let files = ca.issue("localhost");
    let server = ServerTls::from_files(&files.chain, &files.key, false).unwrap();
    let before = server.certificate();
    std::fs::write(&files.chain, "nothing").unwrap();
    let said = server.reload().unwrap_err().to_string();
    assert!(said.contains("holds no certificate"), "{said}");
    assert_eq!(server.certificate(), before);
}

#[tokio::test]
async fn tls_begins_behind_a_proxy_header_and_garbage_breaks_it() {
    let ca = TestCa::new();
    let files = ca.issue("localhost");
    let server = ServerTls::from_files(&files.chain, &files.key, false).unwrap();
    let mut listener = listen("tls://127.0.0.1:0");
    let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    tcp.set_nonblocking(true).unwrap();
    let mut beneath = TcpStream::from_std(tcp.try_clone().unwrap()).unwrap();
    beneath.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 5 6\r\n").await.unwrap();
    let client = pairs::tls_client(TcpStream::from_std(tcp).unwrap(), &ca);
    let serve = async {
        let mut stream = accepted(&mut listener).await.stream;
        let patience = Duration::from_secs(20);
        let (header, unread) = read_proxy_header(&mut stream, patience).await.unwrap();
        assert_eq!(header.source.as_deref(), Some("192.0.2.7:5"));
        server.establish(stream, unread).await.unwrap().0
    };
    let (mut client, mut stream) = soon(async { tokio::join!(client, serve) }).await;
    client.write_all(b"hi").await.unwrap();
    client.flush().await.unwrap();
    let mut read = [0; 2];
    soon(stream.read_exact(&mut read)).await.unwrap();

    beneath.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let error = soon(stream.read(&mut read)).await.unwrap_err();
    assert!(matches!(Stream::read_failure(&error), Failure::TlsBroken(_)), "{error}");
}

#[test]
fn out_of_descriptors_accepting_pauses_and_resumes() {
    const STARVED: &str = "WSTAP_TEST_STARVED";
    if std::env::var_os(STARVED).is_none() {
        // The limit is the whole process's, so the test runs again in one of its own.
        let output = std::process::Command::new("sh")
            .args(["-c", r#"ulimit -n 64 && exec "$0" --exact "$1""#])
            .arg(std::env::current_exe().unwrap())
            .arg("accept::out_of_descriptors_accepting_pauses_and_resumes")
            .env(STARVED, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut listener = listen("127.0.0.1:0");
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        let paused = soon(listener.accept()).await;
        assert!(
            matches!(&paused, Accept::Paused(error) if error.raw_os_error() == Some(libc::EMFILE)),
            "{paused:?}"
        );
        drop(hoard);
        let resumed = soon(listener.accept()).await;
        assert!(matches!(resumed, Accept::Resumed), "{resumed:?}");
        accepted(&mut listener).await;
    });
}

/// What a TLS listener says to these bytes.
async fn shake(bytes: &[u8]) -> Result<(Stream, TlsFacts), TlsFailure> {
    let ca = TestCa::new();
    let files = ca.issue("localhost");
    let server = ServerTls::from_files(&files.chain, &files.key, false).unwrap();
    let mut listener = listen("tls://127.0.0.1:0");
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    client.write_all(bytes).await.unwrap();
    client.shutdown().await.unwrap();
    let incoming = accepted(&mut listener).await;
    soon(server.establish(incoming.stream, Bytes::new())).await
}

#[tokio::test]
async fn clients_that_do_not_speak_tls_are_told_apart() {
    let failure = shake(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap_err();
    assert!(failure.detail.contains("did not speak TLS"), "{failure}");
    let failure = shake(b"").await.unwrap_err();
    assert_eq!(failure.failure, Some(Failure::TlsTruncated));
}
