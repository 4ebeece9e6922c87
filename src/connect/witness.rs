//! A certificate verifier that remembers what it was shown and what it thought of it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::{
    CertificateError, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use crate::{
    session::Certificate,
    socket::{certificate_facts, certificate_subject},
};

/// For one handshake. Signatures are checked always; `insecure` lets any certificate pass.
#[derive(Debug)]
pub(super) struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    given: Arc<[CertificateDer<'static>]>,
    insecure: bool,
    // A leaf: written once by the handshake, read once after it.
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) certificate: Option<Certificate>,
    pub(super) chain: Vec<String>,
    pub(super) error: Option<String>,
}

impl Witness {
    pub(super) fn new(
        verifier: Arc<WebPkiServerVerifier>,
        provider: Arc<CryptoProvider>,
        given: Arc<[CertificateDer<'static>]>,
        insecure: bool,
    ) -> Self {
        Self { verifier, provider, given, insecure, seen: Mutex::default() }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A certificate that was given as it is needs no issuer, only its time and those names that
    /// it has. Servers that make their own, as OpenClaw does, call it an authority and give it no
    /// name, both of which rustls refuses.
    fn verify_given(
        &self,
        end_entity: &CertificateDer<'_>,
        server_name: &ServerName<'_>,
        refused: Error,
    ) -> Result<ServerCertVerified, Error> {
        if self.given.iter().all(|given| given != end_entity) {
            return Err(refused);
        }
        let refused = if is_authority(&refused) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name).err()
        } else {
            Some(refused)
        };
        match refused {
            Some(refused) if !is_nameless(&refused) => Err(refused),
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verdict = self
            .verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .or_else(|refused| self.verify_given(end_entity, server_name, refused));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen {
            certificate: certificate_facts(end_entity),
            chain: intermediates.iter().filter_map(certificate_subject).collect(),
            error: verdict.as_ref().err().map(why),
        };
        if self.insecure { Ok(ServerCertVerified::assertion()) } else { verdict }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether nothing but the mark of an authority was wrong so far: time is looked at before it.
fn is_authority(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(why) if is_authority_as_server(why))
}

/// The certificate has no name at all that could be verified.
fn is_nameless(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. })
            if presented.is_empty()
    )
}

/// The certificate of an authority stands where a server's own belongs.
pub(super) fn is_authority_as_server(why: &CertificateError) -> bool {
    // The type behind it belongs to a crate that rustls does not show.
    matches!(why, CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity")
}

fn why(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) if is_authority_as_server(why) => {
            "it is the certificate of an authority, not of a server".to_owned()
        }
        Error::InvalidCertificate(why) => why.to_string(),
        error => error.to_string(),
    }
}
