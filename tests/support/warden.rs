//! Ends what was started together with this process, even when nothing is dropped: a static never
//! is, and neither is anything after an abort.

use std::io::PipeWriter;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Waits for the end of a pipe, kills the group of the process that the file names, and removes
/// the folder once nothing of the group is left.
const SCRIPT: &str = r#"
    read -r _
    leader=$(cat "$0") || exit
    kill -s KILL -- "-$leader"
    tries=0
    while [ $tries -lt 50 ] && kill -s 0 -- "-$leader"; do tries=$((tries + 1)); sleep 0.1; done
    rm -rf -- "$1"
"#;

/// Watches over a process that is about to be started. Dropped, it ends its ward.
#[derive(Debug)]
pub(crate) struct Warden {
    child: Child,
    /// Open in this process alone.
    alive: Option<PipeWriter>,
}

impl Warden {
    /// Of the process whose id will stand in this file, and of the folder it works in.
    pub(crate) fn of(pid_file: &Path, folder: &Path) -> Self {
        let (ends, alive) = std::io::pipe().expect("a pipe");
        let child = Command::new("sh")
            .args(["-c", SCRIPT])
            .args([pid_file, folder])
            // Ctrl-C at the terminal reaches the tests, and must not reach this.
            .process_group(0)
            .stdin(ends)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh runs");
        Self { child, alive: Some(alive) }
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.alive.take());
        self.child.wait().expect("a child can be waited for");
    }
}
