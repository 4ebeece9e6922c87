//! TLS as a server: which certificate is shown, and how a handshake went.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::{
    authority::{Authority, AuthorityError},
    session::{Certificate, Offset, TlsFacts},
    socket::{
        Counted, Failure, PemError, Stream, certificate_facts, read_certificates, read_key,
        server_facts,
    },
};

/// A client that does not finish its handshake in this time is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// TLS for listeners. Its certificate can be exchanged while clients are connected.
#[derive(Debug)]
pub struct ServerTls {
    source: Source,
    key_log: bool,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
enum Source {
    Files { chain: PathBuf, key: PathBuf },
    Minted { authority: Arc<Authority>, names: Vec<String> },
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    certificate: Option<Certificate>,
}

/// Why TLS cannot be offered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerTlsError {
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("the minted certificate cannot be read back: {0}")]
    Minted(pem::Error),
    #[error("the certificate or its key is unusable: {0}")]
    Unusable(#[from] rustls::Error),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// A handshake that a client did not finish.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct TlsFailure {
    /// One sentence for people.
    pub detail: String,
    /// Nothing when time ran out.
    pub failure: Option<Failure>,
    pub took: Offset,
}

impl ServerTls {
    /// A certificate chain and its key from PEM files. `key_log` writes session keys to the file
    /// that `SSLKEYLOGFILE` names.
    pub fn from_files(chain: &Path, key: &Path, key_log: bool) -> Result<Self, ServerTlsError> {
        Self::new(Source::Files { chain: chain.to_owned(), key: key.to_owned() }, key_log)
    }

    /// A certificate of the local authority for these names and addresses.
    pub fn minted(
        authority: Arc<Authority>,
        names: Vec<String>,
        key_log: bool,
    ) -> Result<Self, ServerTlsError> {
        Self::new(Source::Minted { authority, names }, key_log)
    }

    fn new(source: Source, key_log: bool) -> Result<Self, ServerTlsError> {
        let current = ArcSwap::from_pointee(source.load(key_log)?);
        Ok(Self { source, key_log, current })
    }

    /// Reads (or mints) the certificate again for all further handshakes. After a failure the
    /// one in use stays.
    pub fn reload(&self) -> Result<(), ServerTlsError> {
        self.current.store(Arc::new(self.source.load(self.key_log)?));
        Ok(())
    }

    /// The certificate that is being shown.
    pub fn certificate(&self) -> Option<Certificate> {
        self.current.load().certificate.clone()
    }

    /// Shakes hands. `unread` are bytes of the client that were taken from the socket already.
    pub async fn establish(
        &self,
        stream: Stream,
        unread: Bytes,
    ) -> Result<(Stream, TlsFacts), TlsFailure> {
        let began = Instant::now();
        let Stream::Plain(raw) = stream else {
            return Err(TlsFailure::new("TLS inside of TLS is not offered", None, began));
        };
        let current = self.current.load_full();
        let acceptor = TlsAcceptor::from(Arc::clone(&current.config));
        // On the heap, so that a session's future is not as large as its handshake.
        let handshake = Box::pin(acceptor.accept(Counted::new(raw, unread)));
        match tokio::time::timeout(PATIENCE, handshake).await {
            Ok(Ok(tls)) => {
                let certificate = current.certificate.clone();
                let facts = server_facts(tls.get_ref().1, certificate, offset(began));
                Ok((Stream::from_tls(tokio_rustls::TlsStream::from(tls)), facts))
            }
            Ok(Err(error)) => Err(TlsFailure::of(&error, began)),
            Err(_) => {
                let detail = "the client did not finish the TLS handshake within 10 seconds";
                Err(TlsFailure::new(detail, None, began))
            }
        }
    }
}

impl Source {
    fn load(&self, key_log: bool) -> Result<Current, ServerTlsError> {
        let (chain, key) = match self {
            Self::Files { chain, key } => (read_certificates(chain)?, read_key(key)?),
            Self::Minted { authority, names } => {
                let issued = authority.issue(names)?;
                let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes())
                    .collect::<Result<_, _>>()
                    .map_err(ServerTlsError::Minted)?;
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())
                    .map_err(ServerTlsError::Minted)?;
                (chain, key)
            }
        };
        let certificate = chain.first().and_then(certificate_facts);
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // A WebSocket begins with HTTP/1.1 (RFC 6455 §4.1); nothing else could be relayed.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if key_log {
            config.key_log = Arc::new(rustls::KeyLogFile::new());
        }
        Ok(Current { config: Arc::new(config), certificate })
    }
}

impl TlsFailure {
    fn new(detail: impl Into<String>, failure: Option<Failure>, began: Instant) -> Self {
        Self { detail: detail.into(), failure, took: offset(began) }
    }

    fn of(error: &io::Error, began: Instant) -> Self {
        let failure = Failure::of(error);
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let detail = match &failure {
            Failure::TlsBroken(_) if matches!(tls, Some(rustls::Error::InvalidMessage(_))) => {
                "the client did not speak TLS on a TLS listener".to_owned()
            }
            Failure::TlsBroken(reason) => format!("the TLS handshake failed: {reason}"),
            Failure::TlsAlert(name) => {
                format!("the client refused the TLS handshake with the alert {name}")
            }
            Failure::TlsTruncated => {
                "the client closed the connection during the TLS handshake".to_owned()
            }
            Failure::Reset => "the client reset the connection during the TLS handshake".to_owned(),
            Failure::Kernel(name) => format!("the TLS handshake failed: {name}"),
        };
        Self::new(detail, Some(failure), began)
    }
}

fn offset(began: Instant) -> Offset {
    Offset::from_micros(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX))
}
