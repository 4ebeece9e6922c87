//! Certificates and keys in PEM files.

use std::path::{Path, PathBuf};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};
use thiserror::Error;

/// Why a PEM file could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PemError {
    #[error("cannot read certificates from {path}: {source}")]
    Certificates { path: PathBuf, source: pem::Error },
    #[error("{path} holds no certificate; it must be a PEM file with BEGIN CERTIFICATE lines")]
    NoCertificate { path: PathBuf },
    #[error("cannot read a private key from {path}: {source}")]
    Key { path: PathBuf, source: pem::Error },
}

/// All certificates of a file, in their order; at least one.
pub fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let unreadable = |source| PemError::Certificates { path: path.to_owned(), source };
    let all: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(unreadable)?
        .collect::<Result<_, _>>()
        .map_err(unreadable)?;
    if all.is_empty() {
        return Err(PemError::NoCertificate { path: path.to_owned() });
    }
    Ok(all)
}

/// The first private key of a file.
pub fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, PemError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|source| PemError::Key { path: path.to_owned(), source })
}
