//! TLS towards upstreams: good ones, and each way of not being good.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use rustls::server::WebPkiClientVerifier;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wstap::{
    accept::{ServerTls, TlsFailure},
    connect::{ClientTlsSettings, DialSettings, Dialled},
    session::{DialStep, TlsFacts},
    socket::{Failure, read_certificates, read_key},
};

use crate::{
    certificates::{Files, TestCa},
    connect::{dial, failed},
};

struct Met {
    dialled: Dialled,
    server: Result<TlsFacts, TlsFailure>,
}

/// Dials a server with this certificate as `host`.
async fn meet(host: &str, files: &Files, tls: ClientTlsSettings) -> Met {
    let server = ServerTls::from_files(&files.chain, &files.key, tls.key_log).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{host}:{}", listener.local_addr().unwrap().port());
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let (mut stream, facts) = server.establish(tcp.into(), Bytes::new()).await?;
        // The client speaks last in TLS 1.3, so its refusal comes with the first read.
        match stream.read(&mut [0; 1]).await {
            Ok(_) => Ok(facts),
            Err(error) => {
                let failure = Some(Failure::of(&error));
                Err(TlsFailure { detail: String::new(), failure, took: facts.handshake_ms })
            }
        }
    };
    let client = async {
        let mut dialled = dial(&url, DialSettings { tls, ..DialSettings::default() }).await;
        if let Ok(stream) = &mut dialled.result {
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
        }
        dialled
    };
    let (server, dialled) = tokio::join!(serve, client);
    Met { dialled, server }
}

fn trusting(ca: PathBuf) -> ClientTlsSettings {
    ClientTlsSettings { ca: Some(ca), ..ClientTlsSettings::default() }
}

#[tokio::test]
async fn a_good_certificate_is_recorded_on_both_sides() {
    let ca = TestCa::new();
    let met = meet("localhost", &ca.issue("localhost"), trusting(ca.path())).await;
    let client = met.dialled.tls.unwrap();
    let server = met.server.unwrap();
    assert!(met.dialled.result.is_ok());
    for facts in [&client, &server] {
        assert_eq!(facts.version.as_deref(), Some("TLSv1.3"));
        assert_eq!(facts.alpn.as_deref(), Some("http/1.1"));
        assert_eq!(facts.sni.as_deref(), Some("localhost"));
        assert!(facts.cipher.as_deref().unwrap().starts_with("TLS13_"), "{facts:?}");
        assert!(facts.handshake_ms.micros() > 0);
    }
    assert_eq!(client.certificate, server.certificate);
    let certificate = client.certificate.unwrap();
    assert_eq!(certificate.subject, "CN=localhost");
    assert_eq!(certificate.issuer, "CN=test CA");
    assert_eq!(certificate.not_after.unwrap().to_string(), "2096-01-01T00:00:00.000Z");
    assert_eq!(certificate.sha256.len(), 64);
    assert_eq!((client.verified, client.verify_error), (Some(true), None));
}

#[tokio::test]
async fn a_certificate_that_does_not_verify_says_why_and_is_recorded() {
    let ca = TestCa::new();
    let stranger = TestCa::named("another CA");
    let renewed = TestCa::new();
    let expired = ca.issue_until("localhost", 2021);
    let other = ca.issue("gateway.test");
    let unknown = stranger.issue("localhost");
    let another_key = renewed.issue("localhost");
    for (files, words, alert) in [
        (&expired, "expired", "certificate_expired"),
        (&other, "gateway.test", "bad_certificate"),
        (&unknown, "--upstream-ca", "unknown_ca"),
        (&another_key, "another key", "decrypt_error"),
    ] {
        let met = meet("localhost", files, trusting(ca.path())).await;
        let (step, cause, detail) = failed(&met.dialled);
        assert_eq!((step, cause), (DialStep::Tls, "certificate"), "{detail}");
        assert!(detail.contains(words), "{detail}");
        let facts = met.dialled.tls.as_ref().unwrap();
        assert_eq!(facts.verified, Some(false));
        assert!(facts.verify_error.is_some() && facts.certificate.is_some());
        let seen_by_server = met.server.unwrap_err().failure;
        assert_eq!(seen_by_server, Some(Failure::TlsAlert(alert.to_owned())));
    }
}

