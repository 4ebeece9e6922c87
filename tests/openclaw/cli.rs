//! The real CLI as a command that ends.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::pinned::{self, Release, node};
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

    /// Runs a line of shell as it was printed; `openclaw` in it is this CLI.
    pub(crate) fn shell(&self, line: &str) -> Run {
        let bin = self.folder().join("bin");
        std::fs::create_dir_all(&bin).expect("a scratch folder");
        let file = bin.join("openclaw");
        let openclaw = self.release.program();
        let script =
            format!("#!/bin/sh\nexec {} {} \"$@\"\n", node().display(), openclaw.display());
        std::fs::write(&file, script).expect("a script");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).expect("a script");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display());
        let mut command = self.on_this_machine(Path::new("sh"));
        Run::of(command.env("PATH", path).args(["-c", line]), DEADLINE)
    }

    fn command(&self, args: &[&str], environment: &[(&str, &str)]) -> Command {
        let mut command = self.on_this_machine(&node());
        command.arg(self.release.program()).args(args).envs(environment.iter().copied());
        command
    }

    fn folder(&self) -> &Path {
        match &self.home {
            Home::Scratch(folder) => folder.path(),
            Home::Gateway(folder) => folder,
        }
    }

    /// A program with the surroundings of the CLI, and nothing else of this machine's.
    fn on_this_machine(&self, program: &Path) -> Command {
        let folder = self.folder();
        let [home, state, tmp] = ["home", "state", "tmp"].map(|name| {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).expect("a scratch folder");
            path
        });
        for file in [node(), self.release.program()] {
            assert!(file.exists(), "{} is missing: `bash tests/run` installs it", file.display());
        }
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", home)
            .env("TMPDIR", tmp)
            .env("NO_COLOR", "1")
            .env("NODE_COMPILE_CACHE", pinned::compile_cache())
            .env("OPENCLAW_STATE_DIR", state)
            .env("OPENCLAW_CONFIG_PATH", folder.join("openclaw.json"))
            .env("OPENCLAW_NO_RESPAWN", "1");
        command
    }
}
