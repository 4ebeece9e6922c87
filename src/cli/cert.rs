//! `wstap cert`: the local certificate authority, and where its certificate is.
#![expect(clippy::doc_markdown, reason = "these comments are the help text")]

use std::io::Write;

use clap::Args;

use super::Outcome;
use super::store_path::state_folder;
use crate::authority::Authority;

/// Make the local certificate authority, and say where its certificate is
///
/// Listeners given as tls:// without --tls-cert show certificates of this authority. Clients have
/// to trust it: NODE_EXTRA_CA_CERTS=FILE for OpenClaw's CLI, or --cacert FILE for curl. It is made
/// once; its key is readable by you alone.
#[derive(Debug, Args)]
pub(super) struct CertArgs {
    /// Print the certificate itself (PEM) instead of its path
    #[arg(long)]
    pem: bool,
}

impl CertArgs {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let authority = Authority::open_or_create(&state_folder()?)?;
        let mut stdout = anstream::stdout().lock();
        if self.pem {
            write!(stdout, "{}", authority.certificate())?;
        } else {
            writeln!(stdout, "{}", authority.certificate_path().display())?;
        }
        Ok(Outcome::Done)
    }
}
