//! Two ends of one connection.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use wstap::{
    accept::ServerTls,
    connect::{ClientTlsSettings, DialSettings, Dialer},
    socket::{Stream, read_certificates},
};

use crate::certificates::TestCa;

/// Ours, and the peer's.
pub(crate) async fn tcp() -> (Stream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (ours, theirs) = tokio::join!(TcpStream::connect(addr), listener.accept());
    (ours.unwrap().into(), theirs.unwrap().0)
}

/// The server's end and the client's.
pub(crate) async fn tls() -> (Stream, Stream) {
    let ca = TestCa::new();
    let files = ca.issue("localhost");
    let server = ServerTls::from_files(&files.chain, &files.key, false).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let tls = ClientTlsSettings { ca: Some(ca.path()), ..ClientTlsSettings::default() };
    let settings = DialSettings { tls, ..DialSettings::default() };
    let dialer = Dialer::new(url.parse().unwrap(), settings).unwrap();
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        server.establish(tcp.into(), Bytes::new()).await.unwrap().0
    };
    let (server, client) = tokio::join!(serve, dialer.dial());
    (server, client.result.unwrap())
}

/// A TLS client on a connection that somebody else may write to as well.
pub(crate) async fn tls_client(
    tcp: TcpStream,
    ca: &TestCa,
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(read_certificates(&ca.path()).unwrap().remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}
