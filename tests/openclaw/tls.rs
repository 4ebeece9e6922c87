//! TLS on either leg: a gateway with TLS behind a plain listener, a TLS listener before a plain
//! gateway, and a client that speaks TLS past the tap.

use std::path::PathBuf;

use wstap::session::Kind;

use crate::calls::assert_welcomed;
use crate::cli::Cli;
use crate::gateway::RealGateway;
use crate::pinned::Release;
use crate::same::assert_same;
use crate::shared::{both, with_tls, with_token};
use crate::support::record;
use crate::support::tap::Wstap;

const HEALTH: [&str; 3] = ["gateway", "call", "health"];

/// The certificate that the gateway made for itself.
fn certificate(gateway: &RealGateway) -> PathBuf {
    let folder = gateway.folder().join("state/gateway/tls");
    let files = std::fs::read_dir(&folder).expect("the gateway's TLS folder");
    let paths = files.map(|file| file.expect("a file").path());
    let is_certificate = |path: &PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| text.contains("BEGIN CERTIFICATE"))
    };
    paths.into_iter().find(is_certificate).expect("a certificate")
}

fn url_of(gateway: &RealGateway) -> String {
    format!("wss://127.0.0.1:{}", gateway.port)
}

#[test]
fn a_gateway_with_tls_is_reached_without_verifying() {
    let gateway = with_tls();
    let tap = Wstap::start_with(&url_of(gateway), &["--insecure"]);
    let cli = Cli::elsewhere(Release::Current);
    let run = cli.run(&[&HEALTH[..], &["--url", &tap.url(), "--token", &gateway.token]].concat());
    assert_eq!(run.code, Some(0), "{run:?}");

    let session = record::only(&tap);
    assert_welcomed(&session, gateway, "cli");
    let tls = session.record.upstream.tls.as_ref().expect("TLS of the upstream leg");
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"), "{tls:?}");
    assert_eq!(tls.verified, Some(false), "{tls:?}");
    assert!(tls.verify_error.is_some(), "{tls:?}");
    assert_eq!(session.record.client.tls, None);
    let records = session.record.upstream.tls_records.expect("TLS records");
    assert!(records.iter().all(|way| way.records > way.non_application), "{records:?}");
}

#[test]
fn a_gateway_with_tls_is_verified_by_its_own_certificate() {
    let gateway = with_tls();
    let certificate = certificate(gateway);
    let ca = ["--upstream-ca".as_ref(), certificate.as_os_str()];
    let tap = Wstap::start_with(&url_of(gateway), &ca);
    let cli = Cli::elsewhere(Release::Current);
    let run = cli.run(&[&HEALTH[..], &["--url", &tap.url(), "--token", &gateway.token]].concat());
    assert_eq!(run.code, Some(0), "{run:?} {:?}", tap.child.stderr.all());
    assert_welcomed(&record::only(&tap), gateway, "cli");
}

#[test]
fn a_certificate_nobody_vouches_for_is_a_502_that_says_so() {
    let gateway = with_tls();
    let tap = Wstap::start(&url_of(gateway));
    let cli = Cli::elsewhere(Release::Current);
    let run = cli.run(&[&HEALTH[..], &["--url", &tap.url(), "--token", &gateway.token]].concat());
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("HTTP 502): wstap could not reach the upstream"), "{run:?}");
    let session = record::only(&tap);
    let dial = session.record.upstream.dial.as_ref().expect("a dial");
    assert_eq!(dial.failure.as_ref().map(|failure| &*failure.cause), Some("certificate"));
}

#[test]
fn a_tls_listener_is_trusted_by_its_authority() {
    let gateway = with_token();
    let tap = Wstap::start_on("tls://127.0.0.1:0", &gateway.url(), &[] as &[&str]);
    let authority = tap.authority();
    let authority = authority.to_str().expect("a path in UTF-8");
    let cli = Cli::elsewhere(Release::Current);
    let url = format!("wss://{}", tap.addr);
    let args = [&HEALTH[..], &["--url", &url, "--token", &gateway.token]].concat();
    let run = cli.run_with(&args, &[("NODE_EXTRA_CA_CERTS", authority)]);
    assert_eq!(run.code, Some(0), "{run:?} {:?}", tap.child.stderr.all());
    let session = record::only(&tap);
    assert_welcomed(&session, gateway, "cli");
    let tls = session.record.client.tls.as_ref().expect("TLS of the client's leg");
    assert_eq!(tls.version.as_deref(), Some("TLSv1.3"), "{tls:?}");
    assert_eq!(session.record.upstream.tls, None);

    let run = cli.run(&args);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("certificate"), "{run:?}");
}

#[test]
fn a_client_that_speaks_tls_to_a_plain_listener_passes_as_it_is() {
    let gateway = with_tls();
    let tap = Wstap::start(&gateway.url());
    let (direct, tapped) = both(gateway, &tap, &HEALTH);
    assert_same(&direct, &tapped);
    assert_eq!(tapped.code, Some(0), "{tapped:?}");
    let session = record::only(&tap);
    assert_eq!(session.record.kind, Kind::Opaque);
    let opaque = session.record.opaque.as_ref().expect("what the bytes are");
    assert_eq!(opaque.what, "tls_client_hello");
    for totals in [&session.record.frames.c2s, &session.record.frames.s2c] {
        let records = totals.tls_records.expect("TLS records");
        assert!(records.records > records.non_application, "{records:?}");
    }
}
