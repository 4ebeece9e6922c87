//! Gateways, fronts and ways between, for one test each.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use wstap::check::{self, Credentials, Outcome, ProbeReport, ProbeSettings, Reach, Source, Target};
use wstap::gateway::{Gateway, Policy};

pub(crate) const TOKEN: &str = "a-token-for-tests-7";

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

pub(crate) async fn gateway(policy: Policy) -> Gateway {
    Gateway::start(listener().await, policy).expect("an address")
}

pub(crate) fn ws(addr: SocketAddr) -> String {
    format!("ws://{addr}")
}

pub(crate) fn reach() -> Reach {
    Reach { patience: Duration::from_secs(20), ..Reach::default() }
}

pub(crate) fn token(text: &str) -> Credentials {
    Credentials::token(text.to_owned(), Source::Option)
}

/// A probe with the right token and small frames.
pub(crate) fn settings(url: &str) -> ProbeSettings {
    ProbeSettings {
        target: Target::parse(url, None).expect("a URL"),
        reach: reach(),
        credentials: token(TOKEN),
        origin: None,
        device: None,
        call: None,
        max_frame: 16 * 1024,
        pings: 2,
        count: None,
        hold: None,
    }
}

pub(crate) async fn probe(settings: &ProbeSettings) -> ProbeReport {
    check::probe(settings).await.expect("a probe that can be begun")
}

/// The first broken step, its layer and its cause.
pub(crate) fn broken(report: &ProbeReport) -> Option<(&str, &str, &str)> {
    let step = report.broken()?;
    let finding = step.finding.as_ref().expect("a failed step has a finding");
    assert_eq!(report.layer, finding.layer);
    Some((step.name, finding.layer.name(), &finding.cause))
}

pub(crate) fn verdict(report: &ProbeReport, name: &str) -> Outcome {
    report.step(name).unwrap_or_else(|| panic!("no step {name}")).verdict
}

pub(crate) fn detail<'a>(report: &'a ProbeReport, name: &str) -> &'a str {
    &report.step(name).unwrap_or_else(|| panic!("no step {name}")).detail
}

/// Answers every request with what `answer` makes of its path, then closes.
pub(crate) async fn front(answer: impl Fn(&str) -> String + Send + 'static) -> SocketAddr {
    let listener = listener().await;
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let Some(head) = head(&mut tcp).await else { continue };
            let path = head.split(' ').nth(1).unwrap_or_default();
            let written = tcp.write_all(answer(path).as_bytes()).await;
            if written.is_ok() {
                drop(tcp.shutdown().await);
            }
        }
    });
    addr
}

async fn head(tcp: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Passes bytes on, both ways, until either side is done.
pub(crate) async fn pass_on(mut client: impl AsyncRead + AsyncWrite + Unpin, to: SocketAddr) {
    let mut gateway = TcpStream::connect(to).await.expect("the gateway");
    drop(tokio::io::copy_bidirectional(&mut client, &mut gateway).await);
}

/// Passes bytes on, and hangs up once a client has sent more than `limit` on one connection.
pub(crate) async fn narrow(to: SocketAddr, limit: usize) -> SocketAddr {
    let listener = listener().await;
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on_at_most(client, to, limit));
        }
    });
    addr
}

async fn pass_on_at_most(mut client: TcpStream, to: SocketAddr, limit: usize) {
    let mut gateway = TcpStream::connect(to).await.expect("the gateway");
    let (mut read, mut write) = client.split();
    let (mut back_read, mut back_write) = gateway.split();
    let forth = async {
        let (mut sent, mut buffer) = (0, vec![0; 16 * 1024]);
        while let Ok(len @ 1..) = read.read(&mut buffer).await {
            sent += len;
            if sent > limit || back_write.write_all(&buffer[..len]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut back_read, &mut write);
    tokio::select! {
        () = forth => {}
        _ended = back => {}
    }
}

/// TLS in front of a gateway, with a certificate of its own CA.
pub(crate) struct TlsFront {
    pub(crate) addr: SocketAddr,
    folder: TempDir,
}

impl TlsFront {
    pub(crate) async fn new(to: SocketAddr, name: &str) -> Self {
        let (chain, key, ca) = certificate(name);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), ca).expect("a file");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a certificate");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = listener().await;
        let addr = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                tokio::spawn(secured(acceptor.clone(), tcp, to));
            }
        });
        Self { addr, folder }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn url(&self) -> String {
        format!("wss://{}", self.addr)
    }
}

async fn secured(acceptor: TlsAcceptor, tcp: TcpStream, to: SocketAddr) {
    if let Ok(tls) = acceptor.accept(tcp).await {
        pass_on(tls, to).await;
    }
}

fn certificate(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "test CA");
    let ca_key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&ca_key).expect("a CA").pem();
    let issuer = Issuer::new(params, ca_key);
    let mut params = CertificateParams::new([name.to_owned()]).expect("params");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    (certificate.der().clone(), key, ca)
}

/// A port that refuses, held so that nobody else takes it.
pub(crate) fn closed_port() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
    let socket = socket.expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port");
    let addr = socket.local_addr().expect("an address").as_socket().expect("IP");
    (socket, addr)
}
