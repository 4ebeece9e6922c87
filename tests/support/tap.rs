//! `wstap proxy` as a child process with a store of its own.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::child::{OwnedChild, Run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_wstap");
const START: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_mins(1);

/// A running tap. Dropped, it gets SIGTERM and is waited for.
#[derive(Debug)]
pub(crate) struct Wstap {
    pub(crate) addr: SocketAddr,
    /// Its standard error is `child.stderr`.
    pub(crate) child: OwnedChild,
    folder: TempDir,
}

impl Wstap {
    /// Listens on a free loopback port and dials `upstream`, for instance `ws://127.0.0.1:18789`.
    pub(crate) fn start(upstream: &str) -> Self {
        Self::start_with(upstream, &[] as &[&str])
    }

    /// The same with more arguments of `wstap proxy`.
    pub(crate) fn start_with(upstream: &str, more: &[impl AsRef<OsStr>]) -> Self {
        Self::start_on("127.0.0.1:0", upstream, more)
    }

    /// Listens as asked, for instance with `tls://127.0.0.1:0`.
    pub(crate) fn start_on(listen: &str, upstream: &str, more: &[impl AsRef<OsStr>]) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let command = wstap(folder.path());
        Self::start_as(command, folder, [listen, upstream], more)
    }

    /// The same with room for only so many descriptors.
    pub(crate) fn start_with_descriptors(upstream: &str, limit: u32) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let mut command = clean(Command::new("sh"), folder.path());
        command.args(["-c", r#"ulimit -n "$0" && exec "$@""#, &limit.to_string(), PROGRAM]);
        Self::start_as(command, folder, ["127.0.0.1:0", upstream], &[] as &[&str])
    }

    /// Runs `wstap ARGS`, which must end by itself.
    pub(crate) fn run(args: &[impl AsRef<OsStr>]) -> Run {
        let folder = tempfile::tempdir().expect("a scratch folder");
        Run::of(wstap(folder.path()).args(args), ANSWER)
    }

    fn start_as(
        mut command: Command,
        folder: TempDir,
        [listen, upstream]: [&str; 2],
        more: &[impl AsRef<OsStr>],
    ) -> Self {
        command.args(["proxy", "--listen", listen, "--upstream", upstream, "--store"]);
        command.arg(store_in(folder.path())).args(more);
        let child = OwnedChild::spawn(&mut command);
        let line = child.stderr.first(START, |line| line.contains("listening"));
        let addr = address_in(&line).unwrap_or_else(|| panic!("no address in {line:?}"));
        Self { addr, child, folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    pub(crate) fn store(&self) -> PathBuf {
        store_in(self.folder.path())
    }

    /// The certificate of the local authority that `tls://` listeners show certificates of.
    pub(crate) fn authority(&self) -> PathBuf {
        let run = Run::of(wstap(self.folder.path()).arg("cert"), ANSWER);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.stdout.trim().into()
    }

    /// Runs `wstap ARGS --store THIS` to its end: how a test looks at what the tap recorded.
    pub(crate) fn ask(&self, args: &[&str]) -> Run {
        let mut command = wstap(self.folder.path());
        command.args(args).arg("--store").arg(self.store());
        Run::of(&mut command, ANSWER)
    }
}

impl Drop for Wstap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.child.terminate();
        }
    }
}

fn wstap(home: &Path) -> Command {
    clean(Command::new(PROGRAM), home)
}

/// Untouched by settings of whoever runs the tests.
fn clean(mut command: Command, home: &Path) -> Command {
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command
}

fn store_in(folder: &Path) -> PathBuf {
    folder.join("store.sqlite")
}

pub(crate) fn address_in(line: &str) -> Option<SocketAddr> {
    let start = line.find("127.0.0.1:")?;
    let end = line[start..]
        .find(|letter: char| !matches!(letter, '0'..='9' | '.' | ':'))
        .map_or(line.len(), |length| start + length);
    line[start..end].trim_end_matches(['.', ':']).parse().ok()
}
