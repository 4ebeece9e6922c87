//! Where the secret comes from. The first of: an option, a file, the configuration, the environment.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::check::{Credentials, Source};
use crate::cli::reach;

#[derive(Debug, Args)]
#[command(next_help_heading = "Who connects")]
pub(super) struct SecretArgs {
    /// Read the token from this file, `-` for stdin
    #[arg(long, value_name = "FILE", group = "secret")]
    token_file: Option<PathBuf>,
    /// Read the password from this file, `-` for stdin
    #[arg(long, value_name = "FILE", group = "secret")]
    password_file: Option<PathBuf>,
    /// Take the secret of this openclaw.json (JSON5), by its gateway.auth.mode
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, group = "secret")]
    #[arg(
        help = "The token. Everybody on this machine can read it in the process list: rather use \
                  --token-file or OPENCLAW_GATEWAY_TOKEN"
    )]
    token: Option<String>,
    #[arg(long, group = "secret")]
    #[arg(help = "The password. The same: rather use --password-file or \
                  OPENCLAW_GATEWAY_PASSWORD")]
    password: Option<String>,
}

impl SecretArgs {
    pub(super) fn credentials(&self) -> anyhow::Result<Credentials> {
        if let Some(token) = &self.token {
            return Ok(Credentials::token(token.clone(), Source::Option));
        }
        if let Some(password) = &self.password {
            return Ok(Credentials::password(password.clone(), Source::Option));
        }
        if let Some(path) = &self.token_file {
            return Ok(Credentials::token(line_of(path)?, Source::File));
        }
        if let Some(path) = &self.password_file {
            return Ok(Credentials::password(line_of(path)?, Source::File));
        }
        if let Some(found) = self.config.as_deref().map(of_config).transpose()?.flatten() {
            return Ok(found);
        }
        let of = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(token) = of("OPENCLAW_GATEWAY_TOKEN") {
            return Ok(Credentials::token(token, Source::Environment));
        }
        Ok(of("OPENCLAW_GATEWAY_PASSWORD").map_or_else(Credentials::default, |password| {
            Credentials::password(password, Source::Environment)
        }))
    }
}

fn of_config(path: &Path) -> anyhow::Result<Option<Credentials>> {
    let config = reach::config(path)?;
    let password = config
        .password()
        .filter(|_| config.token().is_none() || config.auth_mode.as_deref() == Some("password"));
    Ok(match (password, config.token()) {
        (Some(password), _) => Some(Credentials::password(password.to_owned(), Source::Config)),
        (None, Some(token)) => Some(Credentials::token(token.to_owned(), Source::Config)),
        (None, None) => None,
    })
}

/// The first line, so that an editor's newline is no part of the secret.
fn line_of(path: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
    } else {
        text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
    }
    let line = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(!line.is_empty(), "{} holds no secret", path.display());
    Ok(line.to_owned())
}
