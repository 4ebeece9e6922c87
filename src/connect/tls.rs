//! TLS towards the upstream: what is trusted, what is shown, and why a handshake failed.

use std::{io, path::PathBuf, sync::Arc};

use bytes::Bytes;
use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName},
};
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::{
    causes::{cause_of, failure},
    dialer::since,
    witness::{Witness, is_authority_as_server},
};
use crate::{
    session::{DialFailure, DialStep, TlsFacts},
    socket::{
        Counted, Failure, PemError, Raw, Stream, client_facts, errno_name, read_certificates,
        read_key,
    },
};

/// How the upstream's TLS is to be spoken.
#[derive(Clone, Debug, Default)]
pub struct ClientTlsSettings {
    /// PEM file of the certificates to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Go on with a certificate that does not verify, and record what is wrong with it.
    pub insecure: bool,
    /// The name to ask for and to verify, instead of the URL's.
    pub server_name: Option<String>,
    /// PEM files of our own certificate chain and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Write session keys to the file that `SSLKEYLOGFILE` names.
    pub key_log: bool,
}

/// Why TLS towards the upstream cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientTlsError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("`{0}` cannot be a TLS server name; type a host name or an IP address")]
    ServerName(String),
    #[error("the certificates to trust are unusable: {0}")]
    Roots(rustls::client::VerifierBuilderError),
    #[error("the client certificate is unusable: {0}")]
    ClientCertificate(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A TLS client for one upstream.
#[derive(Debug)]
pub(super) struct ClientTls {
    config: ClientConfig,
    verifier: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    /// The certificates of `--upstream-ca`.
    given: Arc<[CertificateDer<'static>]>,
    insecure: bool,
    name: ServerName<'static>,
}

impl ClientTls {
    pub(super) fn new(settings: &ClientTlsSettings, host: &str) -> Result<Self, ClientTlsError> {
        let name = settings.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| ClientTlsError::ServerName(name.to_owned()))?;
        let provider = Arc::new(ring::default_provider());
        let given: Arc<[_]> = match &settings.ca {
            Some(path) => read_certificates(path)?.into(),
            None => Arc::default(),
        };
        let roots = Arc::new(match &settings.ca {
            Some(_) => roots_of(&given)?,
            None => system_roots(),
        });
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(ClientTlsError::Roots)?;
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ClientTlsError::Setup)?
            .with_webpki_verifier(Arc::clone(&verifier));
        let mut config = match &settings.certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(read_certificates(chain)?, read_key(key)?)
                .map_err(ClientTlsError::ClientCertificate)?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed handshake shows no certificate, so it would have nothing to record.
        config.resumption = Resumption::disabled();
        if settings.key_log {
            config.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        Ok(Self { config, verifier, provider, given, insecure: settings.insecure, name })
    }

    /// Facts are there after a failure too, as far as the handshake had come.
    pub(super) async fn connect(
        &self,
        raw: Raw,
        facts: &mut Option<TlsFacts>,
    ) -> Result<Stream, DialFailure> {
        let began = Instant::now();
        let witness = Arc::new(Witness::new(
            Arc::clone(&self.verifier),
            Arc::clone(&self.provider),
            Arc::clone(&self.given),
            self.insecure,
        ));
        let mut config = self.config.clone();
        config.dangerous().set_certificate_verifier(Arc::clone(&witness) as _);
        let connector = TlsConnector::from(Arc::new(config));
        // RFC 6066 §3: an address is not sent as a server name.
        let sni = match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref().to_owned()),
            ServerName::IpAddress(_) | _ => None,
        };
        *facts = Some(TlsFacts { sni: sni.clone(), ..TlsFacts::default() });
        let counted = Counted::new(raw, Bytes::new());
        let shaken = connector.connect(self.name.clone(), counted).await;
        let seen = witness.seen();
        let established = match &shaken {
            Ok(tls) => client_facts(tls.get_ref().1, sni, since(began)),
            Err(_) => TlsFacts { sni, handshake_ms: since(began), ..TlsFacts::default() },
        };
        *facts = Some(TlsFacts {
            verified: seen.certificate.is_some().then_some(seen.error.is_none()),
            verify_error: seen.error,
            certificate: seen.certificate,
            chain: seen.chain,
            ..established
        });
        match shaken {
            Ok(tls) => Ok(Stream::from_tls(tokio_rustls::TlsStream::from(tls))),
            Err(error) => Err(handshake_failure(&error)),
        }
    }
}

fn roots_of(given: &[CertificateDer<'static>]) -> Result<RootCertStore, ClientTlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in given {
        roots.add(certificate.clone()).map_err(ClientTlsError::Setup)?;
    }
    Ok(roots)
}

/// The machine's roots; Mozilla's where a bare container has none.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn handshake_failure(error: &io::Error) -> DialFailure {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(why)) = tls {
        return failure(DialStep::Tls, "certificate", distrust(why));
    }
    if let Some(rustls::Error::InvalidMessage(_)) = tls {
        let detail = "the upstream did not answer with TLS; if it speaks plain HTTP, dial ws:// \
                      instead of wss://";
        return failure(DialStep::Tls, "tls", detail.to_owned());
    }
    match Failure::of(error) {
        Failure::TlsTruncated => {
            let detail = "the upstream closed the connection during the TLS handshake";
            failure(DialStep::Tls, "tls", detail.to_owned())
        }
        Failure::TlsAlert(name) => {
            let detail = format!("the upstream refused the TLS handshake with the alert {name}");
            failure(DialStep::Tls, "tls", detail)
        }
        Failure::TlsBroken(reason) => failure(DialStep::Tls, "tls", reason),
        Failure::Reset => {
            let detail = "the upstream reset the connection during the TLS handshake";
            failure(DialStep::Tls, "reset", detail.to_owned())
        }
        Failure::Kernel(_) => {
            let detail = format!("the TLS handshake failed: {}", errno_name(error));
            failure(DialStep::Tls, cause_of(error), detail)
        }
    }
}

/// Why a certificate was not accepted, and what helps.
fn distrust(why: &CertificateError) -> String {
    if matches!(why, CertificateError::UnknownIssuer) {
        return "the upstream's certificate is issued by nobody who is trusted; give its issuer's \
                certificate with --upstream-ca"
            .to_owned();
    }
    if matches!(why, CertificateError::BadSignature) {
        return "the upstream's certificate names a trusted issuer, but another key has signed \
                it; the issuer may have been made anew: give its certificate with --upstream-ca"
            .to_owned();
    }
    if is_authority_as_server(why) {
        return "the upstream shows the certificate of an authority as its own; if it made it \
                itself, give that very certificate with --upstream-ca"
            .to_owned();
    }
    format!("the upstream's certificate is not accepted: {why}")
}
