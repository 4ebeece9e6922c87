//! The real CLI as a command that ends.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::pinned::{self, Release};
use crate::support::child::{OwnedChild, Run};

const DEADLINE: Duration = Duration::from_secs(90);

/// The pinned CLI on its own Node, blind to the environment of whoever runs the tests.
#[derive(Debug)]
pub(crate) struct Cli<'a> {
    release: Release,
    home: Home<'a>,
}

#[derive(Debug)]
enum Home<'a> {
    Scratch(TempDir),
    Gateway(&'a Path),
}

impl<'a> Cli<'a> {
    /// A CLI on a machine of its own: no config, no state, no device identity.
    pub(crate) fn elsewhere(release: Release) -> Self {
        Self { release, home: Home::Scratch(tempfile::tempdir().expect("a scratch folder")) }
    }

    /// The CLI on the machine of the gateway whose folder this is.
    pub(crate) fn of_gateway(release: Release, folder: &'a Path) -> Self {
        Self { release, home: Home::Gateway(folder) }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// Runs `openclaw ARGS` with more environment, for instance `OPENCLAW_GATEWAY_PORT`.
    pub(crate) fn run_with(&self, args: &[&str], environment: &[(&str, &str)]) -> Run {
        Run::of(&mut self.command(args, environment), DEADLINE)
    }

    /// The same for a command that runs until it is told to stop.
    pub(crate) fn spawn(&self, args: &[&str], environment: &[(&str, &str)]) -> OwnedChild {
        OwnedChild::spawn(&mut self.command(args, environment))
    }

    fn command(&self, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let folder = match &self.home {
            Home::Scratch(folder) => folder.path(),
            Home::Gateway(folder) => folder,
        };
        let [home, state, tmp] = ["home", "state", "tmp"].map(|name| {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).expect("a scratch folder");
            path
        });
        let node = pinned::node();
        let openclaw = self.release.folder().join("node_modules/openclaw/openclaw.mjs");
        for file in [&node, &openclaw] {
            assert!(file.exists(), "{} is missing: `bash tests/run` installs it", file.display());
        }
        let mut command = Command::new(&node);
        command
            .arg(openclaw)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .env("TMPDIR", tmp)
            .env("NO_COLOR", "1")
            .env("NODE_COMPILE_CACHE", pinned::compile_cache())
            .env("OPENCLAW_STATE_DIR", state)
            .env("OPENCLAW_CONFIG_PATH", folder.join("openclaw.json"))
            .env("OPENCLAW_NO_RESPAWN", "1")
            .envs(environment.iter().copied());
        command
    }
}
