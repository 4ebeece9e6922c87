//! What TLS and X.509 say of an established connection.

use std::net::IpAddr;

use rustls::{ClientConnection, CommonState, ServerConnection, pki_types::CertificateDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::session::{Certificate, Offset, TlsFacts, Wall};

/// Facts of a leg on which we are the client; the certificate is the peer's.
pub fn client_facts(tls: &ClientConnection, sni: Option<String>, took: Offset) -> TlsFacts {
    let certificate = tls.peer_certificates().and_then(<[_]>::first).and_then(certificate_facts);
    TlsFacts { sni, certificate, ..shared_facts(tls, took) }
}

/// Facts of a leg on which we are the server; `own` is the certificate that we showed.
pub fn server_facts(tls: &ServerConnection, own: Option<Certificate>, took: Offset) -> TlsFacts {
    let sni = tls.server_name().map(str::to_owned);
    TlsFacts { sni, certificate: own, ..shared_facts(tls, took) }
}

fn shared_facts(tls: &CommonState, took: Offset) -> TlsFacts {
    TlsFacts {
        version: tls.protocol_version().and_then(|version| version.as_str()).map(version_name),
        cipher: tls
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str())
            .map(str::to_owned),
        alpn: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
        handshake_ms: took,
        ..TlsFacts::default()
    }
}

/// `TLSv1_3` of rustls as `TLSv1.3`.
fn version_name(name: &str) -> String {
    name.replace('_', ".")
}

/// What an operator compares of a certificate; nothing if it is no certificate.
pub fn certificate_facts(der: &CertificateDer<'_>) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    Some(Certificate {
        subject: parsed.subject().to_string(),
        issuer: parsed.issuer().to_string(),
        names: names(&parsed),
        not_after: Some(Wall(parsed.validity().not_after.timestamp().saturating_mul(1_000_000))),
        sha256: hex(digest.as_ref()),
    })
}

/// The subject alternative names that a client may have dialled.
fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(found)) = parsed.subject_alternative_name() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
        _ => None,
    };
    found.value.general_names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The name in a certificate that follows the first one; nothing if it is no certificate.
pub fn certificate_subject(der: &CertificateDer<'_>) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    Some(parsed.subject().to_string())
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    digits.map(|digit| DIGITS[usize::from(digit)]).collect()
}
