//! Where the store is, when it is not said.

use std::env;
use std::path::PathBuf;

use anyhow::Context;

/// The option that every command with a store has.
#[derive(Debug, clap::Args)]
pub(super) struct StorePath {
    /// The store [default: wstap/wstap.db in $XDG_STATE_HOME, else in ~/.local/state].
    #[arg(long, env = "WSTAP_STORE", hide_env_values = true, value_name = "FILE")]
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

    /// Whether somebody chose the file, so that it should be there.
    pub(super) const fn is_chosen(&self) -> bool {
        self.store.is_some()
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
