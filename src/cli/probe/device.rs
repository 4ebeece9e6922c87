//! A device identity for the probe: made anew, or kept in a file.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use ring::rand::{SecureRandom, SystemRandom};

use crate::check::DeviceChoice;
use crate::openclaw::DeviceKey;

#[derive(Debug, Args)]
#[command(next_help_heading = "Who connects")]
pub(super) struct DeviceArgs {
    #[arg(long)]
    #[arg(help = "Connect with a device identity made for this probe. This leaves something on \
                  the gateway: a request for approval, or for a local client an approved device")]
    device: bool,
    /// The same, with the identity of this file; makes it when it is not there
    #[arg(long, value_name = "FILE")]
    keep_device: Option<PathBuf>,
}

impl DeviceArgs {
    pub(super) fn choice(&self) -> anyhow::Result<Option<DeviceChoice>> {
        let Some(path) = &self.keep_device else {
            return if self.device { Ok(Some(made(&seed()?, false)?)) } else { Ok(None) };
        };
        match fs::read_to_string(path) {
            Ok(text) => {
                let seed = STANDARD.decode(text.trim()).ok().and_then(|b| b.try_into().ok());
                let seed =
                    seed.with_context(|| format!("{} is no device identity", path.display()))?;
                Ok(Some(made(&seed, true)?))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let seed = seed()?;
                keep(path, &seed).with_context(|| format!("cannot write {}", path.display()))?;
                Ok(Some(made(&seed, false)?))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// What stays on the gateway, to be said before anything is sent.
pub(super) fn what_it_leaves(device: &DeviceChoice) -> String {
    let id = device.key.id();
    if device.kept {
        format!("connecting as device {id}, which was used before")
    } else {
        format!(
            "connecting as new device {id}: to a remote gateway this leaves a request that waits for \
             approval (openclaw devices list), to a local one an approved device (openclaw devices \
             remove {id})"
        )
    }
}

fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).map_err(|_| anyhow!("the system has no randomness"))?;
    Ok(seed)
}

fn made(seed: &[u8; 32], kept: bool) -> anyhow::Result<DeviceChoice> {
    let key = DeviceKey::from_seed(seed).context("no device key can be made")?;
    Ok(DeviceChoice { key, kept })
}

fn keep(path: &Path, seed: &[u8; 32]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", STANDARD.encode(seed))
}
