//! `wstap proxy` as a child, with a limit on its descriptors and a store that may outlive it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::support::child::{OwnedChild, Run};

const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) addr: SocketAddr,
    pub(crate) child: OwnedChild,
}

/// How a tap is started.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) upstream: SocketAddr,
    pub(crate) store: &'a Path,
    pub(crate) descriptors: u32,
    pub(crate) more: &'a [&'a str],
    /// Before other programs in the line for a processor, where that is permitted: a promise of a
    /// time is about the tap and not about its neighbours.
    pub(crate) favoured: bool,
}

impl<'a> Start<'a> {
    pub(crate) const fn new(upstream: SocketAddr, store: &'a Path) -> Self {
        Self { upstream, store, descriptors: 12_000, more: &[], favoured: false }
    }

    pub(crate) fn tap(&self) -> Tap {
        // The limit must be the program's own: only a shell sets one without `unsafe`.
        let mut command = clean(Command::new("sh"), self.store);
        command
            .args(["-c", r#"ulimit -n "$0" && exec nice -n "$@""#])
            .args([self.descriptors.to_string().as_str(), if self.favoured { "-15" } else { "0" }])
            .args([env!("CARGO_BIN_EXE_wstap"), "proxy"])
            .args(["--listen", "127.0.0.1:0", "--upstream", &format!("ws://{}", self.upstream)])
            .arg("--store")
            .arg(self.store)
            .args(self.more);
        let child = OwnedChild::spawn(&mut command);
        let line = child.stderr.first(START, |line| line.starts_with("listening"));
        let addr = line.split_whitespace().nth(1).and_then(|addr| addr.parse().ok());
        Tap { addr: addr.unwrap_or_else(|| panic!("no address in {line:?}")), child }
    }
}

impl Tap {
    /// Resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.pid()));
        let status = status.expect("the tap runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        number.unwrap_or_else(|| panic!("no VmRSS in {status}"))
    }

    /// Kills it without a word.
    pub(crate) fn kill(&mut self) -> ExitStatus {
        self.child.signal("KILL");
        self.child.wait(START)
    }

    /// Lines on standard error that hold all of these words.
    pub(crate) fn said(&self, words: &[&str]) -> usize {
        let holds = |line: &&String| words.iter().all(|word| line.contains(word));
        self.child.stderr.all().iter().filter(holds).count()
    }
}

/// Runs `wstap ARGS --store STORE` to its end.
pub(crate) fn ask(args: &[&str], store: &Path) -> Run {
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_wstap")), store);
    Run::of(command.args(args).arg("--store").arg(store), LOOK)
}

/// Untouched by settings of whoever runs the tests.
fn clean(mut command: Command, store: &Path) -> Command {
    let home = store.parent().map_or_else(|| PathBuf::from("/"), Path::to_owned);
    command.env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
    command
}
