//! Where the store is, when it is not said.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, bail};

use super::say;
use crate::store::{Reader, StoreError};

/// The option that every command with a store has.
#[derive(Debug, clap::Args)]
pub(super) struct StorePath {
    #[arg(long, env = "WSTAP_STORE", hide_env_values = true, value_name = "FILE")]
    #[arg(help = "The store [default: wstap/wstap.db in $XDG_STATE_HOME or ~/.local/state]")]
    store: Option<PathBuf>,
}

impl StorePath {
    /// The file that is meant.
    pub(super) fn path(&self) -> anyhow::Result<PathBuf> {
        match &self.store {
            Some(path) => Ok(path.clone()),
            None => Ok(state_folder()?.join("wstap.db")),
        }
    }

    /// Opens it for reading.
    pub(super) fn open(&self) -> anyhow::Result<Reader> {
        let path = self.path()?;
        match Reader::open(&path) {
            Err(StoreError::Missing { path }) => bail!(
                "there is no store at {}; `wstap proxy` makes one, --store FILE names another",
                path.display()
            ),
            opened => opened.with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Opens it for reading. Nobody chose the usual file, so its absence is said and no error:
    /// nothing was recorded yet.
    pub(super) fn open_if_there(&self) -> anyhow::Result<Option<(Reader, PathBuf)>> {
        let path = self.path()?;
        if self.store.is_none() && !path.exists() {
            let path = path.display();
            say(&format!("no session was recorded yet in {path}: start `wstap proxy`"));
            return Ok(None);
        }
        Ok(Some((self.open()?, path)))
    }
}

/// The user's folder for what wstap keeps from run to run.
pub(super) fn state_folder() -> anyhow::Result<PathBuf> {
    // The XDG Base Directory Specification: a path that is not absolute is to be ignored.
    let given = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    given
        .or_else(|| env::home_dir().map(|home| home.join(".local/state")))
        .map(|state| state.join("wstap"))
        .context("cannot tell where the store is: there is no home folder; say --store FILE")
}