#[tokio::test]
async fn a_self_signed_certificate_verifies_when_it_is_given_itself() {
    let (_own, files) = TestCa::self_signed(&["localhost"], 2096);
    let (_nameless, nameless_files) = TestCa::self_signed(&[], 2096);
    for files in [&files, &nameless_files] {
        let met = meet("localhost", files, trusting(files.chain.clone())).await;
        assert!(met.dialled.result.is_ok(), "{:?}", met.dialled.dial.failure);
        let facts = met.dialled.tls.unwrap();
        assert_eq!((facts.verified, facts.verify_error), (Some(true), None));
    }

    let stranger = TestCa::new();
    let (late, late_files) = TestCa::self_signed(&["localhost"], 2021);
    let (foreign, foreign_files) = TestCa::self_signed(&["gateway.test"], 2096);
    for (files, ca, words) in [
        (&files, stranger.path(), "give that very certificate with --upstream-ca"),
        (&late_files, late.path(), "expired"),
        (&foreign_files, foreign.path(), "gateway.test"),
    ] {
        let met = meet("localhost", files, trusting(ca)).await;
        let (step, cause, detail) = failed(&met.dialled);
        assert_eq!((step, cause), (DialStep::Tls, "certificate"), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}

#[tokio::test]
async fn insecure_goes_on_and_says_what_is_wrong() {
    let ca = TestCa::new();
    let files = ca.issue_until("gateway.test", 2021);
    let tls = ClientTlsSettings { insecure: true, ..trusting(ca.path()) };
    let met = meet("localhost", &files, tls).await;
    assert!(met.dialled.result.is_ok());
    let facts = met.dialled.tls.unwrap();
    assert_eq!(facts.verified, Some(false));
    assert!(facts.verify_error.unwrap().contains("expired"));

    let tls = ClientTlsSettings { insecure: true, ..trusting(ca.path()) };
    let met = meet("localhost", &ca.issue("localhost"), tls).await;
    let facts = met.dialled.tls.unwrap();
    assert_eq!((facts.verified, facts.verify_error), (Some(true), None));
}

#[tokio::test]
async fn another_server_name_is_asked_for_and_verified() {
    let ca = TestCa::new();
    let server_name = Some("gateway.test".to_owned());
    let tls = ClientTlsSettings { server_name, ..trusting(ca.path()) };
    let met = meet("127.0.0.1", &ca.issue("gateway.test"), tls).await;
    assert_eq!(met.server.unwrap().sni.as_deref(), Some("gateway.test"));
    assert_eq!(met.dialled.tls.unwrap().verified, Some(true));
}

#[tokio::test]
async fn an_address_is_verified_without_a_server_name() {
    let ca = TestCa::new();
    let met = meet("127.0.0.1", &ca.issue("127.0.0.1"), trusting(ca.path())).await;
    assert_eq!(met.server.unwrap().sni, None);
    assert_eq!(met.dialled.tls.unwrap().sni, None);
}

#[test]
fn session_keys_are_logged_when_asked() {
    const FILE: &str = "SSLKEYLOGFILE";
    if std::env::var_os(FILE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ca = TestCa::new();
        let tls = ClientTlsSettings { key_log: true, ..trusting(ca.path()) };
        let met = runtime.block_on(meet("localhost", &ca.issue("localhost"), tls));
        assert!(met.dialled.result.is_ok());
        return;
    }
    // The variable is the whole process's, so the test runs again in one of its own.
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tls::session_keys_are_logged_when_asked"])
        .env(FILE, &keys)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    let logged = std::fs::read_to_string(&keys).unwrap();
    let lines = logged.lines().filter(|line| line.starts_with("CLIENT_TRAFFIC_SECRET_0 "));
    assert_eq!(lines.count(), 2, "one of the server and one of the client");
}

/// What a dial of `wss://` meets that is not TLS.
async fn meet_plain(answer: &'static [u8]) -> Dialled {
    let ca = TestCa::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let serve = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 4096];
        assert!(tcp.read(&mut hello).await.unwrap() > 0);
        tcp.write_all(answer).await.unwrap();
    };
    let tls = trusting(ca.path());
    let settings = DialSettings { tls, ..DialSettings::default() };
    tokio::join!(serve, dial(&url, settings)).1
}

#[tokio::test]
async fn a_plain_server_behind_wss_is_named() {
    let dialled = meet_plain(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Tls, "tls"));
    assert!(detail.contains("dial ws://"), "{detail}");
    assert_eq!(dialled.tls.as_ref().unwrap().verified, None);
}

#[tokio::test]
async fn a_server_that_hangs_up_in_the_handshake_is_named() {
    let dialled = meet_plain(b"").await;
    let (step, cause, detail) = failed(&dialled);
    assert_eq!((step, cause), (DialStep::Tls, "tls"));
    assert!(detail.contains("closed the connection during the TLS handshake"), "{detail}");
    assert!(dialled.dial.peer.is_some(), "it was connected: {:?}", dialled.dial);
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let ca = TestCa::new();
    let (ours, own) = (ca.issue("tap"), ca.issue("localhost"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(read_certificates(&ca.path()).unwrap().remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(read_certificates(&own.chain).unwrap(), read_key(&own.key).unwrap())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    let certificate = Some((ours.chain.clone(), ours.key));
    let tls = ClientTlsSettings { certificate, ..trusting(ca.path()) };
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        tls.get_ref().1.peer_certificates().unwrap()[0].clone()
    };
    let settings = DialSettings { tls, ..DialSettings::default() };
    let (shown, dialled) = tokio::join!(serve, dial(&url, settings));
    assert!(dialled.result.is_ok(), "{:?}", dialled.dial);
    assert_eq!(shown, read_certificates(&ours.chain).unwrap()[0]);
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up_in_time() {
    let ca = TestCa::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = DialSettings {
        tls: trusting(ca.path()),
        connect_timeout: std::time::Duration::from_millis(300),
        ..DialSettings::default()
    };
    let url = format!("wss://{}", listener.local_addr().unwrap());
    let dialled = dial(&url, settings).await;
    assert_eq!(failed(&dialled).0, DialStep::Tls);
    assert_eq!(failed(&dialled).1, "timeout");
}
