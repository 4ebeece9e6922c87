//! The local certificate authority: made once, kept in the state folder, so that TLS listeners
//! have certificates that a client can be told to trust.

use std::{
    fs::{self, DirBuilder, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use thiserror::Error;

/// Certificate and key in one file, so that it comes into being in one step.
const SECRET_FILE: &str = "ca-key.pem";
/// The certificate alone, to hand out.
const PUBLIC_FILE: &str = "ca.pem";
const CA_DAYS: i64 = 3650;
/// Browsers refuse server certificates that are valid for more than 398 days.
const SERVER_DAYS: i64 = 397;

/// A certificate authority whose key is readable by its owner alone.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    certificate_path: PathBuf,
}

/// A certificate chain and its key, both as PEM.
#[derive(Clone)]
pub struct Issued {
    pub chain: String,
    pub key: String,
}

/// Why there is no authority, or no certificate of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthorityError {
    #[error("cannot {doing} {path}: {source}")]
    File { doing: &'static str, path: PathBuf, source: io::Error },
    #[error("{path} is readable by others; it holds a private key: chmod 600 it, or remove it")]
    Exposed { path: PathBuf },
    #[error("{path} does not hold a certificate and its key; remove it to get a new authority")]
    Damaged { path: PathBuf },
    #[error("a certificate cannot be made: {0}")]
    Certificate(#[from] rcgen::Error),
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl Authority {
    /// Opens the authority of a folder, and makes both when they are missing.
    pub fn open_or_create(dir: &Path) -> Result<Self, AuthorityError> {
        let secret = dir.join(SECRET_FILE);
        if !secret.exists() {
            create(dir, &secret)?;
        }
        let pem = fs::read_to_string(&secret).map_err(of("read", &secret))?;
        let mode = fs::metadata(&secret).map_err(of("look at", &secret))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(AuthorityError::Exposed { path: secret });
        }
        let damaged = || AuthorityError::Damaged { path: secret.clone() };
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| damaged())?;
        let key = KeyPair::from_pem(&pem).map_err(|_| damaged())?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|_| damaged())?;
        let begin = pem.find("-----BEGIN CERTIFICATE-----").ok_or_else(damaged)?;
        let certificate = pem[begin..].to_owned();
        let certificate_path = dir.join(PUBLIC_FILE);
        if fs::read_to_string(&certificate_path).ok().as_deref() != Some(certificate.as_str()) {
            fs::write(&certificate_path, &certificate).map_err(of("write", &certificate_path))?;
        }
        Ok(Self { issuer, certificate, certificate_path })
    }

    /// The authority's certificate as PEM, for clients to trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The file that holds it.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// A server certificate for host names and IP addresses, with a key of its own.
    pub fn issue(&self, names: &[String]) -> Result<Issued, AuthorityError> {
        let mut params = CertificateParams::new(names)?;
        let common = names.first().map_or("localhost", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        valid_for(&mut params, SERVER_DAYS);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { chain: certificate.pem() + &self.certificate, key: key.serialize_pem() })
    }
}

/// Whoever comes first makes the authority; all others use that one.
fn create(dir: &Path, secret: &Path) -> Result<(), AuthorityError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(of("create", dir))?;
    let mut params = CertificateParams::new(Vec::new())?;
    // Two authorities of one name would be taken for one with a wrong signature.
    let name = format!("wstap local CA {:08x}", fastrand::u32(..));
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid_for(&mut params, CA_DAYS);
    let key = KeyPair::generate()?;
    let pem = key.serialize_pem() + &params.self_signed(&key)?.pem();

    let draft = dir.join(format!("{SECRET_FILE}.{}", fastrand::u64(..)));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)
        .and_then(|mut file| {
            // The umask may have taken away more than it should.
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.write_all(pem.as_bytes())?;
            file.sync_all()
        })
        // A link, unlike a rename, does not replace the authority of somebody faster.
        .and_then(|()| fs::hard_link(&draft, secret));
    let removed = fs::remove_file(&draft);
    match written {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(of("write", secret)(error))
        }
        Ok(()) | Err(_) => removed.map_err(of("remove", &draft)),
    }
}

fn of(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuthorityError {
    let path = path.to_owned();
    move |source| AuthorityError::File { doing, path, source }
}

/// From yesterday on, for clocks that are a little behind.
fn valid_for(params: &mut CertificateParams, days: i64) {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let date = |days: i64| {
        let date = today.saturating_add(jiff::Span::new().days(days));
        rcgen::date_time_ymd(
            i32::from(date.year()),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = date(-1);
    params.not_after = date(days - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_made_once_and_its_key_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state/tls");
        let one = Authority::open_or_create(&state).unwrap();
        let two = Authority::open_or_create(&state).unwrap();
        assert_eq!(one.certificate(), two.certificate());
        assert_eq!(fs::read_to_string(one.certificate_path()).unwrap(), one.certificate());
        assert!(!one.certificate().contains("PRIVATE"));
        let secret = state.join(SECRET_FILE);
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 2, "no draft is left");

        fs::set_permissions(&secret, Permissions::from_mode(0o644)).unwrap();
        let exposed = Authority::open_or_create(&state).unwrap_err();
        assert!(matches!(exposed, AuthorityError::Exposed { .. }));
    }

    #[test]
    fn racing_makers_end_with_one_authority() {
        let dir = tempfile::tempdir().unwrap();
        let made: Vec<String> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Authority::open_or_create(dir.path()).unwrap()))
                .collect();
            racers.into_iter().map(|one| one.join().unwrap().certificate().to_owned()).collect()
        });
        assert!(made.iter().all(|certificate| *certificate == made[0]));
    }

    #[test]
    fn a_damaged_file_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join(SECRET_FILE);
        fs::write(&secret, "nothing").unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
        let error = Authority::open_or_create(dir.path()).unwrap_err();
        assert!(matches!(error, AuthorityError::Damaged { .. }), "{error}");
        assert_eq!(fs::read_to_string(&secret).unwrap(), "nothing");
    }
}
