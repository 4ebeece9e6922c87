//! A certificate for `localhost`, made for one run and thrown away with it.

use std::path::{Path, PathBuf};

/// Where certificate and key lie.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

pub(crate) fn mint(folder: &Path) -> anyhow::Result<Certificate> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    let files = Certificate {
        certificate: folder.join("localhost.crt"),
        key: folder.join("localhost.key"),
    };
    std::fs::write(&files.certificate, made.cert.pem())?;
    std::fs::write(&files.key, made.signing_key.serialize_pem())?;
    Ok(files)
}
