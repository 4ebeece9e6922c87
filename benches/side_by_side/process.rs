//! A child process that does not outlive the measurement.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// After this a child that was asked to end is killed.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// A child that gets SIGTERM when the measurement dies, however it dies.
    pub(crate) fn spawn<I>(
        program: &Path,
        args: I,
        set_up: impl FnOnce(&mut Command),
    ) -> anyhow::Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let name = program.display().to_string();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        set_up(&mut command);
        let child = command
            .spawn()
            .with_context(|| format!("{name} could not be started through setpriv"))?;
        Ok(Self { child, name })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn take_stdout(&mut self) -> anyhow::Result<ChildStdout> {
        self.child.stdout.take().context("stdout is not a pipe")
    }

    pub(crate) fn take_stderr(&mut self) -> anyhow::Result<ChildStderr> {
        self.child.stderr.take().context("stderr is not a pipe")
    }

    /// Ends the child's input, which tells a load client that it may go.
    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for the end; anything but success is an error.
    pub(crate) fn wait(&mut self) -> anyhow::Result<()> {
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    fn terminate(&mut self) -> std::io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        // SIGTERM first: nginx's master stops its workers only when it is asked politely.
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill()?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.close_stdin();
        // A child that cannot be ended here dies with the measurement (setpriv above).
        let _ended = self.terminate();
    }
}

/// The first line that `pick` accepts; everything after it is read and thrown away, so that the child never blocks.
pub(crate) fn first_line<T: Send + 'static>(
    output: impl Read + Send + 'static,
    patience: Duration,
    pick: fn(&str) -> Option<T>,
) -> anyhow::Result<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(output);
        let mut line = String::new();
        let mut said = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            if let Some(found) = pick(&line) {
                // Only a receiver that has lost patience is gone; the child is being ended then.
                let _told = sender.send(Ok(found));
                return std::io::copy(&mut reader, &mut std::io::sink());
            }
            said.push_str(&line);
            line.clear();
        }
        let _told = sender.send(Err(said));
        Ok(0)
    });
    match receiver.recv_timeout(patience) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(said)) => {
            bail!("it ended without saying where it listens; it said {:?}", said.trim())
        }
        Err(_) => bail!("it did not say where it listens"),
    }
}
