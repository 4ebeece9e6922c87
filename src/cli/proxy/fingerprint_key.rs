//! The key of the fingerprints: given by the environment, or made once and kept outside of every
//! store, so that a store can be handed on without it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::cli::UsageError;
use crate::redact::FingerprintKey;

/// Where a key may be given; several taps that share it give equal fingerprints.
const VARIABLE: &str = "WSTAP_FINGERPRINT_KEY";

/// A shorter one could be tried out.
const SHORTEST: usize = 16;

/// The key to use.
pub(in crate::cli) fn fingerprint_key(
    state: anyhow::Result<PathBuf>,
) -> anyhow::Result<FingerprintKey> {
    if let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) {
        let text = text.into_encoded_bytes();
        if text.len() < SHORTEST {
            let error = format!("{VARIABLE} needs {SHORTEST} characters or more");
            return Err(UsageError(error).into());
        }
        let hash = digest::digest(&digest::SHA256, &text);
        return Ok(FingerprintKey::new(hash.as_ref().try_into()?));
    }
    let folder = state?;
    let file = folder.join("fingerprint.key");
    let key = match read(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&folder, &file),
        read => read,
    };
    let key = key.with_context(|| format!("the fingerprint key {}", file.display()))?;
    Ok(FingerprintKey::new(key))
}

fn read(file: &Path) -> io::Result<[u8; 32]> {
    let mut key = [0; 32];
    fs::File::open(file)?.read_exact(&mut key)?;
    Ok(key)
}

/// Written whole under another name first: two taps that start at once agree on one key.
fn make(folder: &Path, file: &Path) -> io::Result<[u8; 32]> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).map_err(|_| io::Error::other("no randomness"))?;
    let draft = folder.join(format!("fingerprint.key.{}", std::process::id()));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?.write_all(&key)?;
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => read(file),
    }
}
